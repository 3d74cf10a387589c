"""Results kept by what they were made from, so that nothing is measured twice; losing them costs time alone."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ttsd.utils.files import explain_write

CACHE_NAME = "results.sqlite"
_BUSY_TIMEOUT_S = 60.0
_AT_ONCE = 500


class Cache:
    """JSON-able results by key; one file that several processes may use at once.

    Args:
        folder: Where the file lies; made where it is missing. A damaged file is made anew.

    Raises:
        StageError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / CACHE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._db = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                path.unlink()
                self._db = _open(path)
        except OSError as error:
            raise explain_write(path, error) from None
        except sqlite3.Error as error:
            raise explain_write(path, OSError(str(error))) from None

    def __enter__(self) -> "Cache":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def read(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the results known under some keys; the others are left out."""
        wanted, known = list(keys), {}
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            for key, value in self._db.execute(f"SELECT key, value FROM results WHERE key IN ({marks})", part):
                known[key] = json.loads(value)
        return known

    def write(self, results: Mapping[str, Any]) -> None:
        """Keep results, each under a hash of everything that shapes it.

        Raises:
            StageError: The disk is full or read-only.
        """
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in results.items()]
        try:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise explain_write(Path(CACHE_NAME), OSError(str(error))) from None


def find_cache(configured: Path | None, out_dir: Path) -> Path:
    """Return the folder of the cache: the one in the settings, or `cache` beside a stage's output."""
    return configured if configured is not None else out_dir.parent / "cache"


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
    db.execute("CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    return db
