"""Kinds of sentences, by rules."""

import pytest

from ttsd.metrics.categories import CATEGORIES, find_categories


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Water runs down the hill.", ()),
        ("It takes 42 days.", ("numbers",)),
        ("It takes forty-two days.", ("numbers",)),
        ("We asked Marie about it.", ("names",)),
        ("The ship left Santa Cruz in May.", ("names",)),
        ("I think that I know what NASA does.", ()),
        ("It rained. Then the sun came out.", ()),
        ("He said: \u201cWait for the bus.\u201d", ()),
        ("Does it rain?", ("questions", "short")),
        ("\u201cWill you come along to the river?\u201d", ("questions",)),
        ("Three o'clock.", ("numbers", "short")),
        (" ".join(["word"] * 25), ("long",)),
        ("", ()),
    ],
)
def test_categories(text, kinds):
    assert find_categories(text) == kinds
    assert set(kinds) <= set(CATEGORIES)
