"""`train --check`: everything that could stop a training, before it starts."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ttsd.config import Config
from ttsd.data.corpus import Corpus, read_corpus, validate_corpus
from ttsd.errors import ConfigError, TtsdError
from ttsd.report import Progress, no_progress
from ttsd.utils.cache import find_cache
from ttsd.utils.extras import require

if TYPE_CHECKING:
    from ttsd.training.check import Finding
    from ttsd.training.datamodule import TrainingData
    from ttsd.training.start import Start

_MOST_TOLD = 20
_NOTHING_HELD_OUT = (
    "no clip is held out to tell the best checkpoint by, so best.ckpt will be the last one and patience has no say; "
    "raise split.val_fraction"
)


def tell(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> "list[Finding]":
    """Look at corpus, start, disk and memory as a training would meet them; writes nothing but the cache.

    Args:
        in_dir: The corpus.
        out_dir: The run directory; it need not exist.
        config: As for the training.
        progress: Told how far it is.

    Returns:
        What was looked at; where one of them fails, `run` would stop on it.
    """
    require("train", "lightning")
    require("train", "TTS")
    from ttsd.model.compact import GEOMETRIES
    from ttsd.model.vits import find_frozen
    from ttsd.training.check import Finding, check_disk, find_misfits, find_outliers, find_unknown_symbols
    from ttsd.training.datamodule import prepare_data
    from ttsd.training.rehearsal import check_strategy
    from ttsd.training.start import load_start

    try:
        corpus = read_corpus(in_dir)
        validate_corpus(corpus, config.audio.sample_rate)
    except TtsdError as error:
        return [Finding("corpus", "fail", str(error))]
    findings = [Finding("corpus", "ok", f"{len(corpus.utterances)} clips at {config.audio.sample_rate} Hz")]
    if config.model.preset in GEOMETRIES:
        return [*findings, *_tell_compact(corpus, out_dir, config, progress)]
    try:
        check_strategy(config.train.strategy)
        start = load_start(config)
        find_frozen(start.student, config.train.frozen)
    except TtsdError as error:
        return [*findings, Finding("start", "fail", str(error))]
    findings.append(Finding("start", "ok", str(config.train.init_from or "random weights")))
    unknown = find_unknown_symbols(corpus, config, start.symbols)
    findings += _list("symbols", "fail", unknown, "the voice has a symbol for every phoneme")
    if unknown:
        return findings
    cache_dir = find_cache(config.paths.cache, out_dir)
    data = prepare_data(corpus, config, start.symbols, cache_dir)
    both = [*data.train, *data.val]
    misfits = find_misfits(both, config)
    findings += _list("lengths", "fail", misfits, f"{len(data.train)} clips to train on, {len(data.val)} to watch by")
    if not data.val:
        findings.append(Finding("validation", "look", _NOTHING_HELD_OUT))
    findings += _list("outliers", "look", find_outliers(both), "every clip is about as fast as the others")
    n_samples = sum(length for _, length in data.store.places.values())
    findings.append(check_disk(out_dir, start.student, n_samples, config))
    if misfits or not data.train:
        if not data.train:
            findings.append(Finding("lengths", "fail", f"{in_dir}: no utterance is in the train split; add data"))
        return findings
    data.store.fill(progress)
    progress(0, 1, "rehearsal")
    findings.append(_expect_memory(start, data, config))
    findings.append(_rehearse(start, data, config))
    progress(1, 1, "rehearsal")
    return findings


def _tell_compact(corpus: Corpus, out_dir: Path, config: Config, progress: Progress) -> "list[Finding]":
    from ttsd.training.check import Finding
    from ttsd.training.compact_run import load_compact
    from ttsd.training.distil_rehearsal import rehearse_distillation

    try:
        teacher, data = load_compact(corpus, config, find_cache(config.paths.cache, out_dir))
    except TtsdError as error:
        return [Finding("teacher", "fail", str(error))]
    n_sentences = min(config.train.distil.n_utterances, len(data.train))
    findings = [
        Finding("teacher", "ok", str(config.teacher.ckpt or config.teacher.voice)),
        Finding("sentences", "ok", f"{n_sentences} to learn from, {len(data.val)} to watch by"),
    ]
    if not data.val:
        findings.append(Finding("validation", "look", _NOTHING_HELD_OUT))
    progress(0, 1, "rehearsal")
    try:
        told = rehearse_distillation(teacher, data.train, config)
    except TtsdError as error:
        return [*findings, Finding("sentences", "fail", str(error))]
    progress(1, 1, "rehearsal")
    steps = ", ".join(f"{name} {step_s:.2f} s a step" for name, step_s in told.step_s.items())
    rendering = f"{told.rendering_s:.2f} s for a sentence of the teacher's"
    total = f"about {told.total_s / 60:.0f} minutes on this machine"
    return [*findings, Finding("time", "ok", f"{total}: {rendering}, {steps}")]


def _list(check: str, verdict: Literal["look", "fail"], told: list[str], otherwise: str) -> "list[Finding]":
    from ttsd.training.check import Finding

    if not told:
        return [Finding(check, "ok", otherwise)]
    findings = [Finding(check, verdict, line) for line in told[:_MOST_TOLD]]
    if len(told) > _MOST_TOLD:
        findings.append(Finding(check, verdict, f"and {len(told) - _MOST_TOLD} more"))
    return findings


def _expect_memory(start: "Start", data: "TrainingData", config: Config) -> "Finding":
    from ttsd.training.check import Finding
    from ttsd.training.memory import estimate_memory
    from ttsd.training.rehearsal import longest_batch

    longest = longest_batch(data.train, config)
    n_frames = len(longest) * data.train[longest[0]].n_frames
    told = estimate_memory(start.student, config).describe(n_frames, len(longest) * config.train.segment_frames)
    return Finding("expected", "ok", f"{told}; a card's own libraries come on top")


def _rehearse(start: "Start", data: "TrainingData", config: Config) -> "Finding":
    import torch

    from ttsd.training.check import Finding
    from ttsd.training.rehearsal import check_gpu, rehearse

    try:
        check_gpu(config.train)
        told = rehearse(start.student, data.train, data.store, config)
    except ConfigError as error:
        return Finding("memory", "fail", str(error))
    except (torch.OutOfMemoryError, MemoryError):
        return Finding(
            "memory", "fail",
            "the longest batch does not fit; halve train.batch_size, or set train.batch_frames to half of what it has",
        )  # fmt: skip
    return Finding(
        "memory", "ok",
        f"the longest batch, {told.n_clips} clips in {told.n_frames} frames, takes {told.step_s:.2f} s a step and "
        f"{told.peak_mb / 1024:.1f} of {told.available_mb / 1024:.1f} GB; train.batch_frames={told.suggested_frames} "
        "would take nine tenths",
    )  # fmt: skip
