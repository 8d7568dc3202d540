"""Files beside the database, each a ciphertext under the hash of that ciphertext. Knows no file names and no keys."""
from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from namjai.problems import Problem, StorageFull


class BlobMissing(Problem):
    code, http_status = "blob-missing", 404
    en = ("The file is not where it should be. Its record is unchanged; tell your administrator, who can look for "
          "it in a backup.")
    th = "ไม่พบไฟล์ในที่เก็บ ข้อมูลรายการยังเหมือนเดิม แจ้งผู้ดูแลระบบเพื่อค้นจากสำเนาสำรอง"


class Blobs:
    """A store of ciphertexts: a folder, S3, or memory."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store, self._folder = store, folder
        self._mine = threading.local()

    @classmethod
    def at(cls, folder: Path, url: str | None = None) -> Blobs:
        """The store that the settings name: `s3://bucket/prefix`, `memory:`, or else the folder."""
        if url == "memory:":
            return cls(MemoryStore())
        if url:
            return cls(from_url(url))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(str(folder)), folder)

    def put(self, ciphertext: bytes) -> str:
        """Keep a ciphertext; the answer is its address. Keeping it twice is keeping it once. Raises StorageFull.

        In a folder it is on the disk when this returns: a tablet deletes its copy once it is told 201.
        """
        address = address_of(ciphertext)
        written: list[str] | None = getattr(self._mine, "written", None)
        if written is not None:
            written.append(address)
        try:
            obstore.put(self._store, _path(address), ciphertext)
            if self._folder is not None:
                _settle(self._folder / _path(address), self._folder)
        except (BaseError, OSError) as error:
            # A folder answers a full disk, a quota or a read-only mount; all mean: the sender keeps its copy.
            raise StorageFull() from error
        return address

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is put within stays when it ends well. On any exception it goes again, so that a delivery that is
        sent over and over to a full disk does not fill it with what no row names. The caller must then roll back.
        """
        outer: list[str] | None = getattr(self._mine, "written", None)
        written: list[str] = []
        self._mine.written = written
        try:
            yield
        except BaseException:
            for address in written:
                self._forget(address)
            raise
        finally:
            self._mine.written = outer
        if outer is not None:
            outer += written

    def _forget(self, address: str) -> None:
        try:
            obstore.delete(self._store, _path(address))
        except (FileNotFoundError, BaseError, OSError):
            return  # it was never written, or stays as bytes that no key opens

    def get(self, address: str) -> bytes:
        """The ciphertext at an address. Raises BlobMissing."""
        try:
            return bytes(obstore.get(self._store, _path(address)).bytes())
        except (FileNotFoundError, BaseError, OSError) as error:
            raise BlobMissing() from error

    def remove(self, address: str) -> None:
        """Take a ciphertext away. One that is not there is fine."""
        with suppress(FileNotFoundError, BaseError, OSError):
            obstore.delete(self._store, _path(address))


def address_of(ciphertext: bytes) -> str:
    """Where a ciphertext lies, or would."""
    return hashlib.sha256(ciphertext).hexdigest()


def _settle(path: Path, above: Path) -> None:
    """Bring a file and its names to the disk. Raises OSError."""
    for one in (path, path.parent, above):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _path(address: str) -> str:
    return f"{address[:2]}/{address[2:]}"
