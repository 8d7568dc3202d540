"""The demonstration: a newcomer finds invented people whose every paper came through the tablets' door."""
from __future__ import annotations

import datetime as dt
import json
import random
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
import sqlalchemy as sa
from conftest import Tablet, address, administer
from stdnum import luhn

from cases import grants as granting
from cases import guide, projects, sample_visit
from cases.projects import programme_of
from commands.demo import DemonstrationOnTrialOnly, DemonstrationUnfinished, Seeded, already, make, seed
from commands.demonstration import making, story
from commands.demonstration.clock import Clock
from commands.demonstration.people import survivors, thai_identity
from commands.demonstration.pictures import draw
from commands.demonstration.plan import Deed, Sending
from commands.demonstration.staff import COLLEAGUES
from namjai.settings import Settings
from odk.instance import read_answers, read_instance
from odk.xform import read_xform
from store.actor import Actor
from store.opening import KEEPER, Store, open_store
from store.postgres import EmbeddedPostgres
from store.tables import (
    action,
    app_user,
    audit,
    cases,
    entity,
    form_version,
    letter,
    membership,
    quarantine,
    rule_failure,
    setting,
    submission,
    submission_attachment,
    submission_version,
    users,
)
from store.tables import grants as grants_table
from submissions.review import ReviewState, set_review_state
from web.openrosa import taken

FEW = 8
DAY = dt.date(2026, 11, 25)


@pytest.fixture(scope="module")
def demonstrated(
    cluster: EmbeddedPostgres, template: str, master_key: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Seeded]]:
    """A small demonstration, made once: the name of its database, which is only copied, and what was made."""
    name = f"demonstration_{secrets.token_hex(4)}"
    administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template}")
    settings = Settings(data_dir=tmp_path_factory.mktemp("demonstration"), master_key=master_key)
    store = open_store(settings, address(cluster, name), pool_size=2)
    with store.database.begin(KEEPER) as tx:
        project = projects.find(tx, None)
    assert project is not None
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=7))).date()
    made = make(store, projects.in_project(project.id), cases=FEW, chance=7, today=today)
    store.close()
    yield name, made
    administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(cluster: EmbeddedPostgres, demonstrated: tuple[str, Seeded]) -> Iterator[str]:
    """This test's own copy of the demonstration."""
    name = f"test_{secrets.token_hex(6)}"
    administer(cluster, f"CREATE DATABASE {name} TEMPLATE {demonstrated[0]}")
    yield address(cluster, name)
    administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shown(demonstrated: tuple[str, Seeded]) -> Seeded:
    """What the demonstration made."""
    return demonstrated[1]


def rows(store: Store, actor: Actor, query: sa.Select) -> list[sa.Row]:
    with store.database.begin(actor) as tx:
        return list(tx.execute(query))


# --- The plan, without a database ---------------------------------------------------------------------------------


def test_the_same_seed_on_the_same_day_makes_the_same_plan_and_another_seed_another() -> None:
    assert making.make(12, 7, DAY) == making.make(12, 7, DAY)
    assert making.make(12, 7, DAY) != making.make(12, 8, DAY)
    assert [one.pseudonym for one in survivors(40, random.Random(1))] == [one.pseudonym for one in survivors(40, random.Random(2))]


@pytest.mark.parametrize("day", [DAY, dt.date(2027, 3, 1), dt.date(2028, 2, 29), dt.date(2027, 1, 1)])
def test_nothing_happens_in_the_future_and_nobody_acts_on_what_has_not_arrived(day: dt.date) -> None:
    plan = making.make(40, 7, day)
    arrived: set[str] = set()
    for step in plan.steps:
        assert step.at.date() <= day and (step.at.date() < day or isinstance(step, Sending)), step
        if isinstance(step, Sending):
            assert step.edits is None or step.edits in arrived
            assert step.change.act == "create" or step.change.id in arrived, "a tablet can only pick whom it knows"
            arrived |= {step.instance, step.change.id}
        else:
            assert step.about in arrived, step


def test_forty_survivors_are_spread_over_stages_risks_provinces_nations_and_scripts() -> None:
    plan = making.make(40, 7, DAY)
    intakes = [one.answers for one in plan.sendings if one.form == "intake"]
    assert len(intakes) == 40 and 250 <= len(plan.sendings) <= 450
    stages = {step.text for step in plan.steps if isinstance(step, Deed) and step.what == "stage"}
    assert stages == {"screening", "reflection", "identification", "care", "legal", "return", "reintegration", "closure"}
    assert {one["safety/risk"] for one in intakes} == {"high", "medium", "low"}
    assert len({one["referral/province"] for one in intakes}) >= 8 and len({one["who/nationality"] for one in intakes}) >= 7
    scripts = {one.folk.lang for one in plan.survivors}
    assert scripts >= {"th", "my", "km", "lo", "vi"}
    latest = {}
    for one in plan.sendings:
        if one.form == "visit":
            latest[one.change.id] = one.answers["next/next_follow_up"]
    due = [(on - DAY).days for on in latest.values()]
    assert sum(1 for one in due if one < 0) >= 4 and sum(1 for one in due if 0 <= one < 7) >= 6


def test_a_case_is_the_same_however_many_others_there_are() -> None:
    few, many = making.make(3, 7, DAY), making.make(40, 7, DAY)
    third = few.survivors[2].id
    visits = [one.answers for one in few.sendings if one.change.id == third]
    assert visits == [one.answers for one in many.sendings if one.change.id == third]


def test_every_answer_has_its_question_and_every_choice_is_offered(store: Store, aftercare: Actor) -> None:
    from odk.filling import fill

    xforms = {row.xml_form_id: bytes(row.xform) for row in rows(store, aftercare, sa.select(form_version))}
    schemas = {name: read_xform(xform) for name, xform in xforms.items()}
    for one in making.make(40, 7, DAY).sendings:
        schema = schemas[one.form]
        read = read_answers(read_instance(fill(xforms[one.form], one.answers, instance_id=one.instance)), schema)
        assert not read.flags, (one.form, read.flags)
        for key, value in read.values.items():
            asked = schema.field(key)
            assert asked is not None
            if asked.choices and not asked.from_file:
                offered = schema.choices[asked.choices]
                assert set(value if isinstance(value, list) else [value]) <= set(offered), (key, value)
        missing = [field.path for field in schema.fields if field.required and not field.repeats and field.path not in read.values
                   and f"<{field.name}/>" in fill(xforms[one.form], one.answers, instance_id="uuid:x").decode()]
        assert not missing, (one.form, missing)


def test_case_codes_are_valid_and_numbers_are_nobodys() -> None:
    for one in survivors(120, random.Random(3)):
        assert luhn.is_valid(one.code.replace("-", ""), alphabet="BCDFGHJKMNPQRTVX")
    said = json.dumps([dict(one.answers) for one in making.make(40, 7, DAY).sendings], default=str, ensure_ascii=False)
    assert re.findall(r"0 5000 \d{4}", said)
    # A Thai telephone number has nine or ten digits and begins with 0 (or +66): only the invented form may stand here.
    for found in re.findall(r"(?<![\d.:-])(?:\+66|0)(?:[ -]?\d){8,9}(?![\d:])", said):
        assert found.startswith(("0 5000 ", "000-0-0")), found
    assert thai_identity(random.Random(1)).startswith("9")


def test_pictures_are_small_the_same_each_time_and_of_their_kind() -> None:
    for shows, magic in (("bag", b"\xff\xd8"), ("receipt", b"\xff\xd8"), ("quote", b"\xff\xd8"), ("signature", b"\x89PNG")):
        picture = draw(shows, 3)
        assert picture.startswith(magic) and 500 < len(picture) < 60_000
        draw.cache_clear()
        assert draw(shows, 3) == picture


def test_the_storys_clock_is_told_and_taken_back() -> None:
    import cases.stages as told

    with Clock().kept() as clock:
        clock.moment = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
        assert told.dt.datetime.now(dt.UTC) == clock.moment and told.dt.date.today() == dt.date(2026, 3, 1)
        assert isinstance(dt.datetime.now(dt.UTC), told.dt.datetime) and type(told.dt.datetime(2026, 1, 1)) is dt.datetime
    assert told.dt is dt


# --- What stands in the database afterwards ------------------------------------------------------------------------


def test_what_the_door_took_is_what_was_sent(store: Store, aftercare: Actor, shown: Seeded) -> None:
    assert shown.plan is not None
    sent = {one.instance: one for one in shown.plan.sendings}
    versions = rows(store, aftercare, sa.select(submission_version))
    assert {one.instance_id for one in versions} == set(sent)
    schemas = {row.xml_form_id: read_xform(bytes(row.xform)) for row in rows(store, aftercare, sa.select(form_version))}
    with store.database.begin(aftercare) as tx:
        for one in versions:
            raw = store.keyring.record(tx, aftercare.project, one.submission_id).decrypt(f"raw:{one.instance_id}", bytes(one.raw))
            read = read_answers(read_instance(raw), schemas[one.xml_form_id])
            said = {key: value for key, value in sent[one.instance_id].answers.items() if value not in ("", None)}
            assert set(read.values) == set(said)
            assert one.received_at == min(sent[one.instance_id].at, shown.begun)
    current = {one.edits or one.instance for one in shown.plan.sendings}
    assert {one.root_instance_id for one in rows(store, aftercare, sa.select(submission))} == current


def test_only_the_broken_sending_is_in_quarantine_and_no_rule_failed(store: Store, aftercare: Actor, shown: Seeded) -> None:
    held = rows(store, aftercare, sa.select(quarantine.c.problem))
    assert [one.problem for one in held] == ["xml-broken"]
    assert rows(store, aftercare, sa.select(rule_failure)) == []


def test_every_case_has_its_code_its_stage_and_its_worker(store: Store, aftercare: Actor, shown: Seeded) -> None:
    found = rows(store, aftercare, sa.select(cases))
    assert len(found) == FEW and not any(one.placeholder for one in found)
    for one in found:
        assert luhn.is_valid(one.code.replace("-", ""), alphabet="BCDFGHJKMNPQRTVX") and one.suffix == 1
        assert one.stage and one.worker and one.risk and one.opened_on
    labels = {one.label for one in rows(store, aftercare, sa.select(entity.c.label).where(entity.c.list == "survivors"))}
    assert labels == {one.label for one in shown.plan.survivors} if shown.plan else False


def test_pictures_came_whole_but_one_that_is_still_on_a_tablet(store: Store, aftercare: Actor, shown: Seeded) -> None:
    states = Counter(one.state for one in rows(store, aftercare, sa.select(submission_attachment.c.state)))
    assert states["expected"] == 1 and states["verified"] > 5 and set(states) == {"expected", "verified"}
    stranger = rows(store, aftercare, sa.select(submission_attachment).where(submission_attachment.c.expected.is_(False)))
    assert [one.name for one in stranger] == ["IMG_0031.jpg"]


def test_the_team_is_there_without_passwords_and_one_tablet_is_revoked(store: Store, aftercare: Actor, shown: Seeded) -> None:
    people = rows(store, aftercare, sa.select(users))
    assert {one.email for one in people} == {one.email for one in COLLEAGUES} and {one.role for one in COLLEAGUES} == {
        "field_staff", "therapist", "coordinator", "supervisor", "finance", "legal", "director", "donor_liaison", "auditor", "admin"}
    assert all(one.demonstration and one.password_hash is None and one.email.endswith("@example.org") for one in people)
    tablets = rows(store, aftercare, sa.select(app_user))
    assert sum(1 for one in tablets if one.revoked_at) == 1 and sum(1 for one in tablets if one.user_id is None) == 1


def test_letters_bear_the_dates_of_the_story(store: Store, aftercare: Actor, shown: Seeded) -> None:
    issued = rows(store, aftercare, sa.select(letter, grants_table.c.approved_at).join(
        grants_table, grants_table.c.id == letter.c.grant_id))
    assert len(issued) >= 2
    for one in issued:
        assert one.number.startswith("AC-T-") and str(one.issued_at.year) in one.number
        assert abs(one.issued_at - one.approved_at) < dt.timedelta(seconds=1)
        assert one.issued_at < dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


def test_the_story_has_every_kind_of_grant_and_a_name_that_was_looked_at(store: Store, aftercare: Actor, shown: Seeded) -> None:
    (mark,) = rows(store, aftercare, sa.select(setting.c.value).where(setting.c.name == "demonstration"))
    case_id = UUID(mark.value["case"])
    states = Counter(one.state for one in rows(
        store, aftercare, sa.select(grants_table.c.state).where(grants_table.c.case_id == case_id)))
    assert states == {"receipted": 2, "refused": 1, "requested": 1}
    looked = rows(store, aftercare, sa.select(audit.c.verb).where(audit.c.subject_id == case_id, audit.c.verb == "value.revealed"))
    assert len(looked) == 1
    acts = {one.kind for one in rows(store, aftercare, sa.select(action.c.kind).where(action.c.case_id == case_id))}
    assert {"submission.reviewed", "case.stage", "grant.approved", "letter.issued", "grant.paid", "grant.receipted"} <= acts


def test_a_second_run_says_so_and_adds_nothing(
    store: Store, aftercare: Actor, shown: Seeded, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(store, aftercare, sa.select(sa.func.count()).select_from(submission_version))
    assert seed(store, cases=FEW).plan is None
    assert "already" in capsys.readouterr().out
    assert rows(store, aftercare, sa.select(sa.func.count()).select_from(submission_version)) == before
    with store.database.begin(aftercare) as tx:
        assert already(tx)


def test_one_that_broke_off_is_not_taken_for_whole(store: Store, aftercare: Actor, shown: Seeded) -> None:
    with store.database.begin(aftercare) as tx:
        tx.execute(setting.update().where(setting.c.name == "demonstration").values(
            value={"project": str(aftercare.project), "case": None}))
    with pytest.raises(DemonstrationUnfinished):
        seed(store, cases=FEW)


# --- The guided path and the sample visit --------------------------------------------------------------------------


def test_the_guide_leads_from_the_edited_visit_to_the_letter(store: Store, aftercare: Actor, shown: Seeded) -> None:
    with store.database.begin(aftercare) as tx:
        programme = programme_of(tx, aftercare.project)
        mark = tx.scalar(sa.select(setting.c.value).where(setting.c.name == "demonstration"))
        case_id = UUID(mark["case"])
        roles = {one.email: one.role for one in COLLEAGUES}
        who = {roles[one.email]: one.id for one in tx.execute(sa.select(users.c.id, users.c.email))}
    ploy, krit = (Actor("person", who[role], (aftercare.project,), "all") for role in ("coordinator", "director"))

    def path() -> list[dict]:
        with store.database.begin(aftercare) as tx:
            return guide.steps(tx, aftercare.project, case_id, programme, "en")

    def at() -> list[int]:
        return [place for place, one in enumerate(path()) if one["now"]]

    with store.database.begin(aftercare) as tx:
        others = guide.steps(tx, aftercare.project, case_id, programme, "en", reviews=False)
    assert [one["text"].startswith("As coordinator (Ploy), review the ") for one in others] == [True, True, False, False]
    assert not any("As coordinator" in one["text"] for one in path())
    assert len(path()) == 4 and at() == [0] and not any(one["done"] for one in path())
    for place in (0, 1):
        subject = UUID(path()[place]["url"].rpartition("/")[2])
        with store.database.begin(ploy) as tx:
            version = tx.scalar(sa.select(submission.c.row_version).where(submission.c.id == subject))
            set_review_state(tx, store, ploy, subject, ReviewState.APPROVED, row_version=version)
        assert at() == [place + 1]
    grant_id = UUID(path()[2]["url"].rpartition("/")[2])
    assert "12,000" in path()[2]["text"] and path()[3]["url"] is None
    with store.database.begin(krit) as tx:
        row = tx.execute(sa.select(grants_table).where(grants_table.c.id == grant_id)).one()
        issued = granting.approve(tx, store, krit, grant_id, role="director", row_version=row.row_version, seen_content=bytes(row.content))
    assert issued is not None and at() == [3] and path()[3]["url"] == f"/letters/{issued.number}"


def test_other_cases_have_no_guide(store: Store, aftercare: Actor, shown: Seeded) -> None:
    with store.database.begin(aftercare) as tx:
        programme = programme_of(tx, aftercare.project)
        mark = tx.scalar(sa.select(setting.c.value).where(setting.c.name == "demonstration"))
        for one in tx.scalars(sa.select(cases.c.id)).all():
            assert bool(guide.steps(tx, aftercare.project, one, programme, "th")) is (str(one) == mark["case"])


def test_a_sample_visit_goes_through_the_door_like_any_other(
    store: Store, aftercare: Actor, shown: Seeded, new_tablet: Callable[..., Tablet]
) -> None:
    with store.database.begin(aftercare) as tx:
        xml, case_id = sample_visit.sample_visit(tx, aftercare.project, programme_of(tx, aftercare.project))
    assert new_tablet("Spare tablet").post(xml).status_code == 201
    (row,) = rows(store, aftercare, sa.select(submission, membership.c.case_id).join(
        membership, membership.c.submission_id == submission.c.id).where(
        submission.c.root_instance_id == read_instance(xml).instance_id))
    assert (row.review_state, row.flags, row.case_id) == ("received", {}, case_id)
    assert rows(store, aftercare, sa.select(rule_failure)) == []


def test_a_sample_visit_comes_from_a_tablet_that_is_enrolled(store: Store, aftercare: Actor, shown: Seeded) -> None:
    with store.database.begin(aftercare) as tx:
        delivery, tablet = sample_visit.make(tx, store, aftercare.project, programme_of(tx, aftercare.project))
    changes = taken(store, tablet, delivery)
    (row,) = rows(store, aftercare, sa.select(submission).where(submission.c.id == changes.submission_id))
    assert row.app_user_id == tablet.id and row.user_id is not None and len(changes.cases) == 1


def test_a_sample_visit_needs_an_open_case(store: Store, aftercare: Actor) -> None:
    with store.database.begin(aftercare) as tx:
        tx.execute(cases.update().values(status="closed"))
        with pytest.raises(sample_visit.SampleNotPossible):
            sample_visit.sample_visit(tx, aftercare.project, programme_of(tx, aftercare.project))


def test_real_work_refuses_invented_people(store: Store) -> None:
    real = store.settings.model_copy(update={"demo": False})
    with pytest.raises(DemonstrationOnTrialOnly):
        seed(Store(real, store.database, store.keyring, store.blobs))


def test_the_story_is_told_in_words_that_a_newcomer_reads() -> None:
    course = story.course_of(survivors(1, random.Random(1))[0], 7, DAY)
    story.tell(course)
    kinds = Counter(one.form for one in course.steps if isinstance(one, Sending))
    assert kinds["intake"] == 1 and kinds["fund_request"] == 4 and kinds["fund_receipt"] == 2 and kinds["visit"] >= 10
