"""`utils.seeds`: a seed follows from what is done."""

from ttsd.utils.seeds import derive_seed


def test_seeds_are_the_same_in_every_run_and_process() -> None:
    assert derive_seed(0, "speak", "0001") == 993997999410468802


def test_every_part_counts() -> None:
    seeds = {derive_seed(0, "a", "b"), derive_seed(1, "a", "b"), derive_seed(0, "ab"), derive_seed(0, "a", "c")}
    assert len(seeds) == 4


def test_seeds_fit_every_generator() -> None:
    assert all(0 <= derive_seed(0, number) < 2**63 for number in range(1000))
