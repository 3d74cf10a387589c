"""A person overrules the checks by a small text file."""

import pytest

from ttsd.data.decisions import read_decisions
from ttsd.errors import CorpusError

KNOWN = {"a_1", "a_2", "a_3"}


def test_lines_keep_and_drop_with_reasons_behind_them(tmp_path):
    path = tmp_path / "decisions.txt"
    path.write_text("# my ears\r\nkeep a_1  # it is a joke\n\n  drop a_2\nkeep a_1\n")
    assert read_decisions(path, KNOWN) == {"a_1": "keep", "a_2": "drop"}
    assert read_decisions(tmp_path / "none.txt", KNOWN) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kep a_1", r"decisions\.txt:2: `kep a_1` is no decision; write"),
        ("keep", r":2: `keep` is no decision"),
        ("keep a_1 a_2", r":2: .* is no decision"),
        ("keep a_9", r":2: the corpus has no utterance a_9; mend the id or delete the line"),
        ("keep a_2", r":2: a_2 is to be kept and to be dropped; delete one"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line, said):
    path = tmp_path / "decisions.txt"
    path.write_text(f"drop a_2\n{line}\n")
    with pytest.raises(CorpusError, match=said):
        read_decisions(path, KNOWN)


def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "decisions.txt").write_bytes(b"\xff\xfe\x00k")
    with pytest.raises(CorpusError, match="UTF-8"):
        read_decisions(tmp_path / "decisions.txt", KNOWN)
