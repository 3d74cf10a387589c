"""From a folder of study guides to its utterances, whoever writes them: the one entry to this package."""

import bisect
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import Rejection, Utterance
from ttsd.errors import TranscriptError
from ttsd.report import Progress, no_progress
from ttsd.transcripts.answers import Failure, Usage
from ttsd.transcripts.asking import ToWrite, write_sections
from ttsd.transcripts.prompt import PROMPT_VERSION, estimate_tokens
from ttsd.transcripts.reading import GuideText, SectionState, Task, read_guide_text
from ttsd.transcripts.written import WrittenStore
from ttsd.utils.parallel import count_workers, map_processes

_FEW_GUIDES = 100
_UTTERANCES_PER_GUIDE = 20


@dataclass(frozen=True)
class Written:
    """What is to be spoken of a folder of study guides."""

    utterances: list[Utterance]
    """With their normalized transcript where the settings ask for it."""
    rejections: list[Rejection]
    n_guides: int
    """Guides that were read."""
    details: dict[str, Any]
    """Who wrote, and what it took; for the report."""


def write_all(
    paths: list[Path], root: Path, config: Config, progress: Progress = no_progress, *, offline: bool = False
) -> Written:
    """Write the transcripts of study guides, word for word or by Gemini; what Gemini wrote before is never asked again.

    Args:
        paths: The guides, in order.
        root: Their folder.
        config: Reads `language`, `n_workers`, `paths.transcripts`, `preprocess.normalize_text` and `generate`.
        progress: Told how many guides (word for word) or sections (by Gemini) are done.
        offline: Ask nobody; sections that Gemini has not written are estimated from the guide's own words.

    Raises:
        TranscriptError: A file that Gemini wrote is damaged, or what it writes cannot be kept.
        ConfigError: Sections are to be written and there is no key.
        ProviderError: Gemini takes no request of this account.
    """
    run = _Run(paths, root, config, progress, offline)
    while todo := run.read():
        run.write(todo)
    return run.collect()


class _Run:
    """The guides as far as they are read, and the sections that could not be written."""

    def __init__(self, paths: list[Path], root: Path, config: Config, progress: Progress, offline: bool) -> None:
        self._paths = paths
        self._root = root
        self._config = config
        self._progress = progress
        self._offline = offline
        self._limit = config.generate.max_utterances
        by_gemini = config.generate.transcripts == "gemini"
        self._store = WrittenStore(config.paths.transcripts) if by_gemini else None
        self._texts: dict[int, GuideText] = {}
        self._failures: dict[str, Failure] = {}
        self._asked: set[str] = set()
        self._n_asked = 0

    def read(self) -> list[ToWrite]:
        """Read guides until the limit, and return the sections to write before they can be read on."""
        n_expected = 0
        for number in range(1, len(self._paths) + 1):
            if self._is_enough(n_expected):
                break
            if number not in self._texts:
                self._read_from(number, n_expected)
            n_expected += _most(self._texts[number])
        return [] if self._offline else self._missing()

    def write(self, todo: Sequence[ToWrite]) -> None:
        """Have sections written; the guides they are in will be read again."""
        if self._store is None:
            raise RuntimeError("a section is to be written only where Gemini writes")
        _check_folder(self._config.paths.transcripts)
        before, total = self._n_asked, self._n_asked + len(todo)
        self._progress(before, total, "transcripts")
        self._failures |= write_sections(
            todo,
            self._store,
            self._config.generate.gemini,
            lambda done: self._progress(before + done, total, "transcripts"),
        )
        self._n_asked = total
        self._asked |= {section.origin.key for section in todo}
        self._texts = {
            number: text
            for number, text in self._texts.items()
            if not any(state and state.to_write and state.key in self._asked for state in text.states)
        }

    def collect(self) -> Written:
        """Put the guides together, up to the limit."""
        utterances: list[Utterance] = []
        rejections: list[Rejection] = []
        states: list[SectionState] = []
        n_guides = 0
        for _, text in sorted(self._texts.items()):
            if self._is_enough(len(utterances)):
                break
            if text.problem is not None:
                rejections.append(text.problem)
                continue
            n_guides += 1
            made = text.transcripts
            n_sections = len(made.ends)
            if self._limit is not None:
                # What lies behind the section of the last utterance was not asked for, nor is it left out.
                n_sections = bisect.bisect_left(made.ends, (self._limit - len(utterances), 0)) + 1
                made = replace(made, left_out=made.left_out[: made.ends[:n_sections][-1][1]] if made.ends else ())
            utterances += made.utterances
            rejections += [Rejection(piece.id, piece.reason, piece.text) for piece in made.left_out]
            states += filter(None, text.states[:n_sections])
        return Written(utterances[: self._limit], rejections, n_guides, self._details(states))

    def _is_enough(self, n_utterances: int) -> bool:
        return self._limit is not None and n_utterances >= self._limit

    def _read_from(self, number: int, n_expected: int) -> None:
        """Read the guides from a number on that are not read yet: as many as the limit may need."""
        numbers = [n for n in range(number, len(self._paths) + 1) if n not in self._texts]
        if self._limit is not None:
            numbers = numbers[: 1 + (self._limit - n_expected) // _UTTERANCES_PER_GUIDE]
        task = Task(self._root, self._config, self._store, self._failures, self._offline)
        note = "transcripts" if self._store is None else "guides"
        n_before, n_total = len(self._texts), len(self._texts) + len(numbers)

        def keep(_: str, result: tuple[int, GuideText]) -> None:
            self._texts[result[0]] = result[1]
            self._progress(len(self._texts), n_total, note)

        self._progress(n_before, n_total, note)
        n_workers = min(count_workers(self._config.n_workers), len(numbers))
        if len(numbers) < _FEW_GUIDES or n_workers == 1:
            for n in numbers:
                keep("", (n, read_guide_text(self._paths[n - 1], n, task)))
        else:
            map_processes(
                _read_in_worker, [("", (n, self._paths[n - 1])) for n in numbers], n_workers, keep, _start, (task,)
            )

    def _missing(self) -> list[ToWrite]:
        """Return the sections to ask for, leaving out those that may lie beyond the limit."""
        found: dict[str, ToWrite] = {}
        n_expected = 0
        for _, text in sorted(self._texts.items()):
            n_known = len(text.transcripts.ends)
            n_expected += len(text.transcripts.utterances)
            for state in text.states[n_known:]:
                if self._is_enough(n_expected):
                    return list(found.values())
                n_expected += state.max_utterances if state else 0
                if state and state.to_write:
                    found.setdefault(state.key, state.to_write)
        return list(found.values())

    def _details(self, states: Sequence[SectionState]) -> dict[str, Any]:
        if self._store is None:
            return {"writer": "verbatim"}
        by_key = {state.key: state for state in states}
        tokens = sum((state.usage for state in by_key.values()), Usage())
        details: dict[str, Any] = {
            "writer": "gemini",
            "model": self._config.generate.gemini.model,
            "prompt": PROMPT_VERSION,
            "sections": len(states),
            "from_cache": sum(not state.to_write and state.key not in self._asked for state in states),
            "edited": sum(state.edited for state in states),
            "failed": sum(state.failed for state in states),
            "tokens": {"input": tokens.input, "output": tokens.output},
        }
        if self._offline:
            todo = [state.to_write for state in by_key.values() if state.to_write]
            details["sections_to_write"] = len(todo)
            details["to_write"] = Counter(state.to_write.guide for state in states if state.to_write)
            details["estimated_tokens"] = sum(
                estimate_tokens(section.trail, part) for section in todo for part in section.parts
            )
        return details


def _check_folder(folder: Path) -> None:
    # Before anything is asked: what cannot be kept would be paid for again.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise TranscriptError(
            f"{folder}: transcripts cannot be kept there ({error.strerror}); set paths.transcripts to a folder that "
            "can be written"
        ) from None


def _most(text: GuideText) -> int:
    """Return how many utterances a guide has, at most where sections of it are still to be written."""
    unknown: Iterable[SectionState | None] = text.states[len(text.transcripts.ends) :]
    return len(text.transcripts.utterances) + sum(state.max_utterances for state in unknown if state)


_task: Task | None = None


def _start(task: Task) -> None:
    global _task
    _task = task


def _read_in_worker(item: tuple[int, Path]) -> tuple[int, GuideText]:
    if _task is None:
        raise RuntimeError("_start runs before _read_in_worker in every worker")
    number, path = item
    return number, read_guide_text(path, number, _task)
