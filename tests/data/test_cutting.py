import dataclasses
import itertools

import numpy as np
import pytest

from tests.provider.speech import ParagraphSpeaker
from ttsd.config import CutConfig
from ttsd.data.cutting import CharacterTimes, cut_take

SENTENCES = (
    "Rain falls on the hills.",
    "Why does ice float?",
    "A cell divides in two when it has grown enough.",
    '"Stop," she said, "that is it!"',
    "In July, the crowd marched to the old fortress; by evening, it had fallen.",
    "Rivers carry it back.",
    "It costs 5%, not 10%.",
    "Plants make sugar from light, from water and from the gas that we breathe out.",
    "No.",
    "The last step takes the most hours (up to six).",
)
RATES = (16000, 22050, 24000, 44100, 48000)
RATE = 24000
HOP = 120
CONFIG = CutConfig()


@pytest.fixture(scope="module")
def speaker():
    return ParagraphSpeaker()


@pytest.fixture(scope="module")
def spoken(speaker):
    """Three sentences."""
    return speaker.speak(" ".join(SENTENCES[:3]), sample_rate=RATE)


def to_float(spoken):
    return spoken.wav.astype(np.float32) / np.float32(32768)


def times_of(spoken, n_known=None, change=lambda times_s: times_s):
    starts_s, ends_s = (tuple(change(np.array(times_s))[:n_known]) for times_s in (spoken.starts_s, spoken.ends_s))
    return CharacterTimes(tuple(spoken.characters[:n_known]), starts_s, ends_s)


def cut(spoken, wav=None, times=None, config=CONFIG):
    wav = to_float(spoken) if wav is None else wav
    return cut_take(wav, spoken.sample_rate, spoken.sentences, times or times_of(spoken), config)


def reasons(cuts):
    return [cut.reason for cut in cuts]


def middle_s(interval):
    return (interval[0] + interval[1]) / 2


def tones(*lengths_s):
    """Silence and tone in turns, silence first, in whole frames; one letter is spoken by every tone."""
    n_samples = np.round(np.array(lengths_s) * RATE).astype(int)
    assert not (n_samples % HOP).any()
    edges = np.concatenate([[0], np.cumsum(n_samples)])
    wav = 0.5 * np.sin(np.arange(edges[-1]) * 2 * np.pi * 400 / RATE).astype(np.float32)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        wav[start:end] = 0
    return wav, edges


def tone_times(edges):
    """Times for `A B C`: a tone for every letter, and the silence between for every space."""
    places = edges[1:-1] / RATE
    return CharacterTimes(tuple(" ".join("ABC"[: len(places) // 2])), tuple(places[:-1]), tuple(places[1:]))


@pytest.mark.parametrize("number", range(15))
def test_every_cut_falls_inside_the_true_pause_and_no_clip_starts_or_ends_in_speech(speaker, number):
    rng = np.random.default_rng(number)
    texts = [str(text) for text in rng.choice(SENTENCES, rng.integers(2, 7), replace=False)]
    spoken = speaker.speak(" ".join(texts), sample_rate=RATES[number % 5], seed=number)
    cuts = cut(spoken)
    assert spoken.sentences == texts
    assert reasons(cuts) == [None] * len(texts)
    for one, (start_s, end_s) in zip(cuts, spoken.pauses_s, strict=False):
        assert start_s < one.end / spoken.sample_rate < end_s
    for one, (start_s, end_s) in zip(cuts, spoken.sounds_s, strict=True):
        assert one.start / spoken.sample_rate < start_s
        assert end_s < one.end / spoken.sample_rate


@pytest.mark.parametrize("error_s", [-0.1, -0.05, 0.05])
def test_cuts_stay_inside_the_pauses_where_all_times_are_wrong_by_a_frame_or_two(spoken, error_s):
    cuts = cut(spoken, times=times_of(spoken, change=lambda times_s: np.maximum(times_s + error_s, 0)))
    assert reasons(cuts) == [None] * 3
    for one, (start_s, end_s) in zip(cuts, spoken.pauses_s, strict=False):
        assert start_s < one.end / RATE < end_s


@pytest.mark.parametrize("given_to", ["before", "after"])
def test_cuts_stay_inside_the_pauses_where_a_letter_is_given_the_whole_pause(spoken, given_to):
    times = times_of(spoken)
    starts_s, ends_s = list(times.starts_s), list(times.ends_s)
    for place in (len(SENTENCES[0]), len(SENTENCES[0]) + 1 + len(SENTENCES[1])):
        last, first = place - 2, place + 1  # a stop and a space between them
        moment_s = starts_s[first] if given_to == "before" else ends_s[last]
        ends_s[last], starts_s[first] = moment_s, moment_s
        starts_s[last + 1 : first] = ends_s[last + 1 : first] = [moment_s] * 2
    cuts = cut(spoken, times=CharacterTimes(times.characters, tuple(starts_s), tuple(ends_s)))
    assert reasons(cuts) == [None] * 3
    # A time in the neighbour's clip is none of this one's.
    assert all(one.times_s[-1][1] <= (one.end - one.start) / RATE for one in cuts)
    for one, (start_s, end_s) in zip(cuts, spoken.pauses_s, strict=False):
        assert start_s < one.end / RATE < end_s


@pytest.mark.parametrize("noise_db", [-60, -50])
def test_a_voice_with_noise_in_its_pauses_is_cut_as_well(spoken, noise_db):
    noise = np.random.default_rng(0).standard_normal(spoken.wav.size) * 10 ** (noise_db / 20)
    cuts = cut(spoken, (to_float(spoken) + noise).astype(np.float32))
    assert reasons(cuts) == [None] * 3
    for one, (start_s, end_s) in zip(cuts, spoken.pauses_s, strict=False):
        assert start_s < one.end / RATE < end_s


@pytest.mark.parametrize("gain", [0.02, 30.0])
def test_a_quiet_voice_and_one_at_full_scale_are_cut_in_the_same_places(spoken, gain):
    louder = np.clip(to_float(spoken) * np.float32(gain), -1, 1)
    for one, other in zip(cut(spoken), cut(spoken, louder), strict=True):
        assert other.reason is None
        assert abs(one.end - other.end) <= 0.05 * RATE


def test_an_offset_and_a_click_do_not_move_the_cuts(spoken):
    wav = to_float(spoken) * np.float32(0.5)
    wav[round(middle_s(spoken.sounds_s[1]) * RATE)] = 1
    for one, other in zip(cut(spoken), cut(spoken, wav + np.float32(0.2)), strict=True):
        assert other.reason is None
        assert abs(one.end - other.end) <= 2 * HOP


def test_the_cut_is_the_middle_of_the_silence_and_every_sample_is_in_one_clip():
    wav, edges = tones(0.05, 0.3, 0.2, 0.3, 0.25, 0.3, 0.1)
    cuts = cut_take(wav, RATE, ["A", "B", "C"], tone_times(edges), CONFIG)
    assert reasons(cuts) == [None] * 3
    assert [(one.start, one.end) for one in cuts] == [
        (0, (edges[2] + edges[3]) // 2),
        ((edges[2] + edges[3]) // 2, (edges[4] + edges[5]) // 2),
        ((edges[4] + edges[5]) // 2, len(wav)),
    ]


def test_times_count_from_the_first_sample_of_their_utterance(spoken):
    cuts = cut(spoken)
    begin = 0
    for one, text in zip(cuts, spoken.sentences, strict=True):
        assert len(one.times_s) == len(text)
        for place, (start_s, end_s) in enumerate(one.times_s, begin):
            duration_s = (one.end - one.start) / RATE
            assert start_s == pytest.approx(np.clip(spoken.starts_s[place] - one.start / RATE, 0, duration_s))
            assert end_s == pytest.approx(np.clip(spoken.ends_s[place] - one.start / RATE, 0, duration_s))
        begin += len(text) + 1
    assert cuts[1].times_s[0][0] > 0.05


def test_the_pause_is_preferred_to_a_longer_silence_beside_it():
    # B is a short word with a long comma behind it: both silences are near the boundary of A and B.
    wav, edges = tones(0.05, 0.3, 0.06, 0.02, 0.4, 0.3, 0.1)
    places = edges / RATE
    times = CharacterTimes(tuple("A B, C"), (*places[1:4], places[4], places[4] + 0.39, places[5]), ())
    times = dataclasses.replace(times, ends_s=(*times.starts_s[1:], places[6]))
    cuts = cut_take(wav, RATE, ["A", "B, C"], times, CONFIG)
    assert reasons(cuts) == [None, None]
    assert cuts[0].end == (edges[2] + edges[3]) // 2


def test_the_silence_of_a_consonant_is_no_pause():
    # A and B are joined; inside B, beside the boundary, is a silence long enough for a short pause.
    wav, edges = tones(0.05, 0.35, 0.08, 0.3, 0.1)
    boundary_s = edges[2] / RATE - 0.02
    times = CharacterTimes(tuple("A B"), (0.05, boundary_s, boundary_s), (boundary_s, boundary_s, edges[4] / RATE))
    assert reasons(cut_take(wav, RATE, ["A", "B"], times, CONFIG)) == ["no_pause", "no_pause"]


def test_one_utterance_is_kept_whole(speaker):
    spoken = speaker.speak(SENTENCES[4])
    (one,) = cut(spoken)
    assert (one.start, one.end, one.reason, one.value) == (0, spoken.wav.size, None, "")


def test_the_sign_that_is_spoken_last_is_speech_that_was_asked_for(speaker):
    spoken = speaker.speak(SENTENCES[6])
    starts_s, ends_s = np.array(spoken.starts_s), np.array(spoken.ends_s)
    # "percent" is a good half second: the digits end before it, and the sign has it all.
    digits_end_s = spoken.sounds_s[0][1] - 0.5
    assert spoken.characters[-3:] == ["0", "%", "."]
    starts_s[:-2], ends_s[:-2] = np.minimum(starts_s[:-2], digits_end_s), np.minimum(ends_s[:-2], digits_end_s)
    starts_s[-2] = digits_end_s
    times = CharacterTimes(tuple(spoken.characters), tuple(starts_s), tuple(ends_s))
    (one,) = cut(spoken, times=times, config=CutConfig(max_tail_s=0.3))
    assert one.reason is None


@pytest.mark.parametrize("sound_stops", [True, False])
def test_a_service_whose_times_stop_early_keeps_the_utterances_that_are_whole(spoken, sound_stops):
    # In the middle of the second sentence.
    n_known = len(SENTENCES[0]) + 1 + 9
    end = round(spoken.ends_s[n_known - 1] * RATE) if sound_stops else spoken.wav.size
    cuts = cut(spoken, to_float(spoken)[:end], times_of(spoken, n_known))
    assert reasons(cuts) == [None, "truncated_end", "truncated_end"]
    assert cuts[1].value == "9 of 19 characters have times"
    assert cuts[0].end == cut(spoken)[0].end
    assert (cuts[2].start, cuts[2].end, cuts[2].times_s) == (end, end, ())


@pytest.mark.parametrize("last_samples", [0, 2400])
def test_sound_that_ends_before_its_times_keeps_the_utterances_that_are_whole(spoken, last_samples):
    end = round(middle_s(spoken.sounds_s[1]) * RATE)
    wav = to_float(spoken)[:end]
    wav[end - last_samples :] = 0
    cuts = cut(spoken, wav)
    assert reasons(cuts) == [None, "truncated_end", "truncated_end"]
    assert f"the sound ends at {end / RATE:.2f} s" in cuts[1].value
    assert cuts[1].end == cuts[2].start == cuts[2].end == end


def test_sound_that_ends_in_the_pause_loses_no_utterance_before_it(spoken):
    end = round((spoken.pauses_s[1][0] + 0.09) * RATE)
    cuts = cut(spoken, to_float(spoken)[:end])
    assert reasons(cuts) == [None, None, "truncated_end"]
    assert cuts[1].end == end


def test_a_silence_too_short_for_a_pause_does_not_show_that_an_utterance_is_whole(spoken):
    end = round((spoken.pauses_s[1][0] + 0.03) * RATE)
    assert reasons(cut(spoken, to_float(spoken)[:end])) == [None, "truncated_end", "truncated_end"]


def test_sound_that_ends_in_speech_is_truncated_whatever_the_times_say(spoken):
    end_s = spoken.sounds_s[2][1] - 0.1
    times = times_of(spoken, change=lambda times_s: np.minimum(times_s, end_s))
    assert reasons(cut(spoken, to_float(spoken)[: round(end_s * RATE)], times)) == [None, None, "truncated_end"]


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.85])
def test_a_tail_that_is_silent_is_found_from_a_few_letters_on(spoken, place):
    start_s, end_s = spoken.sounds_s[2]
    wav = to_float(spoken)
    wav[round((start_s + place * (end_s - start_s)) * RATE) :] *= np.float32(1e-3)
    cuts = cut(spoken, wav)
    assert reasons(cuts) == [None, None, "unspoken_tail"]
    assert cuts[2].value == "silent" if place == 0 else cuts[2].value != "silent"


def test_an_utterance_in_the_middle_that_is_silent_is_found(spoken):
    wav = to_float(spoken)
    wav[round(spoken.pauses_s[0][0] * RATE) : round(spoken.pauses_s[1][1] * RATE)] = 0
    cuts = cut(spoken, wav)
    assert reasons(cuts) == [None, "unspoken_tail", None]
    assert cuts[0].end == cuts[1].start
    assert cuts[2].start / RATE < spoken.sounds_s[2][0]


def test_an_utterance_faster_than_anyone_speaks_was_not_spoken(spoken):
    rates = [
        len(text) / (end_s - start_s) for text, (start_s, end_s) in zip(SENTENCES[:3], spoken.sounds_s, strict=True)
    ]
    fastest = int(np.argmax(rates))
    assert reasons(cut(spoken, config=CutConfig(max_chars_per_s=rates[fastest] * 1.04))) == [None] * 3
    cuts = cut(spoken, config=CutConfig(max_chars_per_s=rates[fastest] * 0.96))
    assert cuts[fastest].reason == "unspoken_tail"
    assert cuts[fastest].value.endswith(" characters per second")


def test_letters_that_all_fall_into_one_moment_were_not_spoken(spoken):
    moment_s = spoken.starts_s[-20]
    cuts = cut(spoken, times=times_of(spoken, change=lambda times_s: np.minimum(times_s, moment_s)))
    assert reasons(cuts) == [None, None, "unspoken_tail"]


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (lambda _: CharacterTimes((), (), ()), "none"),
        (lambda times: dataclasses.replace(times, ends_s=times.ends_s[:-1]), "92 characters, 92 starts, 91 ends"),
        (lambda times: dataclasses.replace(times, starts_s=(*times.starts_s[:-1], np.nan)), "not numbers"),
        (lambda times: dataclasses.replace(times, ends_s=(*times.ends_s[:-1], np.inf)), "not numbers"),
        (lambda times: dataclasses.replace(times, starts_s=(-0.1, *times.starts_s[1:])), "not in order"),
        (lambda times: dataclasses.replace(times, starts_s=times.starts_s[::-1]), "not in order"),
        (lambda times: dataclasses.replace(times, ends_s=(9.0, *times.ends_s[1:])), "not in order"),
        (lambda times: dataclasses.replace(times, starts_s=times.ends_s, ends_s=times.starts_s), "not in order"),
        (lambda times: dataclasses.replace(times, characters=("r", *times.characters[1:])), "of another text"),
        (lambda times: CharacterTimes((*times.characters, "."), (*times.starts_s, 99), (*times.ends_s, 99)), "another"),
    ],
)
def test_times_that_no_service_can_mean_are_missing_times_for_all(spoken, spoil, value):
    cuts = cut(spoken, times=spoil(times_of(spoken)))
    assert reasons(cuts) == ["missing_times"] * 3
    assert value in cuts[0].value


def test_no_times_are_missing_times_for_all(spoken):
    cuts = cut_take(to_float(spoken), RATE, spoken.sentences, None, CONFIG)
    assert reasons(cuts) == ["missing_times"] * 3
    assert {one.value for one in cuts} == {"none"}


@pytest.mark.parametrize(("extra_s", "reason"), [(0.4, None), (1.2, "extra_speech")])
def test_sound_behind_the_text_is_extra_speech_from_a_length_on(spoken, extra_s, reason):
    start = round(spoken.sounds_s[0][0] * RATE)
    extra = to_float(spoken)[start : start + round(extra_s * RATE)]
    wav = np.concatenate([to_float(spoken)[: round(spoken.sounds_s[2][1] * RATE)], extra, np.zeros(2400, np.float32)])
    assert reasons(cut(spoken, wav)) == [None, None, reason]


def test_speech_before_the_text_is_extra_speech(spoken):
    lead = to_float(spoken)[: round(middle_s(spoken.pauses_s[0]) * RATE)]
    times = times_of(spoken, change=lambda times_s: times_s + lead.size / RATE)
    cuts = cut(spoken, np.concatenate([lead, to_float(spoken)]), times)
    assert reasons(cuts) == ["extra_speech", None, None]


def test_neighbours_joined_without_a_pause_are_both_dropped_and_the_third_is_kept(spoken):
    start_s, end_s = spoken.pauses_s[0]
    wav = np.delete(to_float(spoken), np.s_[round(start_s * RATE) : round(end_s * RATE)])
    times = times_of(spoken, change=lambda times_s: times_s - np.clip(times_s - start_s, 0, end_s - start_s))
    cuts = cut(spoken, wav, times)
    assert reasons(cuts) == ["no_pause", "no_pause", None]
    assert cuts[0].value == "none of 60 ms"
    assert cuts[0].end / RATE == pytest.approx(start_s, abs=0.03)


def test_a_silence_shorter_than_a_pause_is_none():
    wav, edges = tones(0.05, 0.3, 0.1, 0.3, 0.1)
    arguments = wav, RATE, ["A", "B"], tone_times(edges)
    assert reasons(cut_take(*arguments, CutConfig(min_pause_ms=100))) == [None, None]
    assert reasons(cut_take(*arguments, CutConfig(min_pause_ms=105))) == ["no_pause", "no_pause"]


def test_a_take_that_begins_within_a_word_starts_in_speech(spoken):
    start_s = spoken.sounds_s[0][0] + 0.1
    times = times_of(spoken, change=lambda times_s: np.maximum(times_s - start_s, 0))
    cuts = cut(spoken, to_float(spoken)[round(start_s * RATE) :], times)
    assert reasons(cuts) == ["starts_in_speech", None, None]


@pytest.mark.parametrize("noise_db", [-np.inf, -75])
def test_a_take_of_silence_is_an_unspoken_tail_for_all(spoken, noise_db):
    noise = np.random.default_rng(0).standard_normal(spoken.wav.size) * 10 ** (noise_db / 20)
    cuts = cut(spoken, noise.astype(np.float32))
    assert reasons(cuts) == ["unspoken_tail"] * 3
    assert all(one.end == other.start for one, other in itertools.pairwise(cuts))


@pytest.mark.parametrize("n_samples", [0, 1, 119])
def test_a_take_of_next_to_nothing_is_truncated_for_all(spoken, n_samples):
    cuts = cut(spoken, np.zeros(n_samples, dtype=np.float32))
    assert reasons(cuts) == ["truncated_end"] * 3
    assert [one.end for one in cuts] == [n_samples] * 3


def test_an_utterance_of_signs_alone_is_unspoken_and_harms_no_neighbour(speaker):
    spoken = speaker.speak(f"{SENTENCES[0]} ... {SENTENCES[5]}")
    assert spoken.sentences[1] == "..."
    cuts = cut(spoken)
    assert reasons(cuts) == [None, "unspoken_tail", None]
    assert cuts[0].end / RATE > spoken.sounds_s[0][1]
    assert cuts[2].start / RATE < spoken.sounds_s[2][0]


def test_no_texts_give_no_cuts():
    assert cut_take(np.zeros(100, dtype=np.float32), RATE, [], None, CONFIG) == []


@pytest.mark.parametrize("seed", [*range(100), 1611, 3119])
def test_whatever_the_times_say_the_clips_follow_each_other_through_the_take(seed):
    rng = np.random.default_rng(seed)
    n_texts = int(rng.integers(1, 6))
    texts = ["".join(rng.choice(list("ab,. "), rng.integers(1, 9))) for _ in range(n_texts)]
    wav, _ = tones(*(rng.integers(1, 60, 2 * rng.integers(0, 9) + 1) * HOP / RATE))
    characters = tuple(" ".join(texts))[: rng.integers(1, 60)]
    places = np.sort(rng.uniform(0, 1.2 * wav.size / RATE, len(characters) + 1).round(int(rng.integers(0, 4))))
    cuts = cut_take(wav, RATE, texts, CharacterTimes(characters, tuple(places[:-1]), tuple(places[1:])), CONFIG)
    edges = [cuts[0].start, *(one.end for one in cuts)]
    assert [one.start for one in cuts] == edges[:-1]
    assert edges == sorted(edges)
    assert (edges[0], edges[-1]) == (0, wav.size)
    for one in cuts:
        assert one.reason != "missing_times"
        assert all(0 <= start_s <= end_s <= (one.end - one.start) / RATE for start_s, end_s in one.times_s)
