"""Spectra of overlapping frames and back, in real arithmetic, for runtimes that know no complex numbers.

A transform of n_fft = p q samples is taken in two small ones: over the p samples of a frame that lie q apart, then over
the q places between them (Cooley and Tukey, 1965, "An algorithm for the machine calculation of complex Fourier
series"). Both are products with constant matrices, together a tenth of the arithmetic of a single one.

Of a real signal's bins k = c + p d those with c up to p / 2 are kept, for every d; the others are their conjugates. All
spectra here are laid out like that: [B, n_bins, n_frames], bin c q + d. A bin beyond half the sample rate is the
conjugate of its mirror image.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class RealTransform(nn.Module):
    """Spectra of Hann-windowed frames, framed as `compute_spectrogram` frames them, and their inverse.

    Args:
        n_fft: Samples of a window.
        hop_length: Samples from one window to the next; it divides `n_fft`.
    """

    of_spacing: Tensor
    of_place: Tensor
    to_place: Tensor
    to_spacing: Tensor
    envelope: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.edge = (n_fft - hop_length) // 2
        self.n_places = q = _choose_places(n_fft, hop_length)
        p = n_fft // q
        self.n_kept = n_kept = p // 2 + 1
        spacing = 2 * math.pi / p * np.outer(np.arange(n_kept), np.arange(p))
        window = 0.5 - 0.5 * np.cos(2 * math.pi / n_fft * np.arange(n_fft))
        windows = window.reshape(p, q).T[:, None, :]
        # A kept row stands for its conjugate as well, but where it is its own.
        weight = np.where((np.arange(n_kept) == 0) | (2 * np.arange(n_kept) == p), 1.0, 2.0)
        both = np.concatenate([np.cos(spacing), -np.sin(spacing)])
        # [q (2 n_kept), 1, p]: one group of filters a place.
        self._keep("of_spacing", (both * windows).reshape(-1, 1, p))
        self._keep("to_spacing", (both * np.tile(weight, 2)[:, None] * windows / n_fft).reshape(-1, 1, p))
        bins = np.arange(n_kept)[:, None, None] + p * np.arange(q)[None, :, None]
        angle = 2 * math.pi / n_fft * bins * np.arange(q)
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.concatenate([np.concatenate([cosine, sine], 2), np.concatenate([-sine, cosine], 2)], 1)
        self._keep("of_place", turn)
        self._keep("to_place", turn.transpose(0, 2, 1))
        self._keep("envelope", windows**2)
        self.bins = bins.reshape(-1)
        self.weight = np.repeat(weight, q)

    def _keep(self, name: str, values: NDArray[np.float64]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    @property
    def mirrored(self) -> NDArray[np.int64]:
        """The bin between 0 and n_fft // 2 that each kept bin is or mirrors, int64 [n_bins]."""
        mirrored: NDArray[np.int64] = np.minimum(self.bins, self.n_fft - self.bins)
        return mirrored

    def analyse(self, wav: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary parts, float32 [B, n_bins, n_frames].

        Args:
            wav: float32 [B, n_frames * hop_length].
        """
        q = self.n_places
        padded = nn.functional.pad(wav, (self.edge, self.edge))
        places = padded.reshape(wav.shape[0], -1, q).transpose(1, 2)
        spaced = nn.functional.conv1d(places, self.of_spacing, stride=self.hop_length // q, groups=q)
        # [B, place, part and row, frame] to [B, row, part and place, frame]
        rows = spaced.reshape(wav.shape[0], q, 2, self.n_kept, -1).permute(0, 3, 2, 1, 4).flatten(2, 3)
        real, imaginary = (self.of_place @ rows).chunk(2, dim=2)
        return real.flatten(1, 2), imaginary.flatten(1, 2)

    def invert(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return the waveform of a spectrum, float32 [B, n_frames * hop_length].

        Args:
            real: float32 [B, n_bins, n_frames].
            imaginary: The same.
        """
        q, stride = self.n_places, self.hop_length // self.n_places
        parts = [part.reshape(part.shape[0], self.n_kept, q, -1) for part in (real, imaginary)]
        rows = (self.to_place @ torch.cat(parts, 2)).reshape(real.shape[0], self.n_kept, 2, q, -1)
        spaced = rows.permute(0, 3, 2, 1, 4).flatten(1, 3)
        places = nn.functional.conv_transpose1d(spaced, self.to_spacing, stride=stride, groups=q)
        envelope = nn.functional.conv_transpose1d(torch.ones_like(real[:1, :q]), self.envelope, stride=stride, groups=q)
        edge = self.edge // q
        # At the outermost samples a single window is left, and that near its zero.
        places = places[:, :, edge:-edge] / envelope[:, :, edge:-edge].clamp(min=1e-4)
        return places.transpose(1, 2).flatten(1, 2)


def _choose_places(n_fft: int, hop_length: int) -> int:
    """Return the divisor nearest to a square split of which frames and their padding are whole multiples."""
    edge = (n_fft - hop_length) // 2
    fitting = [q for q in range(1, hop_length + 1) if n_fft % q == hop_length % q == edge % q == 0]
    return min(fitting, key=lambda q: abs(math.log(q * q / n_fft)))
