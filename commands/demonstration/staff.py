"""The invented team and its tablets. Knows names, roles and whose tablet is whose."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colleague:
    """A demonstration person. `key` is what the plan calls them."""

    key: str
    name: str
    role: str
    team: str | None = None
    language: str = "en"

    @property
    def email(self) -> str:
        return f"{self.key}@example.org"


@dataclass(frozen=True, slots=True)
class Device:
    """A tablet and who holds it; None: everybody. A revoked one opens nothing any more."""

    key: str
    name: str
    holder: str | None
    device_id: str
    revoked: bool = False


NORTH, SOUTH = "เชียงใหม่ Chiang Mai", "กรุงเทพฯ Bangkok"
COLLEAGUES = (
    Colleague("ploy", "Ploy W.", "coordinator", NORTH),
    Colleague("nok", "Nok P.", "field_staff", NORTH, "th"),
    Colleague("arthit", "Arthit S.", "field_staff", SOUTH, "th"),
    Colleague("mali", "Mali K.", "therapist", NORTH, "th"),
    Colleague("rung", "Rung T.", "supervisor", NORTH, "th"),
    Colleague("krit", "Krit A.", "director"),
    Colleague("napat", "Napat C.", "finance", None, "th"),
    Colleague("wan", "Wan L.", "legal", None, "th"),
    Colleague("june", "June B.", "donor_liaison"),
    Colleague("chai", "Chai R.", "auditor"),
    Colleague("oat", "Oat N.", "admin"),
)
DEVICES = (
    Device("t1", "Tablet 1", "arthit", "collect:demo000000000001"),
    Device("t2", "Tablet 2", "arthit", "collect:demo000000000002"),
    Device("t3", "Tablet 3", "nok", "collect:demo000000000003"),
    Device("t4", "Tablet 4", "nok", "collect:demo000000000004", revoked=True),
    Device("t5", "Tablet 5", "mali", "collect:demo000000000005"),
    Device("t7", "Tablet 7, shared", None, "collect:demo000000000007"),
)
