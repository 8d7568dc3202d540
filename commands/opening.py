"""Opening an installation: settings, the embedded PostgreSQL where no other is named, the newest schema, the store."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from namjai.settings import Settings
from store.actor import Actor
from store.opening import KEEPER, Store, open_store


@contextmanager
def opened(settings: Settings | None = None, *, pool_size: int = 4, migrating: bool = True) -> Iterator[Store]:
    """The store of this installation, open as long as the block runs. Raises what the settings and PostgreSQL say."""
    settings = settings or Settings()
    with database_url(settings) as url:
        if migrating:
            from store.migrate import migrate

            migrate(url)
        store = open_store(settings, url, pool_size=pool_size)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The address of the database: the one that the settings name, else the embedded one, running."""
    if settings.database_url:
        yield settings.database_url
        return
    from store.postgres import EmbeddedPostgres

    with EmbeddedPostgres.start(settings.data_dir) as server:
        yield server.url


def project_actor(store: Store, name: str | None, *, make: str | None = None) -> Actor:
    """The command at work in a project: the named one, the only one, or (`make`) a new one of that name.

    Raises ProjectUnknown, ProjectAmbiguous, ProjectUnknown when there is none and none may be made.
    """
    from cases import projects

    with store.database.begin(KEEPER) as tx:
        if make is not None and (name is None or name not in {row.name for row in projects.all_projects(tx)}):
            found = projects.find(tx, None) if name is None else None
            if found is None:
                chosen = name or make
                found = projects.make(
                    tx, store, name=chosen, short_name=_short(chosen), timezone=store.settings.timezone
                )
        else:
            found = projects.find(tx, name)
        if found is None:
            raise projects.ProjectUnknown(name=name or "—", known="—")
        return projects.in_project(found.id)


def _short(name: str) -> str:
    letters = "".join(letter for letter in name.upper() if "A" <= letter <= "Z")
    return (letters + "XX")[:2]
