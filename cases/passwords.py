"""Passwords as Argon2id hashes. Pure but for its dice; knows no user."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from namjai.problems import Problem

SHORTEST, LONGEST = 12, 200
_ONCE = "once:"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class PasswordTooShort(Problem):
    code, http_status = "password-too-short", 400
    en = (
        "A password has {shortest} characters or more, and is not one letter again and again. "
        "A short sentence is good. Nothing was changed."
    )
    th = "รหัสผ่านต้องมีอย่างน้อย {shortest} ตัวอักษร และไม่ใช่อักษรเดียวซ้ำกัน ประโยคสั้น ๆ ใช้ได้ดี ยังไม่มีการเปลี่ยนแปลง"


def first() -> str:
    """A first password that can be read aloud: four groups of four, 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def hashed(password: str, *, once: bool = False) -> str:
    """The hash of a password; `once`: it only lets its person choose another one."""
    return (_ONCE if once else "") + _hasher.hash(password)


def check_new(password: str) -> None:
    """Raises PasswordTooShort for a password that should not be chosen."""
    if not SHORTEST <= len(password) <= LONGEST or len(set(password)) < 5 or re.fullmatch(r"(.{1,3})\1+", password):
        raise PasswordTooShort(shortest=SHORTEST)


def fits(password: str, stored: str | None) -> bool:
    """Whether the password is the one that was hashed. Takes as long where there is no hash at all."""
    try:
        return _hasher.verify((stored or _nobody()).removeprefix(_ONCE), password[:LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_once(stored: str | None) -> bool:
    """Whether this password must be changed before anything else."""
    return bool(stored and stored.startswith(_ONCE))


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(24))
