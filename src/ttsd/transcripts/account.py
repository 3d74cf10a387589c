"""The account of a transcript and its recording: every sentence is an utterance, or a rejection with its reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ttsd.data.corpus import Rejection, Utterance
from ttsd.data.readings import Candidate, Reading, choose_takes
from ttsd.transcripts.manuscript import Line
from ttsd.transcripts.spoken import shorten


@dataclass(frozen=True)
class Account:
    """What becomes of one transcript."""

    clips: tuple[tuple[Utterance, Candidate], ...] = ()
    """The utterances, each with the take that its clip is cut from."""
    rejections: tuple[Rejection, ...] = ()
    stretches: tuple[dict[str, Any], ...] = ()
    """Speech in the recording that is in no clip: times, what was heard, and the sentence it was meant for."""
    counts: dict[str, int] = field(default_factory=dict)
    """Rejections by reason."""


def line_ids(prefix: str, lines: Sequence[Line]) -> list[str]:
    """Return an id for every sentence of a transcript, by its place in it."""
    return [f"{prefix}_{number:03d}" for number in range(1, len(lines) + 1)]


def reject_all(prefix: str, lines: Sequence[Line], reason: str, value: str) -> Account:
    """Account for a transcript without a recording that can be used; what is not read aloud keeps its own reason."""
    return _closed(
        (),
        [
            Rejection(name, line.reason, shorten(line.text))
            if line.reason and line.reason != "heading"
            else Rejection(name, reason, f"{value}; text: {shorten(line.text)}")
            for name, line in zip(line_ids(prefix, lines), lines, strict=True)
        ],
        (),
    )


def account_for(
    prefix: str,
    lines: Sequence[Line],
    recording: str,
    reading: Reading,
    verdicts: Mapping[int, tuple[str, str]],
    speaker: str,
) -> Account:
    """Account for a transcript and what was found of it in its recording.

    A sentence that the transcript holds twice becomes one utterance, because in two sections it would stand in the
    training and the test set at once.

    Args:
        prefix: First part of the ids.
        lines: The transcript's sentences.
        recording: The recording's path below the folder, for the utterances' `source`.
        reading: What was found.
        verdicts: Reason and value of the candidates that do not say their sentence, by place.
        speaker: Who reads.
    """
    chosen, others = choose_takes(reading.candidates, verdicts)
    clips: list[tuple[Utterance, Candidate]] = []
    rejections: list[Rejection] = []
    unused: dict[int, str] = {}
    said: dict[str, str] = {}
    for number, (name, line) in enumerate(zip(line_ids(prefix, lines), lines, strict=True)):
        beside = others.get(number, [])
        key = line.text.casefold()
        if number in chosen and key not in said:
            candidate = reading.candidates[chosen[number]]
            source = line.source | {
                "recording": recording,
                "start_s": round(candidate.start_s, 3),
                "end_s": round(candidate.end_s, 3),
            }
            clips.append((Utterance(id=name, transcript=line.text, speaker=speaker, source=source), candidate))
            said[key] = name
        elif number in chosen:
            rejections.append(Rejection(name, "repeated", f"the same sentence as {said[key]}"))
            unused[chosen[number]] = name
        else:
            # The last try is the one that the speaker let stand.
            rejections.append(_explain(name, line, beside[-1:], reading, number))
            unused |= {place: name for place, *_ in beside[-1:]}
            beside = beside[:-1]
        for take, (place, reason, value) in enumerate(beside, start=1):
            rejections.append(
                Rejection(f"{name}_take{take}", reason, f"{value}; at {_times(reading.candidates[place])}")
            )
            unused[place] = f"{name}_take{take}"
    stretches = [
        {"start_s": start_s, "end_s": end_s, "heard": shorten(heard)} for start_s, end_s, heard in reading.stretches
    ]
    for place, name in unused.items():
        candidate = reading.candidates[place]
        times = {"start_s": round(candidate.start_s, 2), "end_s": round(candidate.end_s, 2)}
        stretches.append(times | {"heard": shorten(" ".join(word.text for word in candidate.heard)), "id": name})
    return _closed(clips, rejections, sorted(stretches, key=lambda stretch: (stretch["start_s"], stretch["end_s"])))


def _explain(name: str, line: Line, last: Sequence[tuple[int, str, str]], reading: Reading, number: int) -> Rejection:
    if line.reason and line.reason != "heading":
        return Rejection(name, line.reason, shorten(line.text))
    if not last and number in reading.parts:
        start_s, end_s, heard = reading.parts[number]
        told = f"only `{heard}` was heard; at {start_s:.2f} to {end_s:.2f} s; text: {shorten(line.text)}"
        return Rejection(name, "partly_spoken", told)
    if not last:
        return Rejection(name, line.reason or "not_spoken", shorten(line.text))
    place, reason, value = last[0]
    return Rejection(name, reason, f"{value}; at {_times(reading.candidates[place])}; text: {shorten(line.text)}")


def _times(candidate: Candidate) -> str:
    return f"{candidate.start_s:.2f} to {candidate.end_s:.2f} s"


def _closed(
    clips: Sequence[tuple[Utterance, Candidate]], rejections: Sequence[Rejection], stretches: Sequence[dict[str, Any]]
) -> Account:
    counts = Counter(rejection.reason for rejection in rejections)
    return Account(tuple(clips), tuple(rejections), tuple(stretches), dict(sorted(counts.items())))
