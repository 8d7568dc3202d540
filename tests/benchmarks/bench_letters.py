"""How long a letter takes in a warm process: `python tests/benchmarks/bench_letters.py`."""
from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from sys import path

path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from letter_samples import bilingual, letter  # noqa: E402

from exports.letters import LetterData, render_letter  # noqa: E402

LETTERS: dict[str, Callable[[], LetterData]] = {
    "Thai letter": lambda: letter(receipt=False),
    "Thai letter and receipt": letter,
    "English letter and receipt": lambda: letter("en"),
    "Burmese beside Thai": bilingual,
}


def measure(times: int = 20) -> dict[str, tuple[float, int]]:
    """Median seconds and bytes of each letter."""
    found = {}
    for name, make in LETTERS.items():
        data = make()
        pdf = render_letter(data)
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            render_letter(data)
            taken.append(time.perf_counter() - start)
        found[name] = (statistics.median(taken), len(pdf))
    return found


def main() -> None:
    for name, (seconds, size) in measure().items():
        print(f"{name:28} {seconds * 1000:6.0f} ms {size // 1024:4} KB")
    start = time.perf_counter()
    for count in range(100):
        render_letter(letter(number=f"AC-L-2026-{count:04d}"))
    print(f"{'a hundred with receipts':28} {time.perf_counter() - start:6.1f} s")


if __name__ == "__main__":
    main()
