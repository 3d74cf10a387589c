import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsd.config import VerbatimConfig
from ttsd.data.corpus import clean_text
from ttsd.data.text import normalize_text
from ttsd.transcripts.markdown import find_guides, parse_guide, read_guide
from ttsd.transcripts.spoken import Transcripts, slug
from ttsd.transcripts.verbatim import write_transcripts

GUIDES = Path(__file__).parents[2] / "examples" / "study_guides"


def write(markdown: str, number: int = 1, name: str = "guide.md", **settings: int | tuple[str, ...]) -> Transcripts:
    return write_transcripts(parse_guide(markdown, name), VerbatimConfig.model_validate(settings), number)


def texts(markdown: str, **settings: int | tuple[str, ...]) -> list[str]:
    return [utterance.transcript for utterance in write(markdown, **settings).utterances]


def reasons(markdown: str, **settings: int | tuple[str, ...]) -> list[str]:
    return [left_out.reason for left_out in write(markdown, **settings).left_out]


def test_every_sentence_becomes_an_utterance_with_its_place() -> None:
    first, second = write(
        "# Cells\n\nCells are small. Most cells divide.", number=7, name="bio/Zell Lehre.md"
    ).utterances
    assert (first.id, second.id) == ("0007_zell-lehre_001", "0007_zell-lehre_002")
    assert (first.transcript, second.transcript) == ("Cells are small.", "Most cells divide.")
    assert first.source == {
        "file": "bio/Zell Lehre.md",
        "heading": "Cells",
        "section": "bio/Zell Lehre.md#cells",
        "span": [9, 44],
        "paragraph": 2,
    }


def test_list_items_become_sentences() -> None:
    assert texts("- the first long item\n- the second long item,\n- is this the third?") == [
        "the first long item.",
        "the second long item.",
        "is this the third?",
    ]


def test_short_sentences_join_their_neighbour_in_the_section() -> None:
    assert texts("Is it sorted already? No. We must sort it.") == ["Is it sorted already? No.", "We must sort it."]
    assert texts("- sun\n- rain\n- clouds\n\nAll of these matter.") == ["sun. rain. clouds.", "All of these matter."]
    assert texts("All of these matter.\n\n- sun") == ["All of these matter. sun."]


def test_a_paragraphs_utterances_follow_one_another_under_its_number() -> None:
    result = write(
        "First of the list.\n\n- sun\n- rain\n\nAll of these matter. So does this one.\n\n# B\n\nThe other one."
    )
    assert [(u.transcript, u.source["paragraph"]) for u in result.utterances] == [
        ("First of the list.", 1),
        ("sun. rain. All of these matter.", 4),
        ("So does this one.", 4),
        ("The other one.", 2),
    ]


def test_short_sentences_never_join_another_section() -> None:
    result = write("# A\n\nYes.\n\n# B\n\nThis is another section.")
    assert [utterance.transcript for utterance in result.utterances] == ["This is another section."]
    assert [(left.reason, left.text) for left in result.left_out if left.reason != "heading"] == [("too_short", "Yes.")]


def test_joining_respects_the_longest_utterance() -> None:
    assert texts("This is twenty chars. No.", max_chars=22, min_chars=8) == ["This is twenty chars."]
    assert reasons("This is twenty chars. No.", max_chars=22, min_chars=8) == ["too_short"]


def test_long_sentences_are_cut_at_clauses() -> None:
    sentence = "The first clause of this sentence is here, and the second clause of it follows right behind."
    assert texts(sentence, max_chars=60) == [
        "The first clause of this sentence is here,",
        "and the second clause of it follows right behind.",
    ]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The sum $\\sum_i x_i$ is large.", "formula"),
        ("Call `x[0] && y` once.", "code"),
        ("See https://example.org for it.", "url"),
        ("A stray \\ sign is here.", "markup"),
        ("The word 光合作用 means it.", "foreign_script"),
        ("Это предложение по-русски.", "foreign_script"),
        ("— … —", "no_words"),
        ("Supercalifragilistic" + "x" * 30 + ".", "too_long"),
        ("This was said before.", "repeated"),
    ],
)
def test_only_the_sentence_that_cannot_be_spoken_is_left_out(sentence: str, reason: str) -> None:
    result = write(f"This was said before. {sentence} This comes after it.", max_chars=40)
    assert [utterance.transcript for utterance in result.utterances] == [
        "This was said before.",
        "This comes after it.",
    ]
    assert [left.reason for left in result.left_out] == [reason]
    assert result.left_out[0].id == "0001_guide_out001"
    assert result.left_out[0].source["file"] == "guide.md"


def test_a_teacher_that_reads_other_scripts_gets_them() -> None:
    assert texts("Это предложение по-русски.", scripts=("CYRILLIC",)) == ["Это предложение по-русски."]


def test_greek_letters_are_left_to_the_normalizer() -> None:
    assert texts("The angle α is small.") == ["The angle α is small."]


def test_ids_are_ascii_and_differ_for_every_name() -> None:
    assert slug("Übung No. 3") == "ubung-no-3"
    assert re.fullmatch(r"[0-9a-f]{8}", slug("光合作用"))
    assert slug("光合作用") != slug("電気回路")
    assert len(slug("x" * 300)) == 40


def test_guides_of_the_same_name_do_not_collide() -> None:
    one, two = write("Some text is here.", 1, "a/guide.md"), write("Some text is here.", 2, "b/guide.md")
    assert {one.utterances[0].id, two.utterances[0].id} == {"0001_guide_001", "0002_guide_001"}
    assert one.utterances[0].source["section"] != two.utterances[0].source["section"]


def test_a_very_long_line_becomes_utterances() -> None:
    result = write(" ".join(f"word{number}" for number in range(30_000)) + "\n\nThis comes after it.")
    assert sum(len(utterance.transcript.split()) for utterance in result.utterances) == 30_000 + 4
    assert max(len(utterance.transcript) for utterance in result.utterances) <= 200


_PIECES = st.sampled_from(
    ["# Head\n\n", "Two words. ", "A longer sentence, with a clause; and more. ", "`x[`", "$x^2$", "\n\n", "- ",
     "| a | b |\n", "é ",
     "光 ", "?! ", "\u2028", "\x07", "1.5 ", "Dr. ", "…", "🍃", "\\", "http://a.b "]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(_PIECES, max_size=25).map("".join), st.text(max_size=80)), st.integers(20, 80))
def test_every_transcript_can_stand_in_a_corpus(text: str, max_chars: int) -> None:
    result = write(text, max_chars=max_chars)
    names = [utterance.id for utterance in result.utterances] + [left.id for left in result.left_out]
    assert len(set(names)) == len(names)
    for utterance in result.utterances:
        assert clean_text(utterance.transcript) == utterance.transcript
        assert re.fullmatch(r"[A-Za-z0-9._-]+", utterance.id)
        assert len(utterance.transcript) <= max_chars
        assert any(character.isalnum() for character in utterance.transcript)


@pytest.fixture(scope="module")
def example_transcripts() -> list[Transcripts]:
    guides = [read_guide(path, GUIDES) for path in find_guides(GUIDES)]
    return [write_transcripts(guide, VerbatimConfig(), number) for number, guide in enumerate(guides, start=1)]


def test_the_examples_are_speakable_without_a_trace_of_markup(example_transcripts: list[Transcripts]) -> None:
    for utterance in (utterance for result in example_transcripts for utterance in result.utterances):
        assert re.fullmatch(r"[A-Za-zé0-9 .,;:?!'\"%-]+", utterance.transcript), utterance
        assert utterance.transcript[-1] in '.?!:;,"', utterance
        assert re.fullmatch(r"[A-Za-zé .,;:?!'\"-]+", normalize_text(utterance.transcript)), utterance


def test_the_examples_give_enough_speech_in_enough_sections(example_transcripts: list[Transcripts]) -> None:
    utterances = [utterance for result in example_transcripts for utterance in result.utterances]
    words = sum(len(utterance.transcript.split()) for utterance in utterances)
    assert len(example_transcripts) >= 7
    assert words > 6500
    assert len({utterance.source["section"] for utterance in utterances}) >= 100


def test_the_examples_show_every_kind_of_block(example_transcripts: list[Transcripts]) -> None:
    reasons = {left.reason for result in example_transcripts for left in result.left_out}
    assert reasons == {"heading", "code", "html", "front_matter", "formula"}
