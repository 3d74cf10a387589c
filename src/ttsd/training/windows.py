"""Windows of latents and of the speech that belongs to them: what a decoder learns from by itself."""

import torch
from torch import Tensor

from ttsd.config import AudioConfig, DecoderConfig
from ttsd.errors import StageError
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.training.losses import mel_loss
from ttsd.utils.seeds import derive_seed

Pairs = list[tuple[Tensor, Tensor]]
"""Latents, and something that belongs to them frame by frame."""
Spoken = list[tuple[Tensor, Tensor, Tensor]]
"""Latents float32 [hidden, n_frames], their waveform float32 [n_frames * hop_length], its pitch in Hz [n_frames]."""

_RESOLUTIONS = ((512, 80), (1024, 80), (2048, 120))
"""Length of the Fourier transform in samples, and mel bands; successive frames are a quarter of the former apart."""
_PHASE_RESOLUTIONS = (128, 512, 2048)
"""Lengths likewise, of the spectra whose phases count."""
_COMPRESSION = 0.3
_SILENCE_POWER = 1e-5


def long_enough(spoken: Spoken, n_frames: int, setting: str) -> Spoken:
    """Return the speech of at least this many frames.

    Args:
        spoken: Latents, waveforms and pitches.
        n_frames: The least number.
        setting: Name of the setting that asks for it.

    Raises:
        StageError: There is none.
    """
    kept = [one for one in spoken if one[0].shape[1] >= n_frames]
    if not kept:
        longest = max(one[0].shape[1] for one in spoken)
        raise StageError(f"{setting} is {n_frames}, and the longest of {len(spoken)} clips has {longest}; lower it")
    return kept


def draw_windows(
    spoken: Spoken, config: DecoderConfig, hop_length: int, seed: int, step: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the windows of a step.

    Args:
        spoken: Latents, waveforms and pitches.
        config: Number and length of the windows.
        hop_length: Samples in a frame.
        seed: The run's seed.
        step: Number of the step, which the windows follow from.

    Returns:
        Latents float32 [B, hidden, segment_frames], waveforms float32 [B, segment_frames * hop_length] and pitches in
        Hz, float32 [B, segment_frames].
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "decoder", step))
    lengths = torch.tensor([z.shape[1] for z, _, _ in spoken], dtype=torch.float64)
    chosen = torch.multinomial(lengths, config.batch_size, replacement=True, generator=generator).tolist()
    windows = []
    for i in chosen:
        z, wav, f0_hz = spoken[i]
        first = int(torch.randint(z.shape[1] - config.segment_frames + 1, (1,), generator=generator))
        last = first + config.segment_frames
        windows.append((z[:, first:last], wav[first * hop_length : last * hop_length], f0_hz[first:last]))
    latents, waves, pitches = (torch.stack(part) for part in zip(*windows, strict=True))
    return latents, waves, pitches


def spectral_loss(original: Tensor, spoken: Tensor, audio: AudioConfig) -> Tensor:
    """Return the log-mel loss, averaged over three resolutions.

    Args:
        original: Waveforms, float32 [B, n_samples].
        spoken: What the decoder made of their latents, of the same shape.
        audio: Sample rate and edges of the mel bands.
    """
    losses = []
    for n_fft, n_mels in _RESOLUTIONS:
        sizes = {"n_fft": n_fft, "win_length": n_fft, "hop_length": n_fft // 4, "n_mels": n_mels}
        analysis = audio.model_copy(update=sizes)
        mels = [compute_mel(compute_spectrogram(wav, analysis), analysis) for wav in (original, spoken)]
        losses.append(mel_loss(*mels))
    return torch.stack(losses).mean()


def phase_loss(original: Tensor, spoken: Tensor) -> Tensor:
    """Return how far two waveforms' compressed complex spectra are apart, against how large the first one's are.

    It is for decoders whose waveform is a function of their latents. Magnitudes are raised to the power of 0.3, as
    loudness is heard, and the phases are kept: Braun and Tashev, 2021, "A consolidated view of loss functions for
    supervised deep learning-based speech enhancement".

    Args:
        original: Waveforms, float32 [B, n_samples].
        spoken: What the decoder made of their latents, of the same shape.
    """
    losses = []
    for n_fft in _PHASE_RESOLUTIONS:
        of_original, of_spoken = (_compress(wav, n_fft) for wav in (original, spoken))
        losses.append((of_original - of_spoken).abs().mean() / of_original.abs().mean().clamp(min=1e-6))
    return torch.stack(losses).mean()


def _compress(wav: Tensor, n_fft: int) -> Tensor:
    """Return real and imaginary parts of a spectrum, its magnitudes compressed, float32 [B, n_freqs, n_frames, 2]."""
    window = torch.hann_window(n_fft, device=wav.device)
    parts = torch.view_as_real(torch.stft(wav, n_fft, n_fft // 4, window=window, return_complex=True))
    power = parts.square().sum(-1, keepdim=True) + _SILENCE_POWER
    return parts * power ** (0.5 * (_COMPRESSION - 1))
