"""The end of a year: exports, entity lists and case pages' tables against the script's truth, row for row."""
from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from typing import Any

import sqlalchemy as sa
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape
from soak.forms import NAMES, TITLES, Column, form, merged
from soak.truth import Sub, Truth
from soak.year import Year

from cases.export_wish import Wish
from exports.tables import write
from store import tables
from store.actor import Actor
from store.opening import Store

Row = dict[str, str]
_RISKY = "=+-@\t\r\n＝＋－＠"
_CENTRAL = {"received": "", "edited": "edited", "has_issues": "hasIssues", "rejected": "rejected", "approved": "approved"}
_KOBO = {
    "approved": "validation_status_approved", "rejected": "validation_status_not_approved", "has_issues": "validation_status_on_hold",
}
_PLACE = ("Latitude", "Longitude", "Altitude", "Accuracy")


def check(store: Store, actor: Actor, year: Year, *, styles: tuple[str, ...] = ("zip", "csv", "xlsx")) -> dict[str, int]:
    """Everything that the truth speaks of. Gives how many rows were compared in each."""
    compared: Counter[str] = Counter()
    for name in NAMES:
        versions = [form(name, one, entities=year.entities) for one in year.released[name]]
        columns, subs = merged(versions), year.truth.live(name)
        if "zip" in styles:
            compared["Central's ZIP"] += _same(name, _zip(store, actor, name), _central(year, name, columns, subs))
        if "csv" in styles:
            rows = _csv(_exported(store, actor, name, style="central", format="csv"), ",")
            compared["Central's CSV"] += _same(name, {f"{name}.csv": rows}, {f"{name}.csv": _central(year, name, columns, subs)[f"{name}.csv"]})
            rows = _csv(_exported(store, actor, name, style="kobo", format="csv", multiple="both"), ";")
            compared["Kobo's CSV"] += _same(name, {TITLES[name]: rows}, {TITLES[name]: _kobo(name, columns, subs)[TITLES[name]]})
        if "xlsx" in styles:
            compared["Kobo's workbook"] += _same(name, _workbook(store, actor, name), _kobo(name, columns, subs))
    with store.database.begin(actor) as tx:
        compared["entities"] = _entities(tx, actor, year)
        compared["cases"], compared["submissions of cases"] = _cases(tx, actor, year.truth, entities=year.entities)
        compared["comments"] = _said(tx, store, actor, year.truth)
        compared["files"] = _files(tx, store, actor, year.truth)
        compared["decisions"] = _decided(tx, actor, year.truth)
    return dict(compared)


def _same(name: str, ours: dict[str, list[Row]], theirs: dict[str, list[Row]]) -> int:
    assert set(ours) == set(theirs), (name, set(ours) ^ set(theirs))
    for table, expected in theirs.items():
        mine, wanted = _keyed(table, ours[table]), _keyed(table, expected)
        lacking, beyond = set(wanted) - set(mine), set(mine) - set(wanted)
        assert not lacking and not beyond, f"{table}: lacks {sorted(lacking)[:3]} ({len(lacking)}), has beyond {sorted(beyond)[:3]} ({len(beyond)})"
        for key, row in wanted.items():
            differs = [column for column, value in row.items() if mine[key].get(column) != value]
            # Only which columns: an answer is never shown.
            assert not differs, f"{table} {key}: {differs[:6]}"
    return sum(len(rows) for rows in theirs.values())


def _keyed(table: str, rows: list[Row]) -> dict[str, Row]:
    """The rows by what never changes; of a repeat without keys, as Kobo's, by their place in their submission."""
    found: dict[str, Row] = {}
    places: Counter[str] = Counter()
    for row in rows:
        key = row.get("KEY") or row.get("meta/rootUuid") or ""
        if not key:
            root = row["_submission_meta/rootUuid"]
            places[root] += 1
            key = f"{root} {places[root]}"
        assert key not in found, f"{table}: {key} stands twice"
        found[key] = row
    return found


def _exported(store: Store, actor: Actor, name: str, **wish: Any) -> bytes:
    out = io.BytesIO()
    write(store, actor, Wish(name, profile="full", **wish), out)
    return out.getvalue()


def _zip(store: Store, actor: Actor, name: str) -> dict[str, list[Row]]:
    with zipfile.ZipFile(io.BytesIO(_exported(store, actor, name))) as files:
        return {one: _csv(files.read(one), ",") for one in files.namelist()}


def _csv(content: bytes, delimiter: str) -> list[Row]:
    csv.field_size_limit(10_000_000)
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    return [{column: _plain(value) for column, value in row.items()} for row in reader]


def _plain(text: str) -> str:
    """A cell without the mark that keeps it a text."""
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in _RISKY else text


def _workbook(store: Store, actor: Actor, name: str) -> dict[str, list[Row]]:
    book = load_workbook(io.BytesIO(_exported(store, actor, name, style="kobo", format="xlsx", multiple="both")), read_only=True)
    found = {}
    for sheet in book:
        rows = sheet.iter_rows(values_only=True)
        head = next(rows)
        found[sheet.title] = [{column: "" if value is None else unescape(str(value)) for column, value in zip(head, row, strict=False)} for row in rows]
    return found


# What the exports must be


def _central(year: Year, name: str, columns: list[Column], subs: list[Sub]) -> dict[str, list[Row]]:
    made: dict[str, list[Row]] = {f"{name}.csv": []}
    repeats = list(dict.fromkeys(one.repeat for one in columns if one.repeat))
    made |= {f"{name}-{one.rpartition('/')[2]}.csv": [] for one in repeats}
    for sub in subs:
        answers, here = _answers(sub), sub.files_now
        row = {"SubmissionDate": sub.at if year.entities else f"{sub.at}.000Z", "KEY": sub.root, "ReviewState": _CENTRAL[sub.review], "Status": ""}
        if year.entities:
            # What Kobo does not say, or says in words of its own.
            row |= {"DeviceID": sub.device, "Edits": str(len(sub.versions) - 1), "FormVersion": sub.versions[0].form_version}
        row |= {"AttachmentsPresent": str(sum(one is not None for one in here.values())), "AttachmentsExpected": str(len(here))}
        for column in columns:
            if not column.repeat:
                row |= _central_cells(column, column.path.replace("/", "-"), answers.get(column.path, ""))
        made[f"{name}.csv"].append(row)
        for repeat in repeats:
            inside = [one for one in columns if one.repeat == repeat]
            for number in range(1, _rows(answers, repeat) + 1):
                at = f"{repeat}[{number}]"
                row = {"KEY": f"{sub.root}/{at}", "PARENT_KEY": sub.root}
                for column in inside:
                    rest = column.path.removeprefix(f"{repeat}/")
                    row |= _central_cells(column, rest.replace("/", "-"), answers.get(f"{at}/{rest}", ""))
                made[f"{name}-{repeat.rpartition('/')[2]}.csv"].append(row)
    return made


def _central_cells(column: Column, head: str, value: str) -> Row:
    if column.kind == "geopoint":
        return {f"{head}-{part}": one for part, one in zip(_PLACE, [*value.split(), *[""] * 4], strict=False)}
    return {head: value}


def _kobo(name: str, columns: list[Column], subs: list[Sub]) -> dict[str, list[Row]]:
    shown = [one for one in columns if not one.note and not one.path.startswith(("meta/", "__version__", "formhub/"))]
    repeats = list(dict.fromkeys(one.repeat for one in shown if one.repeat))
    made: dict[str, list[Row]] = {TITLES[name]: [], **{one.rpartition("/")[2]: [] for one in repeats}}
    counted: Counter[str] = Counter()
    for sub in sorted(subs, key=lambda one: one.at):
        answers = _answers(sub)
        system = {
            "_id": sub.remote, "_uuid": sub.now.instance.removeprefix("uuid:"), "_submission_time": sub.at[:19],
            "_validation_status": _KOBO.get(sub.review, ""), "meta/rootUuid": sub.root, "_status": "submitted_via_web",
        }
        row = dict(system)
        for column in shown:
            if not column.repeat:
                row |= _kobo_cells(column, column.path, answers.get(column.path, ""))
        made[TITLES[name]].append(row)
        for repeat in repeats:
            for number in range(1, _rows(answers, repeat) + 1):
                row = {f"_submission_{head}": value for head, value in system.items()}
                for column in (one for one in shown if one.repeat == repeat):
                    rest = column.path.removeprefix(f"{repeat}/")
                    row |= _kobo_cells(column, column.path, answers.get(f"{repeat}[{number}]/{rest}", ""))
                made[repeat.rpartition("/")[2]].append(row)
                counted[repeat] += 1
    return made


def _kobo_cells(column: Column, head: str, value: str) -> Row:
    if column.kind == "geopoint":
        parts = zip(("latitude", "longitude", "altitude", "precision"), [*value.split(), *[""] * 4], strict=False)
        return {head: value} | {f"_{head}_{part}": one for part, one in parts}
    if column.choices:
        picked = value.split()
        return {head: value} | {f"{head}/{one}": "" if not value else "1" if one in picked else "0" for one in column.choices}
    return {head: value}


def _answers(sub: Sub) -> Row:
    label = {"meta/entity/label": sub.label} if sub.label else {}
    return {**sub.now.answers, "meta/instanceID": sub.now.instance, **label}


def _rows(answers: Row, repeat: str) -> int:
    begins = f"{repeat}["
    return max((int(path[len(begins):].partition("]")[0]) for path in answers if path.startswith(begins)), default=0)


# Lists and cases


def _entities(tx: sa.Connection, actor: Actor, year: Year) -> int:
    if not year.entities:
        return _declared(tx, actor, year)
    entity, compared = tables.entity, 0
    for name, wanted in year.truth.entities.items():
        rows = {str(row.uuid): row for row in tx.execute(sa.select(entity).where(entity.c.project_id == actor.project, entity.c.list == name))}
        live = {uuid: row for uuid, row in rows.items() if row.deleted_at is None and not row.placeholder}
        here = {uuid: one for uuid, one in wanted.items() if not one.deleted}
        assert set(live) == set(here), f"{name}: lacks {len(set(here) - set(live))}, has beyond {len(set(live) - set(here))}"
        for uuid, one in here.items():
            row = live[uuid]
            assert row.label == one.label, f"{name} {uuid}: its label"
            assert not (differs := [prop for prop in {*row.data, *one.data} if (row.data.get(prop) or "") != (one.data.get(prop) or "")]), f"{name} {uuid}: {differs}"
            assert (row.version, row.conflict) == (one.number, one.conflict), f"{name} {uuid}: {row.version} {row.conflict}, not {one.number} {one.conflict}"
        compared += len(here) + _list_rows(tx, actor, name, here)
    return compared


# What Namjai writes into a list itself.
_OURS = ("stage", "state", "number", "amount_approved")


def _declared(tx: sa.Connection, actor: Actor, year: Year) -> int:
    """Entities of a server that knows none, which our own forms declare. Where nothing was edited or deleted and one
    form alone speaks after the creation, the last one says what holds; else every value was said by somebody.
    """
    compared, subs = 0, list(year.truth.subs.values())
    writers: dict[tuple[str, str], list[Sub]] = {}
    for sub in subs:
        for key in sub.writes:
            writers.setdefault(key, []).append(sub)
    for name, wanted in year.truth.entities.items():
        table = tables.entity
        rows = {str(row.uuid): row for row in tx.execute(sa.select(table).where(table.c.project_id == actor.project, table.c.list == name))}
        sure: dict[str, Any] = {}
        for uuid, one in wanted.items():
            said = writers.get((name, uuid), [])
            # An edit may have named the person who came later.
            first = next(each for each in said if each.entity.get("create") in ("true", "1"))
            rest = [each for each in said if each is not first]
            if first.deleted:
                continue
            row = rows.get(uuid)
            assert row is not None and not row.placeholder and row.deleted_at is None, f"{name} {uuid}: it is not in the list"
            if all(not each.deleted and len(each.versions) == 1 for each in said) and len({each.form for each in rest}) <= 1:
                sure[uuid] = one
                differs = [prop for prop in {*row.data, *one.data} - {*_OURS} if (row.data.get(prop) or "") != (one.data.get(prop) or "")]
                assert not differs and row.label == one.label, f"{name} {uuid}: {differs}"
            else:
                heard = {prop: {data.get(prop) or "" for each in said for data in year.ever_saved(each)} for prop in one.data}
                odd = [prop for prop in one.data if (row.data.get(prop) or "") not in heard[prop] | {""}]
                assert not odd, f"{name} {uuid}: nobody said {odd}"
            compared += 1
        _list_rows(tx, actor, name, sure)
    return compared


def _list_rows(tx: sa.Connection, actor: Actor, name: str, here: dict) -> int:
    """The rows from which a list's page is read: one an entity, each slot what the property says."""
    fields, table = tables.list_field, tables.list_row
    slots = dict(tx.execute(sa.select(fields.c.property, fields.c.slot).where(fields.c.project_id == actor.project, fields.c.list == name)).tuples().all())
    rows = {str(row.id): row for row in tx.execute(sa.select(table).where(table.c.project_id == actor.project, table.c.list == name))}
    assert set(here) <= set(rows), f"{name}: {len(set(here) - set(rows))} are in no list"
    for uuid, one in here.items():
        for prop, slot in slots.items():
            if prop not in _OURS:
                found = getattr(rows[uuid], slot)
                expected: Any = one.data.get(prop) or None
                expected = float(expected) if expected and slot[0] == "n" else expected
                assert (found.isoformat() if hasattr(found, "isoformat") else found) == expected, f"{name} {uuid}: the column {prop}"
    return len(here)


def _cases(tx: sa.Connection, actor: Actor, truth: Truth, *, entities: bool) -> tuple[int, int]:
    """A case a person with the person's code and name, and exactly the submissions that speak of the person."""
    cases, member, sub = tables.cases, tables.membership, tables.submission
    rows = {str(row.entity): row for row in tx.execute(sa.select(cases).where(cases.c.project_id == actor.project))}
    gone = {uuid for sub in truth.subs.values() if sub.deleted for _, uuid in sub.writes}
    people = truth.entities["survivors"]
    # Of a person whose intake was deleted the case may never have been heard of.
    sure = {uuid for uuid, one in people.items() if not one.deleted and (entities or uuid not in gone)}
    assert set(rows) >= sure, "a person has no case"
    assert set(rows) <= set(people), "a case belongs to nobody"
    for uuid in sure:
        row, one = rows[uuid], people[uuid]
        assert (row.code, row.pseudonym, row.placeholder) == (one.data["case_code"], one.data["pseudonym"], False), f"case of {uuid}: {row.placeholder}"
        assert not entities or row.risk == one.data["risk"], f"case of {uuid}: its risk"
    found: dict[tuple[str, str], set[str]] = {}
    query = sa.select(sub.c.xml_form_id, sub.c.root_instance_id, cases.c.entity).join(member, member.c.submission_id == sub.c.id).join(
        cases, cases.c.id == member.c.case_id).where(sub.c.project_id == actor.project, sub.c.deleted_at.is_(None))
    for row in tx.execute(query):
        found.setdefault((row.xml_form_id, row.root_instance_id), set()).add(str(row.entity))
    compared = 0
    for one in truth.live():
        belongs = set()
        for name, uuid in one.now.picks:
            entity = truth.entities[name][uuid]
            if name == "grants" and (entity.deleted or (not entities and uuid in gone)):
                belongs = None
                break
            belongs.add(entity.data["survivor"] if name == "grants" else uuid)
        if belongs is not None:
            compared += 1
            assert found.get((one.form, one.root), set()) == belongs, f"{one.form} {one.root}: in {len(found.get((one.form, one.root), ()))} cases, not in its own"
    return len(people), compared


def _said(tx: sa.Connection, store: Store, actor: Actor, truth: Truth) -> int:
    """Comments and notes, opened; and the review state."""
    sub, comment = tables.submission, tables.comment
    rows = {(row.xml_form_id, row.root_instance_id): row for row in tx.execute(
        sa.select(sub.c.id, sub.c.xml_form_id, sub.c.root_instance_id, sub.c.review_state, sub.c.deleted_at).where(sub.c.project_id == actor.project))}
    threads: dict[Any, list[Any]] = {}
    for row in tx.execute(sa.select(comment).where(comment.c.project_id == actor.project)):
        threads.setdefault(row.subject, []).append(row)
    keys = store.keyring.records(tx, actor.project, list(threads))
    for one in truth.live():
        row = rows[one.form, one.root]
        said = sorted(keys[row.id].decrypt(f"comment:{each.id}", bytes(each.body)).decode() for each in threads.get(row.id, ()))
        assert said == sorted(one.said), f"{one.form} {one.root}: {len(said)} comments, not {len(one.said)}"
        assert row.review_state == one.review, f"{one.form} {one.root}: {row.review_state}, not {one.review}"
    gone = [rows[one.form, one.root] for one in [*truth.purged, *truth.subs.values()] if one.deleted and (one.form, one.root) in rows]
    assert all(row.deleted_at for row in gone), "what was deleted is still there"
    return sum(len(one.said) for one in truth.live())


def _files(tx: sa.Connection, store: Store, actor: Actor, truth: Truth) -> int:
    """Every file of a current version, byte for byte; what has not come is expected."""
    sub, file = tables.submission, tables.submission_attachment
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tx.execute(sa.select(file, sub.c.xml_form_id, sub.c.root_instance_id).join(sub, sub.c.id == file.c.submission_id).where(sub.c.project_id == actor.project)):
        rows.setdefault((row.xml_form_id, row.root_instance_id), {})[row.name] = row
    keys = store.keyring.records(tx, actor.project, [row.submission_id for one in rows.values() for row in one.values()])
    compared = 0
    for one in truth.live():
        mine = rows.get((one.form, one.root), {})
        for name, content in one.files_now.items():
            row = mine.get(name)
            assert row is not None and row.expected, f"{one.form} {one.root}: nobody expects a file that it names"
            assert (row.blob is None) == (content is None), f"{one.form} {one.root}: a file is {row.state}"
            if content is not None:
                assert keys[row.submission_id].decrypt(f"file:{name}", store.blobs.get(row.blob)) == content, f"{one.form} {one.root}: a file is another"
                compared += 1
    return compared


def _decided(tx: sa.Connection, actor: Actor, truth: Truth) -> int:
    """A grant for every request; approved as long as its request is what was approved, suspended after."""
    grants, sub = tables.grants, tables.submission
    rows = {str(row.entity): row for row in tx.execute(sa.select(grants).where(grants.c.project_id == actor.project))}
    live = dict(tx.execute(sa.select(sub.c.root_instance_id, sub.c.instance_id).where(sub.c.project_id == actor.project)).tuples().all())
    for one in truth.live("fund_request"):
        uuid = one.writes[0][1]
        assert uuid in rows or truth.entities["grants"][uuid].deleted, f"a request {uuid} made no grant"
    for uuid, decided in truth.decided.items():
        row = rows[uuid]
        assert live, "no submission at all"
        if decided.touched:
            assert row.state == "suspended", f"{row.number} was approved, its request changed since, and it is {row.state}"
        elif not decided.gone:
            assert row.state in ("approved", "paid", "receipted"), f"{row.number} was approved and is {row.state}"
    return len(truth.decided)
