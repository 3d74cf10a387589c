"""What `generate` would buy: a table of the guides with their price, made without a call that costs anything."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby, product
from pathlib import Path
from typing import Any, Literal

from ttsd.config import Config
from ttsd.data.corpus import Utterance
from ttsd.data.split import select_split
from ttsd.errors import ConfigError, ProviderError
from ttsd.report import Progress, no_progress
from ttsd.teachers.account import Account
from ttsd.teachers.elevenlabs import ModelFacts
from ttsd.teachers.ledger import LEDGER_NAME, Ledger
from ttsd.teachers.passages import find_sentence_keys, plan_passages
from ttsd.teachers.recovery import DIED, HOLDERS_NAME, enter_takes
from ttsd.teachers.takes import TakeStore
from ttsd.transcripts.markdown import find_guides, printable
from ttsd.transcripts.write import write_all
from ttsd.utils.locks import is_held

CHARS_PER_S = 15.2
"""Speaking rate, to estimate durations. Source: LJSpeech-1.1, 1,308,678 characters in 86,117 seconds."""
PRICES_AS_OF = "September 2026"
_PRICES = {
    "eleven_v3": ModelFacts(5000, 1.0),
    "eleven_multilingual_v2": ModelFacts(10000, 1.0),
    "eleven_flash_v2_5": ModelFacts(40000, 0.5),
    "eleven_turbo_v2_5": ModelFacts(40000, 0.5),
    "eleven_flash_v2": ModelFacts(30000, 0.5),
    "eleven_turbo_v2": ModelFacts(30000, 0.5),
}
"""For a plan without a key; with one, the account's own list counts."""


@dataclass
class GuidePlan:
    """One guide: what is spoken of it, and what of that is to be bought."""

    guide: str
    take: int = 1
    """2 for the held-out sentences, said once more."""
    sections: int = 0
    sections_to_write: int = 0
    """Sections that Gemini has not written: the figures are then estimated from the guide's own sentences."""
    utterances: int = 0
    characters: int = 0
    """Of everything spoken."""
    bought: int = 0
    """Utterances whose sentence is paid, or in flight in a run that lives."""
    in_doubt: int = 0
    """Utterances whose sentence was asked for and nobody knows the outcome."""
    repeated: int = 0
    """Other utterances that say what an earlier one of this plan says; they cost nothing."""
    requests: int = 0
    credits: int | None = 0
    """Price of the requests; none where it is not known."""
    duration_s: float = 0.0
    """Of all the speech in seconds, at `CHARS_PER_S`."""

    def add(self, other: "GuidePlan") -> None:
        """Add another guide's figures to these."""
        for column in fields(self)[2:]:
            mine, more = getattr(self, column.name), getattr(other, column.name)
            setattr(self, column.name, None if mine is None or more is None else mine + more)


@dataclass
class Facts:
    """What holds for all guides; none is what is not known, or does not apply."""

    sections_to_write: int = 0
    """Sections that Gemini is to be asked for."""
    input_tokens: int = 0
    """About the tokens of those requests."""
    prices: Literal["account", "published", "unknown"] | None = None
    prices_as_of: str | None = None
    """Month of the published prices."""
    quota_left_credits: int | None = None
    quota_note: str | None = None
    """Why there is no figure."""
    spent_credits: int | None = None
    """By everything the ledger ever bought, what is in flight or in doubt included."""
    cap_credits: int | None = None
    in_doubt_credits: int | None = None
    rebuys_doubts: bool = False
    """What is in doubt is among the requests, as with `--rebuy-unknown`."""


@dataclass
class Plan:
    """What there is to buy."""

    guides: list[GuidePlan] = field(default_factory=list)
    total: GuidePlan = field(default_factory=lambda: GuidePlan("total"))
    unknown: list[dict[str, Any]] = field(default_factory=list)
    """Requests whose outcome nobody knows: take, credits, reason and text."""
    facts: Facts = field(default_factory=Facts)

    def model_dump(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return asdict(self)


def plan_purchases(in_dir: Path, config: Config, progress: Progress = no_progress, n_takes: int = 1) -> Plan:
    """Count what `generate` would buy and what it costs; nothing is written but into a ledger that is there already.

    Args:
        in_dir: Folder of Markdown study guides.
        config: As for `generate`.
        progress: Told how many guides are read.
        n_takes: With more than one, the held-out sentences of the guides are counted again for each.

    Raises:
        StageError: There is no study guide.
        ConfigError: No voice is chosen, or `paths.takes` is no place for a folder.
        TranscriptError: `paths.transcripts` is no place for a folder, or a file there is damaged.
        ProviderError: The account, asked with a key, does not answer or has no such voice or model.
    """
    plan = Plan()
    with ExitStack() as opened:
        _fill(plan, in_dir, config, progress, n_takes, opened)
    return plan


def _fill(plan: Plan, in_dir: Path, config: Config, progress: Progress, n_takes: int, opened: ExitStack) -> None:
    paths = find_guides(in_dir)
    shop = _Shop(config, plan, opened) if config.generate.teacher == "elevenlabs" else None
    written = write_all(paths, in_dir, config, progress, offline=True)
    to_write: dict[str, int] = written.details.get("to_write", {})
    by_guide = {
        guide: list(members)
        for guide, members in groupby(written.utterances, key=lambda utterance: str(utterance.source["file"]))
    }
    for take, path in product(range(1, n_takes + 1), paths):
        # One with nothing to say, or behind the limit on utterances, has a row as well.
        guide = printable(path.relative_to(in_dir).as_posix())
        utterances = by_guide.get(guide, [])
        row = GuidePlan(guide, take, sections_to_write=to_write.get(guide, 0) if take == 1 else 0)
        if take > 1:
            utterances = select_split(utterances, config.evaluate.split, config.split)
        row.sections = len({utterance.source["section"] for utterance in utterances})
        row.utterances = len(utterances)
        row.characters = sum(len(utterance.spoken) for utterance in utterances)
        row.duration_s = round(row.characters / CHARS_PER_S, 3)
        if shop is not None:
            shop.price(row, utterances)
        plan.guides.append(row)
        plan.total.add(row)
    plan.facts.sections_to_write = written.details.get("sections_to_write", 0)
    plan.facts.input_tokens = written.details.get("estimated_tokens", 0)


class _Shop:
    """The prices, and what is bought already."""

    def __init__(self, config: Config, plan: Plan, opened: ExitStack) -> None:
        self._config = config.generate.elevenlabs
        self._facts = facts = plan.facts
        folder = config.paths.takes
        store = TakeStore(folder)
        # A plan leaves nothing behind where nothing was bought yet.
        self._ledger = Ledger(folder if (folder / LEDGER_NAME).exists() else None)
        opened.callback(self._ledger.close)
        # Takes whose ledger was lost are bought all the same; `generate` enters them as well.
        enter_takes(self._ledger, store)
        self._account = account = Account(self._config, self._ledger)
        opened.callback(account.close)
        self._model: ModelFacts | None
        try:
            account.client()
            self._model = account.model()
            self._voice = account.voice()
            facts.prices = "account"
            self._read_quota()
        except ConfigError as error:
            self._model = _PRICES.get(self._config.model)
            self._voice = account.kept_voice()
            facts.prices = "published" if self._model else "unknown"
            facts.prices_as_of = PRICES_AS_OF if self._model else None
            facts.quota_note = f"unknown ({str(error).partition(';')[0]})"
        facts.spent_credits = self._ledger.spent()
        facts.cap_credits = self._config.max_credits
        doubts = [
            purchase
            for purchase in self._ledger.purchases("unknown", "reserved")
            if purchase.state == "unknown" or not is_held(folder / HOLDERS_NAME / purchase.holder)
        ]
        plan.unknown += [
            {
                "take": purchase.take[:16],
                "credits": purchase.estimate,
                "reason": purchase.reason or DIED,
                "text": purchase.request["request"]["text"][:60],
            }
            for purchase in doubts
        ]
        facts.in_doubt_credits = sum(purchase.estimate for purchase in doubts)
        facts.rebuys_doubts = bool(doubts) and self._config.rebuy_unknown
        self._in_doubt = {purchase.take for purchase in doubts}
        self._claimed: set[str] = set()

    def price(self, row: GuidePlan, utterances: Sequence[Utterance]) -> None:
        """Fill in what a guide costs."""
        voice = self._voice if row.take == 1 else self._account.of_take(row.take).kept_voice()
        keys = find_sentence_keys(utterances, voice)
        places = self._ledger.find(list(keys.values()))
        doubts = {key for key, place in places.items() if place.take in self._in_doubt}
        spoken = self._claimed | (places.keys() - doubts if self._config.rebuy_unknown else places.keys())
        row.bought = sum(key in places and key not in doubts for key in keys.values())
        row.in_doubt = sum(key in doubts for key in keys.values())
        for key in keys.values():
            row.repeated += key in self._claimed and key not in places
            self._claimed.add(key)
        limit = self._config.max_request_chars
        if self._model is not None and self._model.max_chars is not None:
            limit = min(limit, self._model.max_chars)
        passages = list(plan_passages(utterances, keys, voice, spoken, limit))
        row.requests = len(passages)
        if self._model is None:
            row.credits = None if passages else 0
        else:
            row.credits = sum(self._model.estimate(passage.request["text"]) for passage in passages)

    def _read_quota(self) -> None:
        try:
            self._facts.quota_left_credits = self._account.client().read_quota()
        except ProviderError:
            # A key may be allowed to speak and not to read the account.
            self._facts.quota_note = "unknown (the key may not read the account)"
        else:
            self._facts.quota_note = "without limit" if self._facts.quota_left_credits is None else None
