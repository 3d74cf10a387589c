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


def test_the_figure_is_that_of_the_package_and_noise_lowers_it(clip):
    import distillmos

    wav, rate = clip
    ours = DistillMos()
    with contextlib.redirect_stdout(io.StringIO()):
        model = distillmos.ConvTransformerSQAModel().eval()
    with torch.no_grad():
        theirs = float(model(torch.from_numpy(resample(wav, rate, 16000))[None]))
    figure = ours.measure(wav, rate)
    assert figure == pytest.approx(theirs, abs=1e-5)
    noisy = (wav + 0.02 * np.random.default_rng(0).standard_normal(wav.size)).astype(np.float32)
    assert ours.measure(noisy, rate) < figure - 0.3
    assert ours.measure(np.zeros(rate, np.float32), rate) is None
