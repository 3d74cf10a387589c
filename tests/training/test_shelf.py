"""Which checkpoint is kept, and when a training ends."""

import pytest

from ttsd.training.shelf import describe, is_over, rank
from ttsd.training.validator import choose_sentences


def entry(step: int, score: float) -> dict[str, float]:
    return {"step": step, "score": score, "loss_mel": 100 - score}


def test_the_best_checkpoint_is_told_by_the_score_and_not_by_losses() -> None:
    assert rank([entry(10, 30), entry(20, 20), entry(30, 25)]) == [20, 30, 10]
    losses = [{"step": 10, "loss_mel": 3.0, "loss_kl": 2.0}, {"step": 20, "loss_mel": 1.0, "loss_kl": 1.0}]
    assert rank(losses) == [20, 10]


def test_patience_is_never_over_where_nothing_is_held_out() -> None:
    assert not is_over([{"step": step, "duration_scale": 1.0} for step in range(9)], 2)


def test_a_line_of_progress_tells_the_latest_validation_and_the_best() -> None:
    assert describe([]) == describe([{"step": 5, "duration_scale": 1.0}]) == ""
    assert describe([entry(100, 21.34)]) == "score 21.3 at 100, the best so far"
    late = entry(200, 25) | {"cer": 0.0456}
    assert describe([entry(100, 21.34), late]) == "score 25.0 at 200 (CER 4.6 %); the best is 100"


def test_of_equals_the_later_one_is_the_best() -> None:
    assert rank([entry(10, 20), entry(20, 20)]) == [20, 10]


@pytest.mark.parametrize(
    ("scores", "patience", "over"),
    [
        ([5, 4, 3], 2, False),
        ([5, 6, 7], 2, True),
        ([5, 5, 5], 2, True),
        ([5, 6, 4.9], 2, False),
        ([5, 6], 2, False),
        ([5, 6, 7, 8], None, False),
        ([5, 6], 1, True),
        ([], 1, False),
    ],
)
def test_patience_is_over_when_nothing_got_better(scores: list[float], patience: int | None, over: bool) -> None:
    history = [entry(step, score) for step, score in enumerate(scores)]
    assert is_over(history, patience) == over


def test_the_sentences_are_spread_over_all_and_always_the_same() -> None:
    assert choose_sentences(10, 4) == [0, 2, 5, 7]
    assert choose_sentences(3, 16) == [0, 1, 2]
    assert choose_sentences(0, 16) == []
    assert choose_sentences(5, 0) == []
