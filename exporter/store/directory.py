"""The directory that the database is kept in: one exporter at a time, one file, set aside if it cannot be trusted."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import structlog

from exporter.store import tables

log = structlog.get_logger(__name__)

FILE = "jobs.sqlite"
_LOCK = "lock"
_LOGS = ("-wal", "-shm")
"""What SQLite keeps beside the file while it is open, and after a kill."""


class StorageError(Exception):
    """The directory cannot be used: says why, in one line that names it."""


@dataclass
class Directory:
    """A directory that is locked for this process."""

    path: Path
    lock: int
    """The open file that holds the lock."""

    @property
    def file(self) -> Path:
        """The database."""
        return self.path / FILE

    @property
    def size(self) -> int:
        """The bytes on disk, of the file and its logs."""
        paths = [Path(f"{self.file}{suffix}") for suffix in ("", *_LOGS)]
        return sum(path.stat().st_size for path in paths if path.exists())

    @classmethod
    def locked(cls, directory: Path) -> Directory:
        """Lock a directory, which is made if need be; raises StorageError."""
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise StorageError(f"{directory}: not a directory") from None
        except OSError as error:
            raise StorageError(f"{directory}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StorageError(f"{directory}: used by another exporter; each needs a directory of its own") from None
        except OSError as error:
            os.close(lock)
            raise StorageError(f"{directory}: cannot be locked: {error.strerror}") from None
        return cls(directory, lock)

    def opened(self) -> sqlite3.Connection:
        """Return a connection to the database, which is started over if there is none that can be trusted.

        Raises StorageError if it cannot be written.
        """
        try:
            if self.file.exists() and (flaw := flaw_of(self.file)):
                self.set_aside(flaw)
            # Made here, because SQLite would make it readable by everyone.
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # Small pages: a commit writes each that it touched to the log, as a whole.
            connection = tables.connected(str(self.file), page_size=4096)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise StorageError(f"{self.file}: {error.strerror}") from None
        except sqlite3.Error as error:
            raise StorageError(f"{self.file}: {error}") from None
        return connection

    def reader(self) -> sqlite3.Connection:
        """Return a second connection, which sees what was committed and never waits for who writes."""
        return sqlite3.connect(
            f"file:{quote(str(self.file))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )

    def set_aside(self, flaw: str) -> None:
        """Rename the database, so that another one can be started."""
        name = f"{FILE}.{time.strftime('%Y%m%dT%H%M%S')}"
        log.error("Storage set aside: counters start over", file=str(self.file), kept_as=name, err=flaw)
        for suffix in ("", *_LOGS):
            path = Path(f"{self.file}{suffix}")
            if path.exists():
                path.rename(self.path / f"{name}{suffix}")

    def close(self) -> None:
        """Unlock the directory."""
        os.close(self.lock)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        # A full sync at each commit: a counter that was exported must not go back after a power cut.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Every commit runs in the thread, and so does the checkpoint of the one that fills the log: about 16 MB.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        if not version:
            tables.create(connection)
        tables.upgrade(connection, version or tables.VERSION)
        # Fails where the directory can be read only, which nothing before did if there is a database already.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {tables.VERSION}")
        connection.execute("COMMIT")


def flaw_of(file: Path) -> str:
    """Return why a database cannot be trusted; empty if it can, or if it is still empty.

    Raises sqlite3.OperationalError if it cannot be read at all.
    """
    try:
        with closing(sqlite3.connect(file)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (number,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not (application or version or number):
                return ""
            if application != tables.APPLICATION:
                return "not a database of this exporter"
            if version > tables.VERSION:
                return f"written by a newer exporter: version {version}, this one knows {tables.VERSION}"
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            return "" if verdict == "ok" else f"damaged: {verdict}"
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return f"damaged: {error}"


class Contents(NamedTuple):
    """What a directory holds."""

    file: Path
    size: int
    """Bytes."""
    version: int
    """Of the tables."""
    is_used: bool
    """Whether an exporter is running on it."""
    services: list[tuple[str, int, int, int, float | None]]
    """For each service: its name, sources, active jobs, finished jobs, and when one was last read, in seconds since
    1970-01-01 UTC."""


def contents(directory: Path) -> Contents:
    """Check what a directory holds, and return it, also while an exporter uses it.

    Raises StorageError if there is nothing, or nothing that can be trusted.
    """
    file = directory / FILE
    if not file.is_file():
        raise StorageError(f"{directory}: holds no {FILE}")
    try:
        if flaw := flaw_of(file):
            raise StorageError(f"{file}: {flaw}")
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            services = connection.execute(_SERVICES).fetchall()
    except sqlite3.OperationalError as error:
        raise StorageError(f"{file}: {error}") from None
    return Contents(file, Directory(directory, -1).size, version, _is_locked(directory), services)


def _is_locked(directory: Path) -> bool:
    try:
        Directory.locked(directory).close()
    except StorageError:
        return True
    return False


_SERVICES = """
SELECT aws_service, count(*),
    sum((SELECT count(*) FROM job WHERE job.source = source.n AND finished IS NULL)),
    sum((SELECT coalesce(sum(jobs), 0) FROM tally WHERE tally.source = source.n)),
    max(last_success) / 1000.0
FROM source WHERE found IS NULL AND gone IS NULL GROUP BY aws_service ORDER BY aws_service
"""
