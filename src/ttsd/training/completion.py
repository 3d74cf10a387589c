"""Completion of a voice that has no posterior encoder.

A Piper voice is exported for synthesis, so the part of VITS that turns speech into latents is missing. The voice itself
knows both: it speaks its sentences, and the latents behind each frame are at hand. A fresh posterior encoder is
regressed onto them, which is far cheaper than learning it through the decoder.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ttsd.config import AudioConfig, CompletionConfig
from ttsd.model.mel import compute_spectrogram
from ttsd.model.vits import Vits
from ttsd.utils.seeds import derive_seed

# The noise Piper speaks with: latents as varied as the decoder was trained on.
_NOISE_SCALE, _NOISE_SCALE_DURATION = 0.667, 0.8


def speak_targets(
    voice: Vits,
    sentences: Sequence[tuple[int, ...]],
    audio: AudioConfig,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> list[tuple[Tensor, Tensor]]:
    """Let the voice speak sentences and keep what its decoder was given.

    Args:
        voice: The starting voice, with its own duration predictor.
        sentences: Symbol ids of each sentence.
        audio: Frames.
        seed: Seed of the noise.
        progress: Told how many sentences are done.

    Returns:
        For each sentence the spectrogram float32 [n_freqs, n_frames] and the latents float32 [hidden, n_frames].
    """
    targets = []
    for number, symbol_ids in enumerate(sentences):
        torch.manual_seed(derive_seed(seed, "completion", "speak", number))
        spoken = voice.synthesize(
            torch.tensor(symbol_ids),
            noise_scale=_NOISE_SCALE,
            noise_scale_duration=_NOISE_SCALE_DURATION,
            length_scale=1.0,
        )
        targets.append((compute_spectrogram(spoken.wav.unsqueeze(0), audio)[0], spoken.z.clone()))
        progress(number + 1, len(sentences), "completion-speech")
    return targets


def complete_posterior_encoder(
    student: Vits,
    targets: Sequence[tuple[Tensor, Tensor]],
    config: CompletionConfig,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> list[float]:
    """Regress the student's posterior encoder onto a voice's own latents.

    The loss is the Gaussian negative log-likelihood of the latents plus the absolute error of the mean.

    Args:
        student: The student; its posterior encoder is trained in place.
        targets: Spectrograms and latents, from `speak_targets`.
        config: Steps, crops and learning rate.
        seed: Seed of the crops.
        progress: Told how many steps are done.

    Returns:
        The mean absolute error of every hundredth step.
    """
    encoder = student.posterior_encoder
    targets = [(spec, z) for spec, z in targets if z.shape[1] >= config.crop_frames]
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    lengths = torch.full((config.batch_size,), config.crop_frames)
    history = []
    for step in range(config.max_steps):
        generator = torch.Generator().manual_seed(derive_seed(seed, "completion", step))
        torch.manual_seed(derive_seed(seed, "completion", "noise", step))
        specs, latents = zip(
            *(_crop(targets, config.crop_frames, generator) for _ in range(config.batch_size)), strict=True
        )
        spec, z = torch.stack(specs), torch.stack(latents)
        _, mean, log_scale, _ = encoder(spec, lengths)
        error = z - mean
        likelihood = log_scale + 0.5 * error**2 * torch.exp(-2 * log_scale)
        absolute = error.abs().mean()
        loss = likelihood.mean() + absolute
        rate = min((step + 1) / 20, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / config.max_steps)))
        optimizer.param_groups[0]["lr"] = config.learning_rate * rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
        optimizer.step()
        if step % 100 == 99:
            history.append(float(absolute.detach()))
        progress(step + 1, config.max_steps, "completion")
    return history


def _crop(targets: Sequence[tuple[Tensor, Tensor]], n_frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    spec, z = targets[int(torch.randint(len(targets), (1,), generator=generator))]
    first = int(torch.randint(z.shape[1] - n_frames + 1, (1,), generator=generator))
    return spec[:, first : first + n_frames], z[:, first : first + n_frames]
