"""What is said of a form or an instance that is XML, but does not say what it must."""
from __future__ import annotations

from namjai.problems import Problem


class XFormUnreadable(Problem):
    code, http_status = "xform-unreadable", 400
    en = ("This is XML, but not a form that ODK Collect could open: {lacking} is missing. Nothing was installed. "
          "Export the form again from where it was made.")
    th = ("ไฟล์นี้เป็น XML แต่ไม่ใช่แบบฟอร์มที่ ODK Collect เปิดได้: ไม่มี {lacking} ยังไม่ได้ติดตั้ง "
          "ส่งออกแบบฟอร์มจากต้นทางอีกครั้ง")


class FormIdMissing(Problem):
    code, http_status = "form-id-missing", 400
    en = ("This form does not say which form it is (no form id). It was not taken. "
          "Give it a form_id in the settings sheet, then send it again.")
    th = "แบบฟอร์มนี้ไม่ระบุว่าเป็นแบบฟอร์มใด (ไม่มี form id) จึงไม่ได้รับ ใส่ form_id ในชีต settings แล้วส่งใหม่"
