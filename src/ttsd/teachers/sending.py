"""One request for speech, from its announcement to what becomes of it: paid, refused, turned away or in doubt."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from ttsd.config import ElevenLabsConfig
from ttsd.errors import LedgerError, ProviderError, TtsdError
from ttsd.teachers.account import Account
from ttsd.teachers.answers import Answer, WrongRateError
from ttsd.teachers.gate import Gate
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.outcomes import DoubtError, NotReachedError, RefusedError, TurnedAwayError
from ttsd.teachers.passages import Passage
from ttsd.teachers.recovery import keep_answer
from ttsd.teachers.takes import TakeStore
from ttsd.utils.files import explain_write

# A request that is refused is that request's fault; when the first ones all are, it is the settings'.
_REFUSALS_TO_STOP = 5
# Nothing is billed, so it costs nothing to ask once more whether it is meant.
MOST_REFUSALS = 3
_UNREACHED_S = 15.0
"""How long nobody may be reached before the run stops: a restart of the service is over by then."""


class Sender:
    """Buys passages, for as many threads as there are."""

    def __init__(
        self,
        config: ElevenLabsConfig,
        account: Account,
        ledger: Ledger,
        store: TakeStore,
        keys: Mapping[str, str],
        holder: str,
        halt: threading.Event,
        on_paid: Callable[[int], None],
    ) -> None:
        """Set out; nothing is sent yet.

        Args:
            config: Limits.
            account: Who pays.
            ledger: The ledger.
            store: The takes beside it.
            keys: Key of each utterance's sentence, by the utterance's id.
            holder: This run's name in the ledger.
            halt: Set when no more is to be sent.
            on_paid: Told of how many utterances a passage that is paid has.
        """
        self._config = config
        self._account = account
        self._ledger = ledger
        self._store = store
        self._keys = keys
        self._holder = holder
        self._halt = halt
        self._on_paid = on_paid
        self._gate = Gate(config.max_concurrent)
        self._lock = threading.Lock()
        self.refused: dict[str, str] = {}
        """Why the service refuses a sentence, by its key."""
        self.n_refused: Counter[str] = Counter()
        """How often it did."""
        self._refused_takes: set[str] = set()
        self._n_answered = 0
        self._unreached_since: float | None = None

    def buy(self, passage: Passage) -> None:
        """Buy one passage, unless the run halts first; what becomes of it is in the ledger.

        Raises:
            ProviderError: No request of this run can succeed.
            TtsdError: The ledger or the disk does not take it.
        """
        while not self._halt.is_set() and not self._try(passage):
            pass

    def _try(self, passage: Passage) -> bool:
        """Buy one passage; false where its request may be sent again."""
        if not self._gate.enter(self._halt.is_set):
            return True
        try:
            if not self._reserve(passage):
                return True
            answer = self._send(passage)
        except TurnedAwayError as error:
            self._release(passage)
            self._hold_back(self._gate.turned_away(error.retry_after_s, error.is_full))
            return False
        except NotReachedError as error:
            self._release(passage)
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
        estimate, now_unix = self._account.model().estimate(passage.request["text"]), time.time()
        reserved = self._ledger.reserve(
            passage.key,
            {"request": passage.request, "texts": list(passage.texts)},
            self._keys_of(passage),
            estimate=estimate,
            cap=cap,
            holder=self._holder,
            now_unix=now_unix,
        )
        if reserved == "over_cap":
            raise ProviderError(
                f"elevenlabs: {self._ledger.spent():,} credits are spent or in flight and the next request costs "
                f"{estimate:,}, above the cap of {cap:,}; raise --max-credits and run the same command again to go on"
            )
        if reserved != "reserved":
            return False
        try:
            self._store.announce(passage.key, passage.request, passage.texts, estimate=estimate, now_unix=now_unix)
        except TtsdError:
            self._release(passage)
            raise
        return True

    def _release(self, passage: Passage) -> None:
        # In this order: what is on the disk and not in the ledger is in doubt.
        self._store.withdraw(passage.key)
        self._ledger.release(passage.key)

    def _send(self, passage: Passage) -> Answer | None:
        """Send a reserved request, and record what becomes of it where that is no answer."""
        try:
            answer, maximum = self._account.client().speak(passage.request)
        except RefusedError as error:
            self._release(passage)
            self._refuse(passage, str(error))
            return None
        except ProviderError:
            self._release(passage)
            raise
        except DoubtError as error:
            self._ledger.doubt(passage.key, str(error), request_id=error.request_id, history_id=error.history_id)
            return None
        self._gate.answered(maximum)
        return answer

    def _keep(self, passage: Passage, answer: Answer) -> None:
        (purchase,) = self._ledger.find_purchases([passage.key]).values()
        try:
            keep_answer(self._ledger, self._store, purchase, answer, is_recovered=False)
        except ValueError as error:
            # Paid for, and not whole; the history may have the whole of it.
            self._ledger.doubt(passage.key, str(error), request_id=answer.request_id, history_id=answer.history_id)
            return
        except WrongRateError:
            raise
        except (TtsdError, OSError) as error:
            # Paid for, and the disk does not take it. The ledger may lie on the same disk: the first reason counts.
            with contextlib.suppress(LedgerError):
                reason = "its audio could not be written"
                self._ledger.doubt(passage.key, reason, request_id=answer.request_id, history_id=answer.history_id)
            if isinstance(error, OSError):
                raise explain_write(self._store.folder, error) from None
            raise
        with self._lock:
            self._n_answered += 1
            self._unreached_since = None
        self._on_paid(len(passage.utterances))

    def _keys_of(self, passage: Passage) -> list[str]:
        return [self._keys[utterance.id] for utterance in passage.utterances]

    def _hold_back(self, waited_s: float) -> None:
        if waited_s > self._config.max_wait_s:
            raise ProviderError(
                f"elevenlabs: the service turns every request away as too many, for {waited_s:.0f} s until the next "
                "try; run the same command again later to go on"
            )

    def _count_unreached(self, error: NotReachedError) -> None:
        # By the time and not by the number: all that are sent at once find the port closed.
        now = time.monotonic()
        with self._lock:
            if self._unreached_since is None:
                self._unreached_since = now
            unreached_s = now - self._unreached_since
        if unreached_s > _UNREACHED_S:
            raise ProviderError(f"elevenlabs: {error}; check the line and run the same command again to go on")
        self._halt.wait(min(0.25 + unreached_s, 4.0))

    def _refuse(self, passage: Passage, reason: str) -> None:
        keys = self._keys_of(passage)
        with self._lock:
            self.refused |= dict.fromkeys(keys, reason)
            self.n_refused.update(keys)
            self._refused_takes.add(passage.key)
            all_refused = self._n_answered == 0 and len(self._refused_takes) >= _REFUSALS_TO_STOP
        if all_refused:
            raise ProviderError(f"elevenlabs: {reason}, every request so far; check the settings generate.elevenlabs")
