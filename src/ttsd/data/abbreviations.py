"""English abbreviations as the words they stand for."""

import re

# Always the same words; a full stop that also ends the sentence is kept.
_ALWAYS = {
    "Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Prof.": "Professor", "Gen.": "General",
    "Capt.": "Captain", "Sgt.": "Sergeant", "Lt.": "Lieutenant", "Col.": "Colonel", "Rev.": "Reverend", "Jr.": "Junior",
    "Sr.": "Senior", "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "cf.": "compare",
    "approx.": "approximately", "et al.": "and others", "ca.": "circa", "resp.": "respectively", "viz.": "namely",
    "Ph.D.": "P H D", "M.Sc.": "M S C", "B.Sc.": "B S C", "a.m.": "A M", "p.m.": "P M", "B.C.": "B C", "A.D.": "A D",
    "U.S.A.": "U S A", "U.S.": "U S", "U.K.": "U K", "U.N.": "U N", "E.U.": "E U", "D.C.": "D C",
    "Inc.": "Incorporated",
    "Ltd.": "Limited", "Corp.": "Corporation", "dept.": "department", "Dept.": "Department", "univ.": "university",
    "Univ.": "University",
}  # fmt: skip
# Only before a number or a Roman numeral.
_BEFORE_NUMBER = {
    "fig": "figure", "figs": "figures", "eq": "equation", "eqs": "equations", "ch": "chapter", "sec": "section",
    "vol": "volume", "no": "number", "nos": "numbers", "p": "page", "pp": "pages", "tab": "table", "art": "article",
    "ex": "exercise", "c": "circa", "op": "opus",
}  # fmt: skip
# Capitals are read letter by letter, and well-known acronyms as words; these are read wrong.
_SPELT = {
    "WHO": "W H O", "RAM": "ram", "ROM": "rom", "LAN": "lan", "WAN": "wan", "pH": "P H", "PhD": "P H D",
    "mRNA": "M RNA", "tRNA": "T RNA", "rRNA": "R RNA", "IPv": "I P version", "WiFi": "wifi", "Wi-Fi": "wifi",
    "eBay": "E bay", "iPhone": "I phone", "Q&A": "Q and A", "R&D": "R and D",
    "AT&T": "A T and T",
}  # fmt: skip
_MONTHS = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Aug": "August", "Sept": "September",
    "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_NUMBER_AHEAD = (
    r"(?=\s?\(?(?:\d|[IVXLC]+\b|minus\b|(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]+teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty)\b))"
)
_ends = r"(?P<end>(?=\s*[\"')]*(?:$|\s+(?-i:[A-Z])|\s+[\"'(])))?"
_names = "|".join(sorted((re.escape(name) for name in _ALWAYS), key=len, reverse=True))
_ALWAYS_PATTERN = re.compile(rf"(?<![\w.])(?P<name>{_names}){_ends}", re.IGNORECASE)
_NUMBERED_PATTERN = re.compile(rf"(?<![\w.])({'|'.join(_BEFORE_NUMBER)})\.{_NUMBER_AHEAD}", re.IGNORECASE)
_SPELT_PATTERN = re.compile(
    rf"(?<![\w.&-])(?:{'|'.join(sorted(map(re.escape, _SPELT), key=len, reverse=True))})(?![a-z&-])(?!\.\w)"
)
_MONTH_PATTERN = re.compile(rf"(?<![\w.])({'|'.join(_MONTHS)})\.(?=\s?\d)|(?<=\d )({'|'.join(_MONTHS)})\.(?=\s|,|$)")
_LOWER = {name.lower(): words for name, words in _ALWAYS.items()}
# These stand before a name, so a capital behind them starts no sentence.
_TITLES = frozenset(
    ("dr.", "mr.", "mrs.", "ms.", "prof.", "gen.", "capt.", "sgt.", "lt.", "col.", "rev.", "e.g.", "i.e.", "vs.", "cf.",
     "ca.",      "approx.", "viz.", "u.s.", "u.k.", "u.n.")
)  # fmt: skip


def speak_abbreviations(text: str) -> str:
    """Return the text with its abbreviations spelt out: "Dr. Hall, e.g." becomes "Doctor Hall, for example"."""
    text = _MONTH_PATTERN.sub(lambda match: _MONTHS[match[1] or match[2]], text)
    text = _NUMBERED_PATTERN.sub(_numbered, text)
    text = re.sub(r"\bSt\.(?=\s[A-Z])", "Saint", text)
    text = re.sub(r"(?<=[a-z] )St\.(?=\s*[,;.]|\s[a-z]|$)", "Street", text)
    text = re.sub(r"\bvs\b(?!\.)", "versus", text)
    text = re.sub(r"\bw/o\b", "without", text)
    text = re.sub(r"\bw/(?=\s?[A-Za-z])", "with ", text)
    text = _SPELT_PATTERN.sub(lambda match: _SPELT[match.group()], text)
    return _ALWAYS_PATTERN.sub(_always, text)


def _always(match: re.Match[str]) -> str:
    name = match["name"]
    words = _LOWER[name.lower()]
    if name[0].isupper() and words[0].islower():
        words = words[0].upper() + words[1:]
    at_end = match["end"] is not None
    is_last = not match.string[match.end() :].strip(" \"')")
    return f"{words}." if at_end and (is_last or name.lower() not in _TITLES) else words


def _numbered(match: re.Match[str]) -> str:
    words = _BEFORE_NUMBER[match[1].lower()]
    return words.capitalize() if match[1][0].isupper() else words
