"""What a teacher does within when it speaks: the frames of every symbol, its latents, and the speech they become.

Latents belong to the very samples that the decoder made of them. A corpus's clips were trimmed, resampled and turned up
or down since, so the teacher speaks the sentences again, without noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from ttsd.config import Config, ModelConfig
from ttsd.data.piper_voice import piper_voice_path
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError
from ttsd.model.source_filter_decoder import MIDDLE_F0_HZ
from ttsd.model.vits import Vits, fold_weight_norm
from ttsd.training.batch import TrainingUtterance
from ttsd.training.checkpoint import load_student, load_tensors, save_tensors
from ttsd.training.pitch import measure_pitch
from ttsd.training.start import load_start
from ttsd.utils.files import sha256_file, sha256_json

_VERSION = 2
_SHARD = 32
"""Sentences kept in a file."""


@dataclass(frozen=True)
class Rendering:
    """A sentence as the teacher speaks it."""

    symbol_ids: Tensor
    """int64 [n_symbols]."""
    durations: Tensor
    """Frames of every symbol, int64 [n_symbols]."""
    z: Tensor
    """What its decoder was given, float32 [192, n_frames]."""
    wav: Tensor
    """What the decoder made of it, float32 [n_frames * hop_length]."""
    f0_hz: Tensor
    """Pitch of every frame, float32 [n_frames]; in the middle throughout where no decoder asks for it."""


@dataclass(frozen=True)
class WhiteBox:
    """A teacher that shows its inside."""

    vits: Vits
    symbols: SymbolTable
    length_scale: float
    sha256: str
    """Of its file."""


def load_teacher(config: Config) -> WhiteBox:
    """Load the voice that a compact student is to learn from.

    Args:
        config: Reads `teacher` and `audio`.

    Raises:
        CheckpointError: It is missing, damaged, or itself a compact voice.
        ConfigError: It speaks at another sample rate or frame length than `audio`.
    """
    path = config.teacher.ckpt
    if path is None:
        voice = piper_voice_path(config.teacher.voice)
        told = {"model": ModelConfig(), "train": config.train.model_copy(update={"init_from": config.teacher.voice})}
        start = load_start(config.model_copy(update=told))
        assert start.voice is not None
        return WhiteBox(fold_weight_norm(start.voice), start.symbols, 1.0, sha256_file(voice))
    student = load_student(path)
    if not isinstance(student.voice, Vits):
        raise CheckpointError(f"{path}: a {student.config.model.preset} voice; a teacher is a VITS (medium or high)")
    theirs, ours = (
        (audio.sample_rate, audio.hop_length, audio.n_fft) for audio in (student.config.audio, config.audio)
    )
    if theirs != ours:
        raise CheckpointError(
            f"{path}: speaks at {theirs[0]} Hz in frames of {theirs[1]} samples, and the settings say {ours[0]} Hz and "
            f"{ours[1]}; set audio.sample_rate={theirs[0]} audio.hop_length={theirs[1]} audio.n_fft={theirs[2]}"
        )
    return WhiteBox(student.voice, student.symbols, student.duration_scale, sha256_file(path))


def render(
    teacher: WhiteBox,
    utterances: Sequence[TrainingUtterance],
    config: Config,
    cache_dir: Path,
    progress: Callable[[int, int, str], None],
) -> list[Rendering]:
    """Let the teacher speak sentences, and keep what it did; what the same ones were before is read from the cache.

    Args:
        teacher: The teacher.
        utterances: The sentences.
        config: Reads `audio` and `model.decoder`.
        cache_dir: Where renderings are kept, by teacher and by text in batches: other sentences among them, or another
            order, and they are spoken again.
        progress: Told how many sentences are done.
    """
    done: list[Rendering] = []
    audio, pitched = config.audio.model_dump(mode="json"), config.model.decoder == "source_filter"
    for first in range(0, len(utterances), _SHARD):
        shard = [list(utterance.symbol_ids) for utterance in utterances[first : first + _SHARD]]
        identity = [_VERSION, teacher.sha256, teacher.length_scale, audio, pitched, shard]
        path = cache_dir / f"rendering-{sha256_json(identity)[:20]}.pt"
        if path.is_file():
            rows = load_tensors(path)["rows"]
            done += [Rendering(**row) for row in rows]
            progress(len(done), len(utterances), "rendering")
            continue
        rows = []
        for symbol_ids in shard:
            rows.append(_speak(teacher, symbol_ids, config))
            progress(len(done) + len(rows), len(utterances), "rendering")
        save_tensors(path, {"rows": [{f.name: getattr(row, f.name) for f in fields(row)} for row in rows]})
        done += rows
    return done


def _speak(teacher: WhiteBox, symbol_ids: Sequence[int], config: Config) -> Rendering:
    ids = torch.tensor(symbol_ids)
    # A decoder that draws noise of its own shall draw the same in every run.
    torch.manual_seed(len(symbol_ids))
    spoken = teacher.vits.synthesize(ids, noise_scale=0.0, noise_scale_duration=0.0, length_scale=teacher.length_scale)
    # Outside the inference mode they were made in, a loss can be taken of them.
    wav = spoken.wav.clone()
    f0_hz = torch.full((spoken.z.shape[1],), MIDDLE_F0_HZ)
    if config.model.decoder == "source_filter":
        f0_hz = torch.from_numpy(measure_pitch(wav.numpy(), config.audio))
    return Rendering(ids, spoken.durations.long().clone(), spoken.z.clone(), wav, f0_hz)
