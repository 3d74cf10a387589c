"""The proof that `make prove` gives at full size, at the size of a test."""

from pathlib import Path

from tests.soak import soak

GUIDE = """# Rivers

Water runs downhill. It carries sand to the sea. The sand settles where the water is slow.

A river bends where the bank is soft. The outer bank is worn away.

## Floods

Snow melts in spring. The river rises for days. Meadows take the water and give it back later.

Walls keep a town dry. They also make the water faster.

## Ice

Ice floats on a river. It breaks in spring. The pieces pile up under bridges.

A frozen river is a road. People crossed it with sledges.
"""


def test_killed_at_random_with_every_fault_mixed_in_no_clip_is_lost_and_none_is_paid_twice(tmp_path: Path) -> None:
    guides = tmp_path / "guides"
    guides.mkdir()
    (guides / "rivers.md").write_text(GUIDE)
    tally = soak(6, tmp_path, guides, seed=3, speak=False)
    assert tally.kills >= 6
    assert tally.billed >= 6
