"""Who acts in the tests: tablets, people with roles, a real PostgreSQL that the tests start themselves.

One cluster a session (shared by the workers of pytest-xdist), one template database with the aftercare programme, one
copy of it a test.
"""
from __future__ import annotations

import io
import os
import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from cases import installation, projects, tablets
from namjai.settings import ROOT, Settings
from odk.check import load_folder
from odk.xlsform import Compiled, compile_xlsform
from store.actor import Actor
from store.migrate import migrate
from store.opening import KEEPER, Store, open_store
from store.postgres import EmbeddedPostgres

AFTERCARE = ROOT / "forms" / "aftercare"
# Durability is tested on clusters of its own; here a test's database lives for a second.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def cluster(shared_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL of this run. Each worker holds it; the last one out stops it."""
    with EmbeddedPostgres.start(shared_folder / "postgres", settings=_QUICK) as server:
        yield server


def address(cluster: EmbeddedPostgres, database: str) -> str:
    return sa.make_url(cluster.url).set(database=database).render_as_string(hide_password=False)


def administer(cluster: EmbeddedPostgres, statement: str) -> None:
    engine = sa.create_engine(address(cluster, "postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def master_key() -> bytes:
    return b"a master key for tests, 32 bytes"


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, master_key: bytes) -> Iterator[str]:
    """The name of a database with the newest schema and the aftercare programme; never used, only copied."""
    name = f"template_{secrets.token_hex(4)}"
    administer(cluster, f"CREATE DATABASE {name}")
    migrate(address(cluster, name))
    settings = Settings(data_dir=tmp_path_factory.mktemp("template"), master_key=master_key)
    store = open_store(settings, address(cluster, name), pool_size=1)
    programme, folder = load_folder(AFTERCARE, validate=False)
    with store.database.begin(KEEPER) as tx:
        project = projects.make(
            tx, store, name=programme.id, short_name=programme.short_name, timezone=programme.timezone
        )
    with store.database.begin(projects.in_project(project.id)) as tx:
        installation.install(tx, store, projects.in_project(project.id), programme, folder)
    store.close()
    yield name
    administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(cluster: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The address of this test's own copy of the template."""
    name = f"test_{secrets.token_hex(6)}"
    # Copying files costs a checkpoint, which is nothing without fsync; writing all pages to the log takes twice as long.
    administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield address(cluster, name)
    administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(tmp_path: Path, master_key: bytes, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", master_key=master_key, database_url=database_url)


@pytest.fixture
def store(settings: Settings, database_url: str) -> Iterator[Store]:
    """An open store on this test's database."""
    opened = open_store(settings, database_url, pool_size=10)
    yield opened
    opened.close()


@pytest.fixture
def aftercare(store: Store) -> Actor:
    """A command at work in the project that has the aftercare programme, seeing all of it."""
    with store.database.begin(KEEPER) as tx:
        project = projects.find(tx, None)
    assert project is not None
    return projects.in_project(project.id)


@pytest.fixture
def app(store: Store) -> Flask:
    from web.app import create_app

    made = create_app(store)
    made.testing = True
    return made


@dataclass
class Tablet:
    """ODK Collect, as far as the door can see it."""

    client: FlaskClient
    token: str
    id: uuid.UUID
    name: str = "Tablet"
    sent: list[bytes] = field(default_factory=list)

    def get(self, path: str) -> Any:
        return self.client.get(f"/key/{self.token}/{path}")

    def post(self, xml: bytes | str, files: dict[str, bytes] | None = None, *, incomplete: bool = False) -> Any:
        """One POST of an instance with some of its files."""
        body = xml.encode() if isinstance(xml, str) else xml
        self.sent.append(body)
        data: dict[str, Any] = {"xml_submission_file": (io.BytesIO(body), "submission.xml", "text/xml")}
        for name, content in (files or {}).items():
            data[name] = (io.BytesIO(content), name, "image/jpeg" if name.endswith("jpg") else "application/octet-stream")
        if incomplete:
            data["*isIncomplete*"] = "yes"
        return self.client.post(f"/key/{self.token}/submission?deviceID=device-1", data=data)


@pytest.fixture
def new_tablet(app: Flask, store: Store, aftercare: Actor) -> Callable[..., Tablet]:
    """Enrols a tablet; `user_id` says whose it is."""

    def enrol(name: str = "Tablet 1", user_id: uuid.UUID | None = None) -> Tablet:
        with store.database.begin(aftercare) as tx:
            tablet_id, token = tablets.create(tx, store, aftercare, name, user_id)
        return Tablet(app.test_client(), token, tablet_id, name)

    return enrol


@pytest.fixture
def tablet(new_tablet: Callable[..., Tablet]) -> Tablet:
    """A tablet without a person, which sees its whole project."""
    return new_tablet()


@pytest.fixture
def person(store: Store, aftercare: Actor) -> Callable[..., Actor]:
    """Makes a user with a role in the aftercare project; gives the actor that the web would make of them."""

    def make(role: str, name: str | None = None, team: str | None = None) -> Actor:
        import datetime as dt

        from store.keys import new_id
        from store.tables import project_user, users

        user_id = new_id()
        who = name or role.replace("_", " ").title()
        with store.database.begin(aftercare) as tx:
            tx.execute(
                users.insert().values(
                    id=user_id, email=f"{role}.{user_id.hex[-6:]}@example.org", name=who, language="en", theme="auto",
                    single_keys=True, demonstration=True, created_at=dt.datetime.now(dt.UTC),
                )
            )
            tx.execute(project_user.insert().values(project_id=aftercare.project, user_id=user_id, role=role, team=team))
        return Actor("person", user_id, (aftercare.project,), "all", team)

    return make


@pytest.fixture
def publish(store: Store, aftercare: Actor) -> Callable[..., Compiled]:
    """Publishes an XLSForm written as a Markdown table in the test (by its columns' usual names)."""
    from cases.projects import programme_of
    from cases.publishing import publish as publish_version

    def do(markdown: str, **options: Any) -> Compiled:
        compiled = compile_markdown(markdown)
        with store.database.begin(aftercare) as tx:
            publish_version(tx, store, aftercare, compiled, programme=programme_of(tx, aftercare.project), **options)
        return compiled

    return do


def compile_markdown(markdown: str) -> Compiled:
    """An XLSForm from a Markdown table, through a real workbook."""
    return compile_xlsform(workbook_of(markdown), validate=False, name="form.xlsx")


def workbook_of(markdown: str) -> bytes:
    """The bytes of an .xlsx whose sheets stand in a Markdown table: `| survey |`, then rows that begin with `| |`."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    sheet = None
    for line in markdown.strip().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] and re.fullmatch(r"[a-z_]+", cells[0]):
            sheet = book.create_sheet(cells[0])
            cells = ["", *cells[1:]]
        if sheet is not None and any(cells[1:]):
            sheet.append([cell or None for cell in cells[1:]])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
