"""A blind listening test as files: what listeners see, the key that they must not, and what they answer.

<test>/public/index.html   the page, with the test inside; this folder can be put on any static host
<test>/public/clips/       the clips, under names that give nothing away
<test>/key.json            which system each clip is of, and the rules of the analysis, fixed before any answer
<test>/answers.jsonl       one answer a line, as the server took them
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ttsd.errors import CorpusError

PUBLIC_NAME = "public"
PAGE_NAME = "index.html"
CLIPS_NAME = "clips"
KEY_NAME = "key.json"
ANSWERS_NAME = "answers.jsonl"
MAX_ANSWER_BYTES = 4096

Kind = Literal["compare", "speaker", "quality"]
"""`compare`: is B better than A, -3 to 3. `speaker`: is it the speaker of A, and `quality`: is it natural, 1 to 5."""
RANGES: dict[str, tuple[int, int]] = {"compare": (-3, 3), "speaker": (1, 5), "quality": (1, 5)}
Name = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
"""What listeners see of a clip, a trial, a test or themselves: letters that mean nothing."""
_Count = Annotated[int, Field(ge=0, le=10_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trial(_Strict):
    """One question."""

    id: Name
    kind: Kind
    clips: tuple[Name, ...]
    """One clip, or two: of `speaker` the teacher's first; those of `compare` change sides by listener."""


class Test(_Strict):
    """What the page knows."""

    id: Name
    title: str
    trials: tuple[Trial, ...]

    __test__ = False  # pytest would take it for one of its own.


class Sample(_Strict):
    """What a clip is."""

    system: str
    """`teacher`, a student, `start`, or `degraded`: the teacher's clip, made worse."""
    utterance: str


class Key(_Strict):
    """What listeners must not know, and how answers will be judged."""

    test: Test
    samples: dict[Name, Sample]
    students: tuple[str, ...]
    margin: float
    """Differences on the scale of -3 to 3 up to this do not matter."""
    max_failed_checks: int
    """Who fails more checks is left out: a clip preferred to itself by two points, or a degraded one not liked less."""


class Answer(_Strict):
    """One answer of one listener."""

    test: Name
    listener: Name
    trial: Name
    clips: tuple[Name, ...] = Field(max_length=2)
    """In the order they were shown: A, then B."""
    rating: int = Field(ge=-3, le=5)
    """As shown: above 0 for B in `compare`."""
    plays: tuple[_Count, ...] = Field(max_length=2)
    """How often each clip was played."""
    dwell_ms: int = Field(ge=0, le=86_400_000)
    """From the question to the answer."""
    number: _Count
    """Place of the question among the listener's."""
    answered: str = Field(max_length=40, pattern=r"^[0-9T:.Z+-]+$")
    """When, by the listener's clock."""


def check_answer(data: Any, key: Key) -> Answer:
    """Return an answer that belongs to a test.

    Args:
        data: What was sent, read from JSON.
        key: Of the test.

    Raises:
        ValueError: It is malformed, of another test, or out of the question's range.
    """
    try:
        # By way of JSON, where a list is a tuple, and nothing else passes for what it is not.
        answer = Answer.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise ValueError(f"malformed: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    trials = {trial.id: trial for trial in key.test.trials}
    trial = trials.get(answer.trial)
    if answer.test != key.test.id or trial is None:
        raise ValueError("of another test")
    low, high = RANGES[trial.kind]
    if not low <= answer.rating <= high:
        raise ValueError(f"rating {answer.rating}: a question of kind {trial.kind} goes from {low} to {high}")
    if sorted(answer.clips) != sorted(trial.clips) or len(answer.plays) != len(trial.clips):
        raise ValueError("other clips than the question's")
    if min(answer.plays) < 1:
        raise ValueError("plays: a clip was not heard")
    return answer


def read_key(folder: Path) -> Key:
    """Return the key of a test.

    Raises:
        CorpusError: The folder holds no test.
    """
    path = folder / KEY_NAME
    try:
        return Key.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CorpusError(f"{path}: no listening test; make one with ttsd listen build") from None


def read_answers(paths: Iterable[Path], key: Key) -> list[Answer]:
    """Return the answers in some files, the last one of each listener and question; those sent twice count once.

    Args:
        paths: `answers.jsonl`, or files that listeners downloaded and sent.
        key: Of the test.

    Raises:
        CorpusError: A file cannot be read, or an answer does not belong to the test.
    """
    last = {(answer.listener, answer.trial): answer for answer in list_answers(paths, key)}
    return list(last.values())


def list_answers(paths: Iterable[Path], key: Key) -> list[Answer]:
    """Return every answer in some files, those that were sent twice twice; errors are those of `read_answers`."""
    answers = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            rows = json.loads(text) if text.lstrip().startswith("[") else list(_read_lines(text))
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path}: cannot be read as answers ({error}); take the file as it was saved") from None
        for number, row in enumerate(rows, 1):
            try:
                answers.append(check_answer(row, key))
            except ValueError as error:
                raise CorpusError(f"{path}:{number}: {error}; delete it, or name the test it belongs to") from None
    return answers


def _read_lines(text: str) -> Iterable[Any]:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        # The last line may be half written, where the machine stopped.
        if line.strip() and not (number == len(lines) - 1 and not _is_json(line)):
            try:
                yield json.loads(line)
            except ValueError:
                raise ValueError(f"line {number + 1} is broken off; delete it") from None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
