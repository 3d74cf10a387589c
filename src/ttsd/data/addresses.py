"""E-mail and web addresses, file names, paths and numbers of machines as they are said."""

import re

# The ends of names that a text may hold without saying what they are; short ones that are said letter by letter.
_DOMAINS = "com|org|net|edu|gov|int|io|dev|app|ai|info|eu|uk|de|fr|it|es|at|ch|nl|se|no|fi|pl|us|ca|au|jp|cn|in|br"
_SAID = {
    "com", "org", "net", "gov", "info", "dev", "app", "zip", "log", "bin", "doc", "tar", "go", "rs", "yaml", "json",
    "toml", "wav", "java", "onnx",
}  # fmt: skip
_FILES = (
    "py|js|ts|md|txt|csv|tsv|json|yaml|yml|toml|html|htm|css|xml|pdf|png|jpg|jpeg|gif|svg|wav|mp3|mp4|flac|ogg|zip|tar|gz|"
    "sh|c|h|cpp|rs|go|java|rb|php|sql|ini|cfg|log|doc|docx|xls|xlsx|ppt|pptx|ipynb|onnx|bin|exe|dll"
)
_HOST = rf"(?:[A-Za-z0-9-]+\.)+(?:{_DOMAINS})"
_EMAIL = re.compile(r"(?<![\w.])([A-Za-z0-9_+-][A-Za-z0-9._+-]*)@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,10})(?![\w@-])")
_URL = re.compile(
    rf"(?<![\w.@/])(?:(?:https?|ftp)://(?:www\.)?|www\.)([^\s<>\"')\]]+[^\s<>\"')\].,;:?!])|(?<![\w.@/-])({_HOST}(?:/[^\s<>\"')\]]*[^\s<>\"')\].,;:?!])?)(?![\w@-])"
)
_MACHINE = re.compile(r"(?<![\w.])((?:\d{1,3}\.){3}\d{1,3})(?::(\d{1,5}))?(?![\w.]*\d)")
_FILE = re.compile(
    rf"(?<![\w./@-])((?:(?:~|\.{{0,2}})/)?(?:[\w-]+/)*[A-Za-z_][\w-]*)((?:\.(?:{_FILES}))+)(?![\w-]|\.\w)"
)
_PATH = re.compile(r"(?<![\w.)/])((?:~|\.{1,2})?(?:/[A-Za-z_][\w.-]*)+/?)(?![\w/])")
_SPELT = {*_FILES.split("|"), *_DOMAINS.split("|")} - _SAID - {"in", "no", "it", "at", "us", "text"}
_MARKS = {
    ".": " dot ", "@": " at ", "/": " slash ", "-": " dash ", "_": " underscore ", ":": " colon ",
    "?": " question mark ", "=": " equals ", "&": " and ", "#": " hash ", "%": " percent ", "+": " plus ",
    "~": " tilde ",
}  # fmt: skip


def speak_addresses(text: str) -> str:
    """Return the text with its addresses spelt out: "info@example.org" becomes "info at example dot org".

    The scheme of a web address and its `www` are left out, as people do. Numbers in it are left for the other rules.
    """
    text = _EMAIL.sub(lambda match: _spell(match.group()), text)
    text = _URL.sub(lambda match: _spell((match[1] or match[2]).rstrip("/")), text)
    text = _MACHINE.sub(_machine, text)
    text = _FILE.sub(lambda match: _spell(match[1]) + _extension(match[2]), text)
    return _PATH.sub(lambda match: _spell(match[1].rstrip("/")), text)


def _machine(match: re.Match[str]) -> str:
    port = f" port {match[2]}" if match[2] else ""
    return f" {match[1].replace('.', ' dot ')}{port} "


def _extension(ending: str) -> str:
    return "".join(f" dot {_letters(name)} " for name in ending.split(".") if name)


def _letters(name: str) -> str:
    return " ".join(name.upper()) if name in _SPELT else name


def _spell(address: str) -> str:
    words = "".join(_MARKS.get(character, character) for character in address).split()
    # What stands behind the last dot of a host is said as a word or letter by letter.
    return (
        " "
        + " ".join(
            _letters(word) if index and words[index - 1] == "dot" and word in _SPELT else word
            for index, word in enumerate(words)
        )
        + " "
    )
