"""What is open while Namjai runs: database, keyring and blobs of one installation, made from the settings."""
from __future__ import annotations

from dataclasses import dataclass

from namjai.settings import Settings
from store.actor import NO_PROJECT, Actor
from store.blobs import Blobs
from store.database import Database
from store.keys import Keyring, open_keyring

# What the commands and the worker act as until they know their project.
KEEPER = Actor("command", projects=(NO_PROJECT,), scope="all")


@dataclass(frozen=True)
class Store:
    """One installation's store, open. Shared by threads, made once a process."""

    settings: Settings
    database: Database
    keyring: Keyring
    blobs: Blobs

    def close(self) -> None:
        self.database.close()


def open_store(settings: Settings, url: str, *, pool_size: int = 8) -> Store:
    """Open the store at a migrated database. Raises MasterKeyInvalid, DatabaseUnreachable."""
    assert settings.master_key is not None  # made at construction where it is not set
    database = Database(url, pool_size=pool_size)
    with database.begin(KEEPER) as tx:
        keyring = open_keyring(tx, settings.master_key)
    return Store(settings, database, keyring, Blobs.at(settings.data_dir / "blobs", settings.blobs_url))
