"""How well the sound of a clip fits given words, phoneme by phoneme, whatever is likely to be said.

PocketSphinx aligns the words with the clip by an acoustic model of English alone. A recogniser such as Whisper knows
what people say, and hears it where something else was said; this one has no such idea, and errs in other places.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsd.data.audio import resample
from ttsd.data.phonemes import phonemize
from ttsd.utils.extras import require

_SAMPLE_RATE = 16000
_SCORE_SCALE = 1024
"""PocketSphinx divides its logarithms by this."""
_ARPABET = {
    "tʃ": "CH", "dʒ": "JH", "aɪə": "AY AH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɔɪ": "OY",
    "ɜː": "ER", "ɚ": "ER", "ɝ": "ER", "ɪɹ": "IH R", "ɑːɹ": "AA R", "ɔːɹ": "AO R", "oːɹ": "AO R", "ɛɹ": "EH R",
    "ʊɹ": "UH R", "iː": "IY", "i": "IY", "uː": "UW", "u": "UW", "ɑː": "AA", "ɑ": "AA", "ɔː": "AO", "ɔ": "AO",
    "oː": "AO", "o": "OW", "ɒ": "AA", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "æ": "AE", "a": "AA", "ɛ": "EH", "e": "EH",
    "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "ʊ": "UH", "b": "B", "d": "D", "f": "F", "ɡ": "G", "h": "HH", "j": "Y", "k": "K",
    "l": "L", "m": "M", "n": "N", "n̩": "AH N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH", "t": "T",
    "ɾ": "T", "θ": "TH", "ð": "DH", "v": "V", "w": "W", "z": "Z", "ʒ": "ZH", "ʔ": "T", "x": "K", "ç": "HH",
    "l̩": "AH L", "ɬ": "L", "ø": "ER", "œ": "ER", "y": "UW",
}  # fmt: skip
_SYMBOL = re.compile("|".join(sorted(map(re.escape, _ARPABET), key=len, reverse=True)))

_FRAMES_PER_S = 100
_DEARER_WORD_NATS = 3.0
"""The mean frame of a word that was said costs at most so much more than the clip's median frame, against the likeliest
sound of each."""
_SILENCE_NATS = 2.0
"""The mean frame of a pause costs at most so much."""


@dataclass(frozen=True)
class Part:
    """A word of an alignment, or a pause."""

    word: str
    """Empty for a pause."""
    start_s: float
    end_s: float
    misfit_nats: float
    """By how much it sounds like something else: what its frames cost beyond what such frames cost at most."""


@dataclass(frozen=True)
class Fit:
    """Words, aligned with a clip."""

    nats: float
    """Natural logarithm of the clip's likelihood; only differences within a clip mean something."""
    parts: tuple[Part, ...]


Score = Callable[[Sequence[str]], Fit | None]


class SoundMatcher:
    """Tells how well clips of English speech fit words.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
    """

    def __init__(self, voice: str | None) -> None:
        """Load the acoustic model.

        Args:
            voice: espeak-ng voice that pronounces what the dictionary lacks, and everything once more; none leaves
                words out that the dictionary lacks.
        """
        sphinx = require("curate", "pocketsphinx")
        self._voice = voice
        self._words: dict[str, bool] = {}
        model = Path(str(sphinx.__file__)).parent / "model" / "en-us"
        # All senones in every frame, since the scores of a frame are relative to the best of those that were computed;
        # wide beams, so that words that were not said cost what they cost before they are given up.
        self._decoder = sphinx.Decoder(
            hmm=str(model / "en-us"), dict=str(model / "cmudict-en-us.dict"), lm=None, samprate=_SAMPLE_RATE,
            compallsen=True, beam=1e-80, pbeam=1e-80, wbeam=1e-60, bestpath=False, cmn="batch", dither=False,
            remove_noise=False, loglevel="FATAL",
        )  # fmt: skip

    def listen(self, wav: NDArray[np.float32], sample_rate: int) -> Score:
        """Return a function that tells how well a clip fits some words.

        Args:
            wav: Waveform, float32 [n_samples] in [-1, 1].
            sample_rate: In Hz.

        Returns:
            A function from words, as `split_words` gives them, to their best alignment with the clip; none where they
            cannot be aligned at all. A word in capitals may be spelt out as well.
        """
        heard = np.clip(resample(wav, sample_rate, _SAMPLE_RATE), -1, 1)
        pcm = np.round(heard * 32767).astype(np.int16).tobytes()

        if pcm:
            # PocketSphinx looks first at the Gaussians that were best in the frame before. With this the first frame
            # comes after the last one of the same clip, whatever was heard before.
            self._align(pcm, "a")

        def score(words: Sequence[str]) -> Fit | None:
            known = [word for word in words if self._knows(word)]
            if not known or not pcm:
                return None
            best = self._align(pcm, " ".join(known))
            if best is None:
                return None
            return Fit(_to_nats(best.score), _to_parts(list(self._decoder.seg())))

        return score

    def _align(self, pcm: bytes, text: str) -> Any:
        self._decoder.set_align_text(text)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        return self._decoder.hyp()

    def _knows(self, word: str) -> bool:
        """Tell whether a word has a pronunciation, and add espeak-ng's to the dictionary."""
        if word not in self._words:
            small = word.lower()
            own = {self._decoder.lookup_word(small), self._decoder.lookup_word(word)} - {None}
            said = [small, " ".join(word)] if len(word) > 1 and word.isupper() else [word]
            others = {_to_arpabet(text, self._voice) for text in said} if self._voice else set()
            if word != small:
                others |= own
            for other in sorted(others - {""} - ({self._decoder.lookup_word(word)})):
                self._decoder.add_word(self._free_name(word), other, False)
            self._words[word] = self._decoder.lookup_word(word) is not None
        return self._words[word]

    def _free_name(self, word: str) -> str:
        # PocketSphinx's names for further pronunciations.
        name, number = word, 1
        while self._decoder.lookup_word(name):
            number += 1
            name = f"{word}({number})"
        return name


def _to_nats(score: float) -> float:
    return _SCORE_SCALE * float(np.log(score))


def _to_parts(segments: Sequence[Any]) -> tuple[Part, ...]:
    words = ["" if seg.word.startswith(("<", "[", "+")) else seg.word.partition("(")[0].lower() for seg in segments]
    lengths = [seg.end_frame - seg.start_frame + 1 for seg in segments]
    costs = [-_to_nats(seg.ascore) for seg in segments]
    usual = [cost / n for word, n, cost in zip(words, lengths, costs, strict=True) if word for _ in range(n)]
    dearest = float(np.median(usual)) + _DEARER_WORD_NATS
    return tuple(
        Part(
            word,
            seg.start_frame / _FRAMES_PER_S,
            (seg.end_frame + 1) / _FRAMES_PER_S,
            max(0.0, cost - n * (dearest if word else _SILENCE_NATS)),
        )
        for seg, word, n, cost in zip(segments, words, lengths, costs, strict=True)
    )


@functools.lru_cache(maxsize=65536)
def _to_arpabet(word: str, voice: str) -> str:
    ipa = re.sub("[ˈˌ]", "", phonemize(word, voice))
    return " ".join(_ARPABET[symbol] for symbol in _SYMBOL.findall(ipa))
