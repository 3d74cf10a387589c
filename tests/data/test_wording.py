"""Words as they are compared."""

import pytest

from ttsd.data.differences import find_differences
from ttsd.data.wording import TimedWord, join_surfaces, normalize_heard, sound_distance, split_words, write_words


def heard(text):
    return normalize_heard([TimedWord(word, float(i), i + 1.0) for i, word in enumerate(text.split())], "en")


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It cost 1,024 euros.", "it cost one thousand and twenty four euros"),
        ("In 1969, 14% of them left.", "In nineteen sixty-nine fourteen percent of them left!"),
        ("Don't stop at the café.", "dont stop at the cafe"),
        ("Dr. Smith's 3rd try", "doctor Smiths third try"),
    ],
)
def test_what_is_written_and_what_is_heard_come_out_alike(written, spoken):
    assert find_differences(split_words(written, "en"), [word.text for word in heard(spoken)]) == []


def test_other_languages_keep_their_letters():
    assert split_words("Вода кипит при 100°!", "ru") == ["вода", "кипит", "при", "100"]
    assert split_words("水は百度で", "ja") == list("水は百度で")


def test_a_number_shares_its_time_and_keeps_its_surface():
    words = heard("about 1,024 times")
    assert [word.text for word in words] == ["about", "one", "thousand", "and", "twenty", "four", "times"]
    assert words[1].start_s == 1.0
    assert words[5].end_s == pytest.approx(2.0)
    assert [word.surface for word in words if word.surface] == ["about", "1,024", "times"]
    assert join_surfaces(write_words("It was Dr. Smith, in 1969.", "en")) == "It was Dr. Smith, in 1969."


@pytest.mark.parametrize(
    ("written", "said", "kind", "decisive"),
    [
        ("fourteen times", "forty times", "wrong", True),
        ("it is hot", "it is not hot", "extra", True),
        ("you can see", "you cant see", "wrong", True),
        ("a current flows", "a torrent flows", "wrong", False),
        ("one hundred and five", "one hundred five", None, False),
        ("a light year away", "a lightyear away", None, False),
        ("in two thin layers", "in tooth in layers", "wrong", False),
        ("the very big tree", "the big tree", "missing", False),
        ("seventeen nine", "seventeen eighty nine", "extra", True),
    ],
)
def test_differences_are_told_with_what_they_mean(written, said, kind, decisive):
    differences = find_differences(written.split(), said.split())
    assert [difference.kind for difference in differences] == ([kind] if kind else [])
    assert [difference.is_decisive for difference in differences] == ([decisive] if kind else [])


def test_words_that_sound_alike_are_near_and_others_far():
    near = [("photosynthesis", "fotosinthesis"), ("colour", "color"), ("stroma", "strama"), ("knight", "night")]
    far = [("sugar", "bridge"), ("hot", "cold"), ("rises", "falls")]
    assert max(sound_distance(*pair) for pair in near) < 0.3
    assert min(sound_distance(*pair) for pair in far) > 0.6


def test_a_number_that_the_recogniser_divides_is_one():
    heard = [
        TimedWord("1", 0.0, 0.2),
        TimedWord(",024", 0.2, 1.0),
        TimedWord("cells,", 1.0, 1.5),
        TimedWord("5", 1.5, 2),
    ]
    words = normalize_heard(heard, "en")
    assert [word.text for word in words] == split_words("1,024 cells, 5", "en")
    assert (words[0].start_s, words[-2].start_s) == (0.0, 1.0)
    assert join_surfaces(words) == "1,024 cells, 5"
