"""The ledger of bought speech: what was asked for, what it cost, and whose outcome is not known.

A take is the answer to one request, and its key is a hash of everything that shapes the audio. A purchase is one
attempt to buy a take, and moves through these states; each arrow is committed to the disk before anything else is done:

    reserve ── reserved ──┬── settle ────> paid       the audio is on the disk
                          ├── release ───> (no row)   the service said that nothing was billed
                          └── doubt ─────> unknown    nobody knows whether it was billed
    unknown ──────────────┬── settle ────> paid       found in the service's history
                          └── give_up ───> given_up   the user decided to buy the take again
    paid ───────────────────── lose ─────> unknown    its audio is gone from the disk, or damaged

What is reserved by a process that has died is as good as unknown. Another process may have moved a purchase on since it
was looked at: a step that no longer applies changes nothing. At most one purchase of a take is reserved, unknown
or paid, by an index of the database: no code can buy a take twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttsd.errors import LedgerError
from ttsd.teachers.ledger_file import LedgerFile

LEDGER_NAME = "ledger.sqlite"
State = Literal["reserved", "unknown", "paid", "given_up"]
Reserved = Literal["reserved", "taken", "over_cap"]

_COLUMNS = "id, take, state, request, estimate, credits, holder, reserved_unix, request_id, history_id, reason"


@dataclass(frozen=True)
class Purchase:
    """One attempt to buy a take."""

    id: int
    take: str
    state: State
    request: dict[str, Any]
    estimate: int
    """Credits it was expected to cost."""
    credits: int | None
    """Credits the service said it cost, once paid."""
    holder: str
    """Run that reserved it."""
    reserved_unix: float
    request_id: str | None
    history_id: str | None
    reason: str | None
    """Why its outcome is unknown."""


@dataclass(frozen=True)
class Place:
    """Where a sentence is spoken, or will be."""

    take: str
    index: int
    """Its number in the take, from 0."""
    state: State


class Ledger:
    """The ledger of one folder of takes; safe for any number of threads and processes on one machine."""

    def __init__(self, folder: Path | None) -> None:
        """Open the ledger, or make it.

        Args:
            folder: The folder of takes; none keeps an empty ledger in memory, for a plan.

        Raises:
            LedgerError: The file is not a ledger or cannot be read.
            StageError: The folder cannot be written.
        """
        self._file = LedgerFile(Path(":memory:") if folder is None else folder / LEDGER_NAME)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def reserve(
        self,
        take: str,
        request: Mapping[str, Any],
        sentences: Sequence[str],
        *,
        estimate: int,
        cap: int | None,
        holder: str,
        now_unix: float,
    ) -> Reserved:
        """Announce a request before it is sent, if the take is not bought yet and the cap allows it.

        All is checked in the transaction that writes the reservation, so no number of processes can overshoot the cap.

        Args:
            take: Key of the take.
            request: What will be sent.
            sentences: Keys of the sentences in it, in their order.
            estimate: Credits it is expected to cost.
            cap: Most credits that all purchases ever may come to, those in flight included; none has no cap.
            holder: Run that reserves.
            now_unix: Time by the clock, in seconds since 1970.

        Returns:
            `reserved`; `taken` where the take or one of its sentences is bought, in flight or unknown; or `over_cap`.
        """
        with self._file.transaction() as db:
            # A replan by another process may have put one of the sentences into a take of its own.
            if self._is_live(take) or self.find(sentences):
                return "taken"
            if cap is not None and self.spent() + estimate > cap:
                return "over_cap"
            db.execute(
                "INSERT INTO purchases (take, state, request, estimate, holder, reserved_unix) "
                "VALUES (?, 'reserved', ?, ?, ?, ?)",
                (take, json.dumps(request, ensure_ascii=False, sort_keys=True), estimate, holder, now_unix),
            )
            self._write_sentences(take, sentences)
            return "reserved"

    def settle(
        self, take: str, *, credits: int | None, request_id: str | None = None, history_id: str | None = None
    ) -> None:
        """Record that a take is paid and its audio on the disk; without `credits` it cost what was expected."""
        # The take on the disk says the same: if the power fails before this is flushed, it is settled from there.
        with self._file.transaction(is_flushed=False) as db:
            db.execute(
                "UPDATE purchases SET state = 'paid', reason = NULL, credits = COALESCE(?, estimate), "
                "request_id = COALESCE(?, request_id), history_id = COALESCE(?, history_id) WHERE take = ? AND "
                "state IN ('reserved', 'unknown')",
                (credits, request_id, self._unclaimed(history_id, take), take),
            )
            self._check_known(take)

    def release(self, take: str) -> None:
        """Take a reservation back: the service said that nothing was billed, or was never reached."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM purchases WHERE take = ? AND state = 'reserved'", (take,))
            db.execute(
                "DELETE FROM sentences WHERE take = ? AND take NOT IN (SELECT take FROM purchases WHERE take = ?)",
                (take, take),
            )

    def doubt(
        self,
        take: str,
        reason: str,
        *,
        request_id: str | None = None,
        history_id: str | None = None,
        holder: str | None = None,
    ) -> None:
        """Record that nobody knows whether a take was billed; with `holder`, only where that run has reserved it."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE purchases SET state = 'unknown', reason = ?, request_id = COALESCE(?, request_id), "
                "history_id = COALESCE(?, history_id) WHERE take = ? AND state IN ('reserved', 'unknown') AND "
                "holder = COALESCE(?, holder)",
                (reason, request_id, self._unclaimed(history_id, take), take, holder),
            )
            self._check_known(take)

    def lose(self, take: str, reason: str) -> None:
        """Record that the audio of a paid take is not on the disk any more."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE purchases SET state = 'unknown', reason = ? WHERE take = ? AND state = 'paid'", (reason, take)
            )
            self._check_known(take)

    def give_up(self, take: str) -> None:
        """Record that the user gives an unknown take up, so that it can be bought again; its price stays spent."""
        with self._file.transaction() as db:
            db.execute("UPDATE purchases SET state = 'given_up' WHERE take = ? AND state = 'unknown'", (take,))
            self._check_known(take)

    def adopt(
        self,
        take: str,
        request: Mapping[str, Any],
        sentences: Sequence[str],
        *,
        credits: int,
        request_id: str | None,
        history_id: str | None,
        reserved_unix: float,
        doubt: str | None = None,
        is_there: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Enter a take of which the disk has a record and the ledger knows nothing; false where that is so no more.

        Args:
            take: Key of the take.
            request: What was sent.
            sentences: Keys of the sentences in it, in their order.
            credits: What it cost, or is expected to have cost.
            request_id: The service's name for the request, if known.
            history_id: The item of the service's history, if known.
            reserved_unix: When it was reserved, in seconds since 1970.
            doubt: Why its outcome is unknown; none where it is paid and its audio on the disk.
            is_there: Tells whether the record is still there. A living run reserves before it writes one and removes
                it before it releases: one without a purchase, seen while nobody else can reserve, is of a lost ledger.
        """
        with self._file.transaction() as db:
            # What the user gave up is known, and stays so until its audio is there.
            if self._is_live(take) or (doubt is not None and self._is_known(take)) or not is_there():
                return False
            db.execute(
                "INSERT INTO purchases (take, state, request, estimate, credits, holder, reserved_unix, "
                "request_id, history_id, reason) VALUES (?, ?, ?, ?, ?, 'adopted', ?, ?, ?, ?)",
                (
                    take,
                    "paid" if doubt is None else "unknown",
                    json.dumps(request, ensure_ascii=False, sort_keys=True),
                    credits,
                    credits if doubt is None else None,
                    reserved_unix,
                    request_id,
                    self._unclaimed(history_id, take),
                    doubt,
                ),
            )
            self._write_sentences(take, sentences)
            return True

    def find(self, sentences: Sequence[str]) -> dict[str, Place]:
        """Return where sentences are spoken, by their keys; those in no live purchase are left out."""
        rows = self._file.read(
            "SELECT s.sentence, s.take, s.place, p.state FROM json_each(?) AS wanted "
            "JOIN sentences AS s ON s.sentence = wanted.value "
            "JOIN purchases AS p ON p.take = s.take AND p.state != 'given_up' "
            # The paid one, where the user bought a sentence again.
            "ORDER BY p.state = 'paid', p.id DESC",
            json.dumps(list(sentences)),
        )
        return {sentence: Place(take, place, state) for sentence, take, place, state in rows}

    def purchases(self, *states: State) -> list[Purchase]:
        """Return the purchases in the given states, oldest first."""
        marks = ", ".join("?" * len(states))
        rows = self._file.read(
            f"SELECT {_COLUMNS} FROM purchases WHERE state IN ({marks}) ORDER BY id",
            *states,
        )
        return [_read_purchase(row) for row in rows]

    def find_purchases(self, takes: Sequence[str]) -> dict[str, Purchase]:
        """Return the live purchases of takes, by their keys."""
        rows = self._file.read(
            f"SELECT {_COLUMNS} FROM purchases WHERE state != 'given_up' AND take IN (SELECT value FROM json_each(?))",
            json.dumps(list(takes)),
        )
        return {purchase.take: purchase for purchase in map(_read_purchase, rows)}

    def find_unbought(self, takes: Sequence[str]) -> list[str]:
        """Return those of some takes that have no live purchase."""
        rows = self._file.read(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT take FROM purchases WHERE state != 'given_up')",
            json.dumps(list(takes)),
        )
        return [take for (take,) in rows]

    def has_history(self, history_id: str) -> bool:
        """Tell whether a purchase is known to be this item of the service's history."""
        return bool(self._file.read("SELECT 1 FROM purchases WHERE history_id = ?", history_id))

    def spent(self) -> int:
        """Return the credits of every purchase ever: paid, in flight, unknown and given up."""
        ((total,),) = self._file.read("SELECT COALESCE(SUM(COALESCE(credits, estimate)), 0) FROM purchases")
        return int(total)

    def pin(self, name: str, value: Any) -> Any:
        """Return the value kept under a name; the first one given is kept for good."""
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO pins VALUES (?, ?)", (name, json.dumps(value, sort_keys=True)))
        return self.read_pin(name)

    def read_pin(self, name: str) -> Any:
        """Return the value kept under a name, or none."""
        rows = self._file.read("SELECT value FROM pins WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def _is_live(self, take: str) -> bool:
        return bool(self._file.read("SELECT 1 FROM purchases WHERE take = ? AND state != 'given_up'", take))

    def _write_sentences(self, take: str, sentences: Sequence[str]) -> None:
        rows = [(sentence, take, place) for place, sentence in enumerate(sentences)]
        self._file.db.executemany("INSERT OR IGNORE INTO sentences VALUES (?, ?, ?)", rows)

    def _unclaimed(self, history_id: str | None, take: str) -> str | None:
        """Return an item of the history, or none where another purchase has it; the audio tells what a take is."""
        claims = "SELECT 1 FROM purchases WHERE history_id = ? AND (take != ? OR state = 'given_up')"
        return None if self._file.read(claims, history_id, take) else history_id

    def _is_known(self, take: str) -> bool:
        return bool(self._file.read("SELECT 1 FROM purchases WHERE take = ?", take))

    def _check_known(self, take: str) -> None:
        if not self._is_known(take):
            raise LedgerError(f"{self._file.path}: {take[:16]} is gone from the ledger; restore the file from a copy")


def _read_purchase(row: tuple[Any, ...]) -> Purchase:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Purchase(**(fields | {"request": json.loads(fields["request"])}))
