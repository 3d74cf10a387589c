"""How what was heard differs from what is written, word by word."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttsd.data.wording import is_decisive, is_number
from ttsd.utils.extras import require

Kind = Literal["wrong", "missing", "extra"]


@dataclass(frozen=True)
class Difference:
    """A run of words in which a sentence and what was heard differ."""

    kind: Kind
    """`missing` words were not heard, `extra` ones are not written, `wrong` ones stand for others."""
    start: int
    """First word of the run in the sentence."""
    written: tuple[str, ...]
    heard: tuple[str, ...]
    place: int
    """First word of the run among those heard."""

    @property
    def is_decisive(self) -> bool:
        """Tell whether they say something else for sure, as another number or a negation on one side alone does."""
        numbers = [[word for word in words if is_number(word)] for words in (self.written, self.heard)]
        negated = [
            any(is_decisive(word) and not is_number(word) for word in words) for words in (self.written, self.heard)
        ]
        changed = all(numbers) and numbers[0] != numbers[1]
        # A number that is added or missing makes another one of its neighbour.
        alone = self.kind != "wrong" and all(map(is_number, (*self.written, *self.heard)))
        return changed or alone or negated[0] != negated[1]

    def describe(self) -> str:
        """Say it in words."""
        written, heard = " ".join(self.written), " ".join(self.heard)
        if self.kind == "missing":
            return f"`{written}` was not heard"
        return f"`{heard}` was heard" + (f" for `{written}`" if written else ", and is not written")


def find_differences(written: Sequence[str], heard: Sequence[str]) -> list[Difference]:
    """Return the runs of words in which a sentence and what was heard differ.

    Words that are only divided otherwise (`light year`, `lightyear`) and the `and` inside a number do not count.

    Args:
        written: The words of the sentence, as `split_words` gives them.
        heard: The words that were heard, in the same form.
    """
    levenshtein = require("curate", "rapidfuzz.distance.Levenshtein")
    differences: list[Difference] = []
    runs: list[list[int]] = []
    for code in levenshtein.opcodes(written, heard):
        if code.tag == "equal":
            continue
        if runs and runs[-1][1] == code.src_start and runs[-1][3] == code.dest_start:
            runs[-1][1], runs[-1][3] = code.src_end, code.dest_end
        else:
            runs.append([code.src_start, code.src_end, code.dest_start, code.dest_end])
    for start, end, first, last in runs:
        one, other = tuple(written[start:end]), tuple(heard[first:last])
        if (
            "".join(one) == "".join(other)
            or _is_silent_and(written, start, end, other)
            or _is_silent_and(heard, first, last, one)
        ):
            continue
        kind: Kind = "missing" if not other else "extra" if not one else "wrong"
        differences.append(Difference(kind, start, one, other, first))
    return differences


def _is_silent_and(words: Sequence[str], start: int, end: int, others: Sequence[str]) -> bool:
    """Tell whether a run is the `and` of "one hundred and five", which is said or not."""
    inside = start > 0 and end < len(words) and is_number(words[start - 1]) and is_number(words[end])
    return list(words[start:end]) == ["and"] and not others and inside
