"""DNSMOS is the package's own, on one thread."""

import numpy as np
import pytest
from speechmos import dnsmos

from ttsd.data.audio import read_wav, resample
from ttsd.data.corpus import read_corpus
from ttsd.errors import ConfigError
from ttsd.metrics import naturalness
from ttsd.metrics.naturalness import Dnsmos


@pytest.fixture(scope="module")
def wavs(processed_corpus):
    corpus = read_corpus(processed_corpus)
    clips = [resample(*read_wav(corpus.clip_path(utterance)), 16000) for utterance in corpus.utterances[:5]]
    # One shorter than the network's window, one of several windows, and lengths whose windows rounding makes short.
    long = np.concatenate(clips)
    return [clips[0], long, long[: round(4.32 * 16000)], long[: round(4.39 * 16000)]]


def test_the_figures_are_those_of_the_package(wavs):
    own = Dnsmos()
    assert wavs[1].size > 10 * 16000
    for wav in wavs:
        assert own.measure(wav, 16000) == pytest.approx(dnsmos.run(wav, 16000)["ovrl_mos"], abs=1e-6)


def test_noise_sounds_worse_and_an_empty_clip_has_no_figure(wavs):
    own = Dnsmos()
    noise = 0.05 * np.random.default_rng(0).standard_normal(wavs[0].size)
    assert own.measure((wavs[0] + noise).astype(np.float32), 16000) < own.measure(wavs[0], 16000) - 0.3
    assert own.measure(np.zeros(0, np.float32), 16000) is None


def test_windows_heard_together_or_apart_are_the_same(wavs, monkeypatch):
    own = Dnsmos()
    together = own.measure(wavs[1], 16000)
    monkeypatch.setattr(naturalness, "_GROUP", 1)
    assert own.measure(wavs[1], 16000) == pytest.approx(together, abs=1e-6)


def test_another_model_is_refused(monkeypatch):
    monkeypatch.setattr(naturalness, "_SHA256", "0" * 64)
    with pytest.raises(ConfigError, match="force-reinstall speechmos"):
        Dnsmos()
