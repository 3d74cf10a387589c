"""From what was measured to a verdict on every clip of a corpus."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttsd.config import QcConfig
from ttsd.data.checks import UNMEASURED, Clip, Reason, Result, first_reason, judge_clip
from ttsd.data.corpus import Utterance
from ttsd.data.decisions import Decision
from ttsd.data.judging import Measured, relate
from ttsd.data.limits import LIMITS
from ttsd.metrics.measuring import unpack
from ttsd.metrics.similarity import similarities

BY_HAND = "by_hand"


@dataclass(frozen=True)
class Score:
    """The verdict on a clip, and what it rests on."""

    utterance: Utterance
    is_kept: bool
    reason: str | None
    """Why the checks would drop it, or a person does."""
    value: str | None
    overruled: Decision | None
    """What a person decided, where the checks said otherwise."""
    figures: dict[str, Any]
    """By name; `unmeasured` where a check wanted one that there is not."""
    heard: str | None
    results: dict[str, str]
    """`pass`, `fail` or `unmeasured`, by check."""


def judge_corpus(
    utterances: Sequence[Utterance],
    measured: Sequence[Mapping[str, Any]],
    config: QcConfig,
    decisions: Mapping[str, Decision],
) -> list[Score]:
    """Judge every clip by itself and against its corpus; a person's decision has the last word.

    A clip that cannot be read stays dropped, whatever a person decides: there is nothing to keep.

    Args:
        utterances: The utterances of the corpus.
        measured: What was measured of each.
        config: The thresholds.
        decisions: What a person decided, by id.
    """
    readable: list[Measured] = []
    for utterance, result in zip(utterances, measured, strict=True):
        if "fault" not in result:
            clip, embedding = unpack(dict(result))
            readable.append(
                Measured(utterance.id, utterance.speaker, utterance.spoken, clip, result["audio"], embedding)
            )
    clips = dict(zip([one.id for one in readable], relate(readable, _compare_voices(readable)), strict=True))
    scores = []
    for utterance, result in zip(utterances, measured, strict=True):
        if "fault" in result:
            code, value = result["fault"]
            scores.append(Score(utterance, False, code, value, None, {}, None, {}))
        else:
            scores.append(_judge(utterance, clips[utterance.id], result, config, decisions.get(utterance.id)))
    return scores


def unmeasured_counts(scores: Sequence[Score]) -> dict[str, int]:
    """Count the figures that a check wanted and that could not be measured, by name, over the clips that are kept."""
    counts = Counter(name for s in scores if s.is_kept for name, value in s.figures.items() if value == UNMEASURED)
    return dict(sorted(counts.items()))


def _judge(
    utterance: Utterance, clip: Clip, result: Mapping[str, Any], config: QcConfig, decision: Decision | None
) -> Score:
    results = judge_clip(clip, config)
    reason = first_reason(results)
    figures = {name: _tidy(value) for name, value in clip.figures().items() if value is not None}
    figures |= {name: result[name] for name in ("first_word_s", "last_word_s") if name in result}
    figures |= {LIMITS[name].figure: UNMEASURED for name, outcome in results.items() if outcome == UNMEASURED}
    overruled = decision if decision is not None and (decision == "keep") == (reason is not None) else None
    is_kept = decision == "keep" if decision is not None else reason is None
    code, value = (reason.code, reason.value) if reason is not None else (None, None)
    if overruled == "drop":
        code, value = BY_HAND, "dropped by a person"
    names = {name: _name(outcome) for name, outcome in results.items()}
    return Score(utterance, is_kept, code, value, overruled, figures, result["heard"], names)


def _name(outcome: Result) -> str:
    return "fail" if isinstance(outcome, Reason) else outcome or "pass"


def _tidy(value: float) -> float | int | str:
    if isinstance(value, int):
        return value
    return "-inf" if np.isneginf(value) else round(float(value), 4)


def _compare_voices(measured: Sequence[Measured]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for speaker in dict.fromkeys(one.speaker for one in measured):
        own = [one for one in measured if one.speaker == speaker and one.embedding is not None]
        if len(own) < 3:
            continue
        voices = np.stack([one.embedding for one in own if one.embedding is not None])
        alike = similarities(voices, voices)
        # Again, against the half that is most alike: clips in another voice would pull the centre towards them.
        core = np.flatnonzero(alike >= np.median(alike))
        rest = np.setdiff1d(np.arange(len(own)), core)
        if len(core) > 2:
            alike[core] = similarities(voices[core], voices[core])
            centre = voices[core].mean(axis=0)
            alike[rest] = voices[rest] @ (centre / np.linalg.norm(centre))
        found |= {one.id: float(value) for one, value in zip(own, alike, strict=True)}
    return found
