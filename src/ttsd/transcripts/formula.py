r"""Simple LaTeX formulas as English words; whatever would be ambiguous by ear is refused.

Spoken: letters, numbers, Greek letters, + - = and the other signs below, x^2 "x squared", x_1 "x 1", \frac{a}{b}
"a over b", \sqrt{x} "the square root of x", f(x) "f of x". Not spoken: sums, integrals, matrices, and brackets or
fractions whose extent a listener could not hear, such as \frac{a+b}{c}.
"""

import re

from ttsd.data.signs import GREEK_LETTERS

_SIGNS = {
    "+": "plus", "-": "minus", "−": "minus", "=": "equals", "<": "is less than", ">": "is greater than", "/": "over",
    "×": "times", "·": "times", "*": "times", "÷": "divided by", "±": "plus or minus", "≈": "is approximately",
    "≤": "is less than or equal to", "≥": "is greater than or equal to", "≠": "is not equal to", "→": "goes to",
    "\\times": "times", "\\cdot": "times", "\\div": "divided by", "\\pm": "plus or minus",
    "\\approx": "is approximately",
    "\\le": "is less than or equal to", "\\leq": "is less than or equal to", "\\ge": "is greater than or equal to",
    "\\geq": "is greater than or equal to", "\\ne": "is not equal to", "\\neq": "is not equal to", "\\to": "goes to",
    "\\rightarrow": "goes to", "\\lt": "is less than", "\\gt": "is greater than", "\\propto": "is proportional to",
    "\\sim": "is about", "\\equiv": "is equivalent to", ",": ",",
}  # fmt: skip
_NAMES = {
    "\\infty": "infinity", "∞": "infinity", "\\%": "percent", "%": "percent", "!": "factorial", "\\ell": "l",
    "\\hbar": "h bar", "\\degree": "degrees", "°": "degrees", "\\circ": "degrees",
}  # fmt: skip
_FUNCTIONS = {
    "\\log": "log", "\\ln": "the natural log of", "\\sin": "sine", "\\cos": "cosine", "\\tan": "tangent",
    "\\exp": "exp", "\\max": "max", "\\min": "min",
}  # fmt: skip
_APPLIED = frozenset("fghFGHOPTp")
_SPACES = frozenset(
    ("\\,", "\\;", "\\:", "\\!", "\\ ", "\\quad", "\\qquad", "~", "\\displaystyle", "\\mathrm", "\\mathbf", "\\mathit")
)
_WORDS = frozenset(("\\text", "\\textbf", "\\textit", "\\operatorname"))
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:[.,]\d+)*|\s+|.", re.DOTALL)
_GREEK_COMMANDS = {f"\\{name}": name for name in GREEK_LETTERS.values()} | {
    f"\\{name.title()}": f"capital {name}" for name in GREEK_LETTERS.values()
}
_MAX_LENGTH = 300


class _UnspeakableError(Exception):
    """The formula is beyond the rules."""


def speak_formula(latex: str) -> str | None:
    """Return a formula as words, with its numbers still in digits; none where no rule can speak it."""
    if len(latex) > _MAX_LENGTH:
        return None
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace() and token not in _SPACES]
    try:
        words, rest = _sequence(tokens, 0, end=None)
    except _UnspeakableError:
        return None
    text = " ".join(words).replace(" ,", ",")
    # A formula that begins or ends with a sign is half of one.
    if rest != len(tokens) or not words or words[-1] in _SIGNS.values() or words[0] in set(_SIGNS.values()) - {"minus"}:
        return None
    return text


def _sequence(tokens: list[str], place: int, end: str | None) -> tuple[list[str], int]:
    words: list[str] = []
    while place < len(tokens):
        token = tokens[place]
        if token == end:
            return words, place + 1
        if token in _SIGNS:
            words.append(_SIGNS[token])
            place += 1
            continue
        spoken, place = _factor(tokens, place)
        words += spoken
    if end is not None:
        raise _UnspeakableError
    return words, place


def _factor(tokens: list[str], place: int) -> tuple[list[str], int]:
    """Speak one thing with what is written above, below and in brackets behind it."""
    name = tokens[place]
    words, place = _atom(tokens, place)
    while place < len(tokens) and tokens[place] in "^_(":
        mark = tokens[place]
        if mark == "(":
            if name not in _APPLIED and name not in _FUNCTIONS:
                raise _UnspeakableError
            inner, place = _sequence(tokens, place + 1, end=")")
            _refuse_signs(inner)
            words = [*words, *([] if words[-1] == "of" else ["of"]), *inner]
            continue
        if mark == "^" and place + 1 < len(tokens) and tokens[place + 1] in ("\\circ", "°"):
            return [*words, "degrees"], place + 2
        inner, place = _argument(tokens, place + 1, signed=True)
        words = words + inner if mark == "_" else words + _power(inner)
    return words, place


def _power(words: list[str]) -> list[str]:
    if words == ["2"]:
        return ["squared"]
    if words == ["3"]:
        return ["cubed"]
    return ["to", "the", "power", "of", *words]


def _atom(tokens: list[str], place: int) -> tuple[list[str], int]:
    token = tokens[place]
    if token in _WORDS:
        return _literal(tokens, place + 1)
    if token == "\\frac":
        above, place = _argument(tokens, place + 1)
        below, place = _argument(tokens, place)
        return [*above, "over", *below], place
    if token == "\\sqrt":
        inner, place = _argument(tokens, place + 1)
        return ["the", "square", "root", "of", *inner], place
    if token == "{":
        return _argument(tokens, place)
    if token[0].isdecimal():
        return [token], place + 1
    if token.isascii() and token.isalpha():
        # A lone "a" would be read as the article.
        return ["A" if token == "a" else token], place + 1
    for table in (_NAMES, _FUNCTIONS, _GREEK_COMMANDS, GREEK_LETTERS):
        if token in table:
            return table[token].split(), place + 1
    raise _UnspeakableError


def _argument(tokens: list[str], place: int, signed: bool = False) -> tuple[list[str], int]:
    if place >= len(tokens):
        raise _UnspeakableError
    if tokens[place] != "{":
        return _atom(tokens, place)
    words, place = _sequence(tokens, place + 1, end="}")
    _refuse_signs(words[1:] if signed and words[:1] == ["minus"] else words)
    return words, place


def _refuse_signs(words: list[str]) -> None:
    # By ear, nobody knows where "a plus b over c" or "x to the power of n plus 1" ends.
    if not words or any(word in _SIGNS.values() or word == "over" for word in words):
        raise _UnspeakableError


def _literal(tokens: list[str], place: int) -> tuple[list[str], int]:
    if place >= len(tokens) or tokens[place] != "{" or "}" not in tokens[place:]:
        raise _UnspeakableError
    end = tokens.index("}", place)
    word = "".join(tokens[place + 1 : end])
    if not (word.isascii() and word.isalpha()):
        raise _UnspeakableError
    return [word], end + 1
