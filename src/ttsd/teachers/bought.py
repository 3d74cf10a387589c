"""What there is of the speech that was wanted, when a run of buying ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttsd.data.corpus import Utterance
from ttsd.errors import ProviderError, TtsdError
from ttsd.teachers.elevenlabs import PROVIDER
from ttsd.teachers.ledger import Ledger, Place
from ttsd.teachers.passages import BoughtVoice


@dataclass
class Bought:
    """What there is of the speech that was wanted."""

    identity: dict[str, Any]
    """Everything that shapes the audio besides the text."""
    voice_facts: dict[str, Any]
    """Name, category and labels of the voice, as the account lists it."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where each paid utterance is spoken, by its id."""
    missing: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Reason and value of every other utterance, by its id."""
    credits: int = 0
    """What the takes of the paid utterances cost."""
    stop: TtsdError | None = None
    """Why no more was bought, or what the user has to decide first."""

    @property
    def speaker(self) -> str:
        """Name of the voice as a corpus's speaker column may hold it."""
        name = str(self.voice_facts.get("name") or self.identity["voice"])
        return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)


def collect_bought(
    utterances: Sequence[Utterance],
    keys: Mapping[str, str],
    ledger: Ledger,
    voice: BoughtVoice,
    facts: Mapping[str, Any],
    refused: Mapping[str, str],
    wrong_rates: Mapping[str, int],
    stop: TtsdError | None,
) -> Bought:
    """Look up where every utterance is spoken, or why it is not.

    Args:
        utterances: All of a corpus.
        keys: Key of each utterance's sentence, by the utterance's id.
        ledger: The ledger.
        voice: Who speaks.
        facts: What the account says of the voice.
        refused: Why the service refuses a sentence, by its key.
        wrong_rates: Sample rate in Hz of every take that has another one than was asked for.
        stop: Why the run ended early, if it did.
    """
    settings = {name: value for name, value in voice.settings.items() if name not in ("voice_id", "model_id")}
    identity = {
        "provider": PROVIDER,
        "model": voice.settings["model_id"],
        "voice": voice.settings["voice_id"],
        "settings": settings,
    }
    shown = {name: value for name, value in facts.items() if name != "settings"}
    result = Bought(identity, shown, stop=stop)
    places = ledger.find(list(keys.values()))
    unknown: dict[str, str] = {}
    for utterance in utterances:
        key = keys[utterance.id]
        place = places.get(key)
        if place is not None and place.take in wrong_rates:
            value = f"{wrong_rates[place.take]} Hz for {voice.settings['output_format']}"
            result.missing[utterance.id] = ("wrong_sample_rate", value)
        elif place is not None and place.state == "paid":
            result.places[utterance.id] = place
        elif place is not None:
            unknown[utterance.id] = place.take
        elif key in refused:
            result.missing[utterance.id] = ("teacher_failed", refused[key])
        else:
            result.missing[utterance.id] = ("not_bought", "the run stopped before it")
    purchases = ledger.find_purchases(sorted(set(unknown.values())))
    for utterance_id, take in unknown.items():
        purchase = purchases.get(take)
        if purchase is None:
            result.missing[utterance_id] = ("not_bought", "another run took its request back")
            continue
        reason = purchase.reason or "in flight when this run ended"
        result.missing[utterance_id] = ("outcome_unknown", f"{reason}; {purchase.estimate} credits")
    if purchases and result.stop is None:
        total = sum(purchase.estimate for purchase in purchases.values())
        result.stop = ProviderError(
            f"elevenlabs: nobody knows the outcome of {len(purchases)} request{'s' * (len(purchases) > 1)} "
            f"({total:,} credits): not paid as far as is known, and not in the service's history (`--plan` lists "
            "what is in doubt); run the same command again later to look once more, or buy again with "
            "--rebuy-unknown"
        )
    if result.stop is None and any(reason == "not_bought" for reason, _ in result.missing.values()):
        # A corpus is not finished while a sentence was only not bought: nobody would look at it again.
        result.stop = ProviderError("elevenlabs: not every sentence was bought; run the same command again to go on")
    paid = ledger.find_purchases(sorted({place.take for place in result.places.values()}))
    result.credits = sum(purchase.credits or 0 for purchase in paid.values())
    return result
