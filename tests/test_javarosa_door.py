"""The whole way on a tablet: Collect's engine opens what the door serves, and the door takes what the engine writes."""
from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from collect import WHY_NOT, Collect, compile_driver, java_is_there
from grant_desk import Desk
from lxml import etree
from test_javarosa import NEW_PERSON, VISIT, fund_request

from store import tables
from store.actor import Actor
from store.opening import Store

pytestmark = pytest.mark.skipif(not java_is_there(), reason=WHY_NOT)
MANIFEST = "{http://openrosa.org/xforms/xformsManifest}"
SIGNATURE = b"\x89PNG\r\n\x1a\n" + b"0" * 64


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("javarosa"))


@pytest.fixture
def worker(person: Callable[..., Actor]) -> Actor:
    return person("field_staff")


@pytest.fixture
def collect(engine: Path, tmp_path: Path, new_tablet: Callable[..., Any], worker: Actor) -> Callable[[str], Collect]:
    """Gets a blank form with its lists from the door, as Collect does, and opens it. `.send(form)` sends it."""
    tablet = new_tablet("Tablet 1", worker.id)
    count = iter(range(100))

    def get(form: str) -> Collect:
        base = f"/key/{tablet.token}/"
        lists = {}
        for one in etree.fromstring(tablet.get(f"forms/{form}/manifest").data).iter(MANIFEST + "mediaFile"):
            address = one.findtext(MANIFEST + "downloadUrl")
            lists[one.findtext(MANIFEST + "filename")] = tablet.get(address.partition(base)[2]).data
        return Collect(engine, tmp_path / f"{form}-{next(count)}", tablet.get(f"forms/{form}.xml").data, lists)

    def send(form: Collect, files: dict[str, bytes] | None = None) -> int:
        said, xml = form.finish()
        assert said == "complete", said
        return tablet.post(xml, files).status_code

    get.send = send  # type: ignore[attr-defined]
    return get


def test_a_survivor_goes_from_intake_to_receipt_on_one_tablet(
    collect: Any, store: Store, aftercare: Actor, person: Callable[..., Actor], worker: Actor
) -> None:
    desk = Desk(store, aftercare)
    # Nobody is registered: the list has its header only, and the form opens.
    intake = collect("intake")
    assert intake.choices("who/known") == {}
    intake.fill({**NEW_PERSON, "identity/identity_now": "yes", "identity/person/given_name": "สมมติ", "identity/person/family_name": "ตัวอย่าง"})
    code = intake.value("who/case_code")
    assert collect.send(intake) == 201
    with store.database.begin(aftercare) as tx:
        assert [one.code for one in tx.execute(sa.select(tables.cases))] == [code]

    visit = collect("visit")
    ((survivor, label),) = visit.choices("visit/survivor").items()
    assert label == f"{code} · น้ำฝน" and uuid.UUID(survivor)
    visit.fill({"visit/survivor": survivor, **VISIT, "care/risk": "high", "care/risk_why": "มีคนโทรหา"})
    assert visit.value("visit/risk_before") == "low" and visit.value("visit/case_code") == code
    assert collect.send(visit) == 201

    request = collect("fund_request")
    request.say("value", "request/survivor")
    fund_request(request, **{"request/survivor": survivor, "request/amount": "3500", "payment/way": "cash"})
    assert collect.send(request) == 201
    assert collect("fund_receipt").choices("receipt/grant") == {}, "no receipt before approval"

    with store.database.begin(aftercare) as tx:
        grant = tx.execute(sa.select(tables.grants)).one()
    assert (grant.amount, grant.requested_by) == (350000, worker.id)
    desk.approve(grant.id, person("coordinator"))
    receipt = collect("fund_receipt")
    ((picked, label),) = receipt.choices("receipt/grant").items()
    assert label.startswith(f"{code} · น้ำฝน · 3500 ฿ · ")
    receipt.fill({"receipt/grant": picked, "receipt/amount_received": "3500", "receipt/way": "cash", "signed/signer": "self",
                  "signed/sign_how": "tablet", "signed/signature": "signature.png"})
    assert receipt.value("receipt/amount_granted") == "3500" and receipt.value("receipt/case_code") == code
    assert collect.send(receipt, {"signature.png": SIGNATURE}) == 201
    assert collect("fund_receipt").choices("receipt/grant") == {}, "a grant is received once"
    assert desk.failures() == []


def test_who_is_registered_again_stays_one_case(collect: Any, store: Store, aftercare: Actor) -> None:
    first = collect("intake")
    first.fill(NEW_PERSON)
    code = first.value("who/case_code")
    assert collect.send(first) == 201
    again = collect("intake")
    ((survivor, _),) = again.choices("who/known").items()
    again.set("who/known", survivor)
    again.clear("who/known")
    again.set("who/known", survivor)
    again.fill({**{path: value for path, value in NEW_PERSON.items() if path != "who/new_pseudonym"}, "safety/risk": "medium"})
    assert collect.send(again) == 201
    with store.database.begin(aftercare) as tx:
        assert [one.code for one in tx.execute(sa.select(tables.cases))] == [code]
        (row,) = tx.execute(sa.select(tables.entity).where(tables.entity.c.list == "survivors")).all()
    assert row.data["risk"] == "medium" and row.data["case_code"] == code and row.version == 2


def test_what_tablets_carry_names_nobody(collect: Any, tmp_path: Path) -> None:
    intake = collect("intake")
    intake.fill({**NEW_PERSON, "identity/identity_now": "yes", "identity/person/given_name": "ลับสุดยอด", "identity/person/phone": "0800000000"})
    assert collect.send(intake) == 201
    collect("visit")
    served = "".join(path.read_text("utf-8") for path in tmp_path.rglob("survivors.csv"))
    assert "น้ำฝน" in served and not re.search("ลับสุดยอด|0800000000|fon-sewing", served)
