"""The decoder of two sources: framed as the spectrograms are, small, and free of the frame rate."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ttsd.config import Config
from ttsd.model.source_filter_decoder import (
    SourceFilterDecoder,
    decode,
    make_pulses,
    minimum_phase,
    pitch_loss,
)
from ttsd.training.pitch import measure_pitch

AUDIO = Config().audio
N_FRAMES = 200


def glide(low_hz: float, high_hz: float) -> Tensor:
    return torch.linspace(low_hz, high_hz, N_FRAMES).unsqueeze(0)


def test_a_frame_becomes_hop_length_samples() -> None:
    decoder = SourceFilterDecoder(192, AUDIO)
    wav = decoder(torch.randn(2, 192, 17))
    assert wav.shape == (2, 1, 17 * AUDIO.hop_length)
    assert torch.isfinite(wav).all()
    assert sum(parameter.numel() for parameter in decoder.parameters()) < 3.4e6


def test_inversion_returns_the_waveform_that_was_analysed() -> None:
    wav = torch.randn(1, 40 * AUDIO.hop_length, generator=torch.Generator().manual_seed(0))
    decoder = SourceFilterDecoder(192, AUDIO)
    inverted = decoder.invert(decoder.analyse(wav))
    assert inverted.shape == wav.shape
    torch.testing.assert_close(inverted[:, 8:-8], wav[:, 8:-8], rtol=0, atol=1e-3)
    torch.testing.assert_close(inverted[:, 512:-512], wav[:, 512:-512], rtol=0, atol=1e-5)


def test_a_frame_is_heard_by_near_samples_alone() -> None:
    decoder = SourceFilterDecoder(192, AUDIO).eval()
    z = torch.randn(1, 192, 120, generator=torch.Generator().manual_seed(0))
    changed = z.clone()
    changed[:, :, 60] += 1
    wavs = []
    for latents in (z, changed):
        torch.manual_seed(0)
        with torch.no_grad():
            wavs.append(decoder(latents, f0_hz=torch.full((1, 120), 120.0)))
    differs = (wavs[0] != wavs[1])[0, 0].nonzero().flatten()
    # Seven convolutions of seven frames reach 21 frames, and a Fourier transform two more.
    assert differs.min() / AUDIO.hop_length >= 60 - 23
    assert differs.max() / AUDIO.hop_length <= 61 + 23


@pytest.mark.parametrize(("low_hz", "high_hz"), [(80, 110), (130, 250), (240, 400)])
def test_pulses_have_the_pitch_that_was_asked_for(low_hz: float, high_hz: float) -> None:
    f0_hz = glide(low_hz, high_hz)
    heard = measure_pitch(make_pulses(f0_hz, AUDIO.sample_rate, AUDIO.hop_length)[0].numpy(), AUDIO)
    assert heard.shape == (N_FRAMES,)
    np.testing.assert_allclose(heard[10:-10], f0_hz[0, 10:-10], rtol=0.005)


def test_the_same_latents_in_every_frame_still_follow_the_pitch() -> None:
    torch.manual_seed(0)
    decoder = SourceFilterDecoder(192, AUDIO).eval()
    f0_hz = glide(130, 160)
    with torch.no_grad():
        wav = decode(decoder, torch.zeros(1, 192, N_FRAMES), f0_hz)[0, 0].numpy()
    np.testing.assert_allclose(measure_pitch(wav, AUDIO)[10:-10], f0_hz[0, 10:-10], rtol=0.01)


def test_harmonics_reach_half_the_sample_rate_and_share_a_power_of_one() -> None:
    # 4 harmonics, the highest of them at 8,400 Hz, in whole periods.
    wav = make_pulses(torch.full((1, 1000), 2100.0), 20000, 200)[0, :200_000]
    power = torch.fft.rfft(wav).abs().square() * 2 / len(wav) ** 2
    peaks = power[torch.arange(1, 5) * 2100 * 10]
    torch.testing.assert_close(peaks, torch.full((4,), 0.25), rtol=0.01, atol=0)
    assert float(wav.square().mean()) == pytest.approx(1, rel=0.01)


def test_pulses_of_a_long_utterance_stay_pure() -> None:
    wav = make_pulses(torch.full((1, 10_000), 200.0), 22050, 256)[0]
    ends = [torch.fft.rfft(part[: 22050 * 2]).abs() for part in (wav, wav[-22050 * 2 :])]
    for spectrum in ends:
        harmonics = spectrum[400:22050:400].square().sum()
        assert float(harmonics / spectrum.square().sum()) > 0.999


def test_the_pitch_is_learnt_from_latents_and_a_decoder_without_sources_has_none() -> None:
    decoder = SourceFilterDecoder(4, AUDIO)
    f0_hz = glide(100, 200)
    z = torch.log(f0_hz / 150).unsqueeze(1).expand(-1, 4, -1)
    optimizer = torch.optim.Adam(decoder.parameters(), 1e-3)
    for _ in range(150):
        loss = pitch_loss(decoder, z, f0_hz)
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(torch.exp(decoder.predict_log_f0(z)), f0_hz, rtol=0.05, atol=0)
    assert pitch_loss(torch.nn.Identity(), z, f0_hz) is None
    assert decode(torch.nn.Identity(), z, f0_hz) is z


def test_a_filter_answers_at_once_and_no_sound_comes_before_its_pulse() -> None:
    # A resonance by its two poles has the smallest phase there is for its strength.
    angle, radius = 2 * torch.pi * torch.arange(513) / 1024, 0.9
    unit = torch.exp(-1j * angle)
    pole = radius * torch.exp(torch.tensor(0.3j))
    response = 1 / ((1 - pole * unit) * (1 - pole.conj() * unit))
    made = minimum_phase(torch.log(response.abs())[None], 200)[0]
    torch.testing.assert_close(made.abs(), response.abs(), rtol=1e-4, atol=0)
    torch.testing.assert_close(made, response.to(torch.complex64), rtol=1e-3, atol=1e-3)
    impulse = torch.fft.irfft(made).square()
    assert impulse[512:].sum() < 1e-6 * impulse.sum()


def test_the_rough_part_of_a_strength_moves_no_phase() -> None:
    # Ripples of the harmonics of 200 Hz lie at a quefrency of 110 samples.
    ripples = torch.cos(2 * torch.pi * torch.arange(513) * 110 / 1024)
    assert minimum_phase(ripples[None], 55).angle().abs().max() < 1e-5
    assert minimum_phase(ripples[None], 200).angle().abs().max() > 0.9
