"""Formulas over figures: what they say, and what they refuse."""

import pytest

from ttsd.errors import FigureError, UsageError
from ttsd.metrics.formula import Formula

FIGURES = {"wer.delta": 0.03, "wer.delta.lo": 0.01, "n": 120.0, "mcd_db.ratio": None, "zero": 0.0}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("wer.delta > 0.02", True),
        ("wer.delta > 2%", True),
        ("wer.delta.lo > 0.02", False),
        ("wer.delta.lo > 0.02 or n >= 100", True),
        ("wer.delta.lo > 0.02 and n >= 100", False),
        ("not wer.delta.lo > 0.02", True),
        ("0.02 < wer.delta <= 0.03", True),
        ("wer.delta - 2 * wer.delta.lo < 0.011", True),
        ("-wer.delta < 0", True),
        ("(wer.delta + wer.delta.lo) / 2 != 0.02", False),
    ],
)
def test_conditions(text, holds):
    assert Formula(text, is_condition=True).holds(FIGURES) is holds


def test_numbers():
    assert Formula("100 * wer.delta + n / 60", is_condition=False).compute(FIGURES) == pytest.approx(5)


@pytest.mark.parametrize(
    "text", ["", "wer.delta >", "wer.delta", "1 > 2 > ", "'a' > 1", "wer.delta > True", "a if b else c"]
)
def test_what_is_no_condition_is_refused_before_any_work(text):
    with pytest.raises(UsageError):
        Formula(text, is_condition=True)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('true') > 0", "n.__class__() > 1", "(lambda: 1)() > 0", "n[0] > 1", "n ** n > 1",
     "n in n", "(n > 1) + 1 > 0", "n and n > 1", "not n", "[n] > 1"],
)  # fmt: skip
def test_nothing_but_arithmetic_is_read(text):
    with pytest.raises(UsageError):
        Formula(text, is_condition=True)


def test_a_comparison_is_no_number():
    with pytest.raises(UsageError, match="number"):
        Formula("n > 1", is_condition=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wer.detla > 1", "is 'wer.delta' meant"),
        ("n > 1 or nothing > 1", "no figure 'nothing'"),
        ("mcd_db.ratio < 2", "could not be measured"),
        ("n / zero > 1", "'zero' is 0"),
    ],
)
def test_what_is_not_known_is_neither_met_nor_missed(text, told):
    with pytest.raises(FigureError, match=told) as caught:
        Formula(text, is_condition=True).holds(FIGURES)
    assert caught.value.exit_code == 2
