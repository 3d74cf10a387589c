"""Speech that goes wrong as a whole is told by its kind, and ordinary mistakes are not."""

import pytest

from ttsd.metrics.failures import FAILURES, find_failures
from ttsd.metrics.intelligibility import align_words

LOST = ["loop", "hallucination"]
SAID = "the green plants turn the light of the sun into sugar"


@pytest.mark.parametrize(
    ("heard", "kinds"),
    [
        (SAID, []),
        ("the green planets turn the light of a sun into sugar", []),
        ("the green plants turn the light of the sun into", []),
        ("", ["empty"]),
        ("the green plants turn the light of the", ["early_stop"]),
        ("plants turn the light of the sun into sugar", ["late_start"]),
        ("the green plants turn the sun into sugar", ["skip"]),
        ("the green plants turn the light of the sun the sun the sun into sugar", ["loop"]),
        (f"{SAID} and then we went home to see what was for dinner", ["hallucination"]),
        ("the green green green green green green green green plants turn the light of the sun into sugar", LOST),
    ],
)  # fmt: skip
def test_kinds(heard, kinds):
    assert find_failures(align_words(SAID, heard)) == kinds
    assert set(kinds) <= set(FAILURES)


def test_what_is_written_again_and_again_may_be_heard_so():
    said = "no no no no never"
    assert find_failures(align_words(said, said)) == []
