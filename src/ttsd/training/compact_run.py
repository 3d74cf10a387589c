"""A compact student from its teacher to its checkpoints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger

from ttsd.config import Config, TrainConfig
from ttsd.data.corpus import Corpus, clean_text
from ttsd.data.phonemes import phonemize_many
from ttsd.data.scripts import foreign_letter
from ttsd.data.sentences import MAX_CHARS
from ttsd.data.symbols import SymbolTable
from ttsd.data.text import normalize_text
from ttsd.errors import ConfigError, CorpusError
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.report import Progress
from ttsd.training.batch import TrainingUtterance
from ttsd.training.checkpoint import read_checkpoint, save_checkpoint
from ttsd.training.compact_validator import CompactValidator
from ttsd.training.datamodule import TrainingData, prepare_data
from ttsd.training.distillation import PHASES, distil
from ttsd.training.rehearsal import check_gpu
from ttsd.training.rendering import WhiteBox, load_teacher, render
from ttsd.training.shelf import Shelf, rank
from ttsd.training.validator import Judge
from ttsd.utils.seeds import derive_seed


def load_compact(corpus: Corpus, config: Config, cache_dir: Path) -> tuple[WhiteBox, TrainingData]:
    """Load the teacher, and prepare the corpus's sentences for its symbols.

    Raises:
        CheckpointError: The teacher is missing or of another kind.
        ConfigError: More devices are asked for than one, or a GPU where there is none; or a voice to start from.
        CorpusError: No sentence is there to train on, or one holds a phoneme that the teacher has no symbol for; or
            `teacher.texts` cannot be read.
    """
    if config.train.devices * config.train.n_nodes > 1:
        raise ConfigError(f"train.devices: a {config.model.preset} student is trained on one; set train.devices=1")
    check_gpu(config.train)
    if config.train.init_from not in (None, TrainConfig().init_from):
        raise ConfigError(
            f"train.init_from: a {config.model.preset} student starts from nothing; the voice that it learns from is "
            "teacher.voice or teacher.ckpt"
        )
    teacher = load_teacher(config)
    data = prepare_data(corpus, config, teacher.symbols, cache_dir)
    if config.teacher.texts is not None:
        data.train.extend(read_sentences(config.teacher.texts, config, teacher.symbols, cache_dir))
    if not data.train:
        raise CorpusError(f"{corpus.root}: no utterance is in the train split; add data or lower split.test_fraction")
    return teacher, data


def train_compact(
    teacher: WhiteBox,
    data: TrainingData,
    run_dir: Path,
    config: Config,
    cache_dir: Path,
    progress: Progress,
    judge: Judge | None,
    loggers: Sequence[Logger],
) -> dict[str, Any]:
    """Train a compact student: `last.ckpt`, `best.ckpt`, and the best few `step-*.ckpt`.

    Args:
        teacher: From `load_compact`.
        data: Likewise.
        run_dir: Where checkpoints go; a stopped run goes on from what lies there.
        config: Reads `audio`, `model`, `train` and `seed`.
        cache_dir: Where the teacher's renderings are kept.
        progress: Told how many sentences and steps are done.
        judge: Who compares the student with the teacher's clips, if anybody.
        loggers: Lightning's.

    Returns:
        What the report tells, and `n_frames` of the teacher's speech.
    """
    last_path = run_dir / "last.ckpt"
    if last_path.is_file():
        # All was trained, and the run was stopped before its report.
        _tidy(run_dir)
        details: dict[str, Any] = json.loads(read_checkpoint(last_path)["run"]["details"])
        return details
    config = choose_decoder(config, teacher)
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "distil", "utterances"))
    order = torch.randperm(len(data.train), generator=generator)[: config.train.distil.n_utterances].tolist()
    renderings = render(teacher, [data.train[i] for i in order], config, cache_dir, progress)
    held_out = render(teacher, data.val, config, cache_dir, progress)
    validator = CompactValidator([one.id for one in data.val], held_out, config, judge)
    torch.manual_seed(derive_seed(config.seed, "start"))
    geometry, n_symbols = GEOMETRIES[config.model.preset], teacher.symbols.n_symbols
    student = CompactVoice(geometry, config.audio, n_symbols, config.model.decoder)
    shelf = Shelf(run_dir, teacher.symbols, config, [], teacher.sha256)
    losses = distil(
        student, teacher.vits, renderings, shelf, config, progress,
        lambda voice, step: validator.validate(voice, step, loggers),
    )  # fmt: skip
    last = shelf.history[-1]
    details = {
        "n_train": len(renderings),
        "n_val": len(data.val),
        "steps": int(last["step"]),
        "best_step": rank(shelf.history)[0],
        "losses": losses,
        "validation": shelf.history,
        "n_frames": sum(one.z.shape[1] for one in renderings),
    }
    run = {"details": json.dumps(details), "step": int(last["step"])}
    save_checkpoint(
        last_path, config, teacher.symbols, student.state_dict(), last["duration_scale"], run,
        teacher_sha256=teacher.sha256,
    )  # fmt: skip
    _tidy(run_dir)
    return details


def _tidy(run_dir: Path) -> None:
    for name in PHASES:
        (run_dir / f"{name}.ckpt").unlink(missing_ok=True)


def read_sentences(path: Path, config: Config, symbols: SymbolTable, cache_dir: Path) -> list[TrainingUtterance]:
    """Return the sentences of a file of lines, of which there are no clips.

    Args:
        path: A sentence a line, UTF-8.
        config: Reads `language` and `generate.verbatim.scripts`.
        symbols: The teacher's.
        cache_dir: Where phonemes are kept.

    Raises:
        CorpusError: The file cannot be read, or the teacher cannot say a line of it.
    """
    try:
        lines = [clean_text(line) for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CorpusError(f"{path}: cannot be read ({reason}); teacher.texts is a UTF-8 file of lines") from None
    sentences = {number: normalize_text(line) for number, line in enumerate(lines, start=1) if line}
    if not sentences:
        raise CorpusError(f"{path}: holds no sentence; teacher.texts is a UTF-8 file of lines")
    scripts = config.generate.verbatim.scripts
    for number, sentence in sentences.items():
        if len(sentence) > MAX_CHARS:
            raise CorpusError(
                f"{path}: line {number}: has {len(sentence)} characters, and a voice says up to {MAX_CHARS} at once; "
                "cut it into sentences"
            )
        if letter := foreign_letter(sentence, scripts):
            raise CorpusError(
                f"{path}: line {number}: holds the letter {letter}, and the teacher reads {', '.join(scripts)} "
                "(generate.verbatim.scripts); reword or remove it"
            )
    said = phonemize_many(list(sentences.values()), config.language, cache_dir)
    utterances = []
    for (number, sentence), phonemes in zip(sentences.items(), said, strict=True):
        unknown = symbols.unknown_symbols(phonemes)
        if unknown or not phonemes:
            why = f"the teacher has no symbol for {', '.join(unknown)}" if unknown else "there is nothing to say in it"
            raise CorpusError(f"{path}: line {number}: {why}; reword or remove it")
        utterances.append(TrainingUtterance(f"text-{number:05d}", path, tuple(symbols.encode(phonemes)), 0, sentence))
    return utterances


def choose_decoder(config: Config, teacher: WhiteBox) -> Config:
    """Return the settings with the decoder that can learn the teacher's speech, unless another one is asked for.

    What a HiFi-GAN says is a function of its latents, to the sample; what sources are drawn for is not.
    """
    if config.model.decoder != "hifigan":
        return config
    drawn = isinstance(teacher.vits.waveform_decoder, SourceFilterDecoder)
    model = config.model.model_copy(update={"decoder": "source_filter" if drawn else "spectral"})
    return config.model_copy(update={"model": model})
