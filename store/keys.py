"""Keys and ciphertext: master key → organisation key → one random key a record.

The only module that knows cryptography. Formats are final from the first row on: a later lock, rotation or erasure
changes rows of `record_key` and `organisation_key`, never a ciphertext (storage.md 17 to 19).

    ciphertext    0x01 | nonce 12 | AES-256-GCM, additional data = "<record id>:<field>"
    wrapped key   0x01 | nonce 12 | AES-256-GCM by the organisation's key, additional data = "<project>:<record id>"
    sealed key    0x02 | ephemeral X25519 public 32 | nonce 12 | AES-256-GCM, for when the organisation is locked
"""
from __future__ import annotations

import datetime as dt
import hmac
import os
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
import uuid_utils
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from namjai.problems import Problem
from store.tables import organisation_key, purpose_key, record_key

PURPOSES = ("audit", "blind", "digest", "letters", "tokens")
_FORMAT, _SEALED = b"\x01", b"\x02"
_NONCE = 12


class KeyMissing(Problem):
    code, http_status = "key-missing", 500
    en = ("What is stored here cannot be opened: its key is gone, or the master key is another one. Nothing was "
          "changed; tell your administrator.")
    th = "เปิดข้อมูลนี้ไม่ได้ เพราะกุญแจถูกลบหรือกุญแจหลักไม่ตรงกัน ไม่มีข้อมูลใดถูกเปลี่ยน แจ้งผู้ดูแลระบบ"


class MasterKeyInvalid(Problem):
    code, http_status = "master-key-invalid", 500
    en = ("The master key is not the one that this database was made with. Put the right key in NAMJAI_MASTER_KEY "
          "or its file, then start again.")
    th = "กุญแจหลักไม่ตรงกับฐานข้อมูลนี้ ใส่กุญแจที่ถูกต้องใน NAMJAI_MASTER_KEY หรือไฟล์ของกุญแจ แล้วเริ่มใหม่"


def new_id() -> UUID:
    """A UUIDv7 made by the application."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


@dataclass(frozen=True, slots=True)
class RecordKey:
    """The key of one record, open. `project` and `record` say whose."""

    project: UUID
    record: UUID
    key: bytes = field(repr=False)
    _aead: AESGCM = field(init=False, repr=False, compare=False)
    _said: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_aead", AESGCM(self.key))
        object.__setattr__(self, "_said", f"{self.record}:")

    def encrypt(self, name: str, plain: bytes) -> bytes:
        """The ciphertext of a field of this record."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._aead.encrypt(nonce, plain, f"{self._said}{name}".encode())

    def decrypt(self, name: str, ciphertext: bytes) -> bytes:
        """The field's bytes. Raises KeyMissing when key, record or field are not those it was made with."""
        if ciphertext[:1] != _FORMAT:
            raise KeyMissing()
        try:
            nonce = ciphertext[1 : 1 + _NONCE]
            return self._aead.decrypt(nonce, ciphertext[1 + _NONCE :], f"{self._said}{name}".encode())
        except InvalidTag as error:
            raise KeyMissing() from error


class Keyring:
    """The organisation's keys, open in memory. Made by `open_keyring`; one a process, shared by threads."""

    def __init__(self, organisation: dict[int, bytes], purposes: dict[tuple[str, int], bytes]) -> None:
        self._wrap = {version: AESGCM(_derived(secret, b"wrap")) for version, secret in organisation.items()}
        self._private = {
            version: X25519PrivateKey.from_private_bytes(_derived(secret, b"seal"))
            for version, secret in organisation.items()
        }
        self.version = max(organisation)
        self._purposes = purposes
        self._newest = {name: version for name, version in sorted(purposes)}

    def __repr__(self) -> str:
        return f"Keyring(version={self.version})"

    # Record keys

    def new_record(self, project: UUID, record: UUID) -> tuple[RecordKey, bytes]:
        """A fresh random key for a record, and the same wrapped: the value of `record_key.wrapped`."""
        key = os.urandom(32)
        nonce = os.urandom(_NONCE)
        wrapped = _FORMAT + nonce + self._wrap[self.version].encrypt(nonce, key, f"{project}:{record}".encode())
        return RecordKey(project, record, key), wrapped

    def add_record(self, tx: sa.Connection, project: UUID, record: UUID) -> RecordKey:
        """A fresh key for a record, its wrapped form stored."""
        key, wrapped = self.new_record(project, record)
        tx.execute(
            record_key.insert().values(
                project_id=project, record_id=record, kind="wrapped", version=self.version, wrapped=wrapped
            )
        )
        return key

    def unwrap(self, project: UUID, record: UUID, kind: str, version: int, wrapped: bytes) -> RecordKey:
        """A record's key from its row. Raises KeyMissing."""
        try:
            if kind == "sealed":
                return RecordKey(project, record, self._unseal(project, record, version, wrapped))
            nonce, body = wrapped[1 : 1 + _NONCE], bytes(wrapped[1 + _NONCE :])
            return RecordKey(project, record, self._wrap[version].decrypt(nonce, body, f"{project}:{record}".encode()))
        except (InvalidTag, KeyError, ValueError) as error:
            raise KeyMissing() from error

    def record(self, tx: sa.Connection, project: UUID, record: UUID) -> RecordKey:
        """The key of a stored record. Raises KeyMissing when it was erased."""
        found = self.records(tx, project, [record])
        if record not in found:
            raise KeyMissing()
        return found[record]

    def records(self, tx: sa.Connection, project: UUID, records: list[UUID]) -> dict[UUID, RecordKey]:
        """The keys of those records that still have one."""
        rows = tx.execute(
            sa.select(record_key).where(record_key.c.project_id == project, record_key.c.record_id.in_(records))
        )
        return {
            row.record_id: self.unwrap(project, row.record_id, row.kind, row.version, bytes(row.wrapped))
            for row in rows
        }

    def _unseal(self, project: UUID, record: UUID, version: int, sealed: bytes) -> bytes:
        ephemeral, nonce, body = sealed[1:33], sealed[33 : 33 + _NONCE], bytes(sealed[33 + _NONCE :])
        shared = self._private[version].exchange(X25519PublicKey.from_public_bytes(bytes(ephemeral)))
        return AESGCM(_derived(shared, b"sealed")).decrypt(nonce, body, f"{project}:{record}".encode())

    # Keyed hashes

    def hash(self, purpose: str, *parts: bytes | str) -> bytes:
        """HMAC-SHA256 over the parts, each with its length, by the purpose's newest key."""
        return self.hash_by(purpose, self.purpose_version(purpose), *parts)

    def hash_by(self, purpose: str, version: int, *parts: bytes | str) -> bytes:
        """The same by a given version of the key. Raises KeyMissing when there is no such version."""
        try:
            key = self._purposes[purpose, version]
        except KeyError as error:
            raise KeyMissing() from error
        measured = [part.encode() if isinstance(part, str) else part for part in parts]
        # One call in C: an HMAC object costs five times as much, and a submission needs a dozen.
        return hmac.digest(key, b"".join(len(part).to_bytes(8, "big") + part for part in measured), "sha256")

    def purpose_version(self, purpose: str) -> int:
        return self._newest[purpose]


def seal(public: bytes, project: UUID, record: UUID, key: bytes) -> bytes:
    """A record's key sealed to the organisation's public half: nobody opens it until the organisation is unlocked."""
    ephemeral = X25519PrivateKey.generate()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    nonce = os.urandom(_NONCE)
    body = AESGCM(_derived(shared, b"sealed")).encrypt(nonce, key, f"{project}:{record}".encode())
    return _SEALED + ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) + nonce + body


def open_keyring(tx: sa.Connection, master: bytes) -> Keyring:
    """The keyring of this database, made on the first call. Raises MasterKeyInvalid.

    `master` is the 32 bytes of the master key.
    """
    wrap = AESGCM(_derived(master, b"master"))
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(7426103)"))
    rows = tx.execute(sa.select(organisation_key).where(organisation_key.c.wrapped.is_not(None))).all()
    if not rows:
        _make_organisation_key(tx, wrap)
        rows = tx.execute(sa.select(organisation_key).where(organisation_key.c.wrapped.is_not(None))).all()
    known = {row.purpose for row in tx.execute(sa.select(purpose_key.c.purpose))}
    for purpose in PURPOSES:
        if purpose not in known:
            _make_purpose_key(tx, wrap, purpose)
    try:
        organisation = {row.version: _unwrapped(wrap, f"organisation:{row.version}", row.wrapped) for row in rows}
        purposes = {
            (row.purpose, row.version): _unwrapped(wrap, f"{row.purpose}:{row.version}", row.wrapped)
            for row in tx.execute(sa.select(purpose_key))
        }
    except InvalidTag as error:
        raise MasterKeyInvalid() from error
    return Keyring(organisation, purposes)


def _make_organisation_key(tx: sa.Connection, wrap: AESGCM) -> None:
    secret = os.urandom(32)
    private = X25519PrivateKey.from_private_bytes(_derived(secret, b"seal"))
    tx.execute(
        organisation_key.insert().values(
            version=1,
            wrapped=_wrapped(wrap, "organisation:1", secret),
            public=private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
            created_at=dt.datetime.now(dt.UTC),
        )
    )


def _make_purpose_key(tx: sa.Connection, wrap: AESGCM, purpose: str) -> None:
    tx.execute(
        purpose_key.insert().values(
            purpose=purpose,
            version=1,
            wrapped=_wrapped(wrap, f"{purpose}:1", os.urandom(32)),
            created_at=dt.datetime.now(dt.UTC),
        )
    )


def _wrapped(wrap: AESGCM, name: str, secret: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return _FORMAT + nonce + wrap.encrypt(nonce, secret, name.encode())


def _unwrapped(wrap: AESGCM, name: str, wrapped: bytes) -> bytes:
    return wrap.decrypt(wrapped[1 : 1 + _NONCE], bytes(wrapped[1 + _NONCE :]), name.encode())


def _derived(secret: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"namjai " + use).derive(secret)
