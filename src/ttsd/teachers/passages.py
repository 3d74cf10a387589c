"""What is bought in one request: consecutive sentences of a paragraph that nobody has spoken yet."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ttsd.config import ElevenLabsConfig
from ttsd.data.corpus import Utterance
from ttsd.utils.files import sha256_json

_SENTENCE_ENDS = (".", "!", "?", "…")
_CLOSERS = "\"'”’»)]"
# Models that answer previous_text and next_text with an error.
_WITHOUT_CONTEXT = ("eleven_v3",)


@dataclass(frozen=True)
class Passage:
    """Sentences that are spoken in one breath, and bought together."""

    utterances: tuple[Utterance, ...]
    request: dict[str, Any]
    """Keywords of the request."""

    @property
    def key(self) -> str:
        """Key of the take: a hash of everything that shapes the audio."""
        return take_key(self.request)

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences."""
        return tuple(utterance.spoken for utterance in self.utterances)


@dataclass(frozen=True)
class BoughtVoice:
    """What shapes the audio besides the text."""

    settings: dict[str, Any]
    """Keywords of a request, without its texts."""
    context_chars: int
    """How much of the text around is sent along; 0 sends none."""

    @classmethod
    def from_config(cls, config: ElevenLabsConfig, voice_settings: dict[str, Any]) -> "BoughtVoice":
        """Put a voice together from the settings and the service's own, which they override."""
        own = {name: getattr(config, name) for name in ("seed", "language_code") if getattr(config, name) is not None}
        has_context = config.context == "on" or (
            config.context == "auto" and not config.model.startswith(_WITHOUT_CONTEXT)
        )
        settings = {
            "voice_id": config.voice,
            "model_id": config.model,
            "output_format": config.output_format,
            "voice_settings": dict(sorted(voice_settings.items())),
            "apply_text_normalization": config.text_normalization,
            **own,
        }
        return cls(settings, config.context_chars if has_context else 0)

    def request(self, text: str, before: str = "", after: str = "") -> dict[str, Any]:
        """Return the keywords of the request for a text."""
        context = {"previous_text": before, "next_text": after}
        return self.settings | {"text": text} | {name: words for name, words in context.items() if words}


def take_key(request: dict[str, Any]) -> str:
    """Return the key of the take that a request asks for."""
    return sha256_json({"provider": "elevenlabs", "endpoint": "with-timestamps", **request})


def sentence_key(request: dict[str, Any], text: str) -> str:
    """Return the key of a sentence in a voice, whatever stands around it.

    A paragraph may be edited or cut otherwise: what is spoken of it already is found by this.
    """
    shapes = {name: value for name, value in request.items() if name not in ("text", "previous_text", "next_text")}
    return sha256_json({"provider": "elevenlabs", **shapes, "sentence": text})


def find_sentence_keys(utterances: Sequence[Utterance], voice: BoughtVoice) -> dict[str, str]:
    """Return the key of what each utterance says in a voice, by the utterance's id."""
    return {utterance.id: sentence_key(voice.settings, utterance.spoken) for utterance in utterances}


def plan_passages(
    utterances: Sequence[Utterance],
    keys: Mapping[str, str],
    voice: BoughtVoice,
    spoken: Container[str],
    max_chars: int,
) -> Iterator[Passage]:
    """Yield what there is to buy, in the order of the utterances.

    A passage ends with its paragraph, at `max_chars`, before a sentence that is spoken already, and where a long
    sentence was cut at a clause: there is no pause to cut the audio in.

    Args:
        utterances: All utterances of a corpus, those of a paragraph one after the other.
        keys: Key of each one's sentence, by its id.
        voice: Who speaks.
        spoken: Keys of sentences that are bought, in flight, or in doubt.
        max_chars: Longest text of a request; a single utterance may be longer.
    """
    claimed: set[str] = set()
    for _, section in groupby(utterances, key=lambda u: (u.source.get("file"), u.source.get("section"))):
        members = list(section)
        start = 0
        while start < len(members):
            end = start
            length = 0
            while end < len(members) and (end == start or _continues(members[end - 1], members[end])):
                key = keys[members[end].id]
                length += len(members[end].spoken) + (end > start)
                if key in spoken or key in claimed or (end > start and length > max_chars):
                    break
                claimed.add(key)
                end += 1
            if end > start:
                yield _passage(members, start, end, voice)
            # Where nothing was taken, the sentence at hand is spoken already.
            start = max(end, start + 1)


def _continues(first: Utterance, second: Utterance) -> bool:
    is_whole = first.spoken.rstrip(_CLOSERS).endswith(_SENTENCE_ENDS)
    return is_whole and first.source.get("paragraph") == second.source.get("paragraph") is not None


def _passage(members: Sequence[Utterance], start: int, end: int, voice: BoughtVoice) -> Passage:
    text = " ".join(utterance.spoken for utterance in members[start:end])
    before, after = "", ""
    for utterance in reversed(members[:start]):
        if len(before) >= voice.context_chars:
            break
        before = f"{utterance.spoken} {before}".strip()
    for utterance in members[end:]:
        if len(after) >= voice.context_chars:
            break
        after = f"{after} {utterance.spoken}".strip()
    n_chars = voice.context_chars
    # Whole words: the half of one would be read as another.
    if len(before) > n_chars:
        before = before[len(before) - n_chars :].partition(" ")[2]
    if len(after) > n_chars:
        after = after[:n_chars].rpartition(" ")[0]
    return Passage(tuple(members[start:end]), voice.request(text, before, after))
