"""Scripts of writing, by the first word of Unicode's names: LATIN, GREEK, CYRILLIC, CJK.

A voice reads a letter of a script it does not know as nonsense, and says nothing of it: whoever speaks asks here first.
"""

import functools
import unicodedata
from collections.abc import Collection


def foreign_letter(text: str, scripts: Collection[str]) -> str | None:
    """Return the first letter of a text that is in none of the scripts, or none."""
    return next((letter for letter in text if letter.isalpha() and script_of(letter) not in scripts), None)


@functools.cache
def script_of(letter: str) -> str:
    """Return the script of a letter."""
    return unicodedata.name(letter, "UNNAMED").split(" ", 1)[0]
