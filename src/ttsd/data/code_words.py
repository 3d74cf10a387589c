"""Names from source code, version numbers and simple formulas as they are said."""

import re
from collections.abc import Callable

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SNAKE = re.compile(
    r"(?<![\w@.-])_{0,2}[A-Za-z][A-Za-z0-9]*(?:_+[A-Za-z0-9]+)+_{0,2}(?![\w@])|(?<![\w@.-])__[a-z]+__(?!\w)"
)
_CAMEL_NAME = re.compile(r"(?<![\w@.'-])(?!(?:Mc|Mac|De|Le|La|Di|Van|Fitz)[A-Z])[a-z]{2,}(?:[A-Z][a-z]+)+(?![\w@])")
_PASCAL_NAME = re.compile(r"(?<![\w@.'-])(?!(?:Mc|Mac|De|Le|La|Di|Van|Fitz)[A-Z])(?:[A-Z][a-z]+){2,}(?![\w@])")
_CALL = re.compile(r"(?<=[A-Za-z])\(\)")
_MEMBER = re.compile(r"(?<![\w.])([A-Za-z][A-Za-z_]*)((?:\.[A-Za-z][A-Za-z_]*)+)(?=\(\)|\s?=\s)")
_FLAG = re.compile(r"(?<![\w-])(--?)(?=[a-zA-Z][\w-]*)(?P<name>[a-zA-Z][\w-]*)(?![\w-])")
_OPERATORS = {
    "===": "is identical to", "!==": "is not identical to", "==": "equals", "!=": "is not equal to",
    "<=": "is less than or equal to", ">=": "is greater than or equal to", ":=": "becomes", "+=": "plus equals",
    "-=": "minus equals", "&&": "and", "||": "or", "**": "to the power of", "<<": "shifted left by",
    ">>": "shifted right by",
}  # fmt: skip
_LONGEST_FIRST = sorted(_OPERATORS, key=len, reverse=True)
_OPERATOR = re.compile(rf"(?<=[\w\s)\]])(?:{'|'.join(map(re.escape, _LONGEST_FIRST))})(?=[\w\s(\[-])")
_VERSION = re.compile(
    r"\b(?P<word>[vV](?:ersion |er\. ?)?)(?P<number>\d+(?:\.\d+){1,4}|(?<=[vV])\d+)(?![\w]*\d|\.\d|[A-Za-z])"
)
_SOFTWARE = re.compile(
    r"\b(Python|Java|Node|PHP|Ruby|Perl|Lua|Swift|Kotlin|Rust|Go|Windows|Ubuntu|Debian|Android|iOS|macOS|Linux|Django|React|"
    r"PostgreSQL|MySQL|CUDA|PyTorch) (\d+(?:\.\d+)+)(?![\w.]*\d)"
)
_FUNCTION = re.compile(r"(?<![\w.])([fghFGPp])\(([a-zA-Zα-ω](?:\s?[+\-]\s?\d)?)\)")
_NAMED_FUNCTIONS = {
    "sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log", "exp": "exponential",
    "sqrt": "square root", "max": "maximum", "min": "minimum", "abs": "absolute value",
}  # fmt: skip
_NAMED = re.compile(r"(?<![\w.])(" + "|".join(_NAMED_FUNCTIONS) + r")\(([^()]{1,24})\)")
_POWER = re.compile(r"(?<=[\w)])\^\{?\(?([a-zA-Z])\)?\}?(?![\w])")
_FACTORIAL = re.compile(r"(?<![\w.])(\d{1,4}|n|\(n [+-] 1\))!(?=[\s,.;:)=]|$)")
_OVER = re.compile(r"(?<![\w./])(?<!\d )([a-zA-Zα-ω]|[dΔ][A-Za-z])/([a-zA-Zα-ω]|[dΔ][A-Za-z])(?![\w/])")
_TIMES = re.compile(r"(?<![\w.,])(\d+)([xyzn])(?![\w])")
_NOT_OVER = frozenset(("a/c", "c/o", "n/a", "w/o", "b/w", "N/A", "A/C", "I/O", "i/o", "A/B", "a/b"))
_DOTNET = re.compile(r"(?<!\w)\.NET\b")


def speak_code(text: str, speak_number: Callable[[str], str]) -> str:
    """Return the text with names of code, versions and formulas as they are said.

    "read_file()" becomes "read file", "maxValue" "max value", "--help" "dash dash help", "v2.1" "version two point
    one", "f(x)" "f of x" and "n!" "n factorial".

    Args:
        text: The text.
        speak_number: Says digits as a number.
    """

    def numbers(digits: str) -> str:
        return " point ".join(speak_number(part) for part in digits.split("."))

    text = _VERSION.sub(lambda match: f"{_version(match['word'])} {numbers(match['number'])}", text)
    text = _SOFTWARE.sub(lambda match: f"{match[1]} {numbers(match[2])}", text)
    text = _DOTNET.sub(" dot net", text)
    text = _FUNCTION.sub(r" \1 of \2 ", text)
    text = _FACTORIAL.sub(r" \1 factorial ", text)
    text = _NAMED.sub(lambda match: f" {_NAMED_FUNCTIONS[match[1]]} of {match[2]} ", text)
    text = _POWER.sub(r" to the power of \1 ", text)
    text = _OVER.sub(lambda m: m.group() if m.group() in _NOT_OVER else f" {m[1]} over {m[2]} ", text)
    text = _TIMES.sub(r" \1 \2 ", text)
    text = _OPERATOR.sub(lambda match: f" {_OPERATORS[match.group()]} ", text)
    text = _MEMBER.sub(lambda match: match[1] + match[2].replace(".", " dot "), text)
    text = _CALL.sub(" ", text)
    text = _FLAG.sub(_flag, text)
    text = _SNAKE.sub(lambda match: " ".join(match.group().replace("_", " ").split()), text)
    text = _CAMEL_NAME.sub(lambda match: _CAMEL.sub(" ", match.group()).lower(), text)
    return _PASCAL_NAME.sub(_pascal, text)


def _version(word: str) -> str:
    return "Version" if word.startswith("V") and len(word) > 1 else "version"


def _flag(match: re.Match[str]) -> str:
    dashes, name = match[1], match["name"]
    if len(dashes) == 1 and len(name) > 2:
        return match.group()
    return f" {'dash ' * len(dashes)}{name.replace('-', ' ')} "


# Names that are written so and said as they are.
_BRANDS = frozenset(
    ("JavaScript", "TypeScript", "YouTube", "GitHub", "GitLab", "LinkedIn", "PowerPoint", "WordPress", "PayPal",
     "FaceTime", "BitTorrent", "QuickTime", "PostScript", "HeLa")
)  # fmt: skip


def _pascal(match: re.Match[str]) -> str:
    return match.group() if match.group() in _BRANDS else _CAMEL.sub(" ", match.group())
