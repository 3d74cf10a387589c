"""Timing, without asserting times."""

import json

import numpy as np
import torch

from ttsd.metrics.speed import measure_speed, time_speakers, torch_threads
from ttsd.report import no_progress


class Counter:
    """A voice that gives half a second and counts what it is asked, with the threads it had."""

    sample_rate = 16000
    n_parameters = 3

    def __init__(self):
        self.asked = []

    def speak(self, text, *, seed):
        del seed
        self.asked.append((text, torch.get_num_threads()))
        return np.zeros(8000, np.float32)


def test_a_voice_is_warmed_up_and_timed_on_its_threads():
    voice = Counter()
    before = torch.get_num_threads()
    speed = measure_speed(voice, ["one", "two"], seed=0, n_threads=1)
    assert voice.asked == [("one", 1), ("one", 1), ("two", 1)]
    assert (speed.n_threads, speed.n_sentences) == (1, 2)
    assert speed.rtf > 0
    assert speed.first_sample_s > 0
    assert torch.get_num_threads() == before


def test_threads_are_given_back_after_an_error():
    before = torch.get_num_threads()
    try:
        with torch_threads(before + 1):
            raise KeyError
    except KeyError:
        assert torch.get_num_threads() == before


def test_the_first_timing_stands(tmp_path):
    def measure(loader):
        return time_speakers({"student": loader}, ["a"], tmp_path, seed=0, n_workers=2, progress=no_progress)

    measured = measure(Counter)
    assert [one["n_threads"] for one in measured["student"]["timings"]] == [1, 2]
    assert measured["student"]["n_parameters"] == 3
    # A Python process with numpy in it.
    assert 10 < measured["student"]["peak_memory_mb"] < 4000
    assert json.loads((tmp_path / "speed.json").read_text()) == measured

    def refuse():
        raise AssertionError("timed again")

    assert measure(refuse) == measured
