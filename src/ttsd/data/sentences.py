"""Running text taken apart: into sentences, and long sentences at their clauses."""

import re
from collections.abc import Iterator

MAX_CHARS = 300
"""Of what a voice says at once: no voice has heard more in a sentence, and memory grows with its square."""

# A full stop behind these never ends a sentence: something always follows.
_NEVER_FINAL = frozenset((
    "dr", "mr", "mrs", "ms", "prof", "st", "gen", "col", "capt", "lt", "sgt", "rev", "hon", "messrs", "vs", "cf", "e.g",
    "i.e", "eg", "ie", "ca", "approx", "resp", "viz",
))  # fmt: skip
# Behind these it does when the next word is written as the first of a sentence.
_SOMETIMES_FINAL = frozenset((
    "etc", "al", "jr", "sr", "inc", "ltd", "co", "corp", "a.m", "p.m", "u.s", "u.k", "u.n", "e.u", "ph.d", "b.c",
    "a.d", "b.sc", "m.sc", "dept", "univ",
))  # fmt: skip
# Behind these it does unless a number follows: many are words as well.
_BEFORE_NUMBER = frozenset((
    "no", "nos", "op", "art", "fig", "figs", "eq", "eqs", "ch", "sec", "vol", "p", "pp", "tab", "ex", "ed", "eds",
    "jan", "feb", "mar", "apr", "aug", "sep", "sept", "oct", "nov", "dec",
))  # fmt: skip
_FINAL = re.compile(r"([.!?…]+|[。！？؟।]+)([\"'”’»)\]]*)(?=\s|$)|[。！？]+[”’」』）]*")
_WORD_BEFORE = re.compile(r"[^\s\"'“‘«(\[]+$")
_OPENING = re.compile(r"[\s\"'“‘«(\[]*")
# Where a long sentence is cut, the better places first.
_CLAUSES = (
    re.compile(r"[;:][\"'”’)]*\s|\s[–—]\s"),
    re.compile(r",[\"'”’)]*\s(?=(?:and|but|or|so|yet|because|which|who|while|when|where|although|since|if)\b)"),
    re.compile(r",[\"'”’)]*\s"),
    re.compile(r"\s(?=(?:and|but|or|because|which|that|while|when|where|although|since)\b)"),
    re.compile(r"\s"),
)
_LONGEST_WORD_BEFORE = 40


def split_sentences(text: str) -> list[str]:
    """Split running text into sentences; joined by single spaces they give the text back.

    Abbreviations, initials, decimals and full stops inside quotes or brackets do not end a sentence.
    """
    text = " ".join(text.split())
    sentences: list[str] = []
    start = 0
    for match in _FINAL.finditer(text):
        if match.end() > start and _ends_sentence(text, match, start):
            sentences.append(text[start : match.end()].strip())
            start = match.end()
    rest = text[start:].strip()
    return [sentence for sentence in [*sentences, rest] if sentence]


def cut_clauses(sentence: str, max_chars: int) -> Iterator[str]:
    """Cut a sentence into pieces of at most `max_chars` characters, at clauses where there are any, else at spaces.

    A single word longer than that comes out whole.
    """
    start = 0
    while len(sentence) - start > max_chars:
        end = _best_cut(sentence, start, max_chars)
        if piece := sentence[start:end].strip():
            yield piece
        start = end
    if rest := sentence[start:].strip():
        yield rest


def _best_cut(sentence: str, start: int, max_chars: int) -> int:
    window = sentence[start : start + max_chars + 1]
    # A piece much shorter than it could be leaves another long one behind.
    for shortest in (max_chars // 3, 1):
        for clause in _CLAUSES:
            ends = [match.end() for match in clause.finditer(window) if shortest <= match.end() <= max_chars + 1]
            if ends:
                return start + ends[-1]
    space = sentence.find(" ", start + max_chars)
    return len(sentence) if space < 0 else space + 1


def _ends_sentence(text: str, match: re.Match[str], start: int) -> bool:
    mark = match.group(1) or match.group()
    place = match.start()
    follows = _OPENING.match(text, match.end())
    next_place = follows.end() if follows else match.end()
    following = text[next_place : next_place + 1]
    if not following:
        return True
    looks_like_start = following.isupper() or following.isdigit() or not following.isalpha()
    if mark[0] in "!?":
        return not following.islower()
    if mark in ("…", "...", "..") or len(mark) > 1:
        return not following.islower()
    if mark != ".":
        return True
    before = _WORD_BEFORE.search(text, max(start, place - _LONGEST_WORD_BEFORE), place)
    word = before.group().lower() if before else ""
    if word in _NEVER_FINAL or (word in _BEFORE_NUMBER and following.isdigit()):
        return False
    if match.group(2) == "" and _is_initial(text, word, before, place):
        return False
    if word in _SOMETIMES_FINAL:
        return following.isupper()
    return looks_like_start or not following.islower()


def _is_initial(text: str, word: str, before: re.Match[str] | None, place: int) -> bool:
    """Say whether the letter before a full stop is an initial, as in "J. S. Bach", and not a word such as "I"."""
    if before is None or len(word) != 1 or not text[place - 1].isupper() or word == "i":
        return False
    ahead = text[place + 1 : place + 3]
    behind = text[max(0, before.start() - 2) : before.start()]
    # A name or another initial on one side: "as vitamin C. It" has neither.
    initials_behind = behind.endswith(". ") or before.start() == 0
    name_behind = re.search(r"\b[A-Z][a-z]+ $", text[max(0, before.start() - 20) : before.start()]) is not None
    return bool(re.match(r" [A-Z]", ahead)) and (initials_behind or name_behind or not _common_start(text, place + 2))


def _common_start(text: str, place: int) -> bool:
    word = re.match(r"\w+", text[place : place + 20])
    return word is not None and word.group() in _STARTERS


_STARTERS = frozenset((
    "The", "A", "An", "It", "This", "That", "These", "Those", "He", "She", "We", "You", "They", "I", "In", "On",
    "At", "If", "When", "While", "But", "And", "So", "Then", "There", "Here", "What", "Why", "How", "Who",
    "Which", "Where", "Some", "Most", "Many", "All", "Each", "Every", "No", "Not", "One", "Two", "After",
    "Before", "For", "From", "With", "To", "Its", "Their", "His", "Her", "Our", "My",
))  # fmt: skip
