"""The files of a submission: pictures drawn anew, everything else as a download."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from flask import Blueprint, Response, g, request

from cases import review_queue
from cases.opened import Opener
from namjai.problems import NotFound
from odk.schema import Privacy
from store.tables import submission_attachment
from web.photos import PictureUnreadable, redrawn
from web.signed_in import requires, saw, store
from web.submissions import reader_of

pages = Blueprint("files", __name__)
_PICTURES = ("image/jpeg", "image/png")
_OWN_POLICY = "default-src 'none'; img-src 'self'; style-src 'none'; sandbox"


@pages.get("/submissions/<uuid:id>/files/<name>")
@requires("submission.read")
def show(id: UUID, name: str) -> Response:
    """A file that is not identifying: what is, comes by a reveal alone."""
    row = review_queue.find(g.tx, g.actor, id)
    reader, _ = reader_of(row)
    stored = attachment(row, name)
    privacy = privacy_of(row, name)
    if (
        stored is None
        or privacy is Privacy.IDENTIFYING
        or (privacy is Privacy.RESTRICTED and not reader.restricted)
        or (privacy is Privacy.SENSITIVE and not reader.sensitive)
    ):
        raise NotFound()
    content = content_of(row, stored)
    # A small picture shows a person as well as a large one.
    saw("file.opened", "submission", row.id, small=bool(request.args.get("thumb")))
    if stored.content_type in _PICTURES and not request.args.get("download"):
        try:
            drawn, kind = redrawn(content, thumb=bool(request.args.get("thumb")))
        except PictureUnreadable:
            if request.args.get("thumb"):
                raise NotFound() from None
        else:
            return Response(
                drawn,
                content_type=kind,
                headers={"Content-Security-Policy": _OWN_POLICY, "Content-Disposition": "inline"},
            )
    answer = Response(
        content, content_type="application/octet-stream", headers={"Content-Security-Policy": _OWN_POLICY}
    )
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def attachment(row: sa.Row, name: str) -> sa.Row | None:
    """The stored file of that name, when it has come."""
    return g.tx.execute(
        sa.select(submission_attachment).where(
            submission_attachment.c.project_id == row.project_id,
            submission_attachment.c.submission_id == row.id,
            submission_attachment.c.name == name,
            submission_attachment.c.blob.is_not(None),
        )
    ).one_or_none()


def content_of(row: sa.Row, stored: sa.Row) -> bytes:
    """The file's bytes as they came."""
    return (
        store()
        .keyring.record(g.tx, row.project_id, row.id)
        .decrypt(f"file:{stored.name}", store().blobs.get(stored.blob))
    )


def privacy_of(row: sa.Row, name: str) -> Privacy:
    """The class of the question that the file answers, in any version; the strictest where several name it.

    A file that no answer names is taken for identifying when the submission was edited, since an earlier version may
    have named it; else for sensitive.
    """
    opener = Opener(g.tx, store(), row.project_id)
    version = opener.version(row.xml_form_id, row.form_version, row.form_origin)
    ranks = list(Privacy)
    values = dict(row.open) | opener.sensitive(row) | opener.identifying(row) | opener.restricted(row)
    found = [version.schema.privacy_of(key, version.undeclared) for key, value in values.items() if value == name]
    if found:
        return max(found, key=ranks.index)
    # "photo (1a2b3c4d).jpg" is another content under a known name.
    stem = name.rpartition(" (")[0]
    kin = [
        version.schema.privacy_of(key, version.undeclared)
        for key, value in values.items()
        if stem and str(value).startswith(f"{stem}.")
    ]
    if kin:
        return max(kin, key=ranks.index)
    return Privacy.SENSITIVE if row.updated_at is None else Privacy.IDENTIFYING
