"""Train: a corpus and a starting voice become a student."""

import functools
import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsd.config import Config
from ttsd.data.corpus import Corpus, read_corpus, validate_corpus
from ttsd.errors import ConfigError, CorpusError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, finish_stage, hash_tree, no_progress
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file, write_text
from ttsd.utils.seeds import derive_seed

if TYPE_CHECKING:
    from ttsd.training.batch import TrainingUtterance
    from ttsd.training.start import Start

_SECTIONS = {"seed", "language", "audio", "split", "model", "train"}


@as_stage("config.yaml", "*.ckpt", "tensorboard/*")
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Train a student on a corpus.

    Writes `start.ckpt` (the starting voice), `last.ckpt`, `best.ckpt`, `config.yaml`, TensorBoard events and
    `report.json`. Stopped in the middle, it goes on from `last.ckpt` and ends with the same bytes, TensorBoard's events
    aside.

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
    require("train", "lightning")
    require("train", "TTS")
    from ttsd.training.callbacks import best_step
    from ttsd.training.checkpoint import save_checkpoint
    from ttsd.training.completion import complete_student
    from ttsd.training.decoder import adapt_decoder

    corpus = read_corpus(in_dir)
    validate_corpus(corpus, config.audio.sample_rate)
    settings = config.model_dump(mode="json", include=_SECTIONS)
    mark = fingerprint("train", settings, hash_tree(in_dir) | _hash_start(config))
    load = functools.cache(functools.partial(_load, corpus, config))
    done = begin_stage("train", in_dir, out_dir, mark, reads=(Path(config.train.init_from or ""),), check=load)
    if done is not None:
        return done
    _write_config(out_dir, config)
    start, utterances = load()
    losses = complete_student(start, utterances["train"], out_dir, config, progress)
    # Not before: where completion refuses its settings, nothing is made yet that would block the mended command.
    if start.voice is not None:
        save_checkpoint(
            out_dir / "start.ckpt",
            start.voice_config,
            start.symbols,
            start.voice.state_dict(),
            lacks_posterior_encoder=start.lacks_posterior_encoder,
        )
    history = _fit(start, utterances, out_dir, config, progress)
    if config.model.decoder == "istft":
        losses["decoder"] = adapt_decoder(out_dir, utterances["train"], config, progress)
    for path in (*out_dir.glob("completion-*.ckpt"), out_dir / "decoder.ckpt"):
        path.unlink(missing_ok=True)
    n_frames = sum(utterance.n_frames for utterance in utterances["train"])
    report = StageReport(
        stage="train",
        fingerprint=mark,
        n_in=len(corpus.utterances),
        n_out=len(corpus.utterances),
        duration_s=n_frames * config.audio.hop_length / config.audio.sample_rate,
        seed=config.seed,
        config=settings,
        details={
            "n_train": len(utterances["train"]),
            "n_val": len(utterances["val"]),
            "steps": config.train.max_steps,
            "best_step": best_step(history),
            "parts": [asdict(part) for part in start.parts],
            "losses": losses,
            "validation": history,
        },
    )
    return finish_stage(out_dir, report)


def _hash_start(config: Config) -> dict[str, str]:
    path = Path(config.train.init_from or "")
    return {"init_from": sha256_file(path)} if path.is_file() else {}


def _write_config(out_dir: Path, config: Config) -> None:
    import yaml

    write_text(out_dir / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


def _load(corpus: Corpus, config: Config) -> tuple["Start", dict[str, list["TrainingUtterance"]]]:
    """Load the start, and prepare the utterances for its symbols."""
    import torch

    from ttsd.training.datamodule import select_utterances
    from ttsd.training.start import load_start

    if config.train.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ConfigError("train.accelerator gpu: torch finds no GPU here; set train.accelerator=auto or cpu")
    torch.manual_seed(derive_seed(config.seed, "start"))
    start = load_start(config)
    utterances = {name: select_utterances(corpus, name, config, start.symbols) for name in ("train", "val")}
    if not utterances["train"]:
        raise CorpusError(f"{corpus.root}: no utterance is in the train split; add data or lower split.test_fraction")
    window, longest = config.train.decoder.segment_frames, max(one.n_frames for one in utterances["train"])
    if config.model.decoder == "istft" and window > longest:
        raise ConfigError(f"train.decoder.segment_frames is {window}, and the longest clip has {longest}; lower it")
    return start, utterances


def _fit(
    start: "Start", utterances: dict[str, list["TrainingUtterance"]], out_dir: Path, config: Config, progress: Progress
) -> list[dict[str, float]]:
    """Train to the last step, from `last.ckpt` where there is one; returns the validations."""
    import lightning
    from lightning.pytorch.loggers import TensorBoardLogger

    from ttsd.training.callbacks import Checkpoints, ProgressLine
    from ttsd.training.checkpoint import read_checkpoint
    from ttsd.training.datamodule import CorpusDataModule
    from ttsd.training.vits_module import VitsModule

    # Its notes on devices and loggers are not what a user of ttsd can act on.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    train = config.train
    module = VitsModule(start.student, config)
    last = out_dir / "last.ckpt"
    kept: dict[str, Any] | None = read_checkpoint(last) if last.is_file() else None
    history: list[dict[str, float]] = json.loads(kept["run"]["history"]) if kept else []
    progress(kept["run"]["step"] if kept else 0, train.max_steps, "training")
    if kept is not None:
        if kept["run"]["step"] >= train.max_steps:
            return history
        module.resume(kept["run"], kept["voice"])
    data = CorpusDataModule(utterances["train"], utterances["val"], config, module.step)
    checkpoints = Checkpoints(out_dir, start.symbols, data.validation_batches(), history)
    trainer = lightning.Trainer(
        accelerator=train.accelerator,
        devices=1,
        precision=train.precision,
        max_epochs=1,
        limit_train_batches=train.max_steps - module.step,
        limit_val_batches=0,
        logger=TensorBoardLogger(out_dir, name="", version="tensorboard"),
        callbacks=[checkpoints, ProgressLine(progress)],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        # Lightning against its own torch version; and advice on workers, which are the user's setting.
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
        try:
            trainer.fit(module, datamodule=data)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving with code 1; the command line has its own way.
            raise KeyboardInterrupt from None
    return checkpoints.history
