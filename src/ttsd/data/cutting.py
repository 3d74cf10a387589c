"""A paragraph that was spoken in one take, cut into its utterances at the pauses between them.

A service says when every character was spoken, and is a little wrong. So its times only say where to look: the cut goes
where the sound itself is silent. What was not spoken in full is found and named, for nobody to train on.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsd.config import CutConfig

FRAME_MS = 5.0
"""Length of the frames that silence is told by: a pause is found to this precision."""
MARGIN_S = 0.1
"""How far from the place that the times name a pause is looked for."""
TOLERANCE_S = 0.05
"""How far times may be wrong: a service counts in frames of its own, of up to 46 ms."""
N_TAIL = 5
"""Letters at the end of an utterance that cannot all be silent."""
SILENT_DB = -60.0
"""A take with no frame louder than this is silence, whatever noise it holds; in dB of full scale."""
LEAST_CONTRAST_DB = -25.0
"""However loud a voice's noise is, nothing louder than this counts as silence; relative to the speech."""
NOISE_RANGE_DB = 3.0
LONG_PAUSE_S = 0.12
"""No consonant is silent for so long: such a silence is a pause, though the times point beside it."""
_SPOKEN_SIGNS = "%&@#§‰*/"
_Found = tuple[str, str]


@dataclass(frozen=True)
class CharacterTimes:
    """When every character of a text was spoken, as a service tells it; in seconds from the start of the take."""

    characters: tuple[str, ...]
    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]


@dataclass(frozen=True)
class Cut:
    """The place of one utterance in a take."""

    start: int
    """First sample of the utterance in the take."""
    end: int
    """The sample behind its last."""
    times_s: tuple[tuple[float, float], ...]
    """Start and end of its characters in seconds from `start`; of those the service knows."""
    reason: str | None = None
    """Short snake_case code of why it must not be trained on, or none."""
    value: str = ""
    """The figure that decided, with its unit, for a person to read."""


@dataclass(frozen=True)
class _Span:
    """What the times say of one utterance."""

    text: str
    begin: int
    """Its first character in the request."""
    n_known: int
    """How many of its characters have times."""
    first_s: float
    """Start of the first character that makes a sound."""
    tail_s: float
    """Start of the last few of them, `N_TAIL`."""
    last_s: float
    """End of the last of them."""
    end_s: float
    """End of the last character known, that makes a sound or none."""


@dataclass(frozen=True)
class _Sound:
    """Where a take sounds, frame by frame; the last frame is up to twice as long as the others."""

    sounding: NDArray[np.bool_]
    """bool [n_frames]."""
    hop: int
    """Samples of a frame."""
    n_samples: int
    sample_rate: int

    @property
    def duration_s(self) -> float:
        return self.n_samples / self.sample_rate

    def bounds_s(self, start: int, end: int) -> tuple[float, float] | None:
        """Return where the first sound between two samples starts and the last one ends, in seconds of the take."""
        frames = np.flatnonzero(self.sounding[start // self.hop : -(-end // self.hop)]) + start // self.hop
        if frames.size == 0:
            return None
        last = int(frames[-1]) + 1
        stop = self.n_samples if last == self.sounding.size else last * self.hop
        return int(frames[0]) * self.hop / self.sample_rate, stop / self.sample_rate

    def silent_runs(self) -> list[tuple[int, int]]:
        """Return first sample and the one behind the last of every silence."""
        changes = np.flatnonzero(np.diff(np.concatenate(([True], self.sounding, [True])).astype(np.int8)))
        ends = np.where(changes == self.sounding.size, self.n_samples, changes * self.hop)
        return [(int(start), int(end)) for start, end in ends.reshape(-1, 2)]


def cut_take(
    wav: NDArray[np.float32], sample_rate: int, texts: Sequence[str], times: CharacterTimes | None, config: CutConfig
) -> list[Cut]:
    """Cut a take into its utterances, each from the middle of one pause to the middle of the next.

    Reasons, the first that holds: `missing_times` (none, or such as no service means), `truncated_end` (the times or
    the sound end before the text does), `starts_in_speech`, `no_pause` (to a neighbour), `unspoken_tail` (faster than
    anyone speaks, or silent), `extra_speech` (sound far outside the text).

    Args:
        wav: The take, float32 [n_samples] in [-1, 1]; may be empty.
        sample_rate: In Hz.
        texts: The utterances; joined by single spaces they are the text that was asked for.
        times: Of the characters of that text, or of its beginning where the service stopped early.
        config: What counts as a pause, and as spoken.

    Returns:
        One cut for each text, in order. Those without a usable place are empty; the others follow each other without
        a gap, from the first sample of the take to its last.
    """
    problem = _find_fault(" ".join(texts), times)
    if times is None or problem:
        return [Cut(0, 0, (), "missing_times", problem) for _ in texts]
    sound = _measure_sound(wav, sample_rate, config)
    spans = _lay_out(texts, times)
    # Utterances are absent from the end on: the service stopped, or the sound did.
    n_present = sum(span.first_s < sound.duration_s for span in spans)
    runs = sound.silent_runs()
    pauses = [_find_pause(runs, spans[i], spans[i + 1], sound, config) for i in range(n_present - 1)]
    edges = [0]
    for i, pause in enumerate(pauses):
        # Without a pause the times are all there is; an utterance that is dropped needs no better place.
        place = sum(pause) // 2 if pause else round((spans[i].last_s + spans[i + 1].first_s) / 2 * sample_rate)
        edges.append(min(max(place, edges[-1]), wav.size))
    edges += [wav.size] * (len(texts) + 1 - len(edges))
    cuts: list[Cut] = []
    for i, span in enumerate(spans):
        start, end = edges[i : i + 2]
        found: _Found | None = ("truncated_end", _describe_end(span, sound))
        if i < n_present:
            is_last = i == n_present - 1
            found = _judge_end(span, sound, config, is_last, i == len(spans) - 1)
            if i == 0:
                found = found or _judge_start(span, sound, config)
            if None in pauses[max(i - 1, 0) : i + 1]:
                found = found or ("no_pause", f"none of {config.min_pause_ms:g} ms")
            found = found or _judge_sound(span, sound, config, start, end, is_last)
        cuts.append(Cut(start, end, _relative(span, times, sound, start, end), *(found or ())))
    return cuts


def _find_fault(text: str, times: CharacterTimes | None) -> str:
    """Return what is wrong with the times, or nothing."""
    if times is None or not times.characters:
        return "none"
    n = len(times.characters)
    if not n == len(times.starts_s) == len(times.ends_s):
        return f"{n} characters, {len(times.starts_s)} starts, {len(times.ends_s)} ends"
    if times.characters != tuple(text[:n]):
        return "of another text"
    starts, ends = np.array(times.starts_s, dtype=np.float64), np.array(times.ends_s, dtype=np.float64)
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        return "not numbers"
    if starts[0] < 0 or (np.diff(starts) < 0).any() or (np.diff(ends) < 0).any() or (ends < starts).any():
        return "not in order"
    return ""


def _lay_out(texts: Sequence[str], times: CharacterTimes) -> list[_Span]:
    spans: list[_Span] = []
    begin = 0
    for text in texts:
        n_known = min(max(len(times.characters) - begin, 0), len(text))
        known = range(begin, begin + n_known)
        # A sentence of signs alone still has a place.
        spoken = [place for place in known if _makes_sound(times.characters[place])] or list(known)
        if known:
            tail = spoken[-N_TAIL:]
            places = times.starts_s[spoken[0]], times.starts_s[tail[0]], times.ends_s[tail[-1]], times.ends_s[known[-1]]
        else:
            places = (np.inf,) * 4
        spans.append(_Span(text, begin, n_known, *places))
        begin += len(text) + 1
    return spans


def _makes_sound(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMNS" or character in _SPOKEN_SIGNS


def _measure_sound(wav: NDArray[np.float32], sample_rate: int, config: CutConfig) -> _Sound:
    hop = max(round(sample_rate * FRAME_MS / 1000), 1)
    if wav.size == 0:
        return _Sound(np.zeros(0, dtype=np.bool_), hop, 0, sample_rate)
    starts = np.arange(max(wav.size // hop, 1)) * hop
    centred = wav.astype(np.float64) - wav.mean(dtype=np.float64)
    power = np.add.reduceat(np.square(centred), starts) / np.diff(np.append(starts, wav.size))
    n_pause = min(max(round(config.min_pause_ms / FRAME_MS), 1), power.size)
    threshold = find_threshold(power, n_pause, config.silence_db)
    if threshold is None:
        return _Sound(np.zeros(power.size, dtype=np.bool_), hop, wav.size, sample_rate)
    return _Sound(power > threshold, hop, wav.size, sample_rate)


def find_threshold(power: NDArray[np.float64], n_pause: int, silence_db: float) -> float | None:
    """Return the power above which a frame of speech sounds, whatever the noise of the voice or the room.

    Args:
        power: Mean square of every frame, float64 [n_frames], of at least one frame.
        n_pause: Frames in the shortest pause.
        silence_db: Quieter than this, relative to the speech, counts as silence; in dB.

    Returns:
        A mean square; none where all is silent.
    """
    loudest = power.max()
    if loudest < 10 ** (SILENT_DB / 10):
        return None
    # Not the loudest frame: one click would make all speech silence.
    level = np.percentile(power[power > loudest * 1e-4], 90)
    # The noise of a voice is as loud as the loudest frame of the quietest stretch that could be a pause.
    stretches = np.lib.stride_tricks.sliding_window_view(power, min(n_pause, power.size))
    noise = stretches.max(axis=1).min()
    quiet, loud = level * 10 ** (silence_db / 10), level * 10 ** (LEAST_CONTRAST_DB / 10)
    return float(max(quiet, min(noise * 10 ** (NOISE_RANGE_DB / 10), loud)))


def _find_pause(
    runs: list[tuple[int, int]], span: _Span, following: _Span, sound: _Sound, config: CutConfig
) -> tuple[int, int] | None:
    """Return the silence between two utterances, in samples of the take."""
    core = sorted((span.last_s * sound.sample_rate, following.first_s * sound.sample_rate))
    margin = MARGIN_S * sound.sample_rate

    def score(run: tuple[int, int]) -> float:
        # The silence of a stop consonant may be near, and the pause partly outside the times that are meant for it.
        return _overlap(run, core[0], core[1]) + _overlap(run, core[0] - margin, core[1] + margin)

    def fits(run: tuple[int, int]) -> bool:
        length = _overlap(run, core[0] - margin, core[1] + margin)
        named = _overlap(run, core[0], core[1]) > 0 or run[1] - run[0] > LONG_PAUSE_S * sound.sample_rate
        return named and length >= config.min_pause_ms / 1000 * sound.sample_rate

    fitting = [run for run in runs if fits(run)]
    return max(fitting, key=score, default=None)


def _overlap(run: tuple[int, int], start: float, end: float) -> float:
    return max(min(run[1], end) - max(run[0], start), 0.0)


def _judge_start(span: _Span, sound: _Sound, config: CutConfig) -> _Found | None:
    """Find sound that was cut off, or that nobody asked for, before the first utterance."""
    if sound.sounding[0]:
        return "starts_in_speech", "sound in the first sample"
    bounds_s = sound.bounds_s(0, sound.n_samples)
    lead_s = span.first_s - bounds_s[0] if bounds_s else 0.0
    return ("extra_speech", f"{lead_s:.2f} s before the text") if lead_s > config.max_tail_s else None


def _judge_end(span: _Span, sound: _Sound, config: CutConfig, is_last: bool, ends_text: bool) -> _Found | None:
    """Find an utterance whose times or sound end before its text does."""
    known_s = span.end_s if ends_text else span.last_s
    cut_off = span.n_known < len(span.text) or known_s > sound.duration_s + TOLERANCE_S
    if is_last and not cut_off:
        bounds_s = sound.bounds_s(0, sound.n_samples)
        silence_s = sound.duration_s - bounds_s[1] if bounds_s else sound.duration_s
        # Where more should follow, a short silence may be a consonant's, in the middle of the last word.
        cut_off = silence_s == 0 or (not ends_text and silence_s < config.min_pause_ms / 1000)
    return ("truncated_end", _describe_end(span, sound)) if cut_off else None


def _describe_end(span: _Span, sound: _Sound) -> str:
    if span.n_known < len(span.text):
        return f"{span.n_known} of {len(span.text)} characters have times"
    return f"the sound ends at {sound.duration_s:.2f} s, the utterance at {span.end_s:.2f} s"


def _judge_sound(span: _Span, sound: _Sound, config: CutConfig, start: int, end: int, is_last: bool) -> _Found | None:
    """Find an utterance whose sound is not that of its text, by its length alone."""
    bounds_s = sound.bounds_s(start, end)
    if bounds_s is None:
        return "unspoken_tail", "silent"
    spoken_s = min(bounds_s[1] - bounds_s[0], span.last_s - span.first_s)
    if len(span.text) > config.max_chars_per_s * spoken_s:
        rate = len(span.text) / spoken_s if spoken_s > 0 else np.inf
        return "unspoken_tail", f"{rate:.1f} characters per second"
    tail_s = min(bounds_s[1], span.last_s) - span.tail_s
    if tail_s < TOLERANCE_S:
        return "unspoken_tail", f"{max(tail_s, 0):.2f} s for its last letters"
    if is_last and bounds_s[1] - span.last_s > config.max_tail_s:
        return "extra_speech", f"{bounds_s[1] - span.last_s:.2f} s behind the text"
    return None


def _relative(
    span: _Span, times: CharacterTimes, sound: _Sound, start: int, end: int
) -> tuple[tuple[float, float], ...]:
    known = slice(span.begin, span.begin + span.n_known)
    pairs = np.stack([times.starts_s[known], times.ends_s[known]], axis=-1) - start / sound.sample_rate
    return tuple((float(a), float(b)) for a, b in np.clip(pairs, 0, (end - start) / sound.sample_rate))
