"""Clips that share a window are heard as they are, and when."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsd.config import AsrConfig
from ttsd.data.audio import read_wav, resample
from ttsd.data.corpus import read_corpus
from ttsd.metrics.intelligibility import HeardWord, cer
from ttsd.metrics.listening import GAP_S, WINDOW_S, Listener, pack_windows, share_words

RATE = 16000


@given(st.lists(st.floats(0, 40), max_size=60))
def test_every_clip_that_fits_is_in_one_window_and_no_window_is_too_long(lengths_s):
    windows = pack_windows(lengths_s)
    placed = [index for window in windows for index in window]
    assert sorted(placed) == [index for index, length_s in enumerate(lengths_s) if 0 < length_s <= 29.4]
    for window in windows:
        assert window == sorted(window)
        assert sum(lengths_s[index] for index in window) + GAP_S * (len(window) - 1) <= WINDOW_S


def test_words_go_back_to_their_clips_by_their_middle():
    words = [HeardWord("a", 0.1, 0.5), HeardWord("b", 1.0, 1.2), HeardWord("c", 1.5, 1.7), HeardWord("d", 2.2, 9.0)]
    first, second = share_words(words, [1.0, 2.0])
    assert first == [HeardWord("a", 0.1, 0.5), HeardWord("b", 1.0, 1.0)]
    assert second == [HeardWord("c", 0.0, 0.1), HeardWord("d", 0.6, 2.0)]


@pytest.fixture(scope="module")
def clips(processed_corpus):
    corpus = read_corpus(processed_corpus)
    return [
        (utterance.spoken, resample(*read_wav(corpus.clip_path(utterance)), RATE)) for utterance in corpus.utterances
    ]


@pytest.fixture(scope="module")
def listener():
    return Listener(AsrConfig())


def test_twelve_clips_in_three_windows_are_heard_as_they_were_said(listener, clips):
    wavs = [wav for _, wav in clips]
    assert len(pack_windows([wav.size / RATE for wav in wavs])) <= 3
    heard = listener.hear(wavs)
    assert np.mean([cer(text, one.text) for (text, _), one in zip(clips, heard, strict=True)]) < 0.05
    for (_, wav), one in zip(clips, heard, strict=True):
        assert len(one.words) >= 5
        times = [time_s for word in one.words for time_s in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert 0 <= times[0] < 0.5
        assert wav.size / RATE - 0.6 < times[-1] <= wav.size / RATE


def test_nothing_is_heard_in_silence_and_a_long_clip_is_heard_whole(listener, clips):
    long = np.concatenate([wav for _, wav in clips])
    assert long.size > 29.4 * RATE
    empty, whole = listener.hear([np.zeros(0, np.float32), long])
    assert empty.text == ""
    assert empty.words == ()
    assert cer(" ".join(text for text, _ in clips), whole.text) < 0.1
    assert whole.words[-1].end_s > 29.4


def test_the_same_clips_are_heard_alike_again(listener, clips):
    wavs = [wav for _, wav in clips[:3]]
    assert listener.hear(wavs) == listener.hear(wavs)
