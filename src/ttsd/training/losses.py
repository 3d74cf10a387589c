"""The losses of VITS, one function each; all in 32 bits."""

from collections.abc import Sequence

import torch
from torch import Tensor


def mel_loss(mel: Tensor, mel_hat: Tensor) -> Tensor:
    """Return the mean absolute difference of two log-mel segments, float [B, n_mels, T]."""
    return torch.nn.functional.l1_loss(mel_hat.float(), mel.float())


def kl_loss(z_p: Tensor, logs_q: Tensor, m_p: Tensor, logs_p: Tensor, mask: Tensor) -> Tensor:
    """Return the divergence of the posterior from the prior, summed over the frames (Kim et al. 2021, eq. 3 and 4).

    Args:
        z_p: Posterior sample taken through the flow, float [B, hidden, T].
        logs_q: Log standard deviation of the posterior, of the same shape.
        m_p: Mean of the prior, stretched by the alignment, of the same shape.
        logs_p: Its log standard deviation, of the same shape.
        mask: 1 where a frame is speech and 0 where it is padding, float [B, 1, T].
    """
    z_p, logs_q, m_p, logs_p = z_p.float(), logs_q.float(), m_p.float(), logs_p.float()
    divergence = logs_p - logs_q - 0.5 + 0.5 * (z_p - m_p) ** 2 * torch.exp(-2.0 * logs_p)
    return torch.sum(divergence * mask)


def adversarial_loss(fake_scores: Sequence[Tensor]) -> Tensor:
    """Return the generator's least-squares loss, summed over the discriminator's parts (Mao et al. 2017)."""
    return torch.stack([torch.mean((1 - score.float()) ** 2) for score in fake_scores]).sum()


def discriminator_loss(real_scores: Sequence[Tensor], fake_scores: Sequence[Tensor]) -> Tensor:
    """Return the discriminator's least-squares loss, summed over its parts (Mao et al. 2017)."""
    pairs = zip(real_scores, fake_scores, strict=True)
    return torch.stack([torch.mean((1 - r.float()) ** 2) + torch.mean(f.float() ** 2) for r, f in pairs]).sum()


def feature_matching_loss(
    real_features: Sequence[Sequence[Tensor]], fake_features: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Return twice the mean absolute difference of the discriminator's features, summed (Kong et al. 2020)."""
    pairs = [
        pair for real, fake in zip(real_features, fake_features, strict=True) for pair in zip(real, fake, strict=True)
    ]
    return 2 * torch.stack([torch.mean(torch.abs(real.float().detach() - fake.float())) for real, fake in pairs]).sum()
