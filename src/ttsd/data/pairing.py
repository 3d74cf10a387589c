"""Which transcript belongs to which recording: by name, by standing alone together, or by a file that says so."""

import csv
import io
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ttsd.errors import ConfigError, StageError

TEXT_SUFFIXES = (".md", ".markdown", ".txt", ".text")
AUDIO_SUFFIXES = (
    ".mp3", ".m4a", ".m4b", ".mp4", ".wav", ".flac", ".ogg", ".oga", ".opus", ".aac", ".webm", ".mka", ".wma", ".aif",
    ".aiff",
)  # fmt: skip
_ROLES = frozenset(
    [
        "audio",
        "narration",
        "narrated",
        "recording",
        "recorded",
        "speech",
        "voice",
        "voiceover",
        "reading",
        "read",
        "transcript",
        "transcription",
        "text",
        "script",
        "guide",
    ]
)
_SEPARATORS = re.compile(r"[\s._()\[\]-]+")


@dataclass(frozen=True)
class Pairing:
    """The files of a folder, as POSIX paths below it."""

    pairs: tuple[tuple[str, str], ...]
    """Transcript and recording, in the transcripts' order."""
    texts: tuple[str, ...]
    """Every transcript, paired or not, sorted."""
    lone_texts: dict[str, str]
    """Why a transcript has no recording, for a person to read."""
    lone_recordings: dict[str, str]
    """Why a recording has no transcript."""


def pair_files(folder: Path, map_file: Path | None = None) -> Pairing:
    """Find the transcripts and recordings below a folder, and which belong together.

    In this order: what the mapping file says; the same name in the same folder, first to the letter, then whatever its
    case, then without words such as `_audio` or `-transcript`; the only two left of a folder that has no others; the
    same name anywhere below. A name that two files of a kind share pairs nothing.

    Args:
        folder: Folder of transcripts and recordings, nested or not; hidden files are left out.
        map_file: CSV with the columns `text,audio`, or YAML; paths below `folder`.

    Raises:
        StageError: There is no such folder, or nothing in it is a transcript or nothing a recording.
        ConfigError: The mapping file cannot be read, or names a file that is not there.
    """
    if not folder.is_dir():
        raise StageError(f"{folder}: no such folder of transcripts and recordings; name the folder that holds both")
    texts, recordings = _find_files(folder)
    if not texts or not recordings:
        missing, kinds = ("transcript", TEXT_SUFFIXES) if not texts else ("recording", AUDIO_SUFFIXES)
        raise StageError(f"{folder}: holds no {missing}; put one beside its counterpart ({', '.join(kinds)})")
    pairs = dict(_read_map(map_file, folder, texts, recordings)) if map_file else {}
    left_texts = [name for name in texts if name not in pairs]
    left_recordings = [name for name in recordings if name not in pairs.values()]
    ambiguous: set[str] = set()
    for key in (_same_name, _same_letters, _same_words, _same_folder, _anywhere):
        if key is _same_folder:
            keyed = [_group([n for n in left if n not in ambiguous], key) for left in (left_texts, left_recordings)]
            # A folder is a pair's own only where nothing else of its kind lies in it.
            alone = [_group(names, key) for names in (texts, recordings)]
            keyed = [{k: v for k, v in group.items() if len(a[k]) == 1} for group, a in zip(keyed, alone, strict=True)]
        else:
            keyed = [_group(left, key) for left in (left_texts, left_recordings)]
        for name, candidates in keyed[0].items():
            found = keyed[1].get(name, [])
            if len(candidates) == len(found) == 1:
                pairs[candidates[0]] = found[0]
            elif found:
                ambiguous |= {*candidates, *found}
        left_texts = [name for name in left_texts if name not in pairs and name not in ambiguous]
        left_recordings = [name for name in left_recordings if name not in pairs.values() and name not in ambiguous]
    unpaired = [name for name in texts if name not in pairs]
    lone = [name for name in recordings if name not in pairs.values()]
    return Pairing(
        tuple((name, pairs[name]) for name in texts if name in pairs),
        tuple(texts),
        {name: _explain(name, ambiguous, "recording") for name in unpaired},
        {name: _explain(name, ambiguous, "transcript") for name in lone},
    )


def _explain(name: str, ambiguous: set[str], other: str) -> str:
    if name in ambiguous:
        return f"{name}: several files have this name, so its {other} is not known; say which with --map"
    return f"{name}: no {other} has its name; rename one, or pair them with --map"


def _find_files(folder: Path) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    recordings: list[str] = []
    entered: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(where, name)
            if name.startswith(".") or not path.is_file():
                continue
            kind = path.suffix.lower()
            (texts if kind in TEXT_SUFFIXES else recordings if kind in AUDIO_SUFFIXES else []).append(
                path.relative_to(folder).as_posix()
            )
    return sorted(texts), sorted(recordings)


def _group(names: Iterable[str], key: Callable[[str], tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        place = key(name)
        if place[1]:
            groups[place].append(name)
    return dict(groups)


def _same_name(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return path.parent.as_posix(), unicodedata.normalize("NFC", path.stem)


def _same_letters(name: str) -> tuple[str, str]:
    folder, stem = _same_name(name)
    return folder, "-".join(filter(None, _SEPARATORS.split(stem.casefold())))


def _same_words(name: str) -> tuple[str, str]:
    folder, letters = _same_letters(name)
    return folder, "-".join(word for word in letters.split("-") if word not in _ROLES)


def _same_folder(name: str) -> tuple[str, str]:
    return PurePosixPath(name).parent.as_posix(), "*"


def _anywhere(name: str) -> tuple[str, str]:
    return "", _same_words(name)[1]


def _read_map(path: Path, folder: Path, texts: list[str], recordings: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for where, text, audio in _read_rows(path):
        for name, known, kind in ((text, texts, "transcript"), (audio, recordings, "recording")):
            if name not in known:
                raise ConfigError(f"{where}: no {kind} {name} below {folder}; write its path below that folder")
        if text in pairs or audio in pairs.values():
            raise ConfigError(f"{where}: {text if text in pairs else audio} is named twice; a pair is one of each")
        pairs[text] = audio
    return pairs


def _read_rows(path: Path) -> list[tuple[str, str, str]]:
    """Return place, transcript and recording of every row."""
    import yaml

    form = "write `text,audio` and a row for each pair, or YAML `text: audio`"
    try:
        content = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() in (".yaml", ".yml"):
            return _read_tree(path, yaml.safe_load(content), form)
    except OSError as error:
        raise ConfigError(f"{path}: this mapping file cannot be read ({error.strerror}); check the path") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: no mapping file ({' '.join(str(error).split())}); {form}") from None
    rows = [
        (number, [field.strip() for field in row]) for number, row in enumerate(csv.reader(io.StringIO(content)), 1)
    ]
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows or [field.lower() for field in rows[0][1]] != ["text", "audio"]:
        raise ConfigError(f"{path}:1: no mapping file; {form}")
    for number, row in rows:
        if len(row) != 2 or not all(row):
            raise ConfigError(f"{path}:{number}: has not one transcript and one recording; {form}")
    return [(f"{path}:{number}", *map(_tidy_path, row)) for number, row in rows[1:]]  # type: ignore[misc]


def _read_tree(path: Path, tree: Any, form: str) -> list[tuple[str, str, str]]:
    if isinstance(tree, dict):
        tree = [{"text": text, "audio": audio} for text, audio in tree.items()]
    rows: list[tuple[str, str, str]] = []
    for number, row in enumerate(tree if isinstance(tree, list) else [None], 1):
        if (
            not isinstance(row, dict)
            or set(row) != {"text", "audio"}
            or not all(isinstance(v, str) for v in row.values())
        ):
            raise ConfigError(f"{path}: pair {number} has not one transcript and one recording; {form}")
        rows.append((f"{path}: pair {number}", _tidy_path(row["text"]), _tidy_path(row["audio"])))
    return rows


def _tidy_path(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).as_posix()
