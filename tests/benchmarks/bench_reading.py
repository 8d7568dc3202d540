"""How long it takes to read one submission of 30 answers and a repeat of three rows: `python tests/benchmarks/bench_reading.py`."""
from __future__ import annotations

import json
import timeit
from pathlib import Path
from sys import path

path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from odk_files import schema_of, submission  # noqa: E402

from odk.entities import entity_actions  # noqa: E402
from odk.instance import read_answers, read_instance  # noqa: E402
from odk.schema import FormSchema  # noqa: E402

TYPES = ["text", "integer", "decimal", "date", "select_one yn", "select_multiple yn", "text", "geopoint", "time", "datetime"]
WRITTEN = ["ใจดี", "12", "1500.50", "2026-01-31", "y", "y n", "a longer text, as people write", "13.7 100.5 0 0",
           "09:15:00.000+07:00", "2026-01-31T09:15:00.000+07:00"]


def form() -> FormSchema:
    asked = "\n".join(f"| | {TYPES[n % 10]} | q{n} | Q{n} | {f'p{n}' if n < 10 else ''} |" for n in range(30))
    return FormSchema.from_json(json.loads(json.dumps(schema_of(f"""
| survey |
| | type | name | label | save_to |
{asked}
| | begin_repeat | row | Row | |
| | text | who | Who | |
| | integer | age | Age | |
| | select_one yn | safe | Safe | |
| | end_repeat | | | |
| choices |
| | list_name | name | label |
| | yn | y | Yes |
| | yn | n | No |
| settings |
| | form_id | version |
| | form | 1 |
| entities |
| | list_name | label |
| | people | ${{q0}} |
""").to_json())))


def measure() -> dict[str, float]:
    """Milliseconds of each step, and of all of them; the best of five rounds of a thousand."""
    schema = form()
    xml = submission(
        "".join(f"<q{n}>{WRITTEN[n % 10]}</q{n}>" for n in range(30))
        + "<row><who>ป้า</who><age>40</age><safe>y</safe></row>" * 3,
        meta='<entity dataset="people" create="1" id="1ae72e49-cff1-4aea-a6f6-addb95433a31"><label>x</label></entity>')
    instance = read_instance(xml)
    answers = read_answers(instance, schema)
    steps = {
        "read_instance": lambda: read_instance(xml),
        "read_answers": lambda: read_answers(instance, schema),
        "entity_actions": lambda: entity_actions(instance, schema),
        "by_privacy": lambda: answers.by_privacy(schema, "strict"),
        "all four": lambda: whole(xml, schema),
    }
    return {name: min(timeit.repeat(step, number=1000, repeat=5)) for name, step in steps.items()}


def main() -> None:
    for name, milliseconds in measure().items():
        print(f"{name:16} {milliseconds:.3f} ms")


def whole(xml: bytes, schema: FormSchema) -> None:
    instance = read_instance(xml)
    read_answers(instance, schema).by_privacy(schema, "strict")
    entity_actions(instance, schema)


if __name__ == "__main__":
    main()
