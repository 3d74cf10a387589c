"""The corpus: an LJSpeech directory, and the only code that reads or writes one.

    metadata.csv      path|text|speaker      wavs/0001_intro_003.wav|Photosynthesis converts light energy.|joe
    wavs/<id>.wav     mono PCM-16, one sample rate in the whole corpus
    utterances.jsonl  one object per utterance: all else that is known of it
    rejected.csv      id|reason|value, where a stage dropped utterances

LJSpeech-1.1 as published (`id|transcript|normalized transcript`) and its two-column form are read as well.
"""

import json
import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ttsd.data.wav_header import missing_bytes
from ttsd.errors import CorpusError
from ttsd.utils.files import atomic_path, sha256_file, write_text

METADATA_NAME = "metadata.csv"
DETAILS_NAME = "utterances.jsonl"
REJECTED_NAME = "rejected.csv"
WAVS_NAME = "wavs"
CORPUS_FILES = (METADATA_NAME, DETAILS_NAME, REJECTED_NAME, f"{WAVS_NAME}/*.wav")
"""Every file of a corpus, as patterns."""

Layout = Literal["ttsd", "ljspeech", "two-column"]
Split = Literal["train", "val", "test"]

_ID = re.compile(r"[A-Za-z0-9._-]+")
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff|]")
DEFAULT_SPEAKER = "speaker"


class Utterance(BaseModel):
    """One thing to be said, and all that is known of its clip."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    transcript: str
    speaker: str = DEFAULT_SPEAKER
    normalized_transcript: str | None = None
    """The transcript as it is spoken: numbers and abbreviations spelt out."""
    phonemes: str | None = None
    duration_s: float | None = None
    source: dict[str, Any] = {}
    """Where the text comes from: file, heading, section, span of characters."""
    teacher: dict[str, Any] = {}
    """Who spoke it: provider, model, voice, settings, request id, cost."""
    alignment: dict[str, Any] = {}
    """Times of characters or phonemes, where the teacher gives them."""
    qc: dict[str, Any] = {}
    """Scores of the quality checks; a figure that could not be measured is `unmeasured`."""
    split: Split | None = None

    @property
    def spoken(self) -> str:
        """The text that was spoken: the normalized transcript, or the transcript where there is none."""
        return self.transcript if self.normalized_transcript is None else self.normalized_transcript


@dataclass(frozen=True)
class Rejection:
    """An utterance that a stage dropped."""

    id: str
    reason: str
    """Short snake_case code, such as `too_short`."""
    value: str = ""
    """The figure that decided, for a person to read."""


@dataclass(frozen=True)
class Corpus:
    """An LJSpeech directory as it was read."""

    root: Path
    utterances: tuple[Utterance, ...]
    layout: Layout = "ttsd"
    clips: dict[str, str] = field(default_factory=dict)
    """Path of every clip below `root`, by utterance id."""

    def clip_path(self, utterance: Utterance) -> Path:
        """Return the path of an utterance's clip."""
        return self.root / self.clips[utterance.id]


def read_corpus(root: Path) -> Corpus:
    """Read a corpus's utterances; the clips themselves are opened by `validate_corpus`.

    Args:
        root: An LJSpeech directory: ours, LJSpeech-1.1 as published, or its two-column form.

    Raises:
        CorpusError: The directory is no corpus or a row is malformed; the message names the file, line and cure.
    """
    path = root / METADATA_NAME
    rows = _read_rows(path)
    layout = _tell_layout(rows[0][1])
    details = _read_details(root / DETAILS_NAME)
    utterances: list[Utterance] = []
    clips: dict[str, str] = {}
    for number, fields in rows:
        where = f"{path}:{number}"
        row = _parse_row(fields, layout, where)
        if row.id in clips:
            raise CorpusError(f"{where}: the id {row.id} appears twice; give every utterance its own id")
        clips[row.id] = _clip_name(root, row.clip, where)
        utterances.append(_join(row, details.pop(row.id, None)))
    return Corpus(root, tuple(utterances), layout, clips)


def validate_corpus(corpus: Corpus, sample_rate: int | None = None) -> int:
    """Open every clip and check that it is what a corpus promises.

    Args:
        corpus: The corpus to check.
        sample_rate: The rate it must have, in Hz; none takes the first clip's.

    Returns:
        The corpus's sample rate in Hz.

    Raises:
        CorpusError: A clip is missing, unreadable, cut off, empty, not mono, or at another sample rate.
    """
    import soundfile

    for utterance in corpus.utterances:
        path = corpus.clip_path(utterance)
        if not path.is_file():
            raise CorpusError(f"{path}: the clip of {utterance.id} is missing; restore it or delete its row")
        try:
            info = soundfile.info(path)
        except (soundfile.SoundFileError, OSError):
            raise CorpusError(
                f"{path}: the clip of {utterance.id} is not a readable WAV; restore it or delete its row"
            ) from None
        if missing := missing_bytes(path):
            raise CorpusError(
                f"{path}: the clip of {utterance.id} is cut off, {missing} bytes of its sound are missing; "
                "restore it or delete its row"
            )
        if info.frames == 0:
            raise CorpusError(f"{path}: the clip of {utterance.id} is empty; restore it or delete its row")
        if info.channels != 1:
            raise CorpusError(f"{path}: {utterance.id} has {info.channels} channels; run `ttsd preprocess` on it")
        sample_rate = sample_rate or info.samplerate
        if info.samplerate != sample_rate:
            raise CorpusError(
                f"{path}: {utterance.id} has {info.samplerate} Hz where {sample_rate} Hz is expected; "
                "run `ttsd preprocess` on it"
            )
    if sample_rate is None:
        raise CorpusError(f"{corpus.root / METADATA_NAME}: holds no utterance")
    return sample_rate


def write_corpus(root: Path, utterances: Iterable[Utterance], rejections: Sequence[Rejection] = ()) -> Corpus:
    """Write `metadata.csv`, `utterances.jsonl` and, where there are any, the rejections; clips are there already.

    Args:
        root: The corpus directory; clips lie in its `wavs/<id>.wav`.
        utterances: The utterances, in the order of the rows.
        rejections: The utterances that the stage dropped.

    Raises:
        CorpusError: An id or text cannot stand in `metadata.csv`.
    """
    utterances = tuple(utterances)
    seen: set[str] = set()
    lines: list[str] = []
    for utterance in utterances:
        check_id(utterance.id, str(root))
        if utterance.id in seen:
            raise CorpusError(f"{root}: the id {utterance.id} appears twice; give every utterance its own id")
        seen.add(utterance.id)
        if clean_text(utterance.transcript) != utterance.transcript or not utterance.transcript:
            raise CorpusError(f"{root}: the text of {utterance.id} is empty or holds what a row cannot; clean it first")
        check_id(utterance.speaker, str(root))
        lines.append(f"{WAVS_NAME}/{utterance.id}.wav|{utterance.transcript}|{utterance.speaker}\n")
    (root / WAVS_NAME).mkdir(parents=True, exist_ok=True)
    details = [_dump(utterance) + "\n" for utterance in utterances]
    write_text(root / DETAILS_NAME, "".join(details))
    if rejections:
        write_rejections(root, rejections)
    write_text(root / METADATA_NAME, "".join(lines))
    return Corpus(root, utterances, "ttsd", {u.id: f"{WAVS_NAME}/{u.id}.wav" for u in utterances})


def write_rejections(root: Path, rejections: Iterable[Rejection]) -> Path:
    """Write `rejected.csv` and return its path."""
    rows = [f"{r.id}|{r.reason}|{clean_text(r.value)}\n" for r in rejections]
    write_text(root / REJECTED_NAME, "".join(rows))
    return root / REJECTED_NAME


def read_rejections(root: Path) -> tuple[Rejection, ...]:
    """Read `rejected.csv`; no such file means that nothing was dropped."""
    path = root / REJECTED_NAME
    if not path.is_file():
        return ()
    rows = (line.split("|") for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(Rejection(*row) for row in rows)


def copy_clip(source: Path, root: Path, utterance_id: str) -> None:
    """Copy a clip unchanged into a corpus, atomically."""
    with atomic_path(root / WAVS_NAME / f"{utterance_id}.wav") as temporary:
        shutil.copyfile(source, temporary)


def remove_strays(root: Path, utterances: Iterable[Utterance]) -> None:
    """Remove what an interrupted run left: temporary files, and clips that are no utterance's.

    `root` must be the stage's own output.
    """
    known = {f"{utterance.id}.wav" for utterance in utterances}
    for path in (root / WAVS_NAME).glob("*"):
        if path.name not in known:
            path.unlink()
    for path in root.glob(".*.tmp*"):
        path.unlink()


def hash_corpus(corpus: Corpus) -> dict[str, str]:
    """Return the SHA-256 of everything a stage reads of a corpus, by name below its root.

    A file that is missing or cannot be read has an empty hash: the stage rejects that clip and goes on.
    """
    hashes: dict[str, str] = {}
    for name in sorted({METADATA_NAME, DETAILS_NAME, *corpus.clips.values()}):
        try:
            hashes[name] = sha256_file(corpus.root / name)
        except OSError:
            hashes[name] = ""
    return hashes


def check_id(name: str, where: str) -> str:
    """Return an id or speaker that may stand in a corpus.

    Raises:
        CorpusError: It holds other characters than `A-Z a-z 0-9 . _ -`, or is only dots.
    """
    if not _ID.fullmatch(name) or not name.strip("."):
        raise CorpusError(
            f"{where}: `{name}` cannot be an id or speaker; use letters, digits, dots, underscores, hyphens"
        )
    return name


def clean_text(text: str) -> str:
    """Return the text as a row can hold it: NFC, single spaces, no control characters, no `|`."""
    return " ".join(_UNSPEAKABLE.sub(" ", unicodedata.normalize("NFC", text)).split())


@dataclass(frozen=True)
class _Row:
    id: str
    clip: str
    transcript: str
    normalized_transcript: str | None
    speaker: str | None


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    if path.parent.is_file():
        raise CorpusError(f"{path.parent}: a file; a corpus is a directory with metadata.csv and wavs/, name that")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CorpusError(f"{path}: no such file; a corpus is a directory with metadata.csv and wavs/") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if data.startswith(b"\xef\xbb\xbf"):
        raise CorpusError(f"{path}:1: starts with a byte order mark; save it as UTF-8 without BOM")
    if b"\r" in data:
        raise CorpusError(f"{path}: has Windows line ends; save it with \\n line ends (dos2unix does it)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CorpusError(f"{path}:{line}: is not UTF-8; convert it (iconv -t UTF-8 does it)") from None
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise CorpusError(f"{path}: is empty; the stage that writes it is not done, or every utterance was dropped")
    # No csv module: a lone quote opens a field in its default dialect and swallows the rows behind it.
    return [(number, line.split("|")) for number, line in enumerate(lines, start=1)]


def _tell_layout(fields: list[str]) -> Layout:
    if fields[0].endswith(".wav") or "/" in fields[0]:
        return "ttsd"
    return "two-column" if len(fields) == 2 else "ljspeech"


_COLUMNS: dict[Layout, tuple[int, str]] = {
    "ttsd": (3, "path|text|speaker"),
    "ljspeech": (3, "id|transcript|normalized transcript"),
    "two-column": (2, "id|transcript"),
}


def _parse_row(fields: list[str], layout: Layout, where: str) -> _Row:
    n_columns, form = _COLUMNS[layout]
    if len(fields) != n_columns:
        raise CorpusError(f"{where}: has {len(fields)} columns where {form} has {n_columns}; no text may hold a |")
    name, transcript = fields[0], fields[1]
    if not transcript.strip():
        raise CorpusError(f"{where}: the text of {name} is empty; write it or delete the row")
    if clean_text(transcript) != unicodedata.normalize("NFC", transcript).strip() and layout == "ttsd":
        raise CorpusError(f"{where}: the text of {name} holds control characters or repeated spaces; clean it")
    if layout == "ttsd":
        utterance_id = check_id(Path(name).name.removesuffix(".wav"), where)
        return _Row(utterance_id, name, clean_text(transcript), None, check_id(fields[2], where))
    normalized = clean_text(fields[2]) or None if layout == "ljspeech" else None
    return _Row(check_id(name, where), f"{WAVS_NAME}/{name}.wav", clean_text(transcript), normalized, None)


def _clip_name(root: Path, name: str, where: str) -> str:
    path = root / name
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if not inside or not path.resolve().is_relative_to(root.resolve()):
        raise CorpusError(f"{where}: the path {name} leaves the corpus; keep clips below {root}/{WAVS_NAME}")
    return name


def _read_details(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    details: dict[str, dict[str, Any]] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: is not UTF-8; restore the file, or delete it to lose the details alone") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = Utterance.model_validate_json(line).model_dump(exclude_unset=True)
        except ValidationError:
            raise CorpusError(
                f"{path}:{number}: is not an utterance's JSON object; restore the line or delete it"
            ) from None
        details[entry["id"]] = entry
    return details


def _join(row: _Row, detail: dict[str, Any] | None) -> Utterance:
    known = dict(detail or {})
    if known.get("transcript") != row.transcript:
        # A person edited the text: what was derived from the old one no longer holds.
        for derived in ("normalized_transcript", "phonemes", "alignment", "qc"):
            known.pop(derived, None)
    known |= {"id": row.id, "transcript": row.transcript}
    if row.speaker is not None:
        known["speaker"] = row.speaker
    if row.normalized_transcript is not None:
        known["normalized_transcript"] = row.normalized_transcript
    return Utterance.model_validate(known)


def _dump(utterance: Utterance) -> str:
    return json.dumps(utterance.model_dump(exclude_defaults=True), ensure_ascii=False, sort_keys=True, allow_nan=False)
