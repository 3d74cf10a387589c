"""Clips inside a page: encoded into the page itself while they fit, with a drawing of their loudness."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ttsd.data.audio import Waveform, read_wav

BUDGET_BYTES = 22_000_000
"""A page with more audio than this, counted as base64, is slow to open."""
N_BARS = 72
HALF_HEIGHT = 15


@dataclass(frozen=True)
class Player:
    """What a page needs to play a clip."""

    src: str
    """A data URI, or the clip's path relative to the page."""
    duration_s: float
    level: float
    """Root mean square, in [0, 1]: players turn the louder clips of a row down to the quietest."""
    outline: str
    """SVG path of the loudness over time: `N_BARS` units wide, from `-HALF_HEIGHT` to `HALF_HEIGHT`."""


@dataclass(frozen=True)
class Players:
    """The players of a page, and how their audio is kept."""

    by_name: dict[str, Player]
    kept_as: str
    """For a person to read."""


def make_players(root: Path, names: Sequence[str], budget_bytes: int = BUDGET_BYTES) -> Players:
    """Encode clips for a page: all as lossless FLAC where they fit, else as MP3, and the last ones as links.

    One codec serves the whole page, so that no system sounds worse than another by its codec alone.

    Args:
        root: Directory of the page.
        names: Paths of the clips relative to it, the most wanted first.
        budget_bytes: Most audio inside the page, as base64.

    Raises:
        CorpusError: A clip is missing or unreadable.
    """
    codec = "FLAC"
    encoded = _encode(root, names, codec, budget_bytes)
    if len(encoded) < len(names):
        codec = "MP3"
        encoded = _encode(root, names, codec, budget_bytes)
    players = {name: _make_player(root, name, encoded.get(name)) for name in names}
    kept_as = "FLAC, lossless" if codec == "FLAC" else "MP3, every system alike"
    if len(encoded) < len(names):
        kept_as += f"; {len(names) - len(encoded)} of {len(names)} clips are played from their files beside this page"
    return Players(players, kept_as)


def _encode(root: Path, names: Sequence[str], codec: str, budget_bytes: int) -> dict[str, str]:
    encoded: dict[str, str] = {}
    total = 0
    for name in names:
        wav, sample_rate = read_wav(root / name)
        if wav.size == 0:
            encoded[name] = ""
            continue
        buffer = io.BytesIO()
        soundfile.write(buffer, wav, sample_rate, format=codec, subtype="PCM_16" if codec == "FLAC" else None)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        total += len(data)
        if total > budget_bytes:
            break
        encoded[name] = f"data:audio/{'flac' if codec == 'FLAC' else 'mpeg'};base64,{data}"
    return encoded


def _make_player(root: Path, name: str, src: str | None) -> Player:
    wav, sample_rate = read_wav(root / name)
    level = float(np.sqrt(np.mean(np.square(wav, dtype=np.float64)))) if wav.size else 0.0
    return Player(name if src is None else src, wav.size / sample_rate, level, outline(wav))


def outline(wav: Waveform) -> str:
    """Draw a clip as an SVG path of vertical bars, its loudest as high as the drawing.

    Args:
        wav: Waveform, float32 [n_samples].
    """
    heights = [float(np.abs(part).max()) if part.size else 0.0 for part in np.array_split(wav, N_BARS)]
    loudest = max(heights) or 1.0
    tall = [max(round(HALF_HEIGHT * height / loudest, 1), 0.5) for height in heights]
    return "".join(f"M{x + 0.5:g} {-half:g}V{half:g}" for x, half in enumerate(tall))
