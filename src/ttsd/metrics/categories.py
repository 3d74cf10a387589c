"""Kinds of sentences that go wrong in ways of their own, told by rules that a reader can check."""

import functools
import re

CATEGORIES = {
    "numbers": "with a figure or a number in words",
    "names": "with a name inside the sentence",
    "questions": "that ask",
    "long": "of 25 words or more",
    "short": "of three words or fewer",
}
"""Every category by its name, for a person to read; a sentence may be in several, or in none."""
LONG_WORDS, SHORT_WORDS = 25, 3
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_NOT_NAMES = {"I", "I'm", "I've", "I'd", "I'll", "OK"}
_NUMBER_WORDS = frozenset(
    """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion""".split()  # noqa: SIM905 (so many strings are harder to read)
)


@functools.lru_cache(maxsize=4096)
def find_categories(text: str) -> tuple[str, ...]:
    """Return the categories of a sentence, in the order of `CATEGORIES`.

    Args:
        text: As written, in English: capitals tell names, so a language that writes all nouns with one has many.
    """
    words = _WORD.findall(text)
    small = {part for word in words for part in word.lower().split("-")}
    found = {
        "numbers": any(character.isdigit() for character in text) or bool(small & _NUMBER_WORDS),
        "names": _has_name(text),
        "questions": text.rstrip("\"'\u201d\u2019) ").endswith("?"),
        "long": len(text.split()) >= LONG_WORDS,
        "short": 0 < len(text.split()) <= SHORT_WORDS,
    }
    return tuple(name for name in CATEGORIES if found[name])


def _has_name(text: str) -> bool:
    for match in _WORD.finditer(text):
        word, before = match[0].replace("\u2019", "'"), text[: match.start()].rstrip()
        # The first word of a sentence has a capital in any case, and an abbreviation is all capitals.
        starts = not before.rstrip("\"'\u201c\u2018(") or before[-1] in ".!?:\u201c\u2018\"'("
        if word[0].isupper() and not starts and not word.isupper() and word not in _NOT_NAMES:
            return True
    return False
