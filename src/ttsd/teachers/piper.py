"""Piper: a local VITS voice in an ONNX file that also tells its symbols and durations."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.config import PiperConfig
from ttsd.data.phonemes import phonemize
from ttsd.data.piper_voice import hash_voice, piper_voice_path, read_piper_config
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError, TeacherError, TtsdError
from ttsd.teachers.base import Speech
from ttsd.teachers.piper_graph import DURATION_NOISE_CHANNELS, cut_graph
from ttsd.utils.extras import require


class PiperTeacher:
    """A Piper voice on one thread of the CPU; the same text and seed give the same bytes, at any noise."""

    def __init__(self, config: PiperConfig) -> None:
        """Load the voice.

        Args:
            config: Voice and noise.

        Raises:
            TeacherError: The voice is missing, damaged, or not one of Piper's.
            MissingExtraError: onnx, onnxruntime or the packaged voice is not installed.
        """
        self._config = config
        try:
            self._path = piper_voice_path(config.voice)
            self._voice = read_piper_config(self._path)
            self.symbols = SymbolTable.from_piper_config(self._voice)
        except CheckpointError as error:
            raise TeacherError(str(error)) from None
        self.sample_rate = int(self._voice["audio"]["sample_rate"])
        n_speakers = int(self._voice.get("num_speakers", 1))
        if config.speaker_id >= n_speakers:
            raise TeacherError(
                f"{self._path}: has {n_speakers} speakers; set generate.piper.speaker_id below {n_speakers}"
            )
        self._graph = cut_graph(_load_model(self._path), self._path.name)
        self._duration_session = _open_session(self._graph.duration_model)
        self._speech_session = _open_session(self._graph.speech_model)

    @property
    def name(self) -> str:
        """Name of the voice as a corpus's speaker column may hold it."""
        speaker = f"-{self._config.speaker_id}" if self._config.speaker_id else ""
        return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self._path.stem) + speaker

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that shapes the audio besides the text."""
        settings = self._config.model_dump(exclude={"voice"})
        return {"provider": "piper", "model": hash_voice(self._path), "voice": self._path.stem, "settings": settings}

    @property
    def varies(self) -> bool:
        """Whether there is noise in durations or latents."""
        return self._config.noise_scale > 0 or self._config.noise_scale_duration > 0

    def speak(self, text: str, seed: int) -> Speech:
        """Speak one text in one breath: it is not cut into sentences.

        Args:
            text: One sentence or a few.
            seed: Seed of the noise in durations and latents.

        Returns:
            The waveform at the voice's rate, float32 [n_samples], as the network gives it unless a sample is above full
            scale: then the whole clip is turned down. Symbol ids and their frames; the frames of all ids together have
            exactly the waveform's samples.

        Raises:
            TeacherError: The text has no pronunciation, or one with symbols the voice does not have.
        """
        try:
            symbol_ids = self.symbols.encode(phonemize(text, str(self._voice["espeak"]["voice"])))
        except TtsdError as error:
            raise TeacherError(f"piper: {error}") from None
        if len(symbol_ids) <= 3:
            raise TeacherError(f"piper: {text[:60]!r} has no pronunciation; reword it")
        return self.speak_symbols(symbol_ids, seed)

    def speak_symbols(self, symbol_ids: list[int], seed: int) -> Speech:
        """Speak ids of the voice's own table; see `speak`."""
        config, generator = self._config, np.random.default_rng(seed)
        noise = _draw(generator, DURATION_NOISE_CHANNELS, len(symbol_ids))
        feed: dict[str, NDArray[Any]] = {
            "input": np.array([symbol_ids], dtype=np.int64),
            "input_lengths": np.array([len(symbol_ids)], dtype=np.int64),
            "scales": np.array([config.noise_scale, config.length_scale, config.noise_scale_duration], np.float32),
            "sid": np.array([config.speaker_id], dtype=np.int64),
            self._graph.duration_noise: noise,
        }
        feed[self._graph.durations] = _run(self._duration_session, feed)
        durations = tuple(int(n) for n in feed[self._graph.durations].reshape(-1))
        feed[self._graph.latent_noise] = _draw(generator, self._graph.n_latents, max(sum(durations), 1))
        wav = _run(self._speech_session, feed).reshape(-1)
        peak = float(np.abs(wav).max())
        if not np.isfinite(peak) or not sum(durations) or len(wav) % sum(durations):
            raise TeacherError(f"piper: {self._path.name} gave no usable audio; the voice is damaged")
        hop_length = len(wav) // sum(durations)
        facts: dict[str, Any] = {}
        if peak > 1:
            wav = wav / np.float32(peak)
            facts["turned_down_db"] = round(20 * float(np.log10(peak)), 2)
        return Speech(
            wav,
            self.sample_rate,
            symbol_ids=tuple(symbol_ids),
            durations=durations,
            hop_length=hop_length,
            facts=facts,
        )


def _draw(generator: np.random.Generator, n_channels: int, length: int) -> NDArray[np.float32]:
    return generator.standard_normal((1, n_channels, length), dtype=np.float32)


def _load_model(path: Path) -> Any:
    onnx = require("local", "onnx")
    decode_error = require("local", "google.protobuf.message").DecodeError
    try:
        return onnx.load(path)
    except (decode_error, OSError):
        raise TeacherError(f"{path}: not a readable ONNX file; restore it") from None


def _open_session(model: bytes) -> Any:
    onnxruntime = require("local", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    (output,) = session.run(None, {entry.name: feed[entry.name] for entry in session.get_inputs()})
    return np.asarray(output, dtype=np.float32)
