"""What `generate` would buy: a table of the guides with their price, made without a call that costs anything."""

from collections.abc import Container
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import Utterance
from ttsd.errors import ConfigError, ProviderError
from ttsd.report import Progress, no_progress
from ttsd.teachers.account import Account
from ttsd.teachers.elevenlabs import ModelFacts
from ttsd.teachers.ledger import LEDGER_NAME, Ledger
from ttsd.teachers.passages import plan_passages, sentence_key
from ttsd.teachers.recovery import DIED, HOLDERS_NAME, enter_takes
from ttsd.teachers.takes import TakeStore
from ttsd.transcripts.markdown import find_guides
from ttsd.transcripts.write import write_all
from ttsd.utils.locks import is_held

CHARS_PER_S = 15.2
"""Speaking rate, to estimate hours. Source: LJSpeech-1.1, 1,308,678 characters in 86,117 seconds."""
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
    sections: int = 0
    utterances: int = 0
    characters: int = 0
    """Of everything spoken."""
    bought: int = 0
    """Utterances that are bought, in flight or in doubt."""
    requests: int = 0
    credits: int | None = 0
    """Price of the requests; none where it is not known."""
    hours: float = 0.0
    """Of speech, all of it, at `CHARS_PER_S`."""

    def add(self, other: "GuidePlan") -> None:
        """Add another guide's figures to these."""
        for column in fields(self)[1:]:
            mine, more = getattr(self, column.name), getattr(other, column.name)
            setattr(self, column.name, None if mine is None or more is None else mine + more)


@dataclass
class Plan:
    """What there is to buy."""

    guides: list[GuidePlan] = field(default_factory=list)
    total: GuidePlan = field(default_factory=lambda: GuidePlan("total"))
    unknown: list[dict[str, Any]] = field(default_factory=list)
    """Requests whose outcome nobody knows: take, credits, reason and text."""
    facts: dict[str, str] = field(default_factory=dict)
    """Quota, cap, spending, and where the figures come from."""

    def model_dump(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return asdict(self)


def plan_purchases(in_dir: Path, config: Config, progress: Progress = no_progress) -> Plan:
    """Count what `generate` would buy and what it costs; nothing is written but the ledger's knowledge of the voice.

    Args:
        in_dir: Folder of Markdown study guides.
        config: As for `generate`.
        progress: Told how many guides are read.

    Raises:
        StageError: There is no study guide.
        ConfigError: No voice is chosen.
        ProviderError: The account, asked with a key, does not answer or has no such voice or model.
    """
    paths = find_guides(in_dir)
    plan = Plan()
    shop = _Shop(config, plan) if config.generate.teacher == "elevenlabs" else None
    written = write_all(paths, in_dir, config, progress, offline=True)
    for guide, members in groupby(written.utterances, key=lambda utterance: str(utterance.source["file"])):
        utterances = list(members)
        row = GuidePlan(guide)
        row.sections = len({utterance.source["section"] for utterance in utterances})
        row.utterances = len(utterances)
        row.characters = sum(len(utterance.spoken) for utterance in utterances)
        row.hours = row.characters / CHARS_PER_S / 3600
        if shop is not None:
            shop.price(row, utterances)
        plan.guides.append(row)
        plan.total.add(row)
    if n_sections := written.details.get("sections_to_write", 0):
        n_tokens = written.details["estimated_tokens"]
        plan.facts["for Gemini to write"] = f"{n_sections:,} sections, about {n_tokens:,} tokens of input"
        plan.facts["note"] = "sections not yet written are estimated from the guides' own sentences"
    if shop is not None:
        shop.close()
    return plan


class _Shop:
    """The prices, and what is bought already."""

    def __init__(self, config: Config, plan: Plan) -> None:
        self._config = config.generate.elevenlabs
        folder = config.paths.takes
        # A plan leaves nothing behind where nothing was bought yet.
        self._ledger = Ledger(folder if (folder / LEDGER_NAME).exists() else None)
        # Takes whose ledger was lost are bought all the same; `generate` enters them as well.
        enter_takes(self._ledger, TakeStore(folder))
        self._account = account = Account(self._config, self._ledger)
        facts = plan.facts
        self._model: ModelFacts | None
        try:
            account.client()
            self._model = account.model()
            self._voice = account.voice()
            facts["prices"] = "of the account"
            facts["quota left"] = _read_quota(account)
        except ConfigError as error:
            self._model = _PRICES.get(self._config.model)
            self._voice = account.kept_voice()
            facts["prices"] = f"published ones of {PRICES_AS_OF}" if self._model else "unknown"
            facts["quota left"] = f"unknown ({str(error).partition(';')[0]})"
        cap = self._config.max_credits
        facts["spent so far"] = f"{self._ledger.spent():,} credits"
        facts["cap"] = "none" if cap is None else f"{cap:,} credits"
        self._claimed: set[str] = set()
        for purchase in self._ledger.purchases("unknown", "reserved"):
            if purchase.state == "reserved" and is_held(folder / HOLDERS_NAME / purchase.holder):
                continue
            plan.unknown.append(
                {
                    "take": purchase.take[:16],
                    "credits": purchase.estimate,
                    "reason": purchase.reason or DIED,
                    "text": purchase.request["request"]["text"][:60],
                }
            )

        if plan.unknown:
            total = sum(doubt["credits"] for doubt in plan.unknown)
            facts["in doubt"] = f"{len(plan.unknown)} of the bought, {total:,} credits; --rebuy-unknown buys them again"

    def price(self, row: GuidePlan, utterances: list[Utterance]) -> None:
        """Fill in what a guide costs."""
        keys = [sentence_key(self._voice.settings, utterance.spoken) for utterance in utterances]
        spoken: Container[str] = self._ledger.find(keys).keys() | self._claimed
        row.bought = sum(key in spoken for key in keys)
        limit = self._config.max_request_chars
        if self._model is not None and self._model.max_chars is not None:
            limit = min(limit, self._model.max_chars)
        passages = list(plan_passages(utterances, self._voice, spoken, limit))
        row.requests = len(passages)
        if self._model is None:
            row.credits = None if passages else 0
        else:
            row.credits = sum(self._model.estimate(passage.request["text"]) for passage in passages)
        self._claimed.update(keys)

    def close(self) -> None:
        """Close the account and the ledger."""
        self._account.close()
        self._ledger.close()


def _read_quota(account: Account) -> str:
    try:
        left = account.client().read_quota()
    except ProviderError:
        # A key may be allowed to speak and not to read the account.
        return "unknown (the key may not read the account)"
    return "without limit" if left is None else f"{left:,} credits"
