"""DistillMOS: the package's own figure, and lower for worse audio."""

import contextlib
import io

import numpy as np
import pytest
import soundfile
import torch

from tests.metrics.test_toolkits import FOLDER
from ttsd.data.audio import resample
from ttsd.metrics.distillmos import DistillMos


@pytest.fixture(scope="module")
def clip():
    return soundfile.read(FOLDER / "joe-1.flac", dtype="float32")


@pytest.fixture(scope="module")
def ours():
    return DistillMos()


@pytest.mark.parametrize("duration_s", [0.001, 0.5, 2.0, 7.3, 7.36, 7.37, 7.68, 9.0])
def test_the_figure_is_that_of_the_package_at_any_length(clip, ours, duration_s):
    import distillmos

    heard = np.resize(resample(*clip, 16000), round(16000 * duration_s))
    with contextlib.redirect_stdout(io.StringIO()):
        model = distillmos.ConvTransformerSQAModel().eval()
    with torch.no_grad():
        theirs = float(model(torch.from_numpy(heard)[None]))
    assert ours.measure(heard, 16000) == pytest.approx(theirs, abs=1e-5)


def test_noise_lowers_the_figure_and_silence_has_none(clip, ours):
    wav, rate = clip
    figure = ours.measure(wav, rate)
    noisy = (wav + 0.02 * np.random.default_rng(0).standard_normal(wav.size)).astype(np.float32)
    assert ours.measure(noisy, rate) < figure - 0.3
    assert ours.measure(np.zeros(rate, np.float32), rate) is None
