"""Every sentence spoken by every voice, heard and measured, in a pool of processes that can be killed at any time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsd.config import Config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import Corpus, Utterance
from ttsd.errors import CorpusError, TtsdError
from ttsd.metrics.intelligibility import normalize_text
from ttsd.metrics.measurement import TEACHER, Clip, Measurement, Meter, Sentence
from ttsd.metrics.speed import Speaker, torch_threads
from ttsd.report import Progress
from ttsd.utils.cache import Cache, find_cache
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
    config: Config,
    *,
    recordings: Mapping[str, Corpus] | None = None,
    seed: int,
    progress: Progress,
) -> tuple[list[Sentence], list[Drop]]:
    """Let every voice speak the utterances beside the teacher's clips, and measure what is heard.

    Each clip is written to `out_dir/wavs/<system>/<id>.wav`, the teacher's under `teacher`. The text is the one that
    was spoken. A voice that gives no sound is measured as such: every word missed.

    Args:
        corpus: The teacher's clips.
        utterances: What to speak.
        out_dir: Where the clips go; finished utterances are found there by the next run.
        loaders: How every voice is loaded, by name.
        config: Reads `asr`, `evaluate`, `qc.silence_db`, `paths.cache` and `n_workers`.
        recordings: Systems that have spoken already: their corpora, by name; the ids are those of the teacher's.
        seed: Seed of the voices' noise; each utterance derives its own.
        progress: Told how many utterances are done.

    Returns:
        The sentences measured, and those dropped: without a word, without a readable clip, or not speakable.
    """
    wavs = out_dir / WAVS_NAME
    known = {
        name: {utterance.id: (other.clip_path(utterance), utterance.spoken) for utterance in other.utterances}
        for name, other in (recordings or {}).items()
    }
    items = [
        (u.id, _Item(u, corpus.clip_path(u), wavs, derive_seed(seed, u.id), {n: c.get(u.id) for n, c in known.items()}))
        for u in utterances
    ]
    # One thread wherever the work runs: the sums then come out the same.
    with torch_threads(1):
        try:
            results = map_resumable(
                _measure,
                items,
                out_dir,
                n_workers=config.n_workers,
                progress=progress,
                note="sentences",
                initializer=_start_worker,
                initargs=(dict(loaders), config, find_cache(config.paths.cache, out_dir)),
            )
        finally:
            _stop_worker()
    sentences, dropped = [], []
    for utterance, result in zip(utterances, results, strict=True):
        if "dropped" in result:
            dropped.append((utterance.id, *result["dropped"]))
        else:
            measured = {name: Measurement(**figures) for name, figures in result["systems"].items()}
            sentences.append(Sentence(utterance.id, utterance.spoken, utterance.transcript, measured))
    return sentences, dropped


@dataclass(frozen=True)
class _Item:
    utterance: Utterance
    clip: Path
    wavs: Path
    seed: int
    recordings: dict[str, tuple[Path, str] | None]
    """Clip of every system that has spoken already, and what it was to say."""


@dataclass(frozen=True)
class _Worker:
    speakers: dict[str, Speaker]
    meter: Meter
    cache: Cache
    language: str


_worker: _Worker | None = None


def _start_worker(loaders: dict[str, Loader], config: Config, folder: Path) -> None:
    import torch

    global _worker
    torch.set_num_threads(1)
    speakers = {name: load() for name, load in loaders.items()}
    cache = Cache(folder)
    _worker = _Worker(speakers, Meter(config, cache), cache, config.asr.language)


def _stop_worker() -> None:
    global _worker
    if _worker is not None:
        _worker.cache.__exit__()
    _worker = None


def _measure(item: _Item) -> dict[str, Any]:
    assert _worker is not None
    utterance = item.utterance
    wanted = normalize_text(utterance.spoken, _worker.language)
    # Dashes and dots are left over where there is nothing else.
    if not any(character.isalnum() for character in wanted):
        return {"dropped": ["no_words", utterance.spoken]}
    clips: dict[str, Clip] = {}
    for name, recording in {TEACHER: (item.clip, utterance.spoken), **item.recordings}.items():
        of = "" if name == TEACHER else f"_of_{name}"
        if recording is None:
            return {"dropped": [f"missing_clip{of}", "there is no such id in its corpus"]}
        path, said = recording
        if normalize_text(said, _worker.language) != wanted:
            return {"dropped": [f"other_text{of}", said]}
        try:
            wav, sample_rate = read_wav(path)
        except CorpusError as error:
            return {"dropped": [f"{'unreadable' if path.is_file() else 'missing'}_clip{of}", str(error)]}
        if wav.size == 0 and name == TEACHER:
            return {"dropped": ["empty_clip", path.name]}
        clips[name] = _keep(item, name, Clip(wav, sample_rate))
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
