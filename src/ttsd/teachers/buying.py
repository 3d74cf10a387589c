"""Buying speech: whatever happens, no paid clip is lost and none is paid twice.

Every request is announced in the ledger before it is sent, and its audio is on the disk before it is called paid. What
ends in doubt is never sent again on its own: it is looked for in the service's history.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ttsd.config import ElevenLabsConfig
from ttsd.data.corpus import Utterance
from ttsd.errors import ProviderError, TtsdError
from ttsd.report import Progress
from ttsd.teachers.account import Account
from ttsd.teachers.bought import Bought, collect_bought
from ttsd.teachers.gate import Gate
from ttsd.teachers.ledger import Ledger, Place
from ttsd.teachers.outcomes import DoubtError, NotReachedError, RefusedError, TurnedAwayError
from ttsd.teachers.passages import BoughtVoice, Passage, plan_passages, sentence_key
from ttsd.teachers.recovery import close_orphans, enter_takes, keep_answer, make_holder, recover_takes
from ttsd.teachers.takes import Answer, TakeStore
from ttsd.utils.locks import hold_file

HOLDERS_NAME = ".holders"
# A request that is refused is that request's fault; when the first ones all are, it is the settings'.
_REFUSALS_TO_STOP = 5
# Nothing is billed, so it costs nothing to ask once more whether it is meant.
_MOST_REFUSALS = 3
_UNREACHED_TO_STOP = 5
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
    ledger, store = Ledger(folder), TakeStore(folder)
    holder = make_holder()
    try:
        with hold_file(folder / HOLDERS_NAME / holder):
            enter_takes(ledger, store)
            account = Account(config, ledger)
            try:
                return _Buyer(utterances, folder, config, progress, ledger, store, account, holder).run()
            finally:
                account.close()
    finally:
        ledger.close()


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
        self._holder = holder
        self._voice: BoughtVoice = account.voice()
        self._keys = {u.id: sentence_key(self._voice.settings, u.spoken) for u in utterances}
        self._gate = Gate(config.max_concurrent)
        self._lock = threading.Lock()
        self._stop: TtsdError | None = None
        self._is_interrupted = False
        self._bug: BaseException | None = None
        self._refused: dict[str, str] = {}
        self._n_refused: Counter[str] = Counter()
        self._n_answered = self._n_unreached = self._n_paid = 0

    def run(self) -> Bought:
        close_orphans(self._ledger, self._store, self._holders)
        self._doubt_lost_takes()
        try:
            self._recover()
            if self._config.rebuy_unknown:
                self._give_up_unknown()
            while passages := self._plan():
                self._report()
                self._buy(passages)
                if self._stop is not None:
                    break
                self._recover()
            self._wait_for_others()
        except ProviderError as error:
            self._stop = self._stop or error
        facts = self._account.voice_facts()
        return collect_bought(self._utterances, self._keys, self._ledger, self._voice, facts, self._refused, self._stop)

    def _find(self) -> dict[str, Place]:
        return self._ledger.find(list(self._keys.values()))

    def _plan(self) -> list[Passage]:
        refused = {key for key, n_times in self._n_refused.items() if n_times >= _MOST_REFUSALS}
        spoken = self._find().keys() | refused
        if not any(key not in spoken for key in self._keys.values()):
            return []
        model = self._account.model()
        max_chars = min(self._config.max_request_chars, model.max_chars or self._config.max_request_chars)
        return list(plan_passages(self._utterances, self._voice, spoken, max_chars))

    def _doubt_lost_takes(self) -> None:
        takes = {place.take for place in self._find().values() if place.state == "paid"}
        for take in sorted(takes):
            if self._store.read(take) is None:
                self._ledger.lose(take, "its audio on the disk is gone or damaged")

    def _recover(self) -> None:
        # Of any corpus: it costs nothing. Those of other voices wait for a run with theirs.
        mine = ("voice_id", "model_id")
        unknown = [
            purchase
            for purchase in self._ledger.purchases("unknown")
            if all(purchase.request["request"][name] == self._voice.settings[name] for name in mine)
        ]
        if unknown:
            recover_takes(self._ledger, self._store, self._account.client(), unknown, time.time())

    def _give_up_unknown(self) -> None:
        for take in sorted({place.take for place in self._find().values() if place.state == "unknown"}):
            self._ledger.give_up(take)

    def _wait_for_others(self) -> None:
        while self._stop is None:
            takes = {place.take for place in self._find().values() if place.state == "reserved"}
            if not takes:
                return
            close_orphans(self._ledger, self._store, self._holders)
            time.sleep(_POLL_S)

    def _report(self) -> None:
        n_paid = sum(place.state == "paid" for place in self._find().values())
        self._n_paid = n_paid
        self._progress(n_paid, len(self._utterances), "speech", f"{self._ledger.spent():,} credits")

    def _buy(self, passages: list[Passage]) -> None:
        todo = iter(passages)
        n_threads = min(self._config.max_concurrent, len(passages))
        threads = [threading.Thread(target=self._work, args=(todo,), daemon=True) for _ in range(n_threads)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            # What is in flight is paid for: wait for it. A second Ctrl-C leaves it to the next run and the history.
            self._is_interrupted = True
            for thread in threads:
                thread.join()
            raise
        if self._bug is not None:
            raise self._bug

    def _work(self, todo: Iterator[Passage]) -> None:
        try:
            while not self._is_stopped():
                with self._lock:
                    passage = next(todo, None)
                if passage is None:
                    return
                while not self._is_stopped() and not self._try(passage):
                    pass
        except TtsdError as error:
            self._stop_run(error)
        except BaseException as error:
            # A bug: the main thread raises it, with its traceback, once the others have recorded what is in flight.
            self._bug = error
            self._is_interrupted = True

    def _try(self, passage: Passage) -> bool:
        """Buy one passage; false where its request may be sent again."""
        if not self._gate.enter(self._is_stopped):
            return True
        try:
            if not self._reserve(passage):
                return True
            answer = self._send(passage)
        except TurnedAwayError as error:
            self._ledger.release(passage.key)
            self._hold_back(self._gate.turned_away(error.retry_after_s, error.is_full))
            return False
        except NotReachedError as error:
            self._ledger.release(passage.key)
            self._count_unreached(error)
            return False
        finally:
            self._gate.leave()
        # Outside the gate: while the disk takes this answer, the service can work on the next.
        if answer is not None:
            self._keep(passage, answer)
        return True

    def _reserve(self, passage: Passage) -> bool:
        cap = self._config.max_credits
        estimate = self._account.model().estimate(passage.request["text"])
        reserved = self._ledger.reserve(
            passage.key,
            {"request": passage.request, "texts": list(passage.texts)},
            self._keys_of(passage),
            estimate=estimate,
            cap=cap,
            holder=self._holder,
            now_unix=time.time(),
        )
        if reserved == "over_cap":
            raise ProviderError(
                f"elevenlabs: {self._ledger.spent():,} credits are spent or in flight and the next request costs "
                f"{estimate:,}, above the cap of {cap:,}; raise --max-credits and run the same command again to go on"
            )
        return reserved == "reserved"

    def _send(self, passage: Passage) -> Answer | None:
        """Send a reserved request, and record what becomes of it where that is no answer."""
        try:
            answer, maximum = self._account.client().speak(passage.request)
        except RefusedError as error:
            self._ledger.release(passage.key)
            self._refuse(self._keys_of(passage), str(error))
            return None
        except ProviderError:
            self._ledger.release(passage.key)
            raise
        except DoubtError as error:
            self._ledger.doubt(passage.key, str(error), request_id=error.request_id, history_id=error.history_id)
            return None
        self._gate.answered(maximum)
        return answer

    def _keep(self, passage: Passage, answer: Answer) -> None:
        (purchase,) = self._ledger.find_purchases([passage.key]).values()
        try:
            keep_answer(self._ledger, self._store, purchase, answer, is_recovered=False, now_unix=time.time())
        except ValueError as error:
            # Paid for, and not whole; the history may have the whole of it.
            self._ledger.doubt(passage.key, str(error), request_id=answer.request_id, history_id=answer.history_id)
            return
        with self._lock:
            self._n_answered += 1
            self._n_unreached = 0
            self._n_paid += len(passage.utterances)
            spent = f"{self._ledger.spent():,} credits"
            self._progress(self._n_paid, len(self._utterances), "speech", spent)

    def _keys_of(self, passage: Passage) -> list[str]:
        return [self._keys[utterance.id] for utterance in passage.utterances]

    def _hold_back(self, waited_s: float) -> None:
        if waited_s > self._config.max_wait_s:
            raise ProviderError(
                f"elevenlabs: the service has turned every request away for {waited_s:.0f} s; run the same command "
                "again later to go on"
            )

    def _count_unreached(self, error: NotReachedError) -> None:
        with self._lock:
            self._n_unreached += 1
            n_unreached = self._n_unreached
        if n_unreached >= _UNREACHED_TO_STOP:
            raise ProviderError(f"elevenlabs: {error}; check the line and run the same command again to go on")
        time.sleep(min(0.5 * 2**n_unreached, 10.0))

    def _refuse(self, keys: list[str], reason: str) -> None:
        with self._lock:
            self._refused |= dict.fromkeys(keys, reason)
            self._n_refused.update(keys)
            all_refused = self._n_answered == 0 and len(self._refused) >= _REFUSALS_TO_STOP
        if all_refused:
            raise ProviderError(f"elevenlabs: {reason}, every request so far; check the settings generate.elevenlabs")

    def _is_stopped(self) -> bool:
        return self._stop is not None or self._is_interrupted

    def _stop_run(self, error: TtsdError) -> None:
        with self._lock:
            self._stop = self._stop or error
