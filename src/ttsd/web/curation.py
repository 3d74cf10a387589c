"""The page that `qc` leaves: hours kept and lost, distributions with their thresholds, and every clip to look into."""

import base64
import io
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ttsd.config import AudioConfig
from ttsd.data.audio import read_wav, resample
from ttsd.errors import CorpusError
from ttsd.utils.files import write_text
from ttsd.web.pages import as_script, render_page

BUDGET_BYTES = 40_000_000
"""A page with more audio than this, counted as base64, is slow to open."""
N_SAMPLED = 40
"""Clips that were kept and can be heard in the page, drawn by lot."""
_RATE_HZ = 22050
_MP3_QUALITY = 0.75
"""Of libsndfile's scale from 0 to 1, where 1 is the smallest: about 35 kbit/s for speech."""


def write_page(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    thresholds: Mapping[str, Mapping[str, float | None]],
    in_dir: Path,
    audio: AudioConfig,
    *,
    unmeasured: Mapping[str, int],
    link_root: str | None = None,
    budget_bytes: int = BUDGET_BYTES,
) -> None:
    """Write the page of a curated corpus; it needs nothing but itself.

    Every clip that was dropped and a sample of those kept are inside it as MP3, while they fit; the others are played
    from their files, and the page says which.

    Args:
        path: The HTML file.
        rows: What `scores.jsonl` holds, in order.
        thresholds: By figure, with `min` and `max`, as `ttsd.data.limits.thresholds` gives them.
        in_dir: The corpus that was curated.
        audio: Geometry of the spectrograms.
        unmeasured: Figures that could not be measured, and of how many clips.
        link_root: Path from the page to `in_dir`, for the clips that are not inside; none makes no links.
        budget_bytes: Most audio inside the page, as base64.
    """
    sounds, n_left_out = _encode(rows, in_dir, budget_bytes)
    text = render_page(
        "curation.html.j2",
        {"span": _write_span},
        n_in=len(rows),
        n_out=sum(row["verdict"] == "keep" for row in rows),
        hours=sum(row["duration_s"] or 0 for row in rows) / 3600,
        hours_kept=sum(row["duration_s"] or 0 for row in rows if row["verdict"] == "keep") / 3600,
        n_overruled=sum(row["overruled"] is not None for row in rows),
        unmeasured=unmeasured,
        n_left_out=n_left_out,
        data=as_script(_pack(rows)),
        sounds=as_script(sounds),
        settings=as_script(
            {
                "thresholds": thresholds,
                "link": link_root,
                "mel": {
                    "n_fft": audio.n_fft,
                    "hop": audio.hop_length,
                    "n_mels": audio.n_mels,
                    "f_min": audio.f_min,
                    "f_max": audio.f_max,
                },
            }
        ),
    )
    write_text(path, text)


def _write_span(hours: float) -> str:
    return f"{hours:.2f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _pack(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rows as columns: names are written once, and what most rows share not at all."""
    figures = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    packed = []
    for row in rows:
        heard = row["heard"]
        packed.append(
            [
                row["id"],
                1 if row["verdict"] == "keep" else 0,
                row["reason"],
                row["value"],
                row["overruled"],
                row["text"],
                None if row["transcript"] == row["text"] else row["transcript"],
                0 if heard is not None and heard == row["text"] else heard,
                row["clip"],
                row["duration_s"],
                [_short(row["figures"].get(name)) for name in figures],
                [name for name, result in row["results"].items() if result == "fail"],
            ]
        )
    return {"figures": figures, "rows": packed}


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _encode(rows: Sequence[Mapping[str, Any]], in_dir: Path, budget_bytes: int) -> tuple[dict[str, str], int]:
    kept = [row for row in rows if row["verdict"] == "keep"]
    sampled = random.Random(0).sample(kept, min(N_SAMPLED, len(kept)))
    sounds: dict[str, str] = {}
    total, n_left_out = 0, 0
    # The sample first: it is small, and a page of nothing but dropped clips has nothing to compare them with.
    for row in [*sampled, *_take_turns([row for row in rows if row["verdict"] == "drop"])]:
        if total > budget_bytes:
            n_left_out += 1
            continue
        try:
            data = _encode_clip(in_dir / row["clip"])
        except CorpusError:
            continue  # Its reason says what is wrong with the file.
        if data and total + len(data) <= budget_bytes:
            sounds[row["id"]] = data
            total += len(data)
        elif data:
            n_left_out += 1
    return sounds, n_left_out


def _take_turns(dropped: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the dropped clips so that each reason has its turn: a frequent one may not fill the page by itself."""
    seen: Counter[str] = Counter()
    turns = []
    for row in dropped:
        seen[row["reason"]] += 1
        turns.append(seen[row["reason"]])
    return [row for _, row in sorted(zip(turns, dropped, strict=True), key=lambda pair: pair[0])]


def _encode_clip(path: Path) -> str:
    wav, sample_rate = read_wav(path)
    if wav.size == 0:
        return ""
    heard = np.clip(resample(wav, sample_rate, _RATE_HZ), -1, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, heard, _RATE_HZ, format="MP3", compression_level=_MP3_QUALITY, bitrate_mode="VARIABLE")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
