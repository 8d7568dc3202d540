"""The forms of a Kobo: its deployed projects, their versions, XForms and media."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from namjai.problems import Problem
from odk.xlsform import xform_of_sheets
from sync import kobo_instances as instances
from sync.kobo_wire import KoboWire, at
from sync.parallel import in_parallel
from sync.source import FormContent, KnownForm, RemoteForm, SourceForbidden, SourceNotThere

_MAY_READ = frozenset({"view_submissions", "partial_submissions"})


class KoboForms:
    """The part of `Kobo` that reads forms. What was read stays known for the run."""

    def __init__(self, kobo: KoboWire, only: Iterable[str] | None, connections: int) -> None:
        self._kobo, self.connections = kobo, connections
        self._only = frozenset(only) if only is not None else None
        # The listing of forms, forms whole, contents of versions.
        self._listed: dict[str, Mapping[str, Any]] = {}
        self._details: dict[str, Mapping[str, Any]] = {}
        self._contents: dict[tuple[str, str], Mapping[str, Any]] = {}

    def forms(self, known: Mapping[str, KnownForm] = MappingProxyType({})) -> Iterable[RemoteForm]:
        """One question for all of them, and one more for each that is new. Drafts are left out, and what this account
        may not read."""
        listed = [one for one in self._deployed() if self._is_wanted(one)]
        # The one that was first keeps the form id that a copy of it has, too.
        listed.sort(key=lambda one: (str(one.get("date_created") or ""), one["uid"]))
        new = [one["uid"] for one in listed if one["uid"] not in known]
        details = dict(zip(new, in_parallel(self._detail_or_none, new, self.connections), strict=True))
        taken = {one.xml_form_id for one in known.values()}
        for one in listed:
            uid = one["uid"]
            before, detail = known.get(uid), details.get(uid)
            if before is not None:
                form_id = before.xml_form_id
            elif detail is None or not _may_read(detail):
                continue
            else:
                form_id = _form_id(detail, uid)
                form_id = f"{form_id}.{uid}" if form_id in taken else form_id
                taken.add(form_id)
            self._listed[uid] = one
            yield RemoteForm(uid, form_id, title_of(one), closed=not one.get("deployment__active"), mark=_mark(one))

    def versions_of(self, form: RemoteForm) -> tuple[str, ...]:
        found = list(self._kobo.all_of(at(form.remote, "versions/"), f"form {form.remote}", {}))
        deployed = sorted((str(one["date_deployed"]), str(one["uid"])) for one in found if one.get("date_deployed"))
        return tuple(dict.fromkeys(uid for _, uid in deployed))

    def form_content(self, form: RemoteForm, version: str) -> FormContent:
        """The newest version as Kobo renders it, earlier ones made of the content that it keeps of them."""
        detail = self._detail(form.remote)
        if version == detail.get("deployed_version_id") == detail.get("version_id"):
            made = self._rendered(form)
        else:
            # Kobo has questions that only it can make an XForm of. The newest one's labels are better than none: what
            # it does not ask is kept with the submission and marked.
            made = _compiled(form, version, self._content_of(form.remote, version)) or self._rendered(form)
        return FormContent(instances.xform(made, form.xml_form_id, version), self._media(form))

    def _rendered(self, form: RemoteForm) -> bytes:
        return self._kobo.wire.bytes(f"assets/{quote(form.remote, safe='')}.xml", f"form {form.remote}")

    def _media(self, form: RemoteForm) -> dict[str, bytes]:
        asked = {"file_type": "form_media"}
        found = {}
        for one in self._kobo.all_of(at(form.remote, "files/"), f"files of {form.remote}", asked):
            said = one.get("metadata") or {}
            # A file that lies elsewhere is not fetched from there.
            if said.get("filename") and not said.get("redirect_url"):
                content = self._kobo.file(
                    at(form.remote, f"files/{quote(str(one['uid']), safe='')}/content/"), f"files of {form.remote}"
                )
                if content is not None:
                    found[str(said["filename"])] = content.body
        return found

    def _deployed(self) -> Iterator[Mapping[str, Any]]:
        seen = set()
        for one in self._kobo.all_of("assets/", "projects", {"q": "asset_type:survey"}):
            status = one.get("deployment_status")
            deployed = one.get("asset_type") == "survey" and one.get("has_deployment")
            if deployed and status in ("deployed", "archived") and one["uid"] not in seen:
                seen.add(one["uid"])
                yield one

    def _is_wanted(self, one: Mapping[str, Any]) -> bool:
        return self._only is None or one["uid"] in self._only

    def _detail(self, uid: str) -> Mapping[str, Any]:
        if uid not in self._details:
            self._details[uid] = self._kobo.one(at(uid), f"form {uid}")
        return self._details[uid]

    def _detail_or_none(self, uid: str) -> Mapping[str, Any] | None:
        """None: gone since the listing, or not ours to read."""
        try:
            return self._detail(uid)
        except (SourceNotThere, SourceForbidden):
            return None

    def _content_of(self, uid: str, version: str) -> Mapping[str, Any]:
        """The content of a version as Kobo keeps it."""
        if (uid, version) not in self._contents:
            found = self._kobo.one(at(uid, f"versions/{quote(version, safe='')}/"), f"form {uid}")
            self._contents[uid, version] = found.get("content") or {}
        return self._contents[uid, version]


def _compiled(form: RemoteForm, version: str, content: Mapping[str, Any]) -> bytes | None:
    """The XForm of a version's content; None when none can be made of it."""
    for entities in (True, False) if content.get("entities") else (False,):
        with suppress(Problem, KeyError, TypeError, ValueError, AttributeError):
            sheets = instances.sheets(content, form.xml_form_id, version, entities=entities)
            return xform_of_sheets(sheets, form.xml_form_id)
    return None


def title_of(one: Mapping[str, Any]) -> str:
    return str(one.get("name") or one["uid"])


def _mark(one: Mapping[str, Any]) -> str:
    return "/".join(
        str(one.get(part)) for part in ("deployed_version_id", "date_deployed", "deployment_status", "name")
    )


def _form_id(detail: Mapping[str, Any], uid: str) -> str:
    """The form id of the XLSForm, which is not the one on the wire."""
    settings = (detail.get("content") or {}).get("settings") or {}
    return str(settings.get("id_string") or "").strip() or uid


def _may_read(detail: Mapping[str, Any]) -> bool:
    said = detail.get("effective_permissions")
    return said is None or bool(_MAY_READ & {str(one.get("codename")) for one in said})
