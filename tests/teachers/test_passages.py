import pytest

from ttsd.config import load_config
from ttsd.data.corpus import Utterance
from ttsd.teachers.passages import BoughtVoice, find_sentence_keys, plan_passages, sentence_key, take_key

VOICE = BoughtVoice({"voice_id": "joe", "model_id": "m", "voice_settings": {"speed": 1.0}}, 40)


def say(*texts, paragraph=1, section="a.md#x", file="a.md", start=0):
    source = {"file": file, "section": section, "paragraph": paragraph}
    return [Utterance(id=f"{section}{paragraph}{start + n}", transcript=t, source=source) for n, t in enumerate(texts)]


def plan(utterances, spoken=(), max_chars=1000, voice=VOICE):
    return [passage.texts for passage in passages_of(utterances, voice, spoken, max_chars)]


def passages_of(utterances, voice, spoken, max_chars):
    return plan_passages(utterances, find_sentence_keys(utterances, voice), voice, spoken, max_chars)


def test_a_passage_ends_with_its_paragraph_and_its_section():
    told = say("One.", "Two.") + say("Three.", paragraph=2) + say("Four.", paragraph=2, section="a.md#y")
    assert plan(told) == [("One.", "Two."), ("Three.",), ("Four.",)]


def test_a_passage_ends_where_a_sentence_was_cut_at_a_clause():
    assert plan(say("It is long,", "and goes on.", 'He said "no."', "Then: so", "it was.")) == [
        ("It is long,",),
        ("and goes on.", 'He said "no."', "Then: so"),
        ("it was.",),
    ]


def test_a_passage_is_no_longer_than_a_request_may_be_but_a_sentence_is_never_cut():
    assert plan(say("12345678.", "12345679.", "1234567890123456789012."), max_chars=19) == [
        ("12345678.", "12345679."),
        ("1234567890123456789012.",),
    ]


def test_what_is_spoken_already_is_left_out():
    key = sentence_key(VOICE.settings, "Two.")
    assert plan(say("One.", "Two.", "Three."), spoken={key}) == [("One.",), ("Three.",)]


def test_the_same_sentence_is_bought_once_in_whatever_guide_it_stands():
    told = say("One.", "Same.") + say("Same.", "Two.", file="b.md", section="b.md#x")
    assert plan(told) == [("One.", "Same."), ("Two.",)]


def test_the_text_around_goes_along_in_whole_words_and_not_beyond_the_section():
    told = say("A first sentence that is much too long to go along whole.", "Here.", paragraph=1)
    told += say("Middle.", paragraph=2) + say("The next one is also longer than what goes along.", paragraph=3)
    told += say("Another section.", section="a.md#y")
    requests = {passage.texts[0]: passage.request for passage in passages_of(told, VOICE, (), 60)}
    assert requests["Middle."]["previous_text"] == "is much too long to go along whole. Here."[-40:].partition(" ")[2]
    assert requests["Middle."]["next_text"] == "The next one is also longer than what"
    assert "previous_text" not in requests["Another section."]
    assert len(requests["Middle."]["next_text"]) <= 40


def test_ids_files_and_order_are_no_part_of_a_key():
    (first,) = passages_of(say("One.", "Two."), VOICE, (), 100)
    (second,) = passages_of(say("One.", "Two.", file="z.md", section="z.md#q", start=7), VOICE, (), 100)
    assert first.key == second.key


@pytest.mark.parametrize(
    "change", [{"voice_id": "anna"}, {"model_id": "n"}, {"seed": 1}, {"voice_settings": {"speed": 1.1}}]
)
def test_whatever_shapes_the_audio_is_part_of_both_keys(change):
    request = VOICE.request("One.")
    assert take_key(request) != take_key(request | change)
    assert sentence_key(request, "One.") != sentence_key(request | change, "One.")


def test_the_text_around_is_part_of_the_takes_key_and_not_of_the_sentences():
    alone, among = VOICE.request("One."), VOICE.request("One.", "Before.", "After.")
    assert take_key(alone) != take_key(among)
    assert sentence_key(alone, "One.") == sentence_key(among, "One.")


@pytest.mark.parametrize(
    ("model", "context", "chars"),
    [("eleven_multilingual_v2", "auto", 300), ("eleven_v3", "auto", 0), ("eleven_v3", "on", 300), ("x", "off", 0)],
)
def test_a_model_that_takes_no_context_is_sent_none(model, context, chars):
    settings = [f"generate.elevenlabs.model={model}", f"generate.elevenlabs.context={context}"]
    config = load_config(None, ["generate.elevenlabs.voice=joe", *settings]).generate.elevenlabs
    assert BoughtVoice.from_config(config, {}).context_chars == chars
