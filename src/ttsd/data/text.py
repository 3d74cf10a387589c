"""Text as it is spoken: numbers, units, abbreviations and symbols as English words.

The rules are applied in the order of `_RULES`; each takes away signs that the later ones would misread.
"""

import re
import unicodedata
from collections.abc import Callable

from ttsd.data.abbreviations import speak_abbreviations
from ttsd.data.addresses import speak_addresses
from ttsd.data.chemistry import speak_formulas
from ttsd.data.code_words import speak_code
from ttsd.data.corpus import clean_text
from ttsd.data.numbers import (
    NUMBER,
    ROMAN,
    is_year,
    roman_value,
    speak_decade,
    speak_digits,
    speak_fraction,
    speak_number,
    speak_ordinal,
    speak_year,
)
from ttsd.data.signs import GREEK_LETTERS, SYMBOLS
from ttsd.data.units import UNIT, speak_unit

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_MONTH = "|".join(_MONTHS)
_CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "¥": ("yen", "")}
_PLURALS = {"penny": "pence", "yen": "yen"}
_LARGE = "thousand|million|billion|trillion"
_RULERS = (
    "Louis|Henry|George|Elizabeth|Charles|James|Edward|Richard|William|Philip|Pius|Paul|Benedict|Leo|Gregory|Napoleon|"
    "Catherine|Peter|Alexander|Nicholas|Frederick|Ferdinand|Francis|Otto|Ivan|Rames?ses|Thutmose|Ptolemy|Innocent|Urban|"
    "Clement|Julius|Sixtus|Wilhelm|Friedrich|Karl|Gustav|Christian|Alfonso|Carlos|Joseph|Leopold|Mary|Mehmed|Murad|Selim|"
    "Darius|Xerxes|Amenhotep|Pedro|Robert|David|Constantine|Theodosius|Haakon|Olav|Harald|Umberto|Ludwig|Maximilian"
)
_NUMBERED = (
    "Chapter|Part|Volume|Act|Scene|Book|Section|Figure|Table|Type|Phase|Stage|Class|Grade|Article|Appendix|Level|War|Apollo|"
    "Unit|Lesson|Canto|Symphony|Factor|Mark|Bowl"
)
_SILENT = re.compile(r"[*_\\^|\[\]{}`©®™•◦▪\u200b-\u200f\u2060\ufeff]+")
_MOST_PASSES = 8


def normalize_text(text: str) -> str:
    """Return the text as an English speaker reads it: no digits, no symbols, quotes straight, prosodic marks kept.

    Applied to its own result it changes nothing. Where a text is ambiguous the commonest reading is taken: four bare
    digits from 1100 to 2099 are a year, `10:30` is a time, `3-5` a range.
    """
    text = _unify_characters(text)
    for _ in range(_MOST_PASSES):
        before = text
        text = speak_code(speak_formulas(speak_addresses(text), speak_number), speak_number)
        text = speak_abbreviations(text)
        for rules in (_LETTER_RULES, _DIGIT_RULES, _SIGN_RULES):
            # Most sentences have no digit, and none is left after the first pass.
            if rules is not _DIGIT_RULES or _DIGIT.search(text):
                for pattern, speak in rules:
                    text = pattern.sub(speak, text)
        text = _tidy(text)
        if text == before:
            break
    return text


def _unify_characters(text: str) -> str:
    text = clean_text(text).replace("µ", "μ")
    text = re.sub("[‘’‚‛′ʼ]", "'", text)
    text = re.sub("[“”„‟″«»]", '"', text).replace("…", "...")
    text = re.sub(r"(?<=[A-Za-z)])[₀-₉]+", _compatible, text)
    text = re.sub(r"(?<=[\w)])[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+", lambda match: "^" + _compatible(match).replace("−", "-"), text)
    return text if text.isascii() else "".join(map(_plain_numeral, text))


def _compatible(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match.group())


def _plain_numeral(character: str) -> str:
    if character.isascii():
        return character
    plain = unicodedata.normalize("NFKC", character)
    if (plain != character and any(sign.isdigit() for sign in plain)) or "\u2160" <= character <= "\u217f":
        # Subscripts, circled digits, fractions and Roman numerals in a single character.
        return f" {plain.replace('⁄', '/')} "
    return str(unicodedata.digit(character)) if character.isdigit() else character


def _tidy(text: str) -> str:
    text = _SILENT.sub(" ", text)
    text = re.sub(r"\s*[–—―]+\s*|\s+-+\s+", ", ", text)
    # "ten -year": the number was set apart from what it belongs to.
    text = re.sub(r"(?<=[a-z]) -(?=[a-z])", "-", text)
    text = re.sub(r"\(\s*\)", " ", " ".join(text.split()))
    text = re.sub(r"\s+([,;:.?!)])(?=\s|$|[,;:.?!)])", r"\1", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    text = re.sub(r",\s*([.;:?!])", r"\1", text)
    text = re.sub(r"(?<!\S)\(\s+", "(", text)
    return clean_text(text).lstrip(",;: ")


def _spaced(words: str) -> str:
    return f" {words} "


def _plural(name: str, is_one: bool) -> str:
    return name if is_one else _PLURALS.get(name, f"{name}s")


def _money(match: re.Match[str]) -> str:
    unit, small = _CURRENCIES[match["sign"]]
    first, last, large = match["first"], match["last"], match["large"]
    if last:
        amount = f"{speak_number(first)} to {speak_number(last)}"
        return _spaced(f"{amount} {large or ''} {_plural(unit, False)}")
    if large:
        return _spaced(f"{speak_number(first)} {large} {_plural(unit, False)}")
    whole, point, part = first.partition(".")
    if not point or len(part) != 2 or not small:
        return _spaced(f"{speak_number(first)} {_plural(unit, first == '1' or _is_attribute(match))}")
    spoken = f"{speak_number(whole)} {_plural(unit, whole == '1')}"
    return _spaced(
        spoken if part == "00" else f"{spoken} and {speak_number(str(int(part)))} {_plural(small, part == '01')}"
    )


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match["hour"], match["minute"], match["second"], match["half"]
    spoken = speak_number(str(int(hour)))
    if minute != "00":
        spoken += f" oh {speak_number(minute[1])}" if minute[0] == "0" else f" {speak_number(minute)}"
    elif not half:
        spoken += " o'clock" if 0 < int(hour) <= 12 else " hundred"
    if second:
        spoken += f" and {speak_number(str(int(second)))} {_plural('second', second == '01')}"
    return _spaced(f"{spoken} {half[0].upper()} M" if half else spoken)


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return _spaced(" ".join(speak_number(part) for part in match.groups()))
    return _spaced(f"{_MONTHS[month - 1]} {speak_ordinal(day)}, {_year_or_number(match[1])}")


def _day_month(match: re.Match[str]) -> str:
    article = "" if match["article"] else "the "
    year = f" {_year_or_number(match['year'])}" if match["year"] else ""
    return f"{match['article'] or ''}{article}{speak_ordinal(int(match['day']))} of {match['month']}{year}"


def _month_day(match: re.Match[str]) -> str:
    year = f", {_year_or_number(match['year'])}" if match["year"] else ""
    return f"{match['month']} {speak_ordinal(int(match['day']))}{year}"


def _year_or_number(digits: str) -> str:
    return speak_year(int(digits)) if is_year(digits) else speak_number(digits)


def _is_attribute(match: re.Match[str]) -> bool:
    """Tell "a 60 W lamp", whose unit has no plural, from "60 W": an article before it, a word behind it."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return re.search(r"\b[Aa]n? $", before) is not None and re.match(r" [a-z]{3,}", after) is not None


def _measure(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    amount = f"{speak_number(first)} to {speak_number(last)}" if last else speak_number(first)
    return _spaced(f"{amount} {speak_unit(match['unit'], is_one=(first == '1' and not last) or _is_attribute(match))}")


def _percent(match: re.Match[str]) -> str:
    first, last = match["first"], match["last"]
    return _spaced(
        f"{speak_number(first)} to {speak_number(last)} percent" if last else f"{speak_number(first)} percent"
    )


def _range(match: re.Match[str]) -> str:
    first, last = match[1], match[2]
    if is_year(first) and (is_year(last) or len(last) == 2):
        return _spaced(f"{speak_year(int(first))} to {_year_or_number(last) if len(last) == 4 else speak_number(last)}")
    if " " in match.group() and "-" in match.group() and not is_year(first):
        return _spaced(f"{speak_number(first)} {_between(first, last)} {speak_number(last)}")
    rises = float(last.replace(",", "")) > float(first.replace(",", ""))
    return _spaced(f"{speak_number(first)}{' to ' if rises else ' '}{speak_number(last)}")


def _between(first: str, last: str) -> str:
    # Set apart, a hyphen is a range where the numbers rise and a minus where they fall.
    return "to" if float(last.replace(",", "")) > float(first.replace(",", "")) else "minus"


def _fraction(match: re.Match[str]) -> str:
    spoken = speak_fraction(int(match["above"]), int(match["below"]))
    if not match["whole"]:
        return _spaced(spoken)
    return _spaced(f"{speak_number(match['whole'])} and {re.sub('^one (?=half|quarter)', 'a ', spoken)}")


def _count(match: re.Match[str]) -> str:
    before = match.string[: match.start()].rstrip().rpartition(" ")[2].lower()
    # "In 1848 people rose" tells when, "1848 people rose" how many.
    if before in ("in", "since", "by", "until", "from", "of", "after", "before", "the", "circa", "year"):
        return match.group()
    return f"{match.groupdict().get('lead') or ''}{speak_number(match['count'])}"


def _power(match: re.Match[str]) -> str:
    exponent = match[1]
    if exponent in ("2", "3"):
        return " squared " if exponent == "2" else " cubed "
    sign = "minus " if exponent.startswith("-") else ""
    return _spaced(f"to the power of {sign}{speak_number(exponent.lstrip('-'))}")


def _ruler(match: re.Match[str]) -> str:
    return f"{match[1]} the {speak_ordinal(roman_value(match[2])).title()}"


def _numbered(match: re.Match[str]) -> str:
    return f"{match[1]} {speak_number(str(roman_value(match[2])))}"


def _greek(match: re.Match[str]) -> str:
    return _spaced(GREEK_LETTERS[match.group()])


def _rule(
    pattern: str, speak: Callable[[re.Match[str]], str]
) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(pattern), speak


_COUNTED = (
    "(?:more |other |different |young |new |small |large )?(?:people|men|women|children|soldiers|workers|students|"
    "members|delegates|words|pages|sentences|clips|species|genes|cells|years|days|hours|minutes|seconds|metres|meters|kilometres|"
    "kilometers|miles|feet|tonnes|kilograms|grams|litres|calories|volts|watts|hertz|bytes|bits|times|degrees|dollars|"
    "euros|pounds|points|steps|rows|items|files|ships|houses|islands|stars|parts|percent)"
)
_QUANTITY = "about|some|over|nearly|almost|roughly|approximately|only|than|least|most|with|has|have|had|all"
_NO_PLURAL = "was|has|this|thus|its|does|goes|as|is|perhaps|always|across|less|unless|towards"
_DASH = r"\s?[-–—]\s?"
_START = r"(?<![\d.,:/-])"
_FROM_TO = rf"(?P<first>{NUMBER})(?:{_DASH}(?P<last>{NUMBER}))?"
_GREEK = "".join(GREEK_LETTERS)
_DIGIT = re.compile(r"\d")
_LETTER_RULES = (
    _rule(rf"\b({_RULERS}) ({ROMAN})(?<! I)", _ruler),
    _rule(rf"\b({_RULERS}) (I)\b(?=[.,;:?!)']|$| (?:of|was|became|died|ruled|reigned|and)\b)", _ruler),
    _rule(rf"\b({_NUMBERED}) ({ROMAN})(?!')", _numbered),
    _rule(rf"\b({ROMAN}) (?=[Cc]entury)", lambda match: f"{speak_ordinal(roman_value(match[1]))} "),
)
_DIGIT_RULES = (
    _rule(r"(?<![\w.,)$€£¥^-])[-−](?=\d)", lambda _: " minus "),
    _rule(r"(?<=\d)\s?%(?=\s?[-–]\s?\d[\d.,]*\s?%)", lambda _: ""),
    _rule(
        rf"(?P<sign>[$€£¥])\s?(?P<first>{NUMBER})(?:{_DASH}[$€£¥]?(?P<last>{NUMBER}))?(?: (?P<large>{_LARGE})\b)?",
        _money,
    ),
    _rule(rf"{_START}(?P<first>{NUMBER})(?P<last>)(?: (?P<large>{_LARGE}))?\s?(?P<sign>[€£])", _money),
    _rule(rf"{_START}(\d{{4}})-(\d\d)-(\d\d)(?![\d-])", _iso_date),
    _rule(
        rf"(?P<article>\b[Tt]he )?\b(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)? "
        rf"(?P<month>{_MONTH})\b(?: (?P<year>\d{{4}})\b)?",
        _day_month,
    ),
    _rule(
        rf"\b(?P<month>{_MONTH}) (?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?![.:]\d)(?:,? (?P<year>\d{{4}})\b)?",
        _month_day,
    ),
    _rule(
        rf"{_START}(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s?(?P<half>[aApP] ?[mM])\b)?",
        _time,
    ),
    _rule(r"\b(1[0-2]|[1-9])\s?([ap]m|[AP]M)\b", lambda match: f"{speak_number(match[1])} {match[2][0].upper()} M"),
    _rule(rf"{_START}(\d+):(\d+)(?![\d:])", lambda match: f"{speak_number(match[1])} to {speak_number(match[2])}"),
    _rule(rf"{_START}{_FROM_TO}\s?%", _percent),
    _rule(rf"{_START}{_FROM_TO}{UNIT}", _measure),
    _rule(r"(?<![\w'])(?P<number>\d{3,4}|\d0)'?s\b", lambda match: _spaced(speak_decade(int(match["number"])))),
    _rule(r"'(?P<number>[1-9]0)s\b", lambda match: _spaced(speak_decade(int(match["number"])))),
    _rule(r"\b(\d[\d,]*)(?:st|nd|rd|th)\b", lambda match: speak_ordinal(int(match[1].replace(",", "")))),
    _rule(r"\^\{?(-?\d+)\}?", _power),
    _rule(rf"{_START}(?:(?P<whole>\d+) )?(?P<above>\d{{1,3}})/(?P<below>\d{{1,3}})(?![\d/.]\d|\d)", _fraction),
    _rule(rf"{_START}({NUMBER}){_DASH}({NUMBER})(?![\d-])", _range),
    _rule(rf"{_START}(?P<count>1[1-9]\d\d|20\d\d)(?= {_COUNTED}\b)", _count),
    _rule(rf"(?P<lead>\b(?:{_QUANTITY}) )(?P<count>1[1-9]\d\d|20\d\d)(?= (?!{_NO_PLURAL})[a-z]{{3,}}s\b)", _count),
    _rule(r"(?<=\b[Ii]n )(10\d\d)\b(?![,.]\d)", lambda match: speak_year(int(match[1]))),
    _rule(r"(?<![\w.,])(1[1-9]\d\d|20\d\d)(?![\w]|[.,]\d)", lambda match: speak_year(int(match[1]))),
    _rule(r"(?<=\d)\.(?=\d+\.\d)", lambda _: " point "),
    _rule(NUMBER, lambda match: _spaced(speak_number(match.group()))),
    _rule(r"\d", lambda match: _spaced(speak_digits(match.group()))),
)
_SIGN_RULES = (
    _rule(rf"(?<![{_GREEK}\u0370-\u03ff])[{_GREEK}](?![\u0370-\u03ff])", _greek),
    _rule(r"\b[Cc]\+\+", lambda _: "C plus plus"),
    _rule(r"(?<=\b[CF])#", lambda _: " sharp"),
    _rule(r"-+>|=+>", lambda _: " to "),
    _rule(r"(?<=[Aa]nd)/(?=or\b)", lambda _: " "),
    _rule("[" + "".join(map(re.escape, SYMBOLS)) + "]", lambda match: _spaced(SYMBOLS[match.group()])),
)
