"""Every figure of an evaluation: what it is called, how sentences sum up to it, and how much of it matters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ttsd.metrics.cepstral import PRESET

Kind = Literal["rate", "score", "distance", "ratio"]
"""`rate`: errors over units, summed over the sentences. `score`: a mean over sentences, of any clip by itself.
`distance`: a mean over sentences, from the teacher's clip. `ratio`: a sum over sentences against the teacher's."""
Aim = Literal["lower", "higher", "teacher"]
"""What is better; `teacher`: as the teacher has it, neither more nor less."""


@dataclass(frozen=True)
class Metric:
    """One figure of an evaluation."""

    key: str
    """Name in `report.json`."""
    short: str
    """Name in a narrow table, with the unit."""
    name: str
    hint: str
    kind: Kind
    aim: Aim
    margin: float
    """Differences from the teacher up to this are as good as none; in the figure's own unit."""
    unit: str
    """How it is written: percent, cosine, db, cents, semitones, opinion, ratio, seconds, hz or lufs."""
    fields: tuple[str, ...]
    """What a sentence's measurement gives: a value, or for a rate errors and units."""


METRICS = (
    Metric(
        "wer", "WER %", "Word error rate", "words that the recogniser mishears; lower is better",
        "rate", "lower", 0.02, "percent", ("word_errors", "n_words"),
    ),
    Metric(
        "cer", "CER %", "Character error rate", "the same by characters; lower is better",
        "rate", "lower", 0.01, "percent", ("char_errors", "n_chars"),
    ),
    Metric(
        "similarity", "similarity", "Similarity to the teacher",
        "cosine with the teacher's other sentences; higher is better",
        "score", "higher", 0.03, "cosine", ("similarity",),
    ),
    Metric(
        "similarity_rank", "rank %", "Rank among the teacher's pairs",
        "share of pairs of the teacher's own clips that are less alike; 50 % is the teacher",
        "score", "higher", 0.25, "percent", ("similarity_rank",),
    ),
    Metric(
        "dnsmos", "DNSMOS", "Naturalness, DNSMOS", "predicted opinion, 1 to 5; compare, do not quote",
        "score", "higher", 0.1, "opinion", ("dnsmos",),
    ),
    Metric(
        "distillmos", "DistillMOS", "Naturalness, DistillMOS", "a second prediction, 1 to 5; compare, do not quote",
        "score", "higher", 0.2, "opinion", ("distillmos",),
    ),
    Metric(
        "mcd_db", f"MCD dB, {PRESET}", f"Mel-cepstral distortion, {PRESET}",
        "distance to the teacher's spectra; lower is nearer",
        "distance", "lower", 0.5, "db", ("mcd_db",),
    ),
    Metric(
        "f0_rmse_cents", "pitch cents", "Pitch error", "distance to the teacher's melody; lower is nearer",
        "distance", "lower", 50.0, "cents", ("f0_rmse_cents",),
    ),
    Metric(
        "f0_correlation", "pitch corr", "Pitch correlation",
        "whether the melody moves with the teacher's; higher is nearer",
        "distance", "higher", 0.1, "cosine", ("f0_correlation",),
    ),
    Metric(
        "voicing_error", "voicing %", "Voicing error", "frames voiced in one clip alone; lower is nearer",
        "distance", "lower", 0.03, "percent", ("voicing_error",),
    ),
    Metric(
        "f0_spread_semitones", "liveliness st", "Liveliness",
        "how much the pitch moves within a sentence; a monotone has 0",
        "score", "teacher", 0.5, "semitones", ("f0_spread_semitones",),
    ),
    Metric(
        "duration_ratio", "length", "Length", "against the teacher's clips; 1 is as long",
        "ratio", "teacher", 0.05, "ratio", ("duration_s",),
    ),
    Metric(
        "pace_ratio", "pace", "Time of articulation", "the same without silences; 1 is as fast",
        "ratio", "teacher", 0.05, "ratio", ("articulation_s",),
    ),
    Metric(
        "pause_s", "pauses s", "Pauses", "silence within a sentence",
        "score", "teacher", 0.15, "seconds", ("pause_s",),
    ),
    Metric(
        "loudness_lufs", "loudness LUFS", "Loudness", "as broadcast measures it",
        "score", "teacher", 1.0, "lufs", ("loudness_lufs",),
    ),
    Metric(
        "bandwidth_hz", "bandwidth Hz", "Bandwidth", "up to where there is sound",
        "score", "teacher", 1000.0, "hz", ("bandwidth_hz",),
    ),
    Metric(
        "clipped", "clipped %", "Clipped", "sentences with cut-off peaks; lower is better",
        "score", "lower", 0.01, "percent", ("clipped",),
    ),
    Metric(
        "failures", "failures %", "Failures", "sentences that stop early, loop, skip or invent words; lower is better",
        "score", "lower", 0.02, "percent", ("failed",),
    ),
)  # fmt: skip
BY_KEY = {metric.key: metric for metric in METRICS}


def margin_of(metric: Metric, margins: Mapping[str, float]) -> float:
    """Return the margin that the settings give, or the metric's own."""
    return margins.get(metric.key, metric.margin)
