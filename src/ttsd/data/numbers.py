"""Numbers as English words: cardinals, ordinals, years, decimals, fractions and Roman numerals."""

import functools
import re

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
"""Pattern of a number as English writes it: digits, perhaps with thousands commas and decimals."""
ROMAN = r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?<=[IVXLCDM])\b"
"""Pattern of a Roman numeral from 1 to 3999 in capitals, at a word's end."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
# Nobody hears longer numbers as numbers.
_MAX_DIGITS = 15


def speak_digits(digits: str) -> str:
    """Speak digits one by one: "007" is "zero zero seven"."""
    return " ".join(_DIGITS[int(digit)] for digit in digits)


def speak_number(text: str) -> str:
    """Speak a number as `NUMBER` matches it; leading zeros and more than 15 digits are spoken one by one."""
    whole, point, decimals = text.replace(",", "").partition(".")
    plain = len(whole) > _MAX_DIGITS or (len(whole) > 1 and whole.startswith("0"))
    words = speak_digits(whole) if plain else _convert(int(whole), "cardinal")
    return f"{words} point {speak_digits(decimals)}" if point else words


def speak_ordinal(number: int) -> str:
    """Speak an ordinal: 21 is "twenty-first"."""
    return _convert(number, "ordinal") if number < 10**_MAX_DIGITS else speak_digits(str(number))


def speak_year(number: int) -> str:
    """Speak a year: 1789 is "seventeen eighty-nine", 2005 "two thousand and five"."""
    return _convert(number, "year").replace("oh-", "oh ")


def speak_decade(number: int) -> str:
    """Speak a decade or century: 1990 is "nineteen nineties", 1800 "eighteen hundreds", 20 "twenties"."""
    words = speak_year(number) if number > 99 else _convert(number, "cardinal")
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def speak_fraction(above: int, below: int) -> str:
    """Speak a fraction: "three quarters", "two thirds", and "seven over one hundred" where no short name is usual."""
    if below == 0 or below > 20 or above > 99:
        return f"{_convert(above, 'cardinal')} over {_convert(below, 'cardinal')}"
    name = {1: "over one", 2: "half", 4: "quarter"}.get(below) or speak_ordinal(below)
    if above != 1 and below != 1:
        name = "halves" if below == 2 else f"{name}s"
    return f"{_convert(above, 'cardinal')} {name}"


def roman_value(numeral: str) -> int:
    """Return the value of a Roman numeral that `ROMAN` matches."""
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def is_year(digits: str) -> bool:
    """Say whether bare digits are read as a year: four of them, from 1100 to 2099."""
    return re.fullmatch(r"1[1-9]\d\d|20\d\d", digits) is not None


@functools.lru_cache(maxsize=4096)
def _convert(number: int, kind: str) -> str:
    from num2words import num2words

    return str(num2words(number, to=kind)).replace(",", "")
