"""The student's presets."""

import pytest
import torch

from ttsd.config import AudioConfig, ModelConfig
from ttsd.errors import ConfigError
from ttsd.model.vits import DECODERS, build_vits, fold_weight_norm, generator_parameters, voice_state


@pytest.mark.parametrize("preset", ["medium", "high"])
@pytest.mark.parametrize("durations", ["deterministic", "stochastic"])
def test_every_preset_speaks_whole_frames_the_same_under_a_seed(preset: str, durations: str) -> None:
    student = build_vits(ModelConfig(preset=preset, duration_predictor=durations), AudioConfig(), 40).eval()
    ids = torch.arange(1, 20)
    spoken = []
    for _ in range(2):
        torch.manual_seed(3)
        spoken.append(student.synthesize(ids, noise_scale=0.5, noise_scale_duration=0.5, length_scale=1.0))
    assert torch.equal(spoken[0].wav, spoken[1].wav)
    assert (
        spoken[0].wav.shape[0]
        == spoken[0].z.shape[1] * DECODERS[preset].hop_length
        == int(spoken[0].durations.sum()) * 256
    )


def test_a_frame_length_the_decoder_cannot_make_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"audio\.hop_length=256"):
        build_vits(ModelConfig(), AudioConfig(hop_length=200), 40)
    with pytest.raises(ConfigError, match=r"set audio\.n_fft=1024"):
        build_vits(ModelConfig(decoder="source_filter"), AudioConfig(n_fft=1100, win_length=1024), 40)


def test_a_voice_keeps_everything_but_the_discriminator() -> None:
    student = build_vits(ModelConfig(), AudioConfig(), 40, discriminator=True)
    names = set(student.state_dict())
    kept = set(voice_state(student.state_dict()))
    assert {name for name in names - kept if not name.startswith("disc.")} == set()
    assert names - kept
    assert kept >= set(generator_parameters(student))


@pytest.mark.parametrize("decoder", ["hifigan", "source_filter"])
def test_speech_is_the_same_without_weight_normalisation(decoder: str) -> None:
    student = build_vits(ModelConfig(decoder=decoder), AudioConfig(), 40).eval()
    ids = torch.arange(1, 20)
    silent = {"noise_scale": 0.0, "noise_scale_duration": 0.0, "length_scale": 1.0}
    wavs = []
    for change in (lambda: student, lambda: fold_weight_norm(student)):
        torch.manual_seed(0)
        wavs.append(change().synthesize(ids, **silent).wav)
    assert not any("parametrizations" in name for name in student.state_dict())
    torch.testing.assert_close(wavs[1], wavs[0])
