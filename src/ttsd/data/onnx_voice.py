"""A voice as one ONNX file and a card beside it, which onnxruntime speaks with; no torch."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ttsd.data.phonemes import phonemize
from ttsd.data.symbols import SymbolTable
from ttsd.data.text import normalize_text
from ttsd.errors import CheckpointError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

FORMAT = "ttsd-voice"
FORMAT_VERSION = 1
PACKAGED_VOICE = Path(__file__).parents[1] / "voices" / "joe-compact.onnx"
"""The voice that comes with the package; see docs/voice.md."""
N_NOISE = 1 << 16
"""Random numbers that an utterance is given, and reads round and round."""
_INPUTS = {"symbol_ids", "scales", "noise"}
_NO_NOISE = np.zeros(1, dtype=np.float32)
"""For voices that read none: drawing it would take a hundredth of their time."""


class _Symbols(BaseModel):
    ids: dict[str, Annotated[int, Field(ge=0)]]
    n_symbols: int

    @model_validator(mode="after")
    def _check(self) -> "_Symbols":
        if max(self.ids.values(), default=0) >= self.n_symbols:
            raise ValueError("an id is not below n_symbols")
        return self


class _Card(BaseModel):
    """What a card has to tell for its voice to speak, and to be given another form."""

    model_config = ConfigDict(allow_inf_nan=False)
    language: str
    scripts: list[str]
    symbols: _Symbols
    sample_rate: Annotated[int, Field(gt=0)]
    n_parameters: int
    noise_scale: Annotated[float, Field(ge=0)]
    noise_scale_duration: Annotated[float, Field(ge=0)]
    preset: str
    hop_length: Annotated[int, Field(gt=0)]
    licence: str | None
    metrics: dict[str, Any]
    checkpoint_sha256: str
    onnx_sha256: str | None = None


@dataclass(frozen=True)
class OnnxVoice:
    """A voice that speaks."""

    path: Path
    card: dict[str, Any]
    """What is told of it; see `load_voice`."""
    session: Any
    """onnxruntime's."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz."""
        return int(self.card["sample_rate"])

    @property
    def n_parameters(self) -> int:
        """Weights of the voice."""
        return int(self.card["n_parameters"])

    @property
    def reads_noise(self) -> bool:
        """Whether it says a text differently by the seed; cards that do not tell are of voices that may."""
        return bool(self.card.get("reads_noise", True))

    @property
    def scripts(self) -> tuple[str, ...]:
        """Scripts that it reads."""
        return tuple(self.card["scripts"])

    @functools.cached_property
    def symbols(self) -> SymbolTable:
        """Its alphabet."""
        return SymbolTable(**self.card["symbols"])

    def encode(self, text: str) -> list[int]:
        """Return the symbols of a text.

        Raises:
            TtsdError: A phoneme of it has no symbol in this voice.
        """
        return self.symbols.encode(phonemize(normalize_text(text), self.card["language"]))

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        noise_scale: float | None = None,
        noise_scale_duration: float | None = None,
    ) -> NDArray[np.float32]:
        """Speak a sentence or a few as one utterance, as the student does that it was made of.

        Args:
            text: What to say.
            seed: Seed of the noise: the same seed gives the same waveform.
            speed: Speaking rate; above 1 is faster.
            noise_scale: Standard deviation of the noise in the latents; none takes the card's.
            noise_scale_duration: The same for the durations.

        Returns:
            Waveform, float32 [n_samples] in [-1, 1].

        Raises:
            TtsdError: A phoneme of the text has no symbol in this voice.
        """
        scales = (
            self.card["noise_scale"] if noise_scale is None else noise_scale,
            1 / speed,
            self.card["noise_scale_duration"] if noise_scale_duration is None else noise_scale_duration,
        )
        noise = draw_noise(seed) if self.reads_noise else _NO_NOISE
        return run_voice(self.session, self.encode(text), scales, noise)


def draw_noise(seed: int) -> NDArray[np.float32]:
    """Return standard normal numbers, float32 [n_noise]; the same for the same seed."""
    return np.random.default_rng(seed).standard_normal(N_NOISE, dtype=np.float32)


def run_voice(
    session: Any, symbol_ids: list[int], scales: tuple[float, float, float], noise: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what a graph makes of an utterance, float32 [n_samples].

    Args:
        session: onnxruntime's.
        symbol_ids: The utterance.
        scales: Noise of the latents, stretch of the durations, noise of the durations.
        noise: Standard normal, float32 [n_noise].
    """
    feed = {
        "symbol_ids": np.array(symbol_ids, dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
        "noise": noise,
    }
    wav: NDArray[np.float32] = session.run(None, feed)[0]
    return wav.clip(-1, 1)


def card_path(path: Path) -> Path:
    """Return where the card of a voice lies."""
    return path.with_suffix(".json")


def load_voice(path: Path) -> OnnxVoice:
    """Load a voice that `ttsd export --format onnx` wrote, on one thread.

    Args:
        path: The `.onnx` file; its card lies beside it, in the `.json` file of the same name.

    Raises:
        CheckpointError: A file is missing, damaged, of a later version, or no voice of ours; or the two do not belong
            together.
        MissingExtraError: onnxruntime is not installed.
    """
    card = _read_card(path)
    onnxruntime = require("local", "onnxruntime")
    options = onnxruntime.SessionOptions()
    # One thread wherever the work runs: the same sums, and processes that do not fight for the cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It warns of every weight that it folds.
    options.log_severity_level = 3
    reasons = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (reasons.Fail, reasons.InvalidGraph, reasons.InvalidProtobuf, reasons.NotImplemented) as error:
        reason = type(error).__name__
        raise CheckpointError(f"{path}: not an ONNX file that can be run ({reason}); export it again") from None
    if {one.name for one in session.get_inputs()} != _INPUTS:
        raise CheckpointError(f"{path}: not a voice of ttsd; make one with `ttsd export --format onnx`")
    return OnnxVoice(path, card, session)


def _read_card(path: Path) -> dict[str, Any]:
    beside = card_path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such voice; make one with `ttsd export`")
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if path.with_name(f"{path.name}.json").is_file():
            raise CheckpointError(
                f"{path}: in Piper's form; speak with it by Piper, or export it with --format onnx"
            ) from None
        raise CheckpointError(f"{beside}: missing; the card of a voice belongs beside its .onnx file") from None
    except (OSError, ValueError):
        raise CheckpointError(f"{beside}: not the card of a voice; export the voice again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise CheckpointError(f"{beside}: not the card of a voice of ttsd; make one with `ttsd export --format onnx`")
    version = card.get("version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{beside}: of format {version}, and this ttsd reads up to {FORMAT_VERSION}; upgrade ttsd"
        )
    try:
        told = _Card.model_validate(card)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{beside}: {where}: {first['msg']}; export the voice again") from None
    # Older cards do not tell.
    if told.onnx_sha256 not in (None, sha256_file(path)):
        raise CheckpointError(
            f"{beside}: the card of another voice than {path.name}, or {path.name} is damaged; restore both, or export "
            "again"
        )
    return card
