"""Checkpoints: a voice (`start.ckpt`, `best.ckpt`) or a run that goes on (`last.ckpt`), told apart by what they hold.

A file is a plain dictionary of numbers, strings and tensors, loaded with `weights_only=True`:

    format    "ttsd-vits", version 2; files of version 1 are read as well
    config    the settings the student was built and trained with
    symbols   its symbol table
    voice     the weights that speak: averaged, without the discriminator
    duration_scale  stretch of the durations that makes the speech as long as the teacher's
    run       in `last.ckpt` only: raw weights, optimisers, step, history
    lacks_posterior_encoder  in the `start.ckpt` of a Piper voice only
    teacher_sha256  of a small voice's teacher, its file
"""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsd.config import Config, parse_config
from ttsd.data.phonemes import phonemize
from ttsd.data.symbols import SymbolTable
from ttsd.data.text import normalize_text
from ttsd.errors import CheckpointError
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.model.vits import Vits, build_vits, fold_weight_norm
from ttsd.utils.files import atomic_path

FORMAT = "ttsd-vits"
FORMAT_VERSION = 2
_ENTRIES = ("config", "symbols", "voice", "duration_scale")


@dataclass
class Student:
    """A voice that speaks."""

    voice: Vits | CompactVoice
    symbols: SymbolTable
    config: Config
    path: Path
    duration_scale: float = 1.0
    teacher_sha256: str | None = None
    """Of the file that a small voice learnt from; none in earlier files."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz."""
        return self.config.audio.sample_rate

    @property
    def scripts(self) -> tuple[str, ...]:
        """Scripts that it was trained on."""
        return self.config.generate.verbatim.scripts

    @property
    def n_parameters(self) -> int:
        """Parameters used in synthesis: the posterior encoder and the discriminator only train."""
        unused = ("posterior_encoder.", "disc.", "duration_predictor.post_")
        return sum(p.numel() for name, p in self.voice.named_parameters() if not name.startswith(unused))

    def encode(self, text: str) -> list[int]:
        """Return the symbol ids of a text as this voice reads it.

        Raises:
            TtsdError: A phoneme of the text has no symbol in this voice.
        """
        return self.symbols.encode(phonemize(normalize_text(text), self.config.language))

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        noise_scale: float | None = None,
        noise_scale_duration: float | None = None,
    ) -> NDArray[np.float32]:
        """Speak a sentence or a few as one utterance.

        Args:
            text: What to say.
            seed: Seed of the noise: the same seed gives the same waveform.
            speed: Speaking rate; above 1 is faster.
            noise_scale: Standard deviation of the noise in the latents; none takes the checkpoint's setting.
            noise_scale_duration: The same for the durations.

        Returns:
            Waveform, float32 [n_samples] in [-1, 1].

        Raises:
            TtsdError: A phoneme of the text has no symbol in this voice.
        """
        symbol_ids = self.encode(text)
        synth = self.config.synth
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            synthesis = self.voice.synthesize(
                torch.tensor(symbol_ids),
                noise_scale=synth.noise_scale if noise_scale is None else noise_scale,
                noise_scale_duration=synth.noise_scale_duration
                if noise_scale_duration is None
                else noise_scale_duration,
                length_scale=self.duration_scale / speed,
            )
        # A decoder that filters sources has no bound of its own.
        return synthesis.wav.numpy().clip(-1, 1)


def save_checkpoint(
    path: Path,
    config: Config,
    symbols: SymbolTable,
    voice: dict[str, Tensor],
    duration_scale: float = 1.0,
    run: dict[str, Any] | None = None,
    *,
    lacks_posterior_encoder: bool = False,
    teacher_sha256: str | None = None,
) -> None:
    """Write a checkpoint atomically; the same contents give the same bytes.

    Args:
        path: The file.
        config: The settings the student was built and trained with.
        symbols: Its symbol table.
        voice: The weights that speak.
        duration_scale: Stretch of the durations that makes the speech as long as the teacher's.
        run: What a stopped run goes on from.
        lacks_posterior_encoder: The voice's posterior encoder is untrained, so a training that starts from it begins
            with its completion.
        teacher_sha256: As in `Student`.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "config": config.model_dump(mode="json", exclude={"evaluate"}),
        "symbols": {"ids": dict(symbols.ids), "n_symbols": symbols.n_symbols},
        "voice": voice,
        "duration_scale": duration_scale,
    }
    if run is not None:
        content["run"] = run
    if lacks_posterior_encoder:
        content["lacks_posterior_encoder"] = True
    if teacher_sha256 is not None:
        content["teacher_sha256"] = teacher_sha256
    save_tensors(path, content)


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write a dictionary of numbers, strings and tensors atomically; the same contents give the same bytes."""
    # Through memory: torch writes a file's own name into it, and ours is a temporary one.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what `save_tensors` wrote, onto the CPU; no code in it is run."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of ours onto the CPU.

    Raises:
        CheckpointError: There is no such file, or it is not a checkpoint of this version.
    """
    if path.is_dir():
        raise CheckpointError(
            f"{path}: a directory; give a .ckpt file that `ttsd train` wrote, such as {path}/last.ckpt"
        )
    try:
        content = load_tensors(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint; give a .ckpt file that `ttsd train` wrote") from None
    except (
        pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{path}: not a checkpoint ({type(error).__name__}); give a .ckpt file that `ttsd train` wrote"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: a torch file, but not a ttsd checkpoint; give a .ckpt file that `ttsd train` wrote"
        )
    if content.get("version") not in range(1, FORMAT_VERSION + 1):
        raise CheckpointError(
            f"{path}: a checkpoint of format {content.get('version')}, and this ttsd reads up to {FORMAT_VERSION}; "
            "it was written by a later one: upgrade ttsd"
        )
    missing = [name for name in _ENTRIES if name not in content]
    if missing:
        raise CheckpointError(f"{path}: a damaged checkpoint without {', '.join(missing)}; restore the file")
    if content["config"]["model"].get("decoder") == "istft":
        raise CheckpointError(
            f"{path}: a voice with the istft decoder, which source_filter has taken the place of; train it again"
        )
    # How a voice was evaluated is no part of it; earlier files have it.
    content["config"].pop("evaluate", None)
    return _from_1(content) if content["version"] == 1 else content


def _from_1(content: dict[str, Any]) -> dict[str, Any]:
    """Return what version 1 meant: with this decoder there was no phase for it alone."""
    content["config"]["train"].setdefault("decoder", {})["max_steps"] = 0
    return content | {"version": FORMAT_VERSION}


def load_student(path: Path) -> Student:
    """Load the voice of any checkpoint that `train` writes, ready to speak on the CPU.

    Raises:
        CheckpointError: There is no such file, or it is not a checkpoint of this version.
    """
    return build_student(read_checkpoint(path), path)


def build_student(content: dict[str, Any], path: Path) -> Student:
    """Build the voice of a checkpoint that was read.

    Args:
        content: From `read_checkpoint`.
        path: Where it was read from.

    Raises:
        CheckpointError: Its weights and its settings do not belong together.
    """
    config = parse_config(content["config"], origin=str(path))
    symbols = SymbolTable(**content["symbols"])
    geometry = GEOMETRIES.get(config.model.preset)
    voice: Vits | CompactVoice = (
        CompactVoice(geometry, config.audio, symbols.n_symbols, config.model.decoder)
        if geometry
        else build_vits(config.model, config.audio, symbols.n_symbols)
    )
    try:
        voice.load_state_dict(content["voice"])
    except RuntimeError:
        raise CheckpointError(
            f"{path}: its weights do not fit its settings; it is damaged, or of a ttsd whose "
            f"`{config.model.preset}` had other sizes: restore it, or train it again"
        ) from None
    scale, teacher_sha256 = content["duration_scale"], content.get("teacher_sha256")
    return Student(fold_weight_norm(voice).eval(), symbols, config, path, scale, teacher_sha256)
