"""Words as they are compared: written and heard ones in one form, and how alike two of them sound."""

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ttsd.data.text import normalize_text
from ttsd.utils.extras import require

# Scripts that are written without spaces are compared letter by letter.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
# Latin letters alone: elsewhere a mark may make another letter.
_ACCENT = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")
_DIGITS_GO_ON = re.compile(r"[.,]\d")
_APOSTROPHE = re.compile(r"(?<=\w)['’ʼ](?=\w)")
_NUMBER_WORDS = frozenset(
    [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
        "thirtieth",
        "fortieth",
        "fiftieth",
        "sixtieth",
        "seventieth",
        "eightieth",
        "ninetieth",
        "hundredth",
        "thousandth",
        "half",
        "quarter",
        "minus",
        "point",
        "percent",
    ]
)
_NEGATIONS = frozenset((
    "no", "not", "never", "none", "nor", "nothing", "neither", "without", "cannot", "dont", "doesnt", "didnt", "isnt",
    "arent", "wasnt", "werent", "cant", "couldnt", "wont", "wouldnt", "shouldnt", "hasnt", "havent", "hadnt", "mustnt",
    "neednt", "aint",
))  # fmt: skip
# As an English speaker hears letters: the digraphs first.
_SOUNDS = (
    ("tion", "shn"), ("sion", "shn"), ("ough", "o"), ("igh", "i"), ("ph", "f"), ("ck", "k"), ("sch", "sk"),
    ("tch", "ch"), ("kn", "n"), ("wr", "r"), ("wh", "w"), ("gh", "g"), ("qu", "kw"), ("x", "ks"), ("sc", "s"),
    ("ce", "se"), ("ci", "si"), ("cy", "si"), ("c", "k"), ("z", "s"), ("y", "i"), ("khl", "kl"), ("khr", "kr"),
)  # fmt: skip
_VOWELS = re.compile("[aeiou]+")
_DOUBLED = re.compile(r"(.)\1+")


@dataclass(frozen=True)
class TimedWord:
    """A word in the form that is compared, and about when it was said."""

    text: str
    start_s: float
    end_s: float
    surface: str = ""
    """As it was written, with capitals and punctuation; empty where the word before it holds it too, as in `1,024`."""

    @property
    def middle_s(self) -> float:
        """The time that is surest to lie inside the word."""
        return (self.start_s + self.end_s) / 2


def split_words(text: str, language: str) -> list[str]:
    """Return a text's words as they are compared: in lower case, without punctuation; in English as they are spoken.

    Args:
        text: What is written or heard.
        language: Code of the language, such as `en`; only English numbers and signs are spelt out.
    """
    spoken = normalize_text(text) if language.startswith("en") else text
    return _plain_words(spoken)


def _plain_words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", text)))
    return _WORD.findall(_APOSTROPHE.sub("", folded.casefold()))


def normalize_heard(words: Sequence[TimedWord], language: str) -> list[TimedWord]:
    """Bring heard words into the form that is compared, each with its time.

    What becomes several words, such as a number, shares its time between them.

    Args:
        words: As the recogniser wrote them, with capitals and punctuation.
        language: Code of the language.
    """
    words = _join_digits(words)
    plain: list[TimedWord] = []
    for word in words:
        plain += _share(_plain_words(word.text), word.start_s, word.end_s, word.text)
    spoken = split_words(" ".join(word.text for word in words), language)
    matcher = difflib.SequenceMatcher(None, [word.text for word in plain], spoken, autojunk=False)
    timed: list[TimedWord] = []
    for operation, first, last, start, end in matcher.get_opcodes():
        if operation == "equal":
            timed += plain[first:last]
        elif end > start:
            # An insertion has no time of its own: it lies between its neighbours.
            begin_s = plain[first].start_s if first < last else timed[-1].end_s if timed else words[0].start_s
            end_s = plain[last - 1].end_s if first < last else begin_s
            surface = join_surfaces(plain[first:last])
            timed += _share(spoken[start:end], begin_s, end_s, surface)
    return timed


def _join_digits(words: Sequence[TimedWord]) -> list[TimedWord]:
    """Return words with numbers in one piece: recognisers write `1,024` as `1` and `,024`."""
    joined: list[TimedWord] = []
    for word in words:
        if joined and joined[-1].text[-1:].isdigit() and _DIGITS_GO_ON.match(word.text):
            last = joined.pop()
            word = replace(last, text=last.text + word.text, end_s=word.end_s)
        joined.append(word)
    return joined


def write_words(text: str, language: str) -> list[TimedWord]:
    """Return a text's words as `split_words` does, each with its surface; their times mean nothing."""
    return normalize_heard([TimedWord(part, 0.0, 0.0) for part in text.split()], language)


def join_surfaces(words: Iterable[TimedWord]) -> str:
    """Return words as they were written."""
    return " ".join(word.surface for word in words if word.surface)


def _share(texts: Sequence[str], start_s: float, end_s: float, surface: str) -> list[TimedWord]:
    edges = np.linspace(start_s, end_s, len(texts) + 1)
    return [TimedWord(text, float(edges[i]), float(edges[i + 1]), "" if i else surface) for i, text in enumerate(texts)]


def is_decisive(word: str) -> bool:
    """Tell whether a word is a number or a negation: one that sounds alike says something else."""
    return word in _NUMBER_WORDS or word in _NEGATIONS or any(map(str.isdigit, word))


def is_number(word: str) -> bool:
    """Tell whether a word is one of a number's."""
    return word in _NUMBER_WORDS or any(map(str.isdigit, word))


def sound_distance(first: str, second: str) -> float:
    """Return how far two words are apart in sound, from 0 to 1: 0 is the same word, and unrelated ones are above 0.6.

    The mean of two Levenshtein distances over the longer length: of the letters as English speaks them, and of their
    consonants with every run of vowels taken for one.
    """
    if first == second:
        return 0.0
    pairs = zip(_sound_keys(first), _sound_keys(second), strict=True)
    return sum(edit_distance(one, other) for one, other in pairs) / 2


def edit_distance(first: str, second: str) -> float:
    """Return the Levenshtein distance of two texts over the longer length, from 0 to 1."""
    return float(require("curate", "rapidfuzz.distance.Levenshtein").normalized_distance(first, second))


def sound_distances(first: Sequence[str], second: Sequence[str]) -> NDArray[np.float32]:
    """Return `sound_distance` of every word of one list to every word of another, float32 [n_first, n_second]."""
    process = require("curate", "rapidfuzz.process")
    levenshtein = require("curate", "rapidfuzz.distance.Levenshtein")
    total = np.zeros((len(first), len(second)), dtype=np.float32)
    for which in (0, 1):
        keys = [_sound_keys(word)[which] for word in first], [_sound_keys(word)[which] for word in second]
        total += process.cdist(*keys, scorer=levenshtein.normalized_distance, dtype=np.float32, workers=1) / 2
    same = np.array(first, dtype=object)[:, None] == np.array(second, dtype=object)[None, :]
    return np.where(same, np.float32(0), total)


@functools.lru_cache(maxsize=65536)
def _sound_keys(word: str) -> tuple[str, str]:
    if not word.isascii():
        return word, word
    spoken = word
    for written, sound in _SOUNDS:
        spoken = spoken.replace(written, sound)
    spoken = _DOUBLED.sub(r"\1", spoken)
    return spoken, _VOWELS.sub("a", spoken)
