"""Text to phonemes by espeak-ng, in this process.

espeak-ng comes with piper-tts (GPL-3.0), an extra that the user chooses to install; it is called as a library, from
here alone.
"""

import functools
import threading
from typing import Any

from ttsd.errors import ConfigError
from ttsd.utils.extras import require

# espeak-ng keeps its voice in a global of the process.
_LOCK = threading.Lock()


def phonemize(text: str, voice: str = "en-us") -> str:
    """Return the pronunciation of a text.

    Args:
        text: What is said, numbers and abbreviations spelt out or not; espeak-ng reads them too.
        voice: espeak-ng voice, such as `en-us`.

    Returns:
        IPA in NFD with stress marks, word spaces and the punctuation that ends clauses; sentences joined by a space.
        Empty where nothing can be said.

    Raises:
        ConfigError: espeak-ng has no such voice.
        MissingExtraError: The package piper-tts is not installed.
    """
    with _LOCK:
        try:
            sentences = _espeak().phonemize(voice, text)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"language: espeak-ng cannot use the voice `{voice}` ({error}); "
                "take one that it has, such as en-us, en-gb-x-rp, de, es, fr or it"
            ) from None
    return " ".join("".join(sentence) for sentence in sentences)


@functools.cache
def _espeak() -> Any:
    return require("local", "piper.phonemize_espeak").EspeakPhonemizer()
