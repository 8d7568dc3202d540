"""Every page of Namjai by a name: who opens it, where it lies in a demonstration, what is pressed before it is looked at."""
from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from browser import ROOT, Server

Press = Callable[[Any, str], None]  # a Playwright page, and the language it is in


@dataclass(frozen=True)
class Spot:
    """A page to look at. `reader`: a demonstration person's key, None: nobody. `press` brings it into its state."""

    name: str
    reader: str | None
    path: str
    press: Press | None = None
    status: int = 200


def spots(server: Server) -> list[Spot]:
    """All pages, in the order of the way through Namjai."""
    prepare(server)
    return [*_gate(server), *_work(server), *_case(server), *_reviews(server), *_money(server), *_house(server), *_sources(server), *_errors(server)]


def prepare(server: Server) -> None:
    """Somebody new without a case, for empty pages; a request from a tablet that belongs to nobody."""
    from cases import people

    with server.store.database.begin(server.actor) as tx:
        people.create(
            tx, server.store, server.actor, email="new@example.org", name="Som N.", role="field_staff", team="กรุงเทพฯ Bangkok",
            demonstration=True)
        # Who only uploads: both browsers are the same people, and an upload stands on its person's page until it is used.
        people.create(
            tx, server.store, server.actor, email="kan@example.org", name="Kan W.", role="coordinator", team="กรุงเทพฯ Bangkok",
            demonstration=True)


def _gate(server: Server) -> list[Spot]:
    return [
        Spot("sign-in", None, "/sign-in"),
        Spot("sign-in-wrong", None, "/sign-in", _wrong_password, 401),
        Spot("password", "new", "/sign-in/password"),
    ]


def _work(server: Server) -> list[Spot]:
    return [
        Spot("today", "ploy", "/"),
        Spot("today-field", "nok", "/"),
        Spot("today-director", "krit", "/"),
        Spot("today-finance", "napat", "/"),
        Spot("today-admin", "oat", "/"),
        Spot("today-new", "new", "/"),
        Spot("cases", "ploy", "/cases"),
        Spot("cases-found", "ploy", "/cases?risk=high&due=overdue"),
        Spot("cases-none", "ploy", "/cases?q=nobody+at+all"),
        Spot("cases-field", "nok", "/cases?view=mine"),
        Spot("cases-new", "new", "/cases"),
    ]


def _case(server: Server) -> list[Spot]:
    story = story_code(server)
    shut = server.ask("SELECT code FROM cases WHERE status = 'closed' ORDER BY code LIMIT 1")
    hollow = server.ask("SELECT code FROM cases WHERE placeholder ORDER BY code LIMIT 1")
    found = [
        Spot("case", "ploy", f"/cases/{story}"),
        Spot("case-field", "nok", f"/cases/{story}"),
        Spot("case-finance", "napat", f"/cases/{story}"),
        Spot("reveal", "ploy", f"/cases/{story}/reveal/name"),
        Spot("reveal-open", "ploy", f"/cases/{story}/reveal/name", _reveal),
        Spot("reveal-dialog", "ploy", f"/cases/{story}", _reveal_dialog),
        Spot("case-audit", "krit", f"/cases/{story}/audit"),
    ]
    found += [Spot("case-closed", "ploy", f"/cases/{shut}")] if shut else []
    return found + ([Spot("case-placeholder", "ploy", f"/cases/{hollow}")] if hollow else [])


def _reviews(server: Server) -> list[Spot]:
    found = [
        Spot("submissions", "ploy", "/submissions"),
        Spot("submissions-all", "ploy", "/submissions?state=all"),
        Spot("submissions-none", "new", "/submissions"),
    ]
    wanted = {
        "submission-edited": "review_state = 'edited' AND xml_form_id = 'visit'",
        "submission-visit": "review_state = 'received' AND xml_form_id = 'visit'",
        "submission-intake": "xml_form_id = 'intake'",
        "submission-request": "xml_form_id = 'fund_request'",
        "submission-receipt": "xml_form_id = 'fund_receipt'",
        "submission-issues": "review_state = 'has_issues'",
        "submission-rejected": "review_state = 'rejected'",
        "submission-restricted": "restricted IS NOT NULL",
    }
    for name, condition in wanted.items():
        one = server.ask(f"SELECT id FROM submission WHERE deleted_at IS NULL AND {condition} ORDER BY received_at DESC LIMIT 1")
        if one:
            found.append(Spot(name, "ploy", f"/submissions/{one}"))
            if name == "submission-visit":
                found += [Spot("reason", "ploy", f"/submissions/{one}/review/rejected"),
                          Spot("reason-dialog", "ploy", f"/submissions/{one}", _reason_dialog)]
            if name == "submission-edited":
                found += [Spot("submission-changes", "ploy", f"/submissions/{one}?changes=1"), Spot("submission-own", "nok", f"/submissions/{one}")]
    return found


def _money(server: Server) -> list[Spot]:
    found = [
        Spot("grants", "ploy", "/grants"),
        Spot("grants-all", "napat", "/grants?view=all"),
        Spot("grants-none", "new", "/grants"),
    ]
    wanted = {
        "grant-waiting": ("ploy", "state = 'requested' AND requested_by IS NOT NULL AND amount <= 500000"),
        "grant-director": ("krit", "state = 'requested' AND requested_by IS NOT NULL AND amount > 500000"),
        "grant-above": ("ploy", "state = 'requested' AND requested_by IS NOT NULL AND amount > 500000"),
        "grant-unknown": ("ploy", "requested_by IS NULL"),
        "grant-suspended": ("ploy", "state = 'suspended'"),
        "grant-approved": ("ploy", "state = 'approved'"),
        "grant-pay": ("napat", "state = 'approved'"),
        "grant-paid": ("ploy", "state = 'paid'"),
        "grant-receipted": ("ploy", "state = 'receipted'"),
        "grant-refused": ("ploy", "state = 'refused'"),
    }
    for name, (reader, condition) in wanted.items():
        one = server.ask(f"SELECT id FROM grants WHERE {condition} ORDER BY requested_at DESC LIMIT 1")
        if one:
            found.append(Spot(name, reader, f"/grants/{one}"))
            if name == "grant-waiting":
                found.append(Spot("grant-refuse", reader, f"/grants/{one}/refuse"))
    found.append(Spot("letters", "ploy", "/letters"))
    number = server.ask("SELECT number FROM letter WHERE state = 'issued' ORDER BY issued_at DESC LIMIT 1")
    void = server.ask("SELECT number FROM letter WHERE state = 'void' LIMIT 1")
    found += [Spot("letter", "ploy", f"/letters/{number}")] if number else []
    return found + ([Spot("letter-void", "ploy", f"/letters/{void}")] if void else [])


def _house(server: Server) -> list[Spot]:
    ploy, nok = server.person("ploy"), server.person("nok")
    tablet = server.ask("SELECT id FROM app_user WHERE revoked_at IS NULL ORDER BY name LIMIT 1")
    return [
        Spot("forms", "oat", "/forms"),
        Spot("forms-errors", "ploy", "/forms", _upload_wrong),
        Spot("forms-change", "kan", "/forms", _upload_changed),
        Spot("form", "ploy", "/forms/visit"),
        Spot("exports", "ploy", "/forms/visit/exports"),
        Spot("tablets", "ploy", "/tablets"),
        Spot("tablets-revoked", "ploy", "/tablets?revoked=1"),
        Spot("tablet-new", "ploy", "/tablets/new"),
        Spot("tablet-enrol", "ploy", "/tablets/new", _enrol),
        Spot("tablet-revoke", "ploy", f"/tablets/{tablet}/revoke"),
        Spot("users", "oat", "/admin/users"),
        Spot("user-new", "oat", "/admin/users/new"),
        Spot("user-made", "oat", "/admin/users/new", _add_person),
        Spot("user", "oat", f"/admin/users/{nok}"),
        Spot("audit", "chai", "/audit"),
        Spot("audit-person", "chai", f"/audit?person={ploy}"),
        Spot("audit-none", "chai", f"/audit?person={server.person('new')}&kind=decided"),
        Spot("me", "ploy", "/me"),
        Spot("more", "ploy", "/#more"),  # first of these: a mere #more would not load the page anew
        Spot("keys", "ploy", "/", _keys),
        Spot("see-as", "ploy", "/", _see_as),
    ]


def _sources(server: Server) -> list[Spot]:
    from look_sources import prepare as with_sources

    made = with_sources(server)
    return [
        Spot("sources", "ploy", "/sources"),
        Spot("sources-admin", "oat", "/sources"),
        Spot("sources-none", "first", "/sources"),
        Spot("sources-today", "ploy", "/#sources"),
        Spot("source", "ploy", f"/sources/{made['healthy']}"),
        Spot("source-refused", "ploy", f"/sources/{made['refused']}"),
        Spot("source-reading", "ploy", f"/sources/{made['reading']}"),
        Spot("source-kobo", "ploy", f"/sources/{made['kobo']}"),
        Spot("source-runs", "ploy", "/sources/runs"),
        Spot("source-new", "ploy", "/sources/new"),
        Spot("source-new-kobo", "ploy", "/sources/new?kind=kobo"),
        Spot("source-new-wrong", "ploy", "/sources/new", _wrong_server, 400),
        Spot("source-asking", "ploy", f"/sources/trials/{made['asking']}"),
        Spot("source-answered", "ploy", f"/sources/trials/{made['answered']}"),
        Spot("source-answered-no", "ploy", f"/sources/trials/{made['answered-no']}"),
        Spot("source-account", "ploy", f"/sources/{made['refused']}/account"),
        Spot("source-remove", "ploy", f"/sources/{made['healthy']}/remove"),
        Spot("quarantine", "ploy", "/quarantine"),
        Spot("quarantine-none", "first", "/quarantine"),
        Spot("quarantine-look", "ploy", f"/quarantine/{made['kept']}/look"),
        Spot("quarantine-open", "ploy", f"/quarantine/{made['kept']}/look", _look_into),
        Spot("quarantine-leave", "ploy", f"/quarantine/{made['kept']}/leave-out"),
    ]


def _errors(server: Server) -> list[Spot]:
    from cases.verification import token

    found = []
    for name, state in (("verify-genuine", "issued"), ("verify-void", "void")):
        row = server.rows("SELECT number, verify_version FROM letter WHERE state = :state LIMIT 1", state=state)
        if row:
            proof = token(server.store.keyring, row[0].number, row[0].verify_version)
            found.append(Spot(name, None, f"/verify/{row[0].number}?k={proof}"))
    return [
        *found,
        Spot("verify-unknown", None, "/verify/AC-L-2026-9999?k=wrong"),
        Spot("error-404", "ploy", "/cases/BCD-FGH-JKM", status=404),
        Spot("error-404-nobody", None, "/nothing/here", status=404),
        Spot("error-403", "nok", "/admin/users", status=403),
    ]


def story_code(server: Server) -> str:
    """The code of the case that tells the whole story."""
    return server.ask("SELECT c.code FROM cases c JOIN setting s ON s.name = 'demonstration' AND s.value->>'case' = c.id::text")


# What is pressed


def _wrong_password(page: Any, _language: str) -> None:
    if page.locator("details.nj-more:not([open])").count():
        page.locator("details.nj-more > summary").click()
    page.fill("#email", "somebody@example.org")
    page.fill("#password", "not this one")
    page.locator("form:has(#password) button[type=submit]").click()
    page.wait_for_load_state()


def _reveal(page: Any, _language: str) -> None:
    page.locator("main select[name=reason]").select_option(index=1)
    page.locator("main form[data-reveal-form] button[type=submit]").click()
    page.wait_for_selector("main .is-open")


def _reveal_dialog(page: Any, _language: str) -> None:
    page.locator('main a[href$="/reveal/name"]').first.click()
    page.wait_for_selector("dialog[open] select")


def _reason_dialog(page: Any, _language: str) -> None:
    page.keyboard.press("x")
    page.wait_for_selector("dialog[open] textarea")


def _wrong_server(page: Any, _language: str) -> None:
    page.fill("#name", "central-north")
    page.fill("#url", "http://central.example.org")
    page.fill("#project", "6")
    page.fill("#email", "namjai@example.org")
    page.fill("#password", "invented")
    page.locator("main form button[type=submit]").click()
    page.wait_for_selector("[role=alert]")


def _look_into(page: Any, _language: str) -> None:
    page.locator("main select[name=reason]").select_option(index=1)
    page.locator("main form button[type=submit]").click()
    page.wait_for_selector("main [data-hide]")


def _enrol(page: Any, language: str) -> None:
    page.fill("#name", {"en": "Tablet 8", "th": "แท็บเล็ต 9"}[language])
    page.locator("main form button[type=submit]").click()
    page.wait_for_selector("svg.qr")


def _add_person(page: Any, language: str) -> None:
    page.fill("#name", {"en": "Malee S.", "th": "มาลี ส."}[language])
    page.fill("#email", f"malee.{language}@example.org")
    page.select_option("#role", "therapist")
    page.locator("main form button[type=submit]").click()
    page.wait_for_load_state()


def _keys(page: Any, _language: str) -> None:
    page.keyboard.press("Shift+?")
    page.wait_for_selector("dialog[open]")


def _see_as(page: Any, _language: str) -> None:
    page.locator("details.nj-drop.is-end > summary").click()


def _upload_wrong(page: Any, _language: str) -> None:
    _upload(page, "visit.xlsx", _wrong_form())


def _upload_changed(page: Any, _language: str) -> None:
    _upload(page, "visit.xlsx", _changed_form())


def _upload(page: Any, name: str, content: bytes) -> None:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
    page.locator('form[action="/forms/upload"] button[type=submit]').click()
    page.wait_for_selector("h2#upload")


def _wrong_form() -> bytes:
    """The visit form with what people get wrong: an unknown question, a constraint that does not close, no Thai label."""
    return _edited(lambda survey: (
        _append(survey, {"type": "text", "name": "more", "label::English (en)": "Anything else?", "relevant": "${not_there} = 'yes'"}),
        _append(survey, {"type": "select_one nobody_wrote_it", "name": "kind", "label::English (en)": "Kind"}),
    ))


def _changed_form() -> bytes:
    """The next version of the visit form, with one question more."""
    return _edited(lambda survey: _append(survey, {
        "type": "text", "name": "more", "label::English (en)": "Anything else?", "label::ไทย (th)": "มีอะไรเพิ่มเติมหรือไม่",
        "label::Thai (th)": "มีอะไรเพิ่มเติมหรือไม่", "bind::namjai:privacy": "sensitive"}), version="2026120101")


def _edited(change: Callable[[Any], Any], version: str | None = None) -> bytes:
    from openpyxl import load_workbook

    book = load_workbook(ROOT / "forms" / "aftercare" / "visit.xlsx")
    change(book["survey"])
    if version:
        settings = book["settings"]
        column = next(cell.column for cell in settings[1] if cell.value == "version")
        settings.cell(2, column, version)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _append(sheet: Any, values: dict[str, str]) -> None:
    row = sheet.max_row + 1
    for cell in sheet[1]:
        if cell.value in values:
            sheet.cell(row, cell.column, values[cell.value])
