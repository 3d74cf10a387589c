"""Takes whose outcome is unknown: found on the disk or in the service's history, and fetched for nothing."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsd.teachers.elevenlabs import ElevenLabsClient, HistoryItem
from ttsd.teachers.ledger import Ledger, Purchase
from ttsd.teachers.passages import sentence_key, take_key
from ttsd.teachers.takes import Answer, Take, TakeStore, check_times, hash_audio, unpack_audio
from ttsd.utils.locks import is_held

HOLDERS_NAME = ".holders"
DIED = "the run ended in the middle of the request"
"""Why what a dead process had reserved is unknown."""
# The service's clock is not ours.
_CLOCK_MARGIN_S = 300


def enter_takes(ledger: Ledger, store: TakeStore) -> int:
    """Enter the takes on the disk that the ledger does not know, as after it was lost; return their number."""
    n_entered = 0
    for key in ledger.find_unbought(list(store.keys())):
        found = store.read(key)
        if found is not None and take_key(found[0].request) == key:
            take, _ = found
            ledger.adopt(
                key,
                {"request": take.request, "texts": list(take.texts)},
                [sentence_key(take.request, text) for text in take.texts],
                credits=take.credits,
                request_id=take.request_id,
                history_id=take.history_id,
                reserved_unix=take.bought_unix,
            )
            n_entered += 1
    return n_entered


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


def keep_answer(
    ledger: Ledger, store: TakeStore, purchase: Purchase, answer: Answer, *, is_recovered: bool, now_unix: float
) -> Take:
    """Write an answer to the disk, then record that its take is paid.

    A first answer must also have the times of its text; for one that was recovered there is no better one, and what it
    lacks is found when it is cut.

    Raises:
        ValueError: The answer is not whole; nothing is written.
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
        now_unix,
        is_recovered,
        is_lossy,
        hash_audio(audio),
    )
    store.write(take, audio)
    ledger.settle(purchase.take, credits=credits, request_id=answer.request_id, history_id=answer.history_id)
    return take


def recover_takes(
    ledger: Ledger, store: TakeStore, client: ElevenLabsClient, purchases: Sequence[Purchase], now_unix: float
) -> int:
    """Look unknown purchases up on the disk and in the service's history, and fetch the audio of those that are there.

    An item is a purchase's where the request id is, or else where the text, settings and format are and no other
    purchase has it; of several, the oldest.

    Args:
        ledger: The ledger.
        store: The takes beside it.
        client: The service, for the voice and model of the purchases.
        purchases: What is unknown, of one voice and model.
        now_unix: Time by the clock, in seconds since 1970.

    Returns:
        How many were recovered.

    Raises:
        ProviderError: The history cannot be read.
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
                keep_answer(ledger, store, purchase, answer, is_recovered=True, now_unix=now_unix)
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
