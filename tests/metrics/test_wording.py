"""Words not heard, and words that nobody wrote."""

import pytest

from ttsd.metrics.wording import compare_words

TEXT = "The cell keeps its inside apart from the world."


@pytest.mark.parametrize(
    ("heard", "missing", "extra"),
    [
        ("the cell keeps its inside apart from the world", 0, 0),
        ("keeps its inside apart from the world", 2, 0),
        ("The cell keeps its inside apart from", 2, 0),
        ("The cell keeps apart from the world.", 2, 0),
        ("The cell keeps its inside apart from the world. Thank you very much.", 0, 4),
        ("Well then the cell keeps its inside apart from the world.", 0, 2),
        # A name that is misheard as more words is neither.
        ("The sell keeps its in side apart from the world.", 0, 0),
        ("The cell keeps its inside, its inside apart from the world.", 0, 2),
    ],
)
def test_runs_between_words_that_were_heard_are_counted(heard, missing, extra):
    wording = compare_words(TEXT, heard, "en")
    assert (wording.missing_words, wording.extra_words) == (missing, extra)


def test_nothing_heard_misses_everything():
    wording = compare_words(TEXT, "", "en")
    assert wording.cer == 1
    assert wording.missing_words == 9


def test_a_text_of_which_nothing_is_left_has_no_wording():
    assert compare_words("(laughing)", "ha", "en") is None
