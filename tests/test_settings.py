"""Settings: read once, checked with sentences, frozen, and silent about secrets."""
from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from namjai.problems import SettingInvalid
from namjai.settings import Settings, decoded_key

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("NAMJAI_") or name in ("HOST", "PORT"):
            monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setenv("NAMJAI_DATA_DIR", str(tmp_path / "var"))


def refusal(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingInvalid) as refused:
        Settings()
    assert refused.value.text("th")
    return refused.value.text("en")


def test_without_any_setting_namjai_is_on_trial_on_this_machine_alone(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.on_trial
    assert (settings.host, settings.port, settings.timezone) == ("127.0.0.1", 8000, "Asia/Bangkok")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.database_url is None
    assert settings.data_dir == tmp_path / "var"


def test_what_one_types_before_make_run_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "8123", "HOST": "0.0.0.0", "NAMJAI_DEMO": "0"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.port, settings.host, settings.demo) == (8123, "0.0.0.0", False)


def test_a_variable_set_to_nothing_is_a_variable_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "NAMJAI_DEMO", "NAMJAI_DATABASE_URL", "NAMJAI_MASTER_KEY"):
        monkeypatch.setenv(name, "")
    assert Settings() == Settings()


def test_a_first_run_makes_two_secrets_that_their_owner_alone_reads(tmp_path: Path) -> None:
    settings = Settings()
    for name, key in {"secret": settings.secret_key, "master": settings.master_key}.items():
        file = tmp_path / "var" / "keys" / f"{name}.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert base64.b64decode(file.read_text()) == key
    assert stat.S_IMODE((tmp_path / "var" / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    assert settings.secret_key != settings.master_key
    assert sorted(file.name for file in (tmp_path / "var" / "keys").iterdir()) == ["master.key", "secret.key"]


def test_the_secrets_of_a_first_run_are_those_of_every_later_one() -> None:
    assert Settings().master_key == Settings().master_key


def test_first_runs_at_once_end_with_one_secret() -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len({key for key in pool.map(lambda _: Settings().master_key, range(64))}) == 1


def test_a_key_file_that_was_cut_short_stops_instead_of_being_replaced(tmp_path: Path) -> None:
    keys = tmp_path / "var" / "keys"
    keys.mkdir(parents=True)
    (keys / "master.key").write_text("")
    with pytest.raises(SettingInvalid, match="32 random bytes"):
        Settings()
    assert (keys / "master.key").read_text() == ""


def test_a_key_outside_the_data_directory_leaves_none_inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.key"
    file.write_text(KEY.hex() + "\n")
    monkeypatch.setenv("NAMJAI_MASTER_KEY_FILE", str(file))
    settings = Settings()
    assert settings.master_key == KEY
    assert not settings.master_key_lies_in_data_dir
    monkeypatch.setenv("NAMJAI_MASTER_KEY", base64.b64encode(bytes(32)).decode())
    assert Settings().master_key == bytes(32), "the variable itself goes first"


@pytest.mark.parametrize("written", [
    KEY.hex(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode().rstrip("="),
])
def test_a_key_is_read_in_each_common_writing(written: str) -> None:
    assert decoded_key(f" {written}\n") == KEY


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMJAI_MASTER_KEY", KEY.hex())
    monkeypatch.setenv("NAMJAI_DATABASE_URL", "postgresql://namjai:swordfish@db.example.org/namjai")
    settings = Settings()
    for shown in (repr(settings), str(settings), f"{settings!r}"):
        assert "swordfish" not in shown
        assert KEY.hex() not in shown
        assert repr(KEY) not in shown
        assert repr(settings.secret_key) not in shown


def test_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "swordfish" not in refusal(monkeypatch, "NAMJAI_MASTER_KEY", "swordfish")


def test_settings_never_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.demo = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NAMJAI_DEMO", "perhaps", "1 (on trial) or 0 (real work)"),
        ("PORT", "0", "a number from 1 to 65535"),
        ("PORT", "http", "a number"),
        ("NAMJAI_BASE_URL", "namjai.example.org", "https://namjai.example.org"),
        ("NAMJAI_BASE_URL", "https://me@namjai.example.org/?x=1", "https://namjai.example.org"),
        ("NAMJAI_DATABASE_URL", "sqlite:///namjai.db", "postgresql://"),
        ("NAMJAI_BLOBS_URL", "ftp://files.example.org", "s3://"),
        ("NAMJAI_LANGUAGE", "fr", "en or th"),
        ("NAMJAI_TIMEZONE", "Bangkok", "Asia/Bangkok"),
        ("NAMJAI_MASTER_KEY", "c2hvcnQ=", "32 random bytes"),
        ("NAMJAI_MASTER_KEY_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_a_bad_value_names_its_variable_and_says_what_would_be_good(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    sentence = refusal(monkeypatch, name, value)
    assert name in sentence
    assert says in sentence


def test_a_data_directory_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refusal(monkeypatch, "NAMJAI_DATA_DIR", str(tmp_path / "file"))


def test_a_database_url_is_given_to_the_driver_that_we_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMJAI_DATABASE_URL", "postgres://namjai@db.example.org/namjai")
    assert Settings().database_url == "postgresql+psycopg://namjai@db.example.org/namjai"


def test_a_base_url_is_what_tablets_see_without_a_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMJAI_BASE_URL", "https://namjai.example.org/")
    assert Settings().public_url == "https://namjai.example.org"


def test_an_env_file_counts_and_the_environment_counts_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NAMJAI_LANGUAGE=th\nPORT=8200\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    monkeypatch.setenv("PORT", "8300")
    assert (Settings().language, Settings().port) == ("th", 8300)
