"""What a clip is within its corpus: its loudness and its rate against the others, and what is there twice."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.data.checks import Clip

_TO_SIGMA = 1.4826
_LEAST_SPREAD = 0.06
"""A very even voice would otherwise lose clips that nobody could tell from the rest; as a share of the rate."""
_ENOUGH = 8


@dataclass(frozen=True)
class Measured:
    """What was measured of an utterance by itself."""

    id: str
    speaker: str
    text: str
    clip: Clip
    audio: str
    """Hash of the samples; empty where there are none."""
    embedding: NDArray[np.float32] | None = None


def relate(measured: Sequence[Measured], similarity: Mapping[str, float | None]) -> list[Clip]:
    """Add to every clip the figures that only the corpus tells.

    Args:
        measured: All utterances of the corpus, in its order.
        similarity: Cosine of each with the centroid of its speaker's other clips, by id.

    Returns:
        The clips in the same order; figures that cannot be told stay none.
    """
    loudness = [m.clip.loudness_lufs for m in measured]
    known = [value for value in loudness if value is not None and np.isfinite(value)]
    median = float(np.median(known)) if known else None
    deviations = _rate_deviations(measured)
    seen_audio: Counter[str] = Counter()
    seen_text: Counter[str] = Counter()
    clips = []
    for one in measured:
        key = _plain(one.text)
        value = one.clip.loudness_lufs
        offset = None if value is None or median is None or not np.isfinite(value) else value - median
        clips.append(
            dataclasses.replace(
                one.clip,
                loudness_offset_lu=offset,
                rate_deviation=deviations[one.id],
                same_audio=seen_audio[one.audio] if one.audio else None,
                same_text=seen_text[key],
                similarity=similarity.get(one.id),
            )
        )
        seen_audio[one.audio] += 1
        seen_text[key] += 1
    return clips


def _rate_deviations(measured: Sequence[Measured]) -> dict[str, float | None]:
    """Return robust z scores of log(sounds per second) within each speaker: distance from the median in MADs."""
    by_speaker: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for one in measured:
        rate = one.clip.sounds_per_s
        if rate is not None and 0 < rate < np.inf:
            by_speaker[one.speaker].append((one.id, float(np.log(rate))))
    found: dict[str, float | None] = dict.fromkeys((one.id for one in measured), None)
    for rates in by_speaker.values():
        if len(rates) < _ENOUGH:
            continue
        values = np.array([value for _, value in rates])
        middle = np.median(values)
        spread = max(_TO_SIGMA * float(np.median(np.abs(values - middle))), _LEAST_SPREAD)
        found |= {name: float((value - middle) / spread) for name, value in rates}
    return found


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
