"""What the door may have to say about a delivery. All of these are kept in quarantine, none is dropped."""
from __future__ import annotations

from namjai.problems import Problem


class DeliveryRefused(Problem):
    """A delivery that cannot be taken as it is. The raw bytes go to quarantine, where they can be replayed."""

    code, http_status = "delivery-refused", 400


class FormUnknown(DeliveryRefused):
    code, http_status = "form-unknown", 404
    en = ("There is no form {form} here. What you sent is kept and can be taken later; ask your coordinator to "
          "publish the form.")
    th = "ไม่มีแบบฟอร์ม {form} ในระบบนี้ ข้อมูลที่ส่งถูกเก็บไว้และรับเข้าภายหลังได้ แจ้งผู้ประสานงานให้เผยแพร่แบบฟอร์ม"


class FormVersionUnknown(DeliveryRefused):
    code, http_status = "form-version-unknown", 404
    en = ("Form {form} has no version {version} here. What you sent is kept; ask your coordinator to publish that "
          "version.")
    th = "แบบฟอร์ม {form} ไม่มีรุ่น {version} ในระบบนี้ ข้อมูลที่ส่งถูกเก็บไว้ แจ้งผู้ประสานงานให้เผยแพร่รุ่นนั้น"


class FormClosed(DeliveryRefused):
    code, http_status = "form-closed", 404
    en = "Form {form} is closed and takes nothing more. What you sent is kept; tell your coordinator."
    th = "แบบฟอร์ม {form} ปิดรับแล้ว ข้อมูลที่ส่งถูกเก็บไว้ แจ้งผู้ประสานงาน"


class InstanceConflict(DeliveryRefused):
    code, http_status = "instance-conflict", 409
    en = ("A submission with this id but other content is here already. Both are kept; your coordinator decides "
          "which one holds.")
    th = "มีข้อมูล id เดียวกันแต่เนื้อหาต่างกันอยู่แล้ว เก็บไว้ทั้งสองชุด ผู้ประสานงานจะตัดสินว่าใช้ชุดใด"


class EditConflict(DeliveryRefused):
    code, http_status = "edit-conflict", 409
    en = ("Somebody else has changed this submission since you opened it. Your edit is kept; your coordinator "
          "decides which one holds.")
    th = "มีผู้แก้ไขข้อมูลนี้ไปก่อนแล้ว ฉบับแก้ไขของคุณถูกเก็บไว้ ผู้ประสานงานจะตัดสินว่าใช้ฉบับใด"


class FileNameUnusable(DeliveryRefused):
    code, http_status = "file-name-unusable", 400
    en = "A file came with a name that cannot be used. Everything you sent is kept; tell your coordinator."
    th = "มีไฟล์ที่ใช้ชื่อไม่ได้ ข้อมูลที่ส่งถูกเก็บไว้ทั้งหมด แจ้งผู้ประสานงาน"


class DeliveryStuck(DeliveryRefused):
    """A fault of ours, not of the delivery: it waits in quarantine until it is mended, then it is replayed."""

    code, http_status = "delivery-stuck", 500
    en = ("A fault in this system kept it from taking what you sent. It is kept and can be taken later; your tablet "
          "keeps it too. Tell your administrator.")
    th = "ระบบขัดข้องจึงยังรับข้อมูลเข้าไม่ได้ ข้อมูลถูกเก็บไว้แล้วและรับเข้าภายหลังได้ และยังอยู่ในแท็บเล็ตด้วย แจ้งผู้ดูแลระบบ"
