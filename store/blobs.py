"""Files beside the database, each a ciphertext under the hash of that ciphertext. Knows no file names and no keys."""
from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from namjai.problems import Problem, StorageFull


class BlobMissing(Problem):
    code, http_status = "blob-missing", 404
    en = "The file is not where it should be. Its record is unchanged; tell your administrator, who can look for it in a backup."
    th = "ไม่พบไฟล์ในที่เก็บ ข้อมูลรายการยังเหมือนเดิม แจ้งผู้ดูแลระบบเพื่อค้นจากสำเนาสำรอง"


class Blobs:
    """A store of ciphertexts: a folder, S3, or memory."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def at(cls, folder: Path, url: str | None = None) -> Blobs:
        """The store that the settings name: `s3://bucket/prefix`, `memory:`, or else the folder."""
        if url == "memory:":
            return cls(MemoryStore())
        if url:
            return cls(from_url(url))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(str(folder)))

    def put(self, ciphertext: bytes) -> str:
        """Keep a ciphertext; the answer is its address. Keeping it twice is keeping it once. Raises StorageFull."""
        address = address_of(ciphertext)
        try:
            obstore.put(self._store, _path(address), ciphertext)
        except (BaseError, OSError) as error:
            # A folder answers a full disk, a quota or a read-only mount; all mean: the sender keeps its copy.
            raise StorageFull() from error
        return address

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


def _path(address: str) -> str:
    return f"{address[:2]}/{address[2:]}"
