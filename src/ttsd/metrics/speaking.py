"""Every sentence spoken by every voice, heard and measured, in a pool of processes that can be killed at any time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsd.config import AsrConfig
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import Corpus, Utterance
from ttsd.errors import CorpusError, TtsdError
from ttsd.metrics.intelligibility import normalize_text
from ttsd.metrics.measurement import TEACHER, Clip, Measurement, Meter, Sentence
from ttsd.metrics.speed import Speaker, torch_threads
from ttsd.report import Progress
from ttsd.utils.parallel import map_resumable
from ttsd.utils.seeds import derive_seed

WAVS_NAME = "wavs"

Loader = Callable[[], Speaker]
"""Loads a voice; picklable, for it runs in every worker."""
Drop = tuple[str, str, str]
"""Id, reason and value of an utterance that could not be evaluated."""


def measure_speakers(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    out_dir: Path,
    loaders: Mapping[str, Loader],
    asr: AsrConfig,
    *,
    seed: int,
    n_workers: int,
    progress: Progress,
) -> tuple[list[Sentence], list[Drop]]:
    """Let every voice speak the utterances beside the teacher's clips, and measure what is heard.

    Each clip is written to `out_dir/wavs/<voice>/<id>.wav`, the teacher's under `teacher`. The text is the one that was
    spoken. A voice that gives no sound is measured as such: every word missed.

    Args:
        corpus: The teacher's clips.
        utterances: What to speak.
        out_dir: Where the clips go; finished utterances are found there by the next run.
        loaders: How every voice is loaded, by name.
        asr: The recogniser's settings.
        seed: Seed of the voices' noise; each utterance derives its own.
        n_workers: Processes; 0 means one for each core.
        progress: Told how many utterances are done.

    Returns:
        The sentences measured, and those dropped: without a word, without a readable clip, or not speakable.
    """
    wavs = out_dir / WAVS_NAME
    items = [(u.id, _Item(u, corpus.clip_path(u), wavs, derive_seed(seed, u.id))) for u in utterances]
    # One thread wherever the work runs: the sums then come out the same.
    with torch_threads(1):
        try:
            results = map_resumable(
                _measure,
                items,
                out_dir,
                n_workers=n_workers,
                progress=progress,
                note="sentences",
                initializer=_start_worker,
                initargs=(dict(loaders), asr),
            )
        finally:
            _stop_worker()
    sentences, dropped = [], []
    for utterance, result in zip(utterances, results, strict=True):
        if "dropped" in result:
            dropped.append((utterance.id, *result["dropped"]))
        else:
            measured = {name: Measurement(**figures) for name, figures in result["systems"].items()}
            sentences.append(Sentence(utterance.id, utterance.spoken, measured))
    return sentences, dropped


@dataclass(frozen=True)
class _Item:
    utterance: Utterance
    clip: Path
    wavs: Path
    seed: int


@dataclass(frozen=True)
class _Worker:
    speakers: dict[str, Speaker]
    meter: Meter
    language: str


_worker: _Worker | None = None


def _start_worker(loaders: dict[str, Loader], asr: AsrConfig) -> None:
    import torch

    global _worker
    torch.set_num_threads(1)
    _worker = _Worker({name: load() for name, load in loaders.items()}, Meter(asr), asr.language)


def _stop_worker() -> None:
    global _worker
    _worker = None


def _measure(item: _Item) -> dict[str, Any]:
    assert _worker is not None
    utterance = item.utterance
    if not normalize_text(utterance.spoken, _worker.language):
        return {"dropped": ["no_words", utterance.spoken]}
    try:
        wav, sample_rate = read_wav(item.clip)
    except CorpusError as error:
        return {"dropped": ["unreadable_clip" if item.clip.is_file() else "missing_clip", str(error)]}
    if wav.size == 0:
        return {"dropped": ["empty_clip", item.clip.name]}
    clips = {TEACHER: _keep(item, TEACHER, Clip(wav, sample_rate))}
    for name, speaker in _worker.speakers.items():
        try:
            spoken = speaker.speak(utterance.spoken, seed=item.seed)
        except TtsdError as error:
            return {"dropped": [f"{name}_cannot_speak", str(error)]}
        clips[name] = _keep(item, name, Clip(spoken, speaker.sample_rate))
    measured = _worker.meter.measure(utterance.spoken, clips)
    return {"systems": {name: asdict(one) for name, one in measured.items()}}


def _keep(item: _Item, name: str, clip: Clip) -> Clip:
    # Samples that are not numbers are no speech. What is measured is what is heard: the samples of the file.
    wav = clip.wav if np.isfinite(clip.wav).all() else np.zeros(0, np.float32)
    path = item.wavs / name / f"{item.utterance.id}.wav"
    write_wav(path, np.clip(wav, -1, 1), clip.sample_rate)
    return Clip(*read_wav(path))
