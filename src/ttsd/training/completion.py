"""Completion of a voice that has no posterior encoder.

A Piper voice is exported for synthesis, so the part of VITS that turns speech into latents is missing. The voice itself
knows both: it speaks its sentences, and the latents behind each frame are at hand. A fresh posterior encoder is
regressed onto them, which is far cheaper than learning it through the decoder.
"""

import functools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ttsd.config import CompletionConfig, Config
from ttsd.errors import StageError
from ttsd.model.mel import compute_spectrogram
from ttsd.training.batch import TrainingUtterance
from ttsd.training.phase import minimize
from ttsd.training.start import Start
from ttsd.utils.seeds import derive_seed

# The noise Piper speaks with: latents as varied as the decoder was trained on.
_NOISE_SCALE, _NOISE_SCALE_DURATION = 0.667, 0.8


def complete_student(
    start: Start,
    utterances: Sequence[TrainingUtterance],
    kept: Path,
    config: Config,
    progress: Callable[[int, int, str], None],
) -> list[float]:
    """Give a student the posterior encoder that its starting voice lacks; one that lacks none is left as it is.

    Args:
        start: The student, trained in place, and the voice it starts from.
        utterances: The training utterances, whose sentences the voice speaks to itself.
        kept: File that it goes on from where it was stopped.
        config: Reads `audio`, `train` and `seed`.
        progress: Told how many sentences and steps are done.

    Returns:
        The mean loss of each hundred steps.
    """
    completion = config.train.completion
    if not start.lacks_posterior_encoder or not completion.max_steps:
        return []
    encoder = start.student.posterior_encoder
    targets = functools.cache(lambda: speak_targets(start, utterances, config, progress))
    return minimize(
        encoder,
        lambda step: completion_loss(encoder, targets(), completion, config.seed, step),
        max_steps=completion.max_steps,
        learning_rate=completion.learning_rate,
        kept=kept,
        progress=lambda done, total: progress(done, total, "completion"),
    )


def speak_targets(
    start: Start, utterances: Sequence[TrainingUtterance], config: Config, progress: Callable[[int, int, str], None]
) -> list[tuple[Tensor, Tensor]]:
    """Let the starting voice speak some of the corpus's sentences and keep what its decoder was given.

    Args:
        start: The starting voice, with its own duration predictor.
        utterances: The sentences to choose from.
        config: Reads `audio`, `train.completion` and `seed`.
        progress: Told how many sentences are done.

    Returns:
        For each sentence of a crop's length or longer, the spectrogram float32 [n_freqs, n_frames] and the latents
        float32 [hidden, n_frames].

    Raises:
        StageError: Every sentence is shorter than a crop.
    """
    assert start.voice is not None
    completion = config.train.completion
    rng = random.Random(derive_seed(config.seed, "completion"))
    chosen = rng.sample(list(utterances), min(completion.n_utterances, len(utterances)))
    targets = []
    for number, utterance in enumerate(chosen):
        torch.manual_seed(derive_seed(config.seed, "completion", "speak", number))
        spoken = start.voice.synthesize(
            torch.tensor(utterance.symbol_ids),
            noise_scale=_NOISE_SCALE,
            noise_scale_duration=_NOISE_SCALE_DURATION,
            length_scale=1.0,
        )
        if spoken.z.shape[1] >= completion.crop_frames:
            targets.append((compute_spectrogram(spoken.wav.unsqueeze(0), config.audio)[0], spoken.z.clone()))
        progress(number + 1, len(chosen), "completion-speech")
    if not targets:
        raise StageError(
            f"train.completion.crop_frames is {completion.crop_frames}, and the starting voice speaks each of the "
            f"{len(chosen)} sentences in fewer frames; lower it"
        )
    return targets


def completion_loss(
    encoder: nn.Module, targets: Sequence[tuple[Tensor, Tensor]], config: CompletionConfig, seed: int, step: int
) -> Tensor:
    """Return the loss of a posterior encoder on random crops of a voice's own speech and latents.

    It is the Gaussian negative log-likelihood of the latents plus the absolute error of the mean.

    Args:
        encoder: The posterior encoder.
        targets: Spectrograms and latents, from `speak_targets`, each at least as long as a crop.
        config: Number and length of the crops.
        seed: The run's seed.
        step: Number of the step, which the crops follow from.
    """
    device = next(encoder.parameters()).device
    generator = torch.Generator().manual_seed(derive_seed(seed, "completion", step))
    torch.manual_seed(derive_seed(seed, "completion", "noise", step))
    crops = [_crop(targets, config.crop_frames, generator) for _ in range(config.batch_size)]
    spec, z = (torch.stack(part).to(device) for part in zip(*crops, strict=True))
    _, mean, log_scale, _ = encoder(spec, torch.full((config.batch_size,), config.crop_frames, device=device))
    error = z - mean
    likelihood = log_scale + 0.5 * error**2 * torch.exp(-2 * log_scale)
    loss: Tensor = likelihood.mean() + error.abs().mean()
    return loss


def _crop(targets: Sequence[tuple[Tensor, Tensor]], n_frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    spec, z = targets[int(torch.randint(len(targets), (1,), generator=generator))]
    first = int(torch.randint(z.shape[1] - n_frames + 1, (1,), generator=generator))
    return spec[:, first : first + n_frames], z[:, first : first + n_frames]
