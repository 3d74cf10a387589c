"""Train: a corpus and a starting voice become a student."""

import functools
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsd.config import Config
from ttsd.data.corpus import Corpus, read_corpus, validate_corpus
from ttsd.errors import CheckpointError, ConfigError, CorpusError, StageError
from ttsd.report import (
    Fingerprint,
    Progress,
    StageReport,
    adopt_settings,
    as_stage,
    begin_stage,
    fingerprint,
    finish_stage,
    hash_tree,
    no_progress,
)
from ttsd.utils.cache import find_cache
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file, write_text
from ttsd.utils.seeds import derive_seed

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from ttsd.training.datamodule import TrainingData
    from ttsd.training.start import Start
    from ttsd.training.validator import Judge, Validator

_FEWEST_SENTENCES = 2
"""Of fewer, none can be compared with the voice of the others."""
_FIXED = (
    "language", "audio.", "split.", "model.", "teacher.", "train.init_from", "train.completion.",
    "train.adversarial_start_step", "train.segment_frames",
)  # fmt: skip
"""Settings that a run keeps to its end."""
_WANDB = ["wandb/" + "/".join("*" * depth) for depth in range(1, 8)]
"""What Weights & Biases writes, folder below folder."""
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Where launchers say which process this is, in the order that Lightning asks."""
_CURE = "go on with --resume --allow-changes, "
"""Before the cures that every stage has for a folder that holds other work."""
COMPACT = ("compact", "nano", "micro")
_SECTIONS = {"seed", "language", "audio", "split", "model", "train", "asr", "synth"}


@as_stage("config.yaml", "*.ckpt", "tensorboard/*", *_WANDB)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Train a student on a corpus.

    Writes `start.ckpt` (the starting voice), `last.ckpt`, `best.ckpt`, the best few `step-*.ckpt`, `config.yaml`,
    TensorBoard events and `report.json`. Stopped in the middle, it goes on from `last.ckpt` and ends with the same
    bytes, TensorBoard's events aside.

    Args:
        in_dir: A curated corpus at `audio.sample_rate`.
        out_dir: The run directory.
        config: `audio`, `split`, `model` and `train` are used.
        progress: Told the number of steps done.

    Raises:
        CorpusError: The corpus is malformed, at another sample rate, or has no utterance to train on.
        ConfigError: There is no GPU where one is asked for.
        CheckpointError: The starting voice is missing or of another geometry.
        StageError: `out_dir` holds other work, or a loss is not finite.
    """
    if config.model.preset in COMPACT:
        _find_teacher(config)
    require("train", "lightning")
    require("train", "TTS")
    from ttsd.training.checkpoint import save_checkpoint
    from ttsd.training.completion import complete_student
    from ttsd.training.decoder import adapt_decoder
    from ttsd.training.shelf import rank
    from ttsd.training.validator import Validator

    if in_dir.resolve() in out_dir.resolve().parents:
        raise StageError(
            f"{out_dir}: lies in the corpus it reads, which would then be another one; name another output"
        )
    corpus = read_corpus(in_dir)
    validate_corpus(corpus, config.audio.sample_rate)
    if find_rank(config) > 0:
        _take_part(corpus, out_dir, config)
        raise SystemExit(0)
    mark = _mark(in_dir, config, _settings(config))
    if config.model.preset in COMPACT:
        return _distil(corpus, in_dir, out_dir, config, progress, mark)
    cache_dir = find_cache(config.paths.cache, out_dir)
    load = functools.cache(functools.partial(_load, corpus, config, cache_dir))
    reads = (Path(config.train.init_from or ""),)
    done = begin_stage("train", in_dir, out_dir, mark, reads=reads, check=load, cure=_CURE)
    if done is not None:
        return done
    _write_config(out_dir, config)
    start, data = load()
    data.store.fill(progress)
    losses = complete_student(start, data.train, out_dir, config, progress)
    # Not before: where completion refuses its settings, nothing is made yet that would block the mended command.
    if start.voice is not None:
        save_checkpoint(
            out_dir / "start.ckpt",
            start.voice_config,
            start.symbols,
            start.voice.state_dict(),
            lacks_posterior_encoder=start.lacks_posterior_encoder,
        )
    validator = Validator(data.validation_batches(config.audio.hop_length), config, _find_judge(data, config))
    loggers = _make_loggers(out_dir, config)
    try:
        history, n_full = _fit(start, data, out_dir, config, progress, validator, loggers)
        if config.train.decoder.max_steps or config.train.decoder.polish_max_steps:
            later, history = adapt_decoder(
                out_dir, data.train, data.store, config, progress,
                lambda student, step: validator.validate(student, step, loggers),
            )  # fmt: skip
            losses |= later
    finally:
        _finish_wandb(config)
    for path in (*out_dir.glob("completion-*.ckpt"), out_dir / "decoder.ckpt", out_dir / "polish.ckpt"):
        path.unlink(missing_ok=True)
    n_frames = sum(utterance.n_frames for utterance in data.train)
    details = {
        "n_train": len(data.train),
        "n_val": len(data.val),
        "steps": int(history[-1]["step"]),
        "best_step": rank(history)[0],
        "ended_by": "train.max_steps" if n_full == config.train.max_steps else "train.validation.patience",
        "parts": [asdict(part) for part in start.parts],
        "losses": losses,
        "validation": history,
    }
    return _report(corpus, out_dir, config, mark, n_frames, details)


def adopt(in_dir: Path, out_dir: Path, config: Config) -> str:
    """Let a run go on with other settings than it began with; `run` then continues from its last checkpoint.

    Args:
        in_dir: The corpus, unchanged.
        out_dir: The run directory.
        config: The new settings. What a student is made of and starts from cannot change, of a compact one nothing.

    Returns:
        What differs, in a line; empty where nothing does.

    Raises:
        StageError: There is no run, or what cannot change is another.
    """
    # The phases of a compact voice build on each other: no setting can change in one without those before it.
    fixed = ("",) if config.model.preset in COMPACT else _FIXED
    return adopt_settings("train", out_dir, _mark(in_dir, config, _settings(config)), fixed)


def find_rank(config: Config) -> int:
    """Return which of a training's processes this is; only the first one, 0, writes and reports.

    Lightning starts the command once more for every further device, and a cluster on every node; both say so in the
    environment.
    """
    if config.train.devices * config.train.n_nodes == 1:
        return 0
    return next((int(os.environ[name]) for name in _RANKS if name in os.environ), 0)


def _take_part(corpus: Corpus, out_dir: Path, config: Config) -> None:
    """Do a further process's share of the full steps; DDP hands it the weights of the first one."""
    start, data = _load(corpus, config, find_cache(config.paths.cache, out_dir))
    data.store.fill(lambda *_: None)
    _fit(start, data, out_dir, config, no_progress, None, [])


def _mark(in_dir: Path, config: Config, settings: dict[str, Any]) -> Fingerprint:
    return fingerprint("train", settings, hash_tree(in_dir) | _hash_start(config))


def _settings(config: Config) -> dict[str, Any]:
    teacher = {"teacher"} if config.model.preset in COMPACT else set()
    return config.model_dump(mode="json", include=_SECTIONS | teacher)


def _hash_start(config: Config) -> dict[str, str]:
    if config.model.preset in COMPACT:
        told = {"teacher": config.teacher.ckpt or Path(config.teacher.voice), "texts": config.teacher.texts or Path()}
    else:
        told = {"init_from": Path(config.train.init_from or "")}
    return {name: sha256_file(path) for name, path in told.items() if path.is_file()}


def _find_teacher(config: Config) -> None:
    """Look for the teacher's files before anything heavy is loaded, which takes longer than reading them."""
    ckpt, texts = config.teacher.ckpt, config.teacher.texts
    if ckpt is not None and not ckpt.exists():
        raise CheckpointError(f"{ckpt}: no such checkpoint; teacher.ckpt is a .ckpt file that `ttsd train` wrote")
    if texts is not None and not texts.exists():
        raise CorpusError(f"{texts}: no such file; teacher.texts is a UTF-8 file of lines, by its path from here")


def _distil(
    corpus: Corpus, in_dir: Path, out_dir: Path, config: Config, progress: Progress, mark: Fingerprint
) -> StageReport:
    from ttsd.training.compact_run import load_compact, train_compact

    cache_dir = find_cache(config.paths.cache, out_dir)
    load = functools.cache(functools.partial(load_compact, corpus, config, cache_dir))
    done = begin_stage("train", in_dir, out_dir, mark, reads=(config.teacher.ckpt or Path(),), check=load)
    if done is not None:
        return done
    _write_config(out_dir, config)
    teacher, data = load()
    data.store.fill(progress)
    loggers = _make_loggers(out_dir, config)
    try:
        details = train_compact(teacher, data, out_dir, config, cache_dir, progress, _find_judge(data, config), loggers)
    finally:
        _finish_wandb(config)
    return _report(corpus, out_dir, config, mark, details.pop("n_frames"), details)


def _report(
    corpus: Corpus, out_dir: Path, config: Config, mark: Fingerprint, n_frames: int, details: dict[str, Any]
) -> StageReport:
    report = StageReport(
        stage="train",
        fingerprint=mark,
        n_in=len(corpus.utterances),
        n_out=len(corpus.utterances),
        duration_s=n_frames * config.audio.hop_length / config.audio.sample_rate,
        seed=config.seed,
        config=_settings(config),
        details=details,
    )
    return finish_stage(out_dir, report)


def _write_config(out_dir: Path, config: Config) -> None:
    import yaml

    write_text(out_dir / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _load(corpus: Corpus, config: Config, cache_dir: Path) -> tuple["Start", "TrainingData"]:
    """Load the start, and prepare the utterances for its symbols."""
    import torch

    from ttsd.model.vits import find_frozen
    from ttsd.training.check import find_misfits
    from ttsd.training.datamodule import prepare_data
    from ttsd.training.rehearsal import check_gpu, check_strategy
    from ttsd.training.start import load_start

    check_gpu(config.train)
    check_strategy(config.train.strategy)
    torch.manual_seed(derive_seed(config.seed, "start"))
    start = load_start(config)
    find_frozen(start.student, config.train.frozen)
    data = prepare_data(corpus, config, start.symbols, cache_dir)
    if not data.train:
        raise CorpusError(f"{corpus.root}: no utterance is in the train split; add data or lower split.test_fraction")
    misfits = find_misfits([*data.train, *data.val], config)
    if misfits:
        more = f" ({len(misfits) - 1} more like it)" if len(misfits) > 1 else ""
        raise CorpusError(f"{misfits[0]}{more}")
    window, longest = config.train.decoder.segment_frames, max(one.n_frames for one in data.train)
    if config.model.decoder == "source_filter" and window > longest:
        raise ConfigError(f"train.decoder.segment_frames is {window}, and the longest clip has {longest}; lower it")
    return start, data


def _fit(
    start: "Start",
    prepared: "TrainingData",
    out_dir: Path,
    config: Config,
    progress: Progress,
    validator: "Validator | None",
    loggers: "list[Logger]",
) -> tuple[list[dict[str, float]], int]:
    """Train to the last step, from `last.ckpt` where there is one; returns the validations and the number of steps."""
    import lightning
    import torch

    from ttsd.training.callbacks import Checkpoints, ProgressLine, StopSignals
    from ttsd.training.checkpoint import read_checkpoint
    from ttsd.training.datamodule import CorpusDataModule
    from ttsd.training.phase import find_precision
    from ttsd.training.quiet import quiet_lightning
    from ttsd.training.shelf import Shelf, is_over
    from ttsd.training.vits_module import VitsModule

    train = config.train
    module = VitsModule(start.student, config, discriminator_is_new=start.lacks_discriminator)
    last = out_dir / "last.ckpt"
    try:
        kept: dict[str, Any] | None = read_checkpoint(last) if last.is_file() else None
    except CheckpointError:
        raise StageError(
            f"{last}: damaged; remove it to begin anew, or begin another run with train.init_from={out_dir}/best.ckpt"
        ) from None
    history: list[dict[str, float]] = json.loads(kept["run"]["history"]) if kept else []
    progress(kept["run"]["step"] if kept else 0, train.max_steps, "training")
    if kept is not None:
        if kept["run"]["step"] > train.max_steps:
            raise ConfigError(
                f"{last}: has {kept['run']['step']} steps behind it, and train.max_steps is {train.max_steps}; raise it"
            )
        if kept["run"]["step"] == train.max_steps or is_over(history, train.validation.patience):
            return history, kept["run"]["step"]
        module.resume(kept["run"], kept["voice"])
    data = CorpusDataModule(prepared, config, module.step)
    signals = StopSignals()
    shelf = Shelf(out_dir, start.symbols, config, history)
    # TF32: the tensor cores' 32 bits, of which 19 count; it changes nothing elsewhere.
    torch.set_float32_matmul_precision("high")
    with quiet_lightning():
        trainer = lightning.Trainer(
            accelerator=train.accelerator,
            devices=train.devices,
            num_nodes=train.n_nodes,
            strategy=find_strategy(config),
            precision=find_precision(train),
            max_epochs=1,
            limit_train_batches=train.max_steps - module.step,
            limit_val_batches=0,
            logger=loggers,
            callbacks=[ProgressLine(progress, shelf), Checkpoints(shelf, validator, signals), signals],
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(module, datamodule=data)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving with code 1; the command line has its own way.
            raise KeyboardInterrupt from None
    if signals.received == signal.SIGINT:
        raise KeyboardInterrupt
    if signals.received is not None:
        raise SystemExit(128 + signals.received)
    return shelf.history, module.step


def _find_judge(prepared: "TrainingData", config: Config) -> "Judge | None":
    """Return who compares the student with the teacher, or none where too little is held out."""
    from ttsd.training.validator import choose_sentences

    chosen = choose_sentences(len(prepared.val), config.train.validation.n_sentences)
    if len(chosen) < _FEWEST_SENTENCES:
        return None
    require("evaluate", "faster_whisper")
    from ttsd.metrics.closeness import Judge, Reference

    hop = config.audio.hop_length
    references = [
        Reference(utterance.text, prepared.store.read(utterance.id, utterance.n_frames * hop))
        for utterance in (prepared.val[i] for i in chosen)
    ]
    return Judge(references, config.audio, config.asr).judge


def _finish_wandb(config: Config) -> None:
    # It goes on in a process of its own until it is told.
    if config.train.wandb.project is not None:
        require("wandb", "wandb").finish()


def _make_loggers(out_dir: Path, config: Config) -> "list[Logger]":
    from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

    loggers: list[Logger] = [TensorBoardLogger(out_dir, name="", version="tensorboard")]
    wandb = config.train.wandb
    if wandb.project is not None:
        require("wandb", "wandb")
        loggers.append(
            WandbLogger(
                project=wandb.project, name=out_dir.name, save_dir=out_dir, offline=wandb.mode == "offline",
                config=config.model_dump(mode="json"),
            )
        )  # fmt: skip
    return loggers


def find_strategy(config: Config) -> str:
    """Return how devices work together, as Lightning names it."""
    train = config.train
    if train.strategy != "auto" or train.devices * train.n_nodes == 1:
        return train.strategy
    # Each turn leaves the other's parameters without gradients.
    return "ddp_find_unused_parameters_true"
