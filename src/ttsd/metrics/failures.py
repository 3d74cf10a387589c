"""How speech goes wrong as a whole: what a mean over sentences hides, counted and listed one by one.

Speech synthesis of this kind repeats itself, stops early, passes over words, or says what nobody wrote. So does the
recogniser that hears it, now and then: listen before you blame the voice.
"""

from collections.abc import Sequence

from ttsd.metrics.intelligibility import Difference

FAILURES = {
    "empty": "no word was heard",
    "early_stop": "the last words were not heard",
    "late_start": "the first words were not heard",
    "skip": "words in the middle were not heard",
    "loop": "words were heard again and again",
    "hallucination": "far more was heard than written",
}
"""Every failure by its name, for a person to read."""
EDGE_WORDS = 2
"""Words missing at an end of the sentence that make a failure; one may be the recogniser's slip."""
SKIPPED_WORDS = 3
REPETITIONS = 3
"""So often in a row, where it is written less often."""
LONGEST_LOOP_WORDS = 8
EXCESS, EXCESS_WORDS = 1.5, 3
"""Heard words against written ones, and how many more at least."""


def find_failures(differences: Sequence[Difference]) -> list[str]:
    """Return the names of a clip's failures, in the order of `FAILURES`.

    Args:
        differences: Alignment of the text and what was heard, after normalisation.
    """
    wanted = [word for part in differences for word in part.reference.split()]
    heard = [word for part in differences for word in part.hypothesis.split()]
    if not heard:
        return ["empty"]
    missing = [len(part.reference.split()) if part.operation == "delete" else 0 for part in differences]
    found = {
        "early_stop": missing[-1] >= EDGE_WORDS,
        "late_start": missing[0] >= EDGE_WORDS,
        "skip": max(missing[1:-1], default=0) >= SKIPPED_WORDS,
        "loop": _is_loop(wanted, heard),
        "hallucination": len(heard) >= max(EXCESS * len(wanted), len(wanted) + EXCESS_WORDS),
    }
    return [name for name in FAILURES if found.get(name)]


def _is_loop(wanted: Sequence[str], heard: Sequence[str]) -> bool:
    for size in range(1, LONGEST_LOOP_WORDS + 1):
        for start in range(len(heard) - REPETITIONS * size + 1):
            unit = heard[start : start + size]
            n_heard = _count_in_a_row(unit, heard[start:])
            if n_heard >= REPETITIONS:
                n_wanted = max((_count_in_a_row(unit, wanted[at:]) for at in range(len(wanted))), default=0)
                if n_heard > n_wanted:
                    return True
    return False


def _count_in_a_row(unit: Sequence[str], words: Sequence[str]) -> int:
    count, size = 0, len(unit)
    while list(words[count * size : (count + 1) * size]) == list(unit):
        count += 1
    return count
