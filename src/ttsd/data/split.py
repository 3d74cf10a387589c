"""Splits by the hash of an utterance's source section: neighbours never leak, and new data moves nothing."""

from collections.abc import Sequence
from typing import Literal

from ttsd.config import SplitConfig
from ttsd.data.corpus import Split, Utterance
from ttsd.utils.seeds import derive_seed


def split_of(utterance: Utterance, config: SplitConfig) -> Split:
    """Return the split of an utterance: the one recorded, or the one its section's hash falls into.

    Args:
        utterance: Its `source["section"]` names the section; without one it stands for itself.
        config: Shares of the sections held out.
    """
    if utterance.split is not None:
        return utterance.split
    section = str(utterance.source.get("section", utterance.id))
    place = derive_seed(0, "split", section) / 2**63
    if place < config.test_fraction:
        return "test"
    return "val" if place < config.test_fraction + config.val_fraction else "train"


def select_split(
    utterances: Sequence[Utterance], wanted: Split | Literal["all"], config: SplitConfig
) -> list[Utterance]:
    """Return the utterances of one split, or all of them, in their order."""
    return [utterance for utterance in utterances if wanted in ("all", split_of(utterance, config))]
