"""Text to phonemes by espeak-ng, in this process.

espeak-ng comes with piper-tts (GPL-3.0), an extra that the user chooses to install; it is called as a library, from
here alone.
"""

import functools
import importlib.metadata
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsd.errors import ConfigError, MissingExtraError
from ttsd.utils.cache import Cache
from ttsd.utils.extras import require
from ttsd.utils.files import sha256_json

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


def has_phonemes(voice: str) -> bool:
    """Tell whether espeak-ng is installed.

    Raises:
        ConfigError: It is, and has no such voice.
    """
    try:
        phonemize("a", voice)
    except MissingExtraError:
        return False
    return True


def phonemize_many(texts: Sequence[str], voice: str, cache_dir: Path) -> list[str]:
    """Return the pronunciation of many texts; what was phonemized before is taken from the cache.

    Args:
        texts: What is said.
        voice: espeak-ng voice, such as `en-us`.
        cache_dir: Where the results are kept.

    Returns:
        Of each text what `phonemize` returns.

    Raises:
        ConfigError: espeak-ng has no such voice.
        MissingExtraError: The package piper-tts is not installed.
    """
    _espeak()
    engine = ["phonemes", importlib.metadata.version("piper-tts"), voice]
    keys = {text: sha256_json([*engine, text]) for text in dict.fromkeys(texts)}
    with Cache(cache_dir) as cache:
        known = cache.read(keys.values())
        new = {key: phonemize(text, voice) for text, key in keys.items() if key not in known}
        cache.write(new)
    known |= new
    return [known[keys[text]] for text in texts]


@functools.cache
def _espeak() -> Any:
    return require("local", "piper.phonemize_espeak").EspeakPhonemizer()
