"""What an installation may set, read once and then passed as an argument.

Knows the environment, a `.env` file and where things lie; knows no database, no web and no programme. The two secrets
are made on a first run and kept in the data directory, readable by their owner alone.
"""
from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import socket
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from namjai.problems import SettingInvalid

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "web" / "static" / "vendor"  # other people's CSS, scripts, icons and web fonts; made by the set-up
FONTS = VENDOR / "fonts-ttf"  # the letters' fonts, `<family>-<subset>-<weight>.ttf`: TTF is laid out six times faster

KEY_BYTES = 32
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 compared, never listened on here
PLAIN_WORDS = {  # pydantic's own are written for programmers
    "bool_parsing": "it must be 1 (on trial) or 0 (real work)",
    "int_parsing": "it must be a number",
    "less_than_equal": "it must be a number from 1 to 65535",
    "greater_than_equal": "it must be a number from 1 to 65535",
    "literal_error": "it must be en or th",
}
Secret = Annotated[bytes | None, NoDecode, Field(repr=False)]


class Settings(BaseSettings):
    """The settings of one installation, frozen. Raises SettingInvalid, which names the variable, for a bad value.

    `secret_key` (sessions) and `master_key` (wraps the organisation's key) are always 32 bytes or more after
    construction: from the environment, from the file that `…_FILE` names, or from the data directory, where they are
    made when they are missing.
    """

    model_config = SettingsConfigDict(
        env_prefix="NAMJAI_", env_file=ROOT / ".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore",
        frozen=True, populate_by_name=True, hide_input_in_errors=True, validate_default=True,
    )

    data_dir: Path = ROOT / "var"
    database_url: str | None = Field(default=None, repr=False)  # may hold a password
    secret_key: Secret = None
    secret_key_file: Path | None = None
    master_key: Secret = None
    master_key_file: Path | None = None
    base_url: str | None = None
    proxies: int = 0  # how many stand before us and say whom they speak for
    blobs_url: str | None = Field(default=None, repr=False)  # may hold a key
    language: Literal["en", "th"] = "en"
    timezone: str = "Asia/Bangkok"
    demo: bool = True
    # HOST and PORT without a prefix, because that is what one types before `make run`.
    host: str = Field(default="127.0.0.1", validation_alias=AliasChoices("host", "NAMJAI_HOST", "HOST"))
    port: int = Field(default=8000, ge=1, le=65535, validation_alias=AliasChoices("port", "NAMJAI_PORT", "PORT"))

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _as_problem(error) from None

    @property
    def on_trial(self) -> bool:
        """Whether everything is shown but nothing counts: the opposite of real work (`NAMJAI_DEMO=0`)."""
        return self.demo

    @property
    def public_url(self) -> str:
        """The address that tablets and letters see, without a slash at its end."""
        host = lan_address() if self.host in EVERYWHERE else _bracketed(self.host)
        return self.base_url or f"http://{host}:{self.port}"

    @property
    def lan_command(self) -> str:
        """What one types so that tablets on the same network reach Namjai, on the port that it has."""
        return "HOST=0.0.0.0 make run" if self.port == 8000 else f"HOST=0.0.0.0 PORT={self.port} make run"

    @property
    def master_key_lies_in_data_dir(self) -> bool:
        """Whether whoever copies the data directory also has the key to it: fine on trial, not for real work."""
        return (self.data_dir / "keys" / "master.key").exists()

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return Path(os.path.abspath(value.expanduser()))

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, mark, rest = value.partition("://")
        if not mark or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ValueError("it must begin with postgresql:// (no other database is supported)")
        return f"postgresql+psycopg://{rest}"

    @field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        more = parts.query or parts.fragment or parts.username
        if parts.scheme not in ("http", "https") or not parts.hostname or more:
            raise ValueError("it must be a web address such as https://namjai.example.org")
        return value.rstrip("/")

    @field_validator("proxies")
    @classmethod
    def _few(cls, value: int) -> int:
        if not 0 <= value <= 5:
            raise ValueError("it must be the number of proxies before Namjai, from 0 to 5")
        return value

    @field_validator("blobs_url")
    @classmethod
    def _blob_store(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"(s3|file|memory)://", value):
            raise ValueError("it must begin with s3://, or be left out for a folder in the data directory")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("it must be the name of a time zone such as Asia/Bangkok")
        return value

    @field_validator("secret_key", "master_key", mode="before")
    @classmethod
    def _decoded(cls, value: object) -> bytes | None:
        return decoded_key(value) if isinstance(value, str) else value if value is None else _long_enough(value)

    @model_validator(mode="after")
    def _with_secrets(self) -> Settings:
        for name in ("secret", "master"):
            if getattr(self, f"{name}_key") is None:
                named = getattr(self, f"{name}_key_file")
                key = _key_from(named) if named else _key_made_once(self.data_dir / "keys" / f"{name}.key")
                # Frozen for everybody else; this is still the construction.
                object.__setattr__(self, f"{name}_key", key)
        return self


def lan_address() -> str:
    """The address under which other devices on the network reach this machine. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: only the route is asked for
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def decoded_key(text: str) -> bytes:
    """The bytes of a key written as hexadecimal or base64. Raises ValueError when it is neither, or too short."""
    text = text.strip()
    if re.fullmatch(r"(?:[0-9a-fA-F]{2}){32,}", text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return _long_enough(key)


def _long_enough(key: object) -> bytes:
    if not isinstance(key, bytes) or len(key) < KEY_BYTES:
        raise ValueError(
            f"it must be {KEY_BYTES} random bytes as base64 or hexadecimal (openssl rand -base64 {KEY_BYTES} makes one)"
        )
    return key


def _key_from(path: Path) -> bytes:
    try:
        return decoded_key(path.expanduser().read_text("ascii"))
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read ({(error.strerror or 'error').lower()})") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} must hold one key as base64 or hexadecimal") from None


def _key_made_once(path: Path) -> bytes:
    """The key in the file, made when it is missing. Two processes at once end with the same one."""
    try:
        if not path.exists():
            _write_once(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        return _key_from(path)
    except OSError as error:
        raise ValueError(f"the key file {path} cannot be made ({(error.strerror or 'error').lower()})") from None


def _write_once(path: Path, content: bytes) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where a rename would replace: the whole key of whoever came first stands, never half a key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _as_problem(error: ValidationError) -> SettingInvalid:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    reason = PLAIN_WORDS.get(first["type"]) or re.sub(r"^Value error, ", "", first["msg"])
    if not field:  # the secrets' validator sees the whole; the reason names the file
        return SettingInvalid(name="NAMJAI_SECRET_KEY_FILE / NAMJAI_MASTER_KEY_FILE", reason=reason)
    name = field.upper()
    if not name.startswith("NAMJAI_"):
        name = name if name in ("HOST", "PORT") else f"NAMJAI_{name}"
    return SettingInvalid(name=name, reason=reason[:1].lower() + reason[1:])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
