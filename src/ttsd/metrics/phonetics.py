"""How well the sound of a clip fits given words, phoneme by phoneme, whatever is likely to be said.

PocketSphinx aligns the words with the clip by an acoustic model of English alone. A recogniser such as Whisper knows
what people say, and hears it where something else was said; this one has no such idea, and errs in other places.
"""

import functools
import re
from collections.abc import Callable, Sequence
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

Score = Callable[[Sequence[str]], float | None]


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
            A function from words, as `split_words` gives them, to the natural logarithm of the clip's likelihood along
            the best alignment; none where they cannot be aligned at all. Only differences within a clip mean something.
        """
        heard = np.clip(resample(wav, sample_rate, _SAMPLE_RATE), -1, 1)
        pcm = np.round(heard * 32767).astype(np.int16).tobytes()

        if pcm:
            # PocketSphinx looks first at the Gaussians that were best in the frame before. With this the first frame
            # comes after the last one of the same clip, whatever was heard before.
            self._align(pcm, "a")

        def score(words: Sequence[str]) -> float | None:
            known = [word for word in words if self._knows(word)]
            if not known or not pcm:
                return None
            best = self._align(pcm, " ".join(known))
            return None if best is None else _SCORE_SCALE * float(np.log(best.score))

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
            own = self._decoder.lookup_word(word)
            other = _to_arpabet(word, self._voice) if self._voice else ""
            self._words[word] = bool(own or other)
            if other and other != own:
                name, n_others = word, 1
                while self._decoder.lookup_word(name):
                    n_others += 1
                    name = f"{word}({n_others})"
                self._decoder.add_word(name, other, False)
        return self._words[word]


@functools.lru_cache(maxsize=65536)
def _to_arpabet(word: str, voice: str) -> str:
    ipa = re.sub("[ˈˌ]", "", phonemize(word, voice))
    return " ".join(_ARPABET[symbol] for symbol in _SYMBOL.findall(ipa))
