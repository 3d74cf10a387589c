from collections import Counter

import pytest

from ttsd.config import SplitConfig
from ttsd.data.corpus import Utterance
from ttsd.data.split import split_of

CONFIG = SplitConfig(val_fraction=0.05, test_fraction=0.15)


def make(number, section=None, split=None):
    source = {} if section is None else {"section": section}
    return Utterance(id=f"u{number}", transcript="x", source=source, split=split)


def test_shares_are_met_on_two_thousand_sections():
    counts = Counter(split_of(make(n, f"guide.md#{n}"), CONFIG) for n in range(2000))
    assert counts["test"] / 2000 == pytest.approx(0.15, abs=0.03)
    assert counts["val"] / 2000 == pytest.approx(0.05, abs=0.02)
    assert counts["train"] / 2000 == pytest.approx(0.80, abs=0.03)


def test_a_section_is_never_divided():
    for section in range(100):
        assert len({split_of(make(n, f"s{section}"), CONFIG) for n in range(20)}) == 1


def test_new_data_moves_no_utterance():
    # The place hangs on the section alone: neither on other utterances nor on the utterance's own number.
    assert [split_of(make(n, f"guide.md#{n}"), CONFIG) for n in range(12)] == [
        split_of(make(n + 500, f"guide.md#{n}"), CONFIG) for n in range(12)
    ]


def test_larger_shares_only_take_from_train():
    larger = SplitConfig(val_fraction=0.05, test_fraction=0.3)
    for n in range(500):
        if split_of(make(n, f"s{n}"), CONFIG) == "test":
            assert split_of(make(n, f"s{n}"), larger) == "test"


def test_without_a_section_an_utterance_stands_for_itself():
    assert len({split_of(make(n), CONFIG) for n in range(200)}) == 3


def test_a_split_on_record_is_kept():
    assert all(split_of(make(n, f"s{n}", "val"), CONFIG) == "val" for n in range(50))


def test_no_share_is_no_utterance():
    none = SplitConfig(val_fraction=0, test_fraction=0)
    assert {split_of(make(n, f"s{n}"), none) for n in range(200)} == {"train"}
