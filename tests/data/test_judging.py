"""What a clip is within its corpus."""

import numpy as np
import pytest

from ttsd.data.checks import Clip
from ttsd.data.judging import Measured, relate


def measured(number, *, rate=14.0, loudness=-23.0, audio=None, text=None, speaker="joe"):
    name = f"u{number}"
    clip = Clip(sounds_per_s=rate, loudness_lufs=loudness)
    return Measured(name, speaker, text or f"Text {number}.", clip, audio or f"hash{number}")


def test_the_rate_is_held_against_the_speakers_own():
    rng = np.random.default_rng(0)
    slow = [measured(n, rate=10 * np.exp(0.08 * z), speaker="slow") for n, z in enumerate(rng.standard_normal(40))]
    fast = [measured(n + 50, rate=18 * np.exp(0.08 * z), speaker="fast") for n, z in enumerate(rng.standard_normal(40))]
    odd = [measured(99, rate=18, speaker="slow"), measured(98, rate=10, speaker="fast")]
    clips = relate([*slow, *fast, *odd], {})
    assert all(abs(clip.rate_deviation) < 4 for clip in clips[:80])
    assert clips[80].rate_deviation > 4
    assert clips[81].rate_deviation < -4


def test_a_very_even_voice_loses_nothing_for_a_trifle():
    clips = relate([measured(n, rate=14.0) for n in range(20)] + [measured(20, rate=16.0)], {})
    assert 0 < clips[20].rate_deviation < 4


def test_too_few_clips_tell_no_rate():
    assert all(clip.rate_deviation is None for clip in relate([measured(n) for n in range(5)], {}))


def test_loudness_is_the_distance_from_the_median():
    clips = relate([measured(n) for n in range(9)] + [measured(9, loudness=-30.0), measured(10, loudness=-np.inf)], {})
    assert clips[0].loudness_offset_lu == 0
    assert clips[9].loudness_offset_lu == pytest.approx(-7)
    assert clips[10].loudness_offset_lu is None


def test_only_the_later_of_two_alike_is_a_duplicate():
    clips = relate(
        [measured(0, audio="a"), measured(1, audio="a"), measured(2, text="One, two!"), measured(3, text="one two")], {}
    )
    assert [clip.same_audio for clip in clips] == [0, 1, 0, 0]
    assert [clip.same_text for clip in clips] == [0, 0, 0, 1]


def test_the_similarity_is_taken_over():
    assert [clip.similarity for clip in relate([measured(0), measured(1)], {"u0": 0.9})] == [0.9, None]
