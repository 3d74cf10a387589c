"""The inside of a paragraph: emphasis, links, code, formulas and stray signs, as plain words or as a hole."""

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ttsd.transcripts.formula import speak_formula

if TYPE_CHECKING:
    from markdown_it.token import Token

FORMULA, CODE, URL, MARKUP = "\ue000", "\ue001", "\ue002", "\ue003"
HOLES = {FORMULA: "formula", CODE: "code", URL: "url", MARKUP: "markup"}
"""What no rule can speak, by the private-use character that stands for it; a sentence that holds one is left out."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_PRIVATE = re.compile("[\ue000-\uf8ff\ufdd0-\ufdef]")
_MIN_ALT_WORDS = 3
_LONGEST_WORD = 60

_URL = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>]*|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.IGNORECASE
)
_SPEAKABLE_CODE = re.compile(r"[A-Za-z0-9 _.+=/-]{1,40}(?:\(\))?")
_CODE_SIGNS = {"_": " ", "=": " equals ", "+": " plus ", "/": " slash "}
# A pattern is tried only where one of the characters before it occurs.
_REPLACEMENTS: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (signs, re.compile(pattern), replacement)
    for signs, pattern, replacement in (
        ("!", r"!\[\[[^\[\]]{0,300}\]\]", " "),  # a wiki's embedded file
        ("[", r"\[\[(?:[^\[\]|]{0,200}\|)?([^\[\]|]{1,200})\]\]", r"\1"),  # a wiki's link
        ("[", r"\[\^[^\[\]\s]{1,50}\]|\[![A-Za-z]{1,20}\]", " "),  # a footnote's mark without a note; a callout's kind
        ("[", r"^\s*\[[ xX]\]\s", ""),  # the box of a task
        ("{", r"\{[#.:][^{}]{0,100}\}", " "),  # attributes
        (":", r"^:{3,}.*|:{3,}", " "),  # fences of a container
        ("=", r"=={1}([^=\s][^=]{0,300})==", r"\1"),  # highlighted text
        ("[", r"\[([^\[\]]{0,300})\]", r"(\1)"),
        (">→⇒⟶", r"[-=]{1,3}>|[→⇒⟶]", " to "),
        ("*", r"(?<=\d)\s*\*\s*(?=\d)|(?<=\w) \* (?=\w)", " times "),
        ("<≤", r"(?<=[\w)]) ?<= ?(?=[\w-])|≤", " is less than or equal to "),
        (">≥", r"(?<=[\w)]) ?>= ?(?=[\w-])|≥", " is greater than or equal to "),
        ("<", r"(?<=[\w)]) < (?=[\w-])", " is less than "),
        (">", r"(?<=[\w)]) > (?=[\w-])", " is greater than "),
        ("^", r"\b([A-Za-z0-9])\^2\b", r"\1 squared"),
        ("^", r"\b([A-Za-z0-9])\^3\b", r"\1 cubed"),
        ("~", r"~(?=\d)", "about "),
        ("#", r"#(?=\d)", "number "),
        ("#", r"(?<=\b[CFJ])#(?!\w)", " sharp"),
        ("#", r"(?<!\S)#(?=\w)", ""),
        ("-", r"\s-{2,3}\s|(?<=\w)-{2,3}(?=\w)", " – "),
        ("*`~•◦▪_", r"[*`~•◦▪]+|_+", " "),
        ("", rf"[\\|<>^{{}}\[\]#\uFFFD]|\$(?!\d)|\S{{{_LONGEST_WORD},}}", MARKUP),
    )
)


def blank_private(text: str) -> str:
    """Return the text with its own private-use characters as spaces, so that every hole is one of ours."""
    return _PRIVATE.sub(" ", text)


def speak_inline(tokens: "Sequence[Token]") -> str:
    """Return the tokens of a paragraph as plain text, with holes for what cannot be spoken."""
    return clean_plain("".join(_pieces(tokens)))


def clean_plain(text: str) -> str:
    """Return plain text with the markup that no parser took away spoken, dropped, or turned into a hole."""
    # Entities that were escaped twice survive the parser.
    for _ in range(2):
        text = html.unescape(text)
    text = _URL.sub(_hole_for_address, text)
    for signs, pattern, replacement in _REPLACEMENTS:
        if not signs or any(sign in text for sign in signs):
            text = pattern.sub(replacement, text)
    text = _NOT_ASCII.sub(_speakable_character, text)
    text = re.sub(r"\(\s*\)", " ", text)
    text = " ".join(text.split())
    return re.sub(r" +([.,;:!?)])(?!\w)", r"\1", text)


def speak_code(code: str) -> str | None:
    """Return inline code as words where it is a name or a plain value; none where it is more than that."""
    code = code.strip()
    if not _SPEAKABLE_CODE.fullmatch(code) or not any(character.isalnum() for character in code):
        return None
    code = code.removesuffix("()").strip("-./ ")
    spoken = "".join(_CODE_SIGNS.get(character, character) for character in code)
    spoken = re.sub(r"(?<=\w)\.(?=[A-Za-z])", " dot ", spoken)
    return re.sub(r"(?:(?<=\s)|^)-+|-{2,}", " ", spoken)


def _pieces(tokens: "Sequence[Token]") -> list[str]:
    pieces: list[str] = []
    struck = 0
    for token in tokens:
        kind = token.type
        struck += (kind == "s_open") - (kind == "s_close")
        if struck:
            continue
        if kind in ("text", "text_special"):
            pieces.append(token.content)
        elif kind in ("softbreak", "hardbreak"):
            pieces.append(" ")
        elif kind == "code_inline":
            pieces.append(speak_code(token.content) or CODE)
        elif kind.startswith("math_inline"):
            pieces.append(speak_formula(token.content) or FORMULA)
        elif kind == "html_inline":
            pieces.append(" " if token.content.lower().startswith("<br") else "")
        elif kind == "image":
            alt = "".join(_pieces(token.children or []))
            pieces.append(alt if len(alt.split()) >= _MIN_ALT_WORDS else "")
    return pieces


def _hole_for_address(match: re.Match[str]) -> str:
    # The full stop behind an address ends the sentence.
    address = match.group()
    return URL + address[len(address.rstrip(".,;:!?)")) :]


def _speakable_character(match: re.Match[str]) -> str:
    character = match.group()
    if character in HOLES or character == "°":
        return character
    if character == "µ":
        return "μ"
    if character in "\u00ad\u200b\u200c\u200d\u2060\ufe0e\ufe0f":
        return ""
    # Emoji, box drawing, direction marks and the like have no sound.
    silent = unicodedata.category(character) in ("So", "Sk", "Co", "Cn", "Cs", "Cf", "Cc", "Me")
    return " " if silent else character
