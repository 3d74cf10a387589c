"""Waveform to spectrogram to log-mel: the one definition, used by training, validation and pictures."""

from functools import lru_cache

import torch
from torch import Tensor

from ttsd.config import AudioConfig


def compute_spectrogram(wav: Tensor, audio: AudioConfig) -> Tensor:
    """Compute the magnitude spectrogram, framed as in VITS: reflected edges, one frame for each whole hop.

    Args:
        wav: Waveform, float32 [B, n_samples] in [-1, 1]; longer than half of `n_fft`.
        audio: Sizes of the analysis.

    Returns:
        Magnitudes, float32 [B, n_fft // 2 + 1, n_samples // hop_length].
    """
    edge = (audio.n_fft - audio.hop_length) // 2
    padded = torch.nn.functional.pad(wav.unsqueeze(1), (edge, edge), mode="reflect").squeeze(1)
    window = torch.hann_window(audio.win_length, dtype=wav.dtype, device=wav.device)
    spec = torch.stft(
        padded,
        audio.n_fft,
        audio.hop_length,
        audio.win_length,
        window,
        center=False,
        onesided=True,
        return_complex=True,
    )
    # The floor keeps the gradient of the square root finite in digital silence.
    return torch.sqrt(torch.view_as_real(spec).pow(2).sum(-1) + 1e-6)


def compute_mel(spec: Tensor, audio: AudioConfig) -> Tensor:
    """Compute the natural-log mel spectrogram of magnitudes.

    Args:
        spec: Magnitudes, float32 [B, n_fft // 2 + 1, n_frames].
        audio: Bands and their edges.

    Returns:
        Log-mel, float32 [B, n_mels, n_frames], floored at log(1e-5).
    """
    filters = _mel_filters(audio.sample_rate, audio.n_fft, audio.n_mels, audio.f_min, audio.f_max)
    return torch.log(torch.clamp(filters.to(spec) @ spec, min=1e-5))


@lru_cache(maxsize=4)
def _mel_filters(sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float | None) -> Tensor:
    import librosa

    # Slaney's scale and area normalisation, librosa's defaults: what every VITS checkpoint was trained with.
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max))
