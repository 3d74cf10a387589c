"""Spectrograms: equal to those VITS checkpoints were trained on."""

import torch
from TTS.utils.audio.torch_transforms import wav_to_mel, wav_to_spec

from ttsd.config import AudioConfig
from ttsd.model.mel import compute_mel, compute_spectrogram


def test_spectrogram_and_mel_equal_coquis() -> None:
    audio = AudioConfig()
    wav = torch.rand(2, 256 * 40, generator=torch.Generator().manual_seed(1)) - 0.5
    spec = compute_spectrogram(wav, audio)
    theirs = wav_to_spec(wav.unsqueeze(1), audio.n_fft, audio.hop_length, audio.win_length)
    torch.testing.assert_close(spec, theirs)
    mel = wav_to_mel(
        wav.unsqueeze(1), audio.n_fft, audio.n_mels, audio.sample_rate, audio.hop_length, audio.win_length, 0, None
    )
    torch.testing.assert_close(compute_mel(spec, audio), mel)


def test_a_clip_has_one_frame_for_each_whole_hop() -> None:
    audio = AudioConfig()
    for n_samples in (2560, 2561, 2815):
        assert compute_spectrogram(torch.zeros(1, n_samples), audio).shape == (1, 513, 10)


def test_silence_has_a_finite_gradient() -> None:
    audio = AudioConfig()
    wav = torch.zeros(1, 2560, requires_grad=True)
    compute_mel(compute_spectrogram(wav, audio), audio).sum().backward()
    assert wav.grad is not None
    assert torch.isfinite(wav.grad).all()
