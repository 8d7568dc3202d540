"""`make soak`: a year of 10,000 submissions on each kind of server, in peace and in trouble, and every named fault.

SEED=… tells the same again, FAULT=… only the faults whose name holds these words. Takes about an hour on two cores.
"""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CATALOGUE, YEAR = "test_sync_faults.py::test_after_a_fault_everything_is_well_again", "test_year.py"


def main() -> int:
    """The exit status of the tests."""
    seed, named = os.environ.get("SEED", ""), os.environ.get("FAULT", "")
    settings = {**os.environ, "NAMJAI_SOAK": "1", "NAMJAI_SEED": seed, "NAMJAI_FAULT": named}
    chosen = [CATALOGUE] if named else [YEAR, CATALOGUE]
    shown = ["-rpP", "--show-capture=stdout"]
    command = [sys.executable, "-m", "pytest", "-n", "0" if named else "2", *shown, *(str(TESTS / one) for one in chosen)]
    return subprocess.run(command, cwd=TESTS.parent, env=settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
