"""Is this letter ours? What the QR code of a letter carries, and what the public page answers. Knows no page.

The page learns nothing that does not stand on the paper already: that the number is ours, whether it still holds, its
date and its amount.
"""
from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from store.actor import NOBODY, Actor, settings_of
from store.keys import KeyMissing, Keyring
from store.tables import letter, project

Answer = Literal["genuine", "void", "unknown"]
NUMBER = re.compile(r"([A-Z]{2,4})-([LT])-(\d{4})-(\d{4,9})", re.ASCII)
_TOKEN = re.compile(r"(\d{1,4})-([A-Z2-7]{16})", re.ASCII)
_BYTES = 10  # 80 bits: nobody guesses one, and the code stays coarse enough for a cheap printer


@dataclass(frozen=True, slots=True)
class Verified:
    """What the public page may say. `issued_on` and `amount` (satang) are None unless the letter is ours; `printed` is
    its number as it stands on the paper.
    """

    answer: Answer
    number: str
    issued_on: dt.date | None = None
    amount: int | None = None
    trial: bool = False
    printed: str = ""


def token(keyring: Keyring, number: str, version: int | None = None) -> str:
    """The proof in a letter's QR code: "1-ABCDEFGHIJKLMNOP", made by a version of the letters' own key."""
    version = keyring.purpose_version("letters") if version is None else version
    return f"{version}-{_proof(keyring, number, version)}"


def check(tx: sa.Connection, keyring: Keyring, number: str, k: str) -> Answer:
    """Whether a letter of this number is ours and still holds."""
    return look_up(tx, keyring, number, k).answer


def look_up(tx: sa.Connection, keyring: Keyring, number: str, k: str) -> Verified:
    """The same with what the page may show. `tx` is a transaction of nobody's, and is nobody's again afterwards.

    A wrong proof is answered before anything is looked up, so that numbers cannot be tried out.
    """
    unknown = Verified("unknown", number[:40])
    parts, proof = NUMBER.fullmatch(number), _TOKEN.fullmatch(k.strip().upper())
    version = int(proof[1]) if proof else 0
    given = proof[2] if proof else "A" * 16
    # Made also for what is no proof at all: every wrong answer takes the same time.
    right = hmac.compare_digest(_proof(keyring, number, version), given)
    if parts is None or proof is None or not right:
        return unknown
    home = tx.scalar(sa.select(project.c.id).where(project.c.short_name == parts[1]))
    if home is None:
        return unknown
    _act_as(tx, Actor("nobody", projects=(home,), scope="all"))
    try:
        return _found(tx, keyring, home, number, version) or unknown
    finally:
        _act_as(tx, NOBODY)


def _act_as(tx: sa.Connection, actor: Actor) -> None:
    tx.exec_driver_sql(settings_of(actor))


def _found(tx: sa.Connection, keyring: Keyring, home: UUID, number: str, version: int) -> Verified | None:
    row = tx.execute(sa.select(letter).where(letter.c.project_id == home, letter.c.number == number)).one_or_none()
    if row is None or row.verify_version != version:
        return None
    answer: Answer = "void" if row.state == "void" else "genuine"
    try:
        data = json.loads(keyring.record(tx, home, row.id).decrypt("data", bytes(row.data)))
    except KeyMissing:
        # Its person was erased: that we issued it stays true.
        return Verified(answer, number, row.issued_at.date(), None, row.series == "trial")
    on, printed = dt.date.fromisoformat(data["date"]), data["printed_number"]
    return Verified(answer, number, on, data["amount"], row.series == "trial", printed)


def _proof(keyring: Keyring, number: str, version: int) -> str:
    try:
        mac = keyring.hash_by("letters", version, "verify", number)
    except KeyMissing:
        # A version that never was takes as long as one that is, and gives what nobody can write.
        keyring.hash("letters", "verify", number)
        return "-" * 16
    return base64.b32encode(mac[:_BYTES]).decode()
