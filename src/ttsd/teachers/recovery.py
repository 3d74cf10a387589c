"""Takes whose outcome is unknown: found on the disk or in the service's history, and fetched for nothing."""

import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsd.teachers.answers import Answer, check_rate, check_times, unpack_audio
from ttsd.teachers.elevenlabs import ElevenLabsClient, HistoryItem
from ttsd.teachers.ledger import Ledger, Purchase
from ttsd.teachers.passages import sentence_key, take_key
from ttsd.teachers.takes import Take, TakeStore, hash_audio
from ttsd.utils.locks import is_held

HOLDERS_NAME = ".holders"
DIED = "the run ended in the middle of the request"
"""Why what a dead process had reserved is unknown."""
LOST = "its audio on the disk is gone or damaged"
"""Why what was paid is unknown."""
# The service's clock is not ours.
_CLOCK_MARGIN_S = 300


def enter_takes(ledger: Ledger, store: TakeStore) -> int:
    """Enter what lies on the disk and the ledger does not know, as after it was lost: voices, takes, and doubts.

    A take whose audio is whole is paid; one that has a record alone, or damaged audio, is in doubt.

    Returns:
        How many takes were entered.

    Raises:
        LedgerError: What is kept of a voice is damaged.
    """
    for voice, facts in store.voices().items():
        ledger.pin(voice_pin(voice), facts)
    n_entered = 0
    for key in ledger.find_unbought(list(store.keys())):
        found = store.read(key)
        take = found[0] if found is not None else store.read_record(key)
        if take is None or take_key(take.request) != key:
            continue
        n_entered += ledger.adopt(
            key,
            {"request": take.request, "texts": list(take.texts)},
            [sentence_key(take.request, text) for text in take.texts],
            credits=take.credits,
            request_id=take.request_id,
            history_id=take.history_id,
            reserved_unix=take.bought_unix,
            doubt=None if found is not None else LOST if take.sha256 else DIED,
            is_there=functools.partial(store.has_record, key),
        )
    return n_entered


def voice_pin(voice: str) -> str:
    """Return the name under which the ledger keeps what the account said of a voice."""
    return f"voice {voice}"


def sweep(store: TakeStore, holders: Path, own: str) -> None:
    """Remove what killed writes left, where no other process can be writing.

    Args:
        store: The takes.
        holders: Folder of the locks that living processes hold.
        own: Name of this process's lock.
    """
    # In this order: whoever wrote one of these files and lives has held a lock since before it was found.
    paths = store.temporary_files()
    if paths and not any(is_held(path) for path in holders.iterdir() if path.name != own):
        store.remove_temporary(paths)


def close_orphans(ledger: Ledger, store: TakeStore, holders: Path) -> None:
    """Settle or doubt what processes that have died had in flight.

    Args:
        ledger: The ledger.
        store: The takes beside it.
        holders: Folder of the locks that living processes hold.
    """
    for path in holders.iterdir():
        # Asking removes what a killed process left.
        is_held(path)
    for purchase in ledger.purchases("reserved"):
        if is_held(holders / purchase.holder):
            continue
        # It may have died between the rename and the commit.
        if not _settle_from_disk(ledger, store, purchase.take):
            ledger.doubt(purchase.take, DIED, holder=purchase.holder)


def _settle_from_disk(ledger: Ledger, store: TakeStore, key: str) -> bool:
    found = store.read(key)
    if found is None:
        return False
    take, _ = found
    ledger.settle(key, credits=take.credits, request_id=take.request_id, history_id=take.history_id)
    return True


def keep_answer(ledger: Ledger, store: TakeStore, purchase: Purchase, answer: Answer, *, is_recovered: bool) -> Take:
    """Write an answer to the disk, then record that its take is paid.

    A first answer must also have the times of its text; for one that was recovered there is no better one, and what it
    lacks is found when it is cut.

    Raises:
        ValueError: The answer is not whole; nothing is written.
        WrongRateError: It is whole, and of another sample rate than was asked for; it is written and paid.
    """
    request, texts = purchase.request["request"], tuple(purchase.request["texts"])
    audio, is_lossy = unpack_audio(answer, request["output_format"])
    if not is_recovered and not is_lossy:
        check_times(answer, audio, request["text"])
    credits = purchase.estimate if answer.credits is None else answer.credits
    take = Take(
        purchase.take,
        request,
        texts,
        answer.times,
        credits,
        answer.request_id,
        answer.history_id,
        purchase.reserved_unix,
        is_recovered,
        is_lossy,
        hash_audio(audio),
    )
    store.write(take, audio)
    ledger.settle(purchase.take, credits=credits, request_id=answer.request_id, history_id=answer.history_id)
    check_rate(purchase.take, audio, request["output_format"])
    return take


def recover_takes(ledger: Ledger, store: TakeStore, client: ElevenLabsClient, purchases: Sequence[Purchase]) -> int:
    """Look unknown purchases up on the disk and in the service's history, and fetch the audio of those that are there.

    An item is a purchase's where the request id is, or else where the text, settings and format are and no other
    purchase has it; of several, the oldest.

    Args:
        ledger: The ledger.
        store: The takes beside it.
        client: The service, for the voice and model of the purchases.
        purchases: What is unknown, of one voice and model.

    Returns:
        How many were recovered.

    Raises:
        ProviderError: The history cannot be read, or gives another sample rate than was asked for.
    """
    n_unknown = len(purchases)
    purchases = [purchase for purchase in purchases if not _settle_from_disk(ledger, store, purchase.take)]
    n_recovered = n_unknown - len(purchases)
    if not purchases:
        return n_recovered
    since = int(min(purchase.reserved_unix for purchase in purchases)) - _CLOCK_MARGIN_S
    wanted = {purchase.request["request"]["text"] for purchase in purchases}
    items = [item for item in client.read_history(since) if item.text in wanted]
    for purchase in purchases:
        # One whose audio is not whole even in the history may stand before the one that is.
        for item in [item for item in items if _is_of(item, purchase)]:
            if ledger.has_history(item.id) and item.id != purchase.history_id:
                continue
            if not _is_unknown(ledger, purchase):
                # Another run was faster.
                break
            answer = Answer(client.fetch_audio(item.id), item.times, item.credits, item.request_id, item.id)
            try:
                keep_answer(ledger, store, purchase, answer, is_recovered=True)
            except ValueError as error:
                ledger.doubt(purchase.take, f"in the history, but {error}")
                continue
            n_recovered += 1
            break
    return n_recovered


def _is_unknown(ledger: Ledger, purchase: Purchase) -> bool:
    live = ledger.find_purchases([purchase.take]).get(purchase.take)
    return live is not None and live.id == purchase.id and live.state == "unknown"


def _is_of(item: HistoryItem, purchase: Purchase) -> bool:
    if purchase.history_id is not None or purchase.request_id is not None:
        return item.id == purchase.history_id or (
            purchase.request_id is not None and item.request_id == purchase.request_id
        )
    request = purchase.request["request"]
    settings = request["voice_settings"]
    return (
        item.text == request["text"]
        and item.date_unix >= purchase.reserved_unix - _CLOCK_MARGIN_S
        and item.output_format in (None, request["output_format"])
        and all(_agrees(item.settings.get(name), value) for name, value in settings.items())
    )


def _agrees(told: Any, asked: float) -> bool:
    # What the history leaves out says nothing, and it may keep less digits than were sent.
    return told is None or (isinstance(told, int | float) and math.isclose(told, asked, abs_tol=1e-3))


def make_holder() -> str:
    """Return a name for this run among all that ever used the ledger."""
    return f"{os.getpid()}-{os.urandom(6).hex()}"
