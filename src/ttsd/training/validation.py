"""What validation measures on whole utterances: the same for the same weights."""

from collections.abc import Sequence

import torch

from ttsd.config import Config
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.source_filter_decoder import decode, pitch_loss
from ttsd.model.vits import Vits
from ttsd.training.batch import Batch
from ttsd.training.losses import kl_loss, mel_loss


@torch.no_grad()
def validation_losses(student: Vits, batch: Batch, config: Config) -> dict[str, float]:
    """Return the losses over whole utterances, without slices; the decoder is given the mean of the posterior."""
    audio, weights = config.audio, config.train.loss_weights
    spec = compute_spectrogram(batch.wav, audio)
    text = student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
    z, m_q, logs_q, mask = student.posterior_encoder(spec, batch.frame_lengths)
    # The divergence is an estimate from a draw, and means nothing without its noise.
    z_p = student.flow(z, mask)
    prior = student.align(text, batch.symbol_lengths, z_p, mask, batch.frame_lengths)
    latents = m_q * mask
    wav = decode(student.waveform_decoder, latents, batch.f0_hz)
    pitch = pitch_loss(student.waveform_decoder, latents, batch.f0_hz)
    mel = compute_mel(compute_spectrogram(wav.squeeze(1), audio), audio)
    losses = {
        "mel": weights.mel * mel_loss(compute_mel(spec, audio), mel),
        "kl": weights.kl * kl_loss(z_p, logs_q, prior.m_p, prior.logs_p, mask) / batch.frame_lengths.sum(),
        "duration": weights.duration * prior.duration_loss / batch.symbol_lengths.sum(),
    }
    if pitch is not None:
        losses["pitch"] = weights.pitch * pitch
    return {name: float(value) for name, value in losses.items()}


@torch.no_grad()
def duration_scale(student: Vits, batches: Sequence[Batch], config: Config) -> float:
    """Return the factor that makes the predicted durations as long as the clips on average; 1 without clips.

    A regression on log durations predicts the log's mean, which lies below the log of the mean: the speech would be
    too fast. A stochastic predictor has no such bias.
    """
    if config.model.duration_predictor == "stochastic" or not batches:
        return 1.0
    spoken = predicted = 0.0
    for batch in batches:
        x, _, _, x_mask = student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
        durations = torch.ceil(torch.exp(student.duration_predictor(x, x_mask)) * x_mask)
        spoken += float(batch.frame_lengths.sum())
        predicted += float(durations.sum())
    # Outside these bounds the predictor has learnt nothing yet.
    return min(max(spoken / max(predicted, 1.0), 0.5), 2.0)
