import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsd.data.sentences import cut_clauses, split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["One ends.", "Two begins."],
        ["Is it?", "It is!", "Good."],
        ["Dr. Hall met Mr. Low.", "They spoke."],
        ["Take fruit, e.g. figs.", "Or i.e. the best."],
        ["See Fig. 3 for it.", "Then go."],
        ["He ate a fig. Then he slept."[:13], "Then he slept."],
        ["It costs 3.14 today.", "It cost 2.5 before."],
        ["J. S. Bach wrote it.", "So did C. P. E. Bach."],
        ["Alf M. Landon lost.", "He knew."],
        ["It is rich in vitamin C.", "It heals."],
        ["So did I.", "We left."],
        ['"Is it a revolt?" asked the king.', '"No."'],
        ['He said "Stop."', "They stopped."],
        ["(It was late.)", "We slept."],
        ["Wait... what happened?", "Nothing."],
        ["And then…", "Nothing happened."],
        ["Apples, pears, etc. are fruit.", "Eat apples, etc.", "Then go."],
        ["We met at 5 p.m. on Monday.", "He left at 6 p.m.", "She stayed."],
        ["No. 5 is here.", "He said no.", "Then he left."],
        ["Version 1.1.2 is out.", "Use it."],
        ["Really?!", "Yes."],
        ["The U.S. army came.", "It won."],
        ["In Jan. 1920 it snowed.", "In May it rained."],
        ["No end mark here"],
        ["光合作用。", "是的！"],
        ["هل هذا صحيح؟", "نعم."],
        ["2 is even.", "3 is odd."],
    ],
)
def test_text_is_split_at_the_ends_of_sentences_only(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


@given(st.text(alphabet="ab AB.!?,;\"'()…1 。", max_size=60))
def test_splitting_loses_no_character(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("sentence", "pieces"),
    [
        ("Short enough.", ["Short enough."]),
        (
            "The first clause is here; the second one follows it, and the third one ends it all.",
            ["The first clause is here;", "the second one follows it,", "and the third one ends it all."],
        ),
        ("one two three four five six seven eight nine ten", ["one two three four five six", "seven eight nine ten"]),
        ("x" * 50, ["x" * 50]),
        (f"go {'x' * 50} on", ["go", "x" * 50, "on"]),
    ],
)
def test_long_sentences_are_cut_at_clauses(sentence: str, pieces: list[str]) -> None:
    assert list(cut_clauses(sentence, 30)) == pieces


@given(st.lists(st.sampled_from(["a", "and", "because,", "word;", "longer", "– x"]), max_size=60), st.integers(20, 60))
def test_pieces_keep_every_word_and_the_limit(words: list[str], max_chars: int) -> None:
    pieces = list(cut_clauses(" ".join(words), max_chars))
    assert " ".join(pieces).split() == " ".join(words).split()
    assert all(len(piece) <= max_chars for piece in pieces)
