"""The house checks itself: arrows point down, one importer each, packages resolve here, documents tell the truth."""
from __future__ import annotations

import ast
import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "namjai": 0, "odk": 1, "store": 2, "submissions": 3, "cases": 4, "sync": 5, "exports": 5, "web": 6, "commands": 7,
}
# One importer each: a library that is dear to change has one door.
ONE_IMPORTER = {
    "cryptography": {"store/keys.py"},
    "pyodk": {"sync/central.py"},
    "weasyprint": {"exports/letters.py"},
    "pyxform": {"odk/xlsform.py"},
    "xlsxwriter": {"exports/workbook.py"},
}
ONLY_IN = {"pandas": "exports/", "numpy": "exports/"}
NOT_FOLDERS = {"utils", "common", "core", "helpers", "services"}


def sources() -> list[Path]:
    return sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Dotted names of all imports of a file, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_only_point_down_and_never_to_a_neighbour(path):
    floor = path.relative_to(ROOT).parts[0]
    for name in imports_of(path):
        target = name.split(".")[0]
        if target in FLOORS and target != floor:
            assert FLOORS[target] < FLOORS[floor], f"{name_of(path)} imports {name}"
            assert not (floor == "web" and target in ("sync", "exports")), f"{name_of(path)} imports {name}"


def test_each_guarded_library_has_one_importer():
    for library, allowed in ONE_IMPORTER.items():
        found = {name_of(path) for path in sources() if any(one.split(".")[0] == library for one in imports_of(path))}
        assert found <= allowed, f"{library} is imported by {found - allowed}"
    for library, folder in ONLY_IN.items():
        for path in sources():
            if any(one.split(".")[0] == library for one in imports_of(path)):
                assert name_of(path).startswith(folder), f"{name_of(path)} imports {library}"


def test_every_package_resolves_inside_the_repository():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts) for floor in FLOORS for path in (ROOT / floor).rglob("__init__.py")
    }
    assert set(listed) == folders
    for package in listed:
        found = Path(importlib.import_module(package).__file__).resolve()
        assert found.is_relative_to(ROOT), f"{package} comes from {found}"


def test_no_folder_or_module_is_called_utils():
    for path in sources():
        assert not NOT_FOLDERS & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}


def test_every_module_says_what_it_knows():
    for path in sources():
        if path.name == "__init__.py" and not path.read_text().strip():
            assert "versions" in path.parts, f"{name_of(path)} says nothing"
            continue
        assert ast.get_docstring(ast.parse(path.read_text())), f"{name_of(path)} has no docstring"


def test_every_problem_speaks_both_languages():
    from namjai.problems import catalogue

    for path in sources():
        if "class" in path.read_text() and "Problem)" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for code, kind in catalogue().items():
        assert re.fullmatch(r"[a-z0-9-]+", code)
        assert re.search("[ก-ฮ]", kind.th), code
        assert re.search("[A-Za-z]{2}", kind.en), code
        assert re.findall(r"\{(\w+)", kind.en) == [] or set(re.findall(r"\{(\w+)", kind.th)) <= set(re.findall(r"\{(\w+)", kind.en)) | {"first_th"}, code
        assert 400 <= kind.http_status < 600


def test_every_command_and_setting_in_the_documents_exists():
    from commands.main import COMMANDS
    from namjai.settings import Settings

    settings = {f"NAMJAI_{name.upper()}" for name in Settings.model_fields} | {"NAMJAI_DEBUG"}
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = path.read_text()
        for name in re.findall(r"(?:^|[`\s/])namjai ([a-z][a-z-]+)", text):
            assert name in COMMANDS or name in _prose(), f"{path.name}: namjai {name}"
        for name in re.findall(r"NAMJAI_[A-Z_]+[A-Z]", text):
            assert name in settings, f"{path.name}: {name}"
        for target in re.findall(r"make ([a-z]+)", text):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) or target in _prose(), f"make {target}"


def _prose() -> set[str]:
    """Words that may follow in a sentence."""
    return {"is", "and", "a", "it", "the", "sure", "that", "them", "this", "use", "an", "its"}


def test_every_command_answers_for_help():
    from click.testing import CliRunner

    from commands.main import COMMANDS, namjai

    for name in COMMANDS:
        answer = CliRunner().invoke(namjai, [name, "--help"])
        assert answer.exit_code == 0, f"{name}: {answer.output}"


def test_nothing_that_others_wrote_is_committed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    if not tracked:
        pytest.skip("not a checkout: an archive has no list of what is committed")
    for name in tracked:
        assert not name.startswith(("node_modules/", ".venv/", "web/static/vendor/", "var/")), name
        assert not name.endswith((".woff2", ".ttf", ".jar", ".whl", ".min.js", ".min.css")), name


def test_the_python_that_ships_has_no_open_ends():
    for path in sources():
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", path.read_text()), name_of(path)
