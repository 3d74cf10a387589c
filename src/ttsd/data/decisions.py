"""Where a person overrules `qc`: a small text file that no stage writes or removes."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal, cast

from ttsd.errors import CorpusError

Decision = Literal["keep", "drop"]


def read_decisions(path: Path, known: Collection[str]) -> dict[str, Decision]:
    """Read a person's decisions: a line `keep ID` or `drop ID` for each clip, with comments behind `#`.

    Args:
        path: The file; where there is none, nothing is overruled.
        known: Ids of the corpus.

    Returns:
        The decision on each id.

    Raises:
        CorpusError: A line is malformed, names an id that the corpus does not have, or contradicts another one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read ({error}); make it a text file in UTF-8") from None
    decisions: dict[str, Decision] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"{path}:{number}"
        if len(words) != 2 or words[0] not in ("keep", "drop"):
            raise CorpusError(f"{where}: `{line.strip()}` is no decision; write `keep ID` or `drop ID`, then # and why")
        decision, name = cast(Decision, words[0]), words[1]
        if name not in known:
            raise CorpusError(f"{where}: the corpus has no utterance {name}; mend the id or delete the line")
        if decisions.setdefault(name, decision) != decision:
            raise CorpusError(f"{where}: {name} is to be kept and to be dropped; delete one of the two lines")
    return decisions
