"""The frame-rate decoder: framed as the spectrograms are, and small."""

import torch

from ttsd.config import Config
from ttsd.model.istft_decoder import IstftDecoder

AUDIO = Config().audio


def test_a_frame_becomes_hop_length_samples() -> None:
    decoder = IstftDecoder(192, AUDIO)
    wav = decoder(torch.randn(2, 192, 17))
    assert wav.shape == (2, 1, 17 * AUDIO.hop_length)
    assert torch.isfinite(wav).all()
    assert sum(parameter.numel() for parameter in decoder.parameters()) < 3.1e6


def test_inversion_returns_the_waveform_that_was_analysed() -> None:
    wav = torch.randn(1, 40 * AUDIO.hop_length, generator=torch.Generator().manual_seed(0))
    edge = (AUDIO.n_fft - AUDIO.hop_length) // 2
    padded = torch.nn.functional.pad(wav.unsqueeze(1), (edge, edge), mode="reflect").squeeze(1)
    window = torch.hann_window(AUDIO.n_fft)
    spectrum = torch.stft(padded, AUDIO.n_fft, AUDIO.hop_length, window=window, center=False, return_complex=True)
    inverted = IstftDecoder(192, AUDIO).invert(spectrum.transpose(1, 2))
    assert inverted.shape == wav.shape
    torch.testing.assert_close(inverted[:, 8:-8], wav[:, 8:-8], rtol=0, atol=1e-3)
    torch.testing.assert_close(inverted[:, 512:-512], wav[:, 512:-512], rtol=0, atol=1e-5)


def test_a_frame_is_heard_by_near_samples_alone() -> None:
    decoder = IstftDecoder(192, AUDIO).eval()
    z = torch.randn(1, 192, 120, generator=torch.Generator().manual_seed(0))
    changed = z.clone()
    changed[:, :, 60] += 1
    with torch.no_grad():
        differs = (decoder(z) != decoder(changed))[0, 0].nonzero().flatten()
    # Seven convolutions of seven frames reach 21 frames, and a Fourier transform two more.
    assert differs.min() / AUDIO.hop_length >= 60 - 23
    assert differs.max() / AUDIO.hop_length <= 61 + 23
