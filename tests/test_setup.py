"""The set-up from a fresh clone: quick when nothing changed, clear when something fails, and the same everywhere."""
from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from commands import setup, vendor
from namjai.settings import FONTS, ROOT, VENDOR

PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)(\[[^]]*\])?==(?P<version>[^\s\\;]+)(?P<rest>.*)$")
SET_UP = [sys.executable, "-I", "-S", str(ROOT / "commands" / "setup.py"), "--dev"]


def pins(name: str) -> dict[str, str]:
    """Package -> the rest of its line, of a requirements file; every line that is no comment is an exact pin."""
    found = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line and not line.startswith(("#", " ")):
            pin = PIN.match(line)
            assert pin, f"{name}: {line!r} is no exact pin"
            found[re.sub(r"[-_.]+", "-", pin["name"]).lower()] = pin["rest"].strip()
    return found


def said_by(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


# The machine that these tests run on


def test_setting_up_again_costs_less_than_a_third_of_a_second() -> None:
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(SET_UP, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Work, not waiting: other tests run beside this one.
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.3


def test_the_setup_runs_on_a_python_that_has_nothing_but_its_standard_library() -> None:
    program = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    path = str(ROOT / "commands" / "setup.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, path], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded <= sys.stdlib_module_names | {"__main__"}


def test_everything_that_pages_ask_for_is_laid_out() -> None:
    for file in [*vendor.FILES.values(), "fonts.css", "icons/house.svg"]:
        assert (VENDOR / file).stat().st_size > 100, file
    stylesheet = (VENDOR / "fonts.css").read_text("utf-8")
    asked = set(re.findall(r"url\(([^)]+)\)", stylesheet))
    assert asked == {f"fonts/{file.name}" for file in (VENDOR / "fonts").iterdir()}
    for family in ("IBM Plex Sans", "IBM Plex Sans Thai Looped", "IBM Plex Mono", "Maitree", "Noto Sans Myanmar"):
        assert f"font-family: '{family}'" in stylesheet


def test_no_page_asks_for_a_source_map_that_is_not_there() -> None:
    for file in [*VENDOR.glob("*.js"), *VENDOR.glob("*.css")]:
        assert "sourceMappingURL" not in file.read_text("utf-8"), file.name


@pytest.mark.parametrize(
    ("file", "letters"),
    [
        ("sarabun-thai-400", "กาญจนบุรี ๐๑๒๓ ํ า"), ("sarabun-latin-600", "Grant 0123"), ("maitree-thai-500", "น้ำใจ"),
        ("noto-sans-myanmar-myanmar-400", "မြန်မာ"), ("noto-sans-khmer-khmer-400", "ខ្មែរ"), ("noto-sans-lao-lao-600", "ລາວ"),
    ],
)
def test_a_font_of_the_letters_is_ttf_and_has_its_script(file: str, letters: str) -> None:
    font = TTFont(FONTS / f"{file}.ttf")
    assert font.flavor is None
    assert {ord(letter) for letter in letters if letter != " "} <= font.getBestCmap().keys()


# What is written in the repository


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_each_direct_dependency_is_pinned_and_says_why(name: str) -> None:
    for package, rest in pins(name).items():
        assert re.match(r"#\s*\S.{8,}", rest), f"{package} in {name} has no reason"


def test_what_the_dependencies_need_is_pinned_once() -> None:
    direct = pins("requirements.txt").keys() | pins("requirements-dev.txt").keys()
    assert not direct & pins("constraints.txt").keys()


def test_everything_installed_beside_pip_is_pinned() -> None:
    pinned = {name for file in ("requirements.txt", "requirements-dev.txt", "constraints.txt") for name in pins(file)}
    needed = required_by(pins("requirements.txt").keys() | pins("requirements-dev.txt").keys())
    assert needed <= pinned


def required_by(direct: set[str]) -> set[str]:
    """Every installed distribution that these need without extras, themselves included."""
    from importlib import metadata

    found: set[str] = set()
    waiting = list(direct)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        found.add(name)
        waiting += [re.split(r"[\s;<>=!~(\[]", line)[0] for line in requires if "extra ==" not in line]
    return found


def test_programs_that_hold_the_data_are_pinned_by_hash() -> None:
    text = (ROOT / "requirements-postgres.txt").read_text("utf-8")
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) == 8


def test_the_lock_file_names_hashes_and_no_registry() -> None:
    text = (ROOT / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    packages = json.loads(text)["packages"]
    assert all(about["integrity"].startswith("sha512-") for path, about in packages.items() if path)


def test_front_end_packages_are_exact_versions() -> None:
    about = json.loads((ROOT / "package.json").read_text("utf-8"))
    for version in [*about["dependencies"].values(), *about["devDependencies"].values()]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_licence_of_everything_used_is_listed() -> None:
    listed = {name.lower().replace("_", "-").replace(".", "-") for name in
              re.findall(r"^\| (\S+)", (ROOT / "docs" / "licences.md").read_text("utf-8"), re.M)}
    for file in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        assert pins(file).keys() <= listed, file
    about = json.loads((ROOT / "package.json").read_text("utf-8"))
    for name in [*about["dependencies"], *about["devDependencies"]]:
        assert name.lower().replace(".", "-") in listed, name


def test_make_without_a_word_lists_its_commands() -> None:
    said = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for command in ("run", "test", "check", "bench", "look", "help"):
        assert re.search(rf"^make {command}\s+\S", said, re.M)


# What it says when something is missing


def a_need(name: str, there: bool) -> setup.Needs:
    return {name: ("letters", lambda: there)}


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that would have been run; each of them succeeds."""
    commands: list[list[str]] = []
    monkeypatch.setattr(setup, "quiet", lambda command: commands.append(command) or True)
    monkeypatch.setattr(setup.tempfile, "gettempdir", lambda: str(tmp_path))
    return commands


def test_a_missing_package_is_named_in_one_line_where_it_may_not_be_installed(
    apt: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "how_to_install", lambda: None)
    setup.debian_packages(a_need("libpango-1.0-0", False) | a_need("poppler-utils", False) | a_need("java", True))
    assert "apt-get install libpango-1.0-0 poppler-utils\n" in said_by(capsys)
    assert apt == []


def test_root_installs_what_is_missing_after_one_update(
    apt: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "how_to_install", lambda: ["apt-get"])
    state = {"there": False}
    monkeypatch.setattr(setup, "quiet", lambda command: state.update(there="install" in command) or apt.append(command) or True)
    setup.debian_packages({"libpango-1.0-0": ("letters", lambda: state["there"])})
    assert [command[1] for command in apt] == ["update", "install"]
    assert "apt-get install" not in said_by(capsys)


def test_a_package_that_cannot_be_had_is_not_tried_at_every_make(
    apt: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "how_to_install", lambda: ["apt-get"])
    setup.debian_packages(a_need("libpango-1.0-0", False))
    tried = len(apt)
    setup.debian_packages(a_need("libpango-1.0-0", False))
    assert len(apt) == tried > 0
    assert said_by(capsys).count("apt-get install libpango-1.0-0") == 2


def test_an_ordinary_user_without_sudo_may_not_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.os, "getuid", lambda: 1000)
    monkeypatch.setattr(setup.shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}")
    assert setup.how_to_install() is None


def test_debians_own_server_is_not_started_beside_ours(monkeypatch: pytest.MonkeyPatch, apt: list[list[str]]) -> None:
    monkeypatch.setattr(setup.os.path, "exists", lambda path: False)
    setup.no_cluster_of_debians_own(["sudo", "-n", "env", "apt-get"])
    assert apt[0][:3] == ["sudo", "-n", "sh"]
    assert "create_main_cluster = false" in apt[0][-1]


@pytest.mark.parametrize(
    ("pip_said", "sentence"),
    [
        ("WARNING: Retrying … NewConnectionError … Connection refused\nERROR: No matching distribution found for x", "does not answer"),
        ("ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)", "no fitting version"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: something unheard of", "could not be installed"),
    ],
)
def test_a_failing_package_index_is_a_clear_sentence(pip_said: str, sentence: str) -> None:
    assert sentence in setup.why_pip_failed(pip_said)


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup, "OLDEST_PYTHON", (99, 0))
    assert setup.main([]) == 1
    assert "needs Python" in capsys.readouterr().err


def test_nothing_of_others_is_in_the_repository() -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("only a clone knows which files belong to the repository")
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not re.search(r"^(node_modules|\.venv|web/static/vendor|var)/", listed.stdout, re.M)
