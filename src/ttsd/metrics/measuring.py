"""Everything that `qc` measures of a clip by itself, cheap figures and models alike."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ttsd.config import Config
from ttsd.data.audio import Waveform, open_clip, resample
from ttsd.data.checks import Clip
from ttsd.data.corpus import Utterance
from ttsd.data.levels import (
    count_clipped_samples,
    measure_dropout_s,
    measure_edges_db,
    measure_noise_db,
    measure_rms_db,
    measure_silence,
)
from ttsd.data.loudness import measure_loudness
from ttsd.data.spectrum import measure_bandwidth_hz
from ttsd.data.symbols import SymbolTable
from ttsd.metrics.intelligibility import ASR_SAMPLE_RATE
from ttsd.metrics.listening import Heard, Listener
from ttsd.metrics.naturalness import Dnsmos
from ttsd.metrics.similarity import VoiceEmbedder
from ttsd.metrics.wording import Wording, compare_words

DOUBTFUL_CER = 0.1
"""Above this, a clip that shared its window is heard once more by itself, and the better hearing counts."""


@dataclass(frozen=True)
class Candidate:
    """A clip to be measured."""

    utterance: Utterance
    path: Path
    name: str
    """Path of the clip below its corpus."""


class Measurer:
    """Measures groups of clips; loads the models that the thresholds ask for.

    Args:
        config: Reads `qc`, `asr`, `audio`.
        sample_rate: The corpus's, in Hz; a clip at another one is told apart.
        with_dnsmos: Whether DNSMOS can be measured here.
    """

    def __init__(self, config: Config, sample_rate: int, with_dnsmos: bool) -> None:
        self._config = config
        self._sample_rate = sample_rate
        self._symbols = SymbolTable.default()
        self._listener = Listener(config.asr) if config.qc.hears else None
        self._dnsmos = Dnsmos() if with_dnsmos else None
        self._embedder = VoiceEmbedder() if config.qc.min_similarity is not None else None

    def measure(self, group: Sequence[Candidate]) -> list[dict[str, Any]]:
        """Measure clips that are heard together.

        Returns:
            For each clip what `unpack` reads: a `fault` with code and value where it cannot be used, or its figures.
        """
        wavs: list[Waveform | None] = []
        results: list[dict[str, Any]] = []
        for candidate in group:
            wav = self._open(candidate)
            if isinstance(wav, tuple):
                results.append({"fault": list(wav)})
                wavs.append(None)
            else:
                results.append(self._measure_alone(candidate.utterance, wav))
                wavs.append(wav)
        if self._listener is not None:
            self._hear(group, wavs, results)
        return results

    def _open(self, candidate: Candidate) -> Waveform | tuple[str, str]:
        opened = open_clip(candidate.path, candidate.name)
        if isinstance(opened[0], str):
            return opened
        wav, info = opened[0], soundfile.info(candidate.path)
        if (info.samplerate, info.channels, info.format, info.subtype) != (self._sample_rate, 1, "WAV", "PCM_16"):
            form = f"{info.samplerate} Hz, {info.channels} channels, {info.format} {info.subtype}"
            return "wrong_format", form
        return wav if wav.size else ("empty_clip", candidate.name)

    def _measure_alone(self, utterance: Utterance, wav: Waveform) -> dict[str, Any]:
        rate, known = self._sample_rate, utterance.qc
        silence = measure_silence(wav, rate, self._config.qc.silence_db)
        start_db, end_db = measure_edges_db(wav, rate)
        noise_db, snr_db = measure_noise_db(wav, rate)
        sounding_s = wav.size / rate - silence.leading_s - silence.trailing_s
        tokens = self._symbols.count_tokens(utterance.phonemes) if utterance.phonemes else None
        # `preprocess` changes level and peaks; what it measured on the source tells more than the clip at hand.
        clip = Clip(
            duration_s=wav.size / rate,
            leading_silence_s=silence.leading_s,
            trailing_silence_s=silence.trailing_s,
            inner_silence_s=silence.inner_s,
            start_db=start_db,
            end_db=end_db,
            clipped_samples=max(count_clipped_samples(wav), known.get("source_clipped_samples", 0)),
            dc=abs(float(wav.mean(dtype=np.float64))),
            rms_db=min(measure_rms_db(wav), known.get("source_rms_db", np.inf)),
            noise_db=noise_db,
            snr_db=snr_db,
            bandwidth_hz=measure_bandwidth_hz(wav, rate),
            dropout_s=measure_dropout_s(wav, rate),
            loudness_lufs=measure_loudness(wav, rate),
            chars_per_s=len(utterance.spoken) / sounding_s if sounding_s > 0 else None,
            sounds_per_s=_count_sounds(utterance) / (sounding_s - silence.pauses_s) if sounding_s > 0 else None,
            unknown_symbols=len(self._symbols.unknown_symbols(utterance.phonemes)) if utterance.phonemes else None,
            frames_per_token=wav.size / self._config.audio.hop_length / tokens if tokens else None,
            dnsmos=self._dnsmos.measure(wav, rate) if self._dnsmos else None,
        )
        embedding = self._embedder.embed(wav, rate) if self._embedder else None
        packed = None if embedding is None else base64.b64encode(embedding.astype("<f4").tobytes()).decode("ascii")
        audio = hashlib.sha256(np.rint(wav * 32768).astype("<i2").tobytes()).hexdigest()
        return {"figures": _tidy(clip), "audio": audio, "embedding": packed, "heard": None}

    def _hear(self, group: Sequence[Candidate], wavs: Sequence[Waveform | None], results: list[dict[str, Any]]) -> None:
        if self._listener is None:
            raise RuntimeError("nothing is heard without a recogniser")
        # Digital silence has nothing to be heard, and the recogniser makes words of it.
        clips = {
            index: resample(wav, self._sample_rate, ASR_SAMPLE_RATE)
            for index, wav in enumerate(wavs)
            if wav is not None and wav.any()
        }
        heard = self._listener.hear(list(clips.values()))
        for index, first in zip(clips, heard, strict=True):
            spoken = group[index].utterance.spoken
            best, wording = first, compare_words(spoken, first.text, self._config.asr.language)
            if wording is not None and _is_doubtful(wording):
                again = self._listener.hear_alone(clips[index])
                second = compare_words(spoken, again.text, self._config.asr.language)
                if second is not None and _badness(second) < _badness(wording):
                    best, wording = again, second
            results[index]["heard"] = best.text
            if wording is not None:
                results[index]["figures"] |= {
                    "cer": round(wording.cer, 4),
                    "missing_words": wording.missing_words,
                    "extra_words": wording.extra_words,
                    "wrong_start": wording.wrong_start,
                    "wrong_end": wording.wrong_end,
                }
            results[index] |= _edge_times(best)


def unpack(result: dict[str, Any]) -> tuple[Clip, NDArray[np.float32] | None]:
    """Return the figures of a clip that was measured, and its embedding, float32 [256], or none."""
    packed = result["embedding"]
    embedding = None if packed is None else np.frombuffer(base64.b64decode(packed), dtype="<f4")
    figures: dict[str, Any] = {name: -np.inf if value == "-inf" else value for name, value in result["figures"].items()}
    return Clip(**figures), embedding


def _count_sounds(utterance: Utterance) -> int:
    return sum(character.isalpha() for character in utterance.phonemes or utterance.spoken)


def _is_doubtful(wording: Wording) -> bool:
    return wording.cer > DOUBTFUL_CER or wording.missing_words > 0 or wording.extra_words > 0


def _badness(wording: Wording) -> tuple[int, float]:
    return wording.missing_words + wording.extra_words, wording.cer


def _edge_times(heard: Heard) -> dict[str, float]:
    if not heard.words:
        return {}
    return {"first_word_s": heard.words[0].start_s, "last_word_s": heard.words[-1].end_s}


def _tidy(clip: Clip) -> dict[str, Any]:
    tidy: dict[str, Any] = {}
    for name, value in clip.figures().items():
        if value is None:
            continue
        # JSON has no infinity.
        tidy[name] = "-inf" if value == -np.inf else value if isinstance(value, int) else round(float(value), 4)
    return tidy
