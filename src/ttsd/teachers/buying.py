"""Buying speech: whatever happens, no paid clip is lost and none is paid twice.

Every request is announced in the ledger before it is sent, and its audio is on the disk before it is called paid. What
ends in doubt is never sent again on its own: it is looked for in the service's history.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ttsd.config import ElevenLabsConfig
from ttsd.data.corpus import Utterance
from ttsd.errors import ProviderError, TtsdError
from ttsd.report import Progress
from ttsd.teachers.account import Account
from ttsd.teachers.answers import WrongRateError, check_rate
from ttsd.teachers.bought import Bought, collect_bought
from ttsd.teachers.ledger import Ledger, Place
from ttsd.teachers.passages import BoughtVoice, Passage, find_sentence_keys, plan_passages
from ttsd.teachers.recovery import (
    HOLDERS_NAME,
    LOST,
    close_orphans,
    enter_takes,
    make_holder,
    recover_takes,
    sweep,
)
from ttsd.teachers.sending import MOST_REFUSALS, Sender
from ttsd.teachers.takes import TakeStore
from ttsd.utils.locks import hold_file

_POLL_S = 0.2


def buy_speech(utterances: Sequence[Utterance], folder: Path, config: ElevenLabsConfig, progress: Progress) -> Bought:
    """Buy what is not bought yet of a corpus, and recover what can be.

    Args:
        utterances: All of the corpus, in order.
        folder: The folder of takes and their ledger.
        config: Voice, model, limits.
        progress: Told how many utterances are paid, with the credits spent.

    Returns:
        Where every utterance is spoken, or why it is not.

    Raises:
        ProviderError: The voice cannot be read, for want of a key or otherwise.
        LedgerError: The ledger cannot be used.
        KeyboardInterrupt: Ctrl-C; what was in flight is recorded.
    """
    store, holder = TakeStore(folder), make_holder()
    with contextlib.closing(Ledger(folder)) as ledger, hold_file(folder / HOLDERS_NAME / holder):
        sweep(store, folder / HOLDERS_NAME, holder)
        enter_takes(ledger, store)
        with contextlib.closing(Account(config, ledger, store)) as account:
            return _Buyer(utterances, folder, config, progress, ledger, store, account, holder).run()


def check_voice(folder: Path, config: ElevenLabsConfig) -> None:
    """See that the voice can be bought, before others are paid for what it is to say; one bought before is not asked.

    Raises:
        ConfigError: No voice is chosen, or there is no key.
        ProviderError: The account has no such voice, or cannot be asked.
        LedgerError: The ledger cannot be used.
    """
    store = TakeStore(folder)
    with contextlib.closing(Ledger(folder)) as ledger, hold_file(folder / HOLDERS_NAME / make_holder()):
        enter_takes(ledger, store)
        with contextlib.closing(Account(config, ledger, store)) as account:
            account.voice()


class _Buyer:
    """One run; the threads share it."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        folder: Path,
        config: ElevenLabsConfig,
        progress: Progress,
        ledger: Ledger,
        store: TakeStore,
        account: Account,
        holder: str,
    ) -> None:
        self._utterances = utterances
        self._holders = folder / HOLDERS_NAME
        self._config = config
        self._progress = progress
        self._ledger = ledger
        self._store = store
        self._account = account
        self._voice: BoughtVoice = account.voice()
        self._keys = find_sentence_keys(utterances, self._voice)
        self._lock = threading.Lock()
        self._stop: TtsdError | None = None
        self._halt = threading.Event()
        """Set when no more is to be sent."""
        self._bug: BaseException | None = None
        self._wrong_rates: dict[str, int] = {}
        self._n_paid = 0
        self._sender = Sender(config, account, ledger, store, self._keys, holder, self._halt, self._count_paid)

    def run(self) -> Bought:
        close_orphans(self._ledger, self._store, self._holders)
        try:
            self._check_takes()
            self._recover()
            if self._config.rebuy_unknown:
                self._give_up_unknown()
            # What another run has in flight may come to nothing, and is then bought here.
            while self._stop is None and (self._buy_rest() or self._wait_for_others()):
                if self._stop is None:
                    self._recover()
        except ProviderError as error:
            self._stop_run(error)
        # Sentences that are said twice are counted only here.
        self._report()
        facts = self._account.voice_facts()
        return collect_bought(
            self._utterances,
            self._keys,
            self._ledger,
            self._voice,
            facts,
            self._sender.refused,
            self._wrong_rates,
            self._stop,
        )

    def _find(self) -> dict[str, Place]:
        return self._ledger.find(list(self._keys.values()))

    def _buy_rest(self) -> bool:
        """Buy what nobody has bought or is buying; false where that changed nothing."""
        passages = self._plan()
        if not passages:
            return False
        before = self._find(), self._sender.n_refused.total()
        self._report()
        self._buy(passages)
        return (self._find(), self._sender.n_refused.total()) != before

    def _plan(self) -> list[Passage]:
        refused = {key for key, n_times in self._sender.n_refused.items() if n_times >= MOST_REFUSALS}
        spoken = self._find().keys() | refused
        if not any(key not in spoken for key in self._keys.values()):
            return []
        model = self._account.model()
        max_chars = min(self._config.max_request_chars, model.max_chars or self._config.max_request_chars)
        return list(plan_passages(self._utterances, self._keys, self._voice, spoken, max_chars))

    def _check_takes(self) -> None:
        """Doubt the takes whose audio was lost.

        Raises:
            WrongRateError: One has another sample rate than was asked for.
        """
        takes = {place.take for place in self._find().values() if place.state == "paid"}
        for take in sorted(takes):
            # The whole of it, not only that it is there: when it is cut it is too late to fetch it.
            found = self._store.read(take)
            if found is None:
                self._ledger.lose(take, LOST)
                continue
            try:
                check_rate(take, found[1], self._voice.settings["output_format"])
            except WrongRateError as error:
                self._stop_run(error)
        if self._stop is not None:
            raise self._stop

    def _recover(self) -> None:
        # Of any corpus: it costs nothing. Those of other voices wait for a run with theirs.
        mine = ("voice_id", "model_id")
        unknown = [
            purchase
            for purchase in self._ledger.purchases("unknown")
            if all(purchase.request["request"][name] == self._voice.settings[name] for name in mine)
        ]
        if unknown:
            recover_takes(self._ledger, self._store, self._account.client(), unknown)

    def _give_up_unknown(self) -> None:
        for take in sorted({place.take for place in self._find().values() if place.state == "unknown"}):
            self._ledger.give_up(take)

    def _wait_for_others(self) -> bool:
        """Wait until a request of another run has ended; false where none is in flight.

        Raises:
            ProviderError: The other run lives, and none has ended in twice the time that an answer may take.
        """
        waiting = self._in_flight()
        start = time.monotonic()
        while waiting and self._in_flight() >= waiting:
            waited_s = time.monotonic() - start
            if waited_s > 2 * self._config.timeout_s:
                raise ProviderError(
                    f"elevenlabs: another ttsd has had {len(waiting)} of these requests in flight for {waited_s:.0f} "
                    "s; let it go on or end it, and run the same command again"
                )
            time.sleep(_POLL_S)
            close_orphans(self._ledger, self._store, self._holders)
        return bool(waiting)

    def _in_flight(self) -> set[str]:
        return {place.take for place in self._find().values() if place.state == "reserved"}

    def _report(self) -> None:
        paid = {sentence for sentence, place in self._find().items() if place.state == "paid"}
        self._n_paid = sum(key in paid for key in self._keys.values())
        self._progress(self._n_paid, len(self._utterances), "speech", f"{self._ledger.spent():,} credits")

    def _buy(self, passages: list[Passage]) -> None:
        todo = iter(passages)
        n_threads = min(self._config.max_concurrent, len(passages))
        # Not `join`: until Python 3.13, one that Ctrl-C interrupts takes its thread for ended from then on.
        ends = [threading.Event() for _ in range(n_threads)]
        threads = [threading.Thread(target=self._work, args=(todo, end), daemon=True) for end in ends]
        try:
            for thread in threads:
                thread.start()
            for end in ends:
                end.wait()
        except KeyboardInterrupt:
            # What is in flight is paid for: wait for it. A second Ctrl-C leaves it to the next run and the history.
            self._halt.set()
            for thread, end in zip(threads, ends, strict=True):
                # It may have come before the last of them was started.
                if thread.ident is not None:
                    end.wait()
            raise
        if self._bug is not None:
            raise self._bug

    def _work(self, todo: Iterator[Passage], end: threading.Event) -> None:
        try:
            while not self._halt.is_set():
                with self._lock:
                    passage = next(todo, None)
                if passage is None:
                    return
                self._sender.buy(passage)
        except TtsdError as error:
            self._stop_run(error)
        except BaseException as error:
            # A bug: the main thread raises it, with its traceback, once the others have recorded what is in flight.
            self._bug = error
            self._halt.set()
        finally:
            end.set()

    def _count_paid(self, n_utterances: int) -> None:
        with self._lock:
            self._n_paid += n_utterances
            spent = f"{self._ledger.spent():,} credits"
            self._progress(self._n_paid, len(self._utterances), "speech", spent)

    def _stop_run(self, error: TtsdError) -> None:
        with self._lock:
            self._stop = self._stop or error
            if isinstance(error, WrongRateError):
                self._wrong_rates[error.take] = error.sample_rate
        self._halt.set()
