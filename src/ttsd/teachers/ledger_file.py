"""The file of the ledger: SQLite, opened by any number of processes at once, and explained where it fails."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ttsd.errors import LedgerError
from ttsd.utils.files import explain_write

_BUSY_TIMEOUT_S = 60.0
_CURES = {
    "is full": "free some space and run the same command again to go on",
    "readonly": "make the file and its folder writable",
    "unable to open": "make the file and its folder readable and writable",
    "is locked": "end the program that holds it and run the same command again to go on",
}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS purchases (
    id INTEGER PRIMARY KEY,
    take TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'unknown', 'paid', 'given_up')),
    request TEXT NOT NULL,
    estimate INTEGER NOT NULL,
    credits INTEGER,
    holder TEXT NOT NULL,
    reserved_unix REAL NOT NULL,
    request_id TEXT,
    history_id TEXT UNIQUE,
    reason TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_live_purchase ON purchases (take) WHERE state != 'given_up';
CREATE INDEX IF NOT EXISTS spending ON purchases (credits, estimate);
CREATE TABLE IF NOT EXISTS sentences (
    sentence TEXT NOT NULL, take TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (sentence, take)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pins (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class LedgerFile:
    """A database that every thread and process of one machine may share."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Args:
            path: The file; `:memory:` keeps everything in memory.

        Raises:
            LedgerError: The file is not a ledger or cannot be read.
            StageError: The folder cannot be written.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._switch_to_wal()
            with self.transaction() as db:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
        except OSError as error:
            raise explain_write(path, error) from None
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self.db.close()

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            LedgerError: The file cannot be read.
        """
        with self._lock:
            try:
                return self.db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._explain(error) from None

    @contextmanager
    def transaction(self, is_flushed: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction that nobody else writes into.

        Args:
            is_flushed: It is on the disk when the block ends.

        Raises:
            LedgerError: The file cannot be written.
        """
        with self._lock:
            try:
                # Full: a commit is on the disk, not in a cache, before the request that it announces is sent.
                self.db.execute(f"PRAGMA synchronous = {'FULL' if is_flushed else 'NORMAL'}")
                # Immediate: nobody else writes between what is checked here and what is written.
                self.db.execute("BEGIN IMMEDIATE")
                try:
                    yield self.db
                    self.db.execute("COMMIT")
                except BaseException:
                    if self.db.in_transaction:
                        self.db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._explain(error) from None

    def _switch_to_wal(self) -> None:
        # SQLite does not wait here for others that open the same new file: it refuses at once.
        until_s = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                    raise
                time.sleep(0.01)

    def _explain(self, error: sqlite3.Error) -> LedgerError:
        cure = next(
            (cure for word, cure in _CURES.items() if word in str(error)),
            "run again when no other program holds it; if it is damaged, move it away and the takes beside it are "
            "entered anew",
        )
        return LedgerError(f"{self.path}: the ledger of bought speech cannot be used ({error}); {cure}")
