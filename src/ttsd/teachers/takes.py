"""Takes on the disk: the audio of one bought request and all that is known of it, whole or absent, never changed.

    <folder>/ab/<take>.json      request, texts, price; before the request is sent. With its answer: times, cost, ids
    <folder>/ab/<take>.wav       the audio; written last, so that its presence says that the take is whole
    <folder>/voice-<voice>.json  what the account said of a voice when it was first bought

The ledger can be lost: what lies here is enough to enter every paid take anew, and every one in doubt, which has a
record and no audio.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsd.data.cutting import CharacterTimes
from ttsd.errors import ConfigError, LedgerError
from ttsd.utils.files import atomic_path, explain_write
from ttsd.utils.folders import find_file_in_place

_VOICE_START = "voice-"


@dataclass(frozen=True)
class Take:
    """A take as it lies on the disk."""

    key: str
    request: dict[str, Any]
    texts: tuple[str, ...]
    """The sentences that the request's text is made of."""
    times: CharacterTimes | None
    credits: int
    request_id: str | None
    history_id: str | None
    bought_unix: float
    """When it was asked for, in seconds since 1970."""
    is_recovered: bool
    """Fetched from the service's history, after its first answer was lost."""
    is_lossy: bool
    """The history gave a compressed file; kept, but nothing to train on."""
    sha256: str
    """Of the audio file; empty as long as there is no answer."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a clip's record keeps of the purchase."""
        return {
            "take": self.key,
            "request_id": self.request_id,
            "history_id": self.history_id,
            "recovered": self.is_recovered,
        }


class TakeStore:
    """The folder of takes."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when the first take is written.

        Raises:
            ConfigError: A file stands in its place.
        """
        if (standing := find_file_in_place(folder)) is not None:
            raise ConfigError(f"paths.takes: {standing} is a file where the folder {folder} is needed; name another")
        self.folder = folder

    def write(self, take: Take, audio: bytes) -> None:
        """Write a take for good: when this returns, it survives a failure of the power.

        Raises:
            StageError: The disk does not take it.
        """
        path = self._write_record(take)
        self._write(path.with_suffix(".wav"), audio)
        self._sync(path)

    def announce(
        self, key: str, request: dict[str, Any], texts: Sequence[str], *, estimate: int, now_unix: float
    ) -> None:
        """Write down what is about to be asked for; from here on the take is in doubt, whatever becomes of the ledger.

        Raises:
            StageError: The disk does not take it.
        """
        self._sync(
            self._write_record(Take(key, request, tuple(texts), None, estimate, None, None, now_unix, False, False, ""))
        )

    def withdraw(self, key: str) -> None:
        """Remove what was announced: nothing was billed.

        Raises:
            StageError: The disk does not take it.
        """
        path = self._path(key, ".json")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explain_write(path, error) from None

    def write_voice(self, voice: str, facts: dict[str, Any]) -> None:
        """Keep what the account said of a voice, where nothing is kept of it yet.

        Raises:
            StageError: The disk does not take it.
        """
        path = self.folder / f"{_VOICE_START}{voice}.json"
        if not path.exists():
            self._write(path, json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True).encode())
            self._sync(path)

    def voices(self) -> dict[str, dict[str, Any]]:
        """Return what is kept of every voice, by its id.

        Raises:
            LedgerError: A file is damaged.
        """
        kept = {}
        for path in sorted(self.folder.glob(f"{_VOICE_START}*.json")):
            try:
                kept[path.stem.removeprefix(_VOICE_START)] = _read_voice(path)
            except (OSError, ValueError) as error:
                raise LedgerError(
                    f"{path}: what is kept of this voice is damaged ({error}); restore it from a copy: without it, "
                    "what was bought in this voice may be bought again"
                ) from None
        return kept

    def remove_temporary(self, paths: Iterable[Path]) -> None:
        """Remove files that writes which were killed left behind, as `temporary_files` found them."""
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink()

    def temporary_files(self) -> list[Path]:
        """Return the files that are not whole yet, or that a killed write left."""
        found = [*self.folder.glob(".*.tmp.*"), *self.folder.glob("??/.*.tmp.*")]
        return [path for path in found if path.suffix in (".json", ".wav")]

    def read(self, key: str) -> tuple[Take, bytes] | None:
        """Return a take and its audio file, or none where it is missing or damaged."""
        take = self.read_record(key)
        if take is None:
            return None
        try:
            audio = self._path(key, ".wav").read_bytes()
        except OSError:
            return None
        return (take, audio) if hashlib.sha256(audio).hexdigest() == take.sha256 else None

    def read_record(self, key: str) -> Take | None:
        """Return what is known of a take, be its audio there or not; none where there is no record or it is damaged."""
        path = self._path(key, ".json")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            times = record.pop("times")
            record["texts"] = tuple(record["texts"])
            if times is not None:
                times = CharacterTimes(*(tuple(times[name]) for name in ("characters", "starts_s", "ends_s")))
            take = Take(**record, times=times)
            is_whole = take.key == key and " ".join(take.texts) == take.request["text"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return take if is_whole else None

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records on the disk, in order."""
        yield from sorted(path.stem for path in self.folder.glob("??/*.json") if not path.name.startswith("."))

    def has_record(self, key: str) -> bool:
        """Tell whether there is a record of a take."""
        return self._path(key, ".json").is_file()

    def _path(self, key: str, suffix: str) -> Path:
        return self.folder / key[:2] / f"{key}{suffix}"

    def _write_record(self, take: Take) -> Path:
        record = asdict(take) | {"times": None if take.times is None else asdict(take.times)}
        path = self._path(take.key, ".json")
        self._write(path, json.dumps(record, ensure_ascii=False).encode())
        return path

    def _sync(self, path: Path) -> None:
        try:
            for folder in {path.parent, self.folder}:
                _sync_folder(folder)
        except OSError as error:
            raise explain_write(path.parent, error) from None

    def _write(self, path: Path, data: bytes) -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)


def hash_audio(audio: bytes) -> str:
    """Return the SHA-256 of an audio file."""
    return hashlib.sha256(audio).hexdigest()


def _read_voice(path: Path) -> dict[str, Any]:
    facts = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(facts, dict) or not isinstance(facts.get("settings"), dict):
        raise ValueError("it holds no settings")
    return facts


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
