"""Completion of a voice that lacks what training needs.

A Piper voice is exported for synthesis, so the part of VITS that turns speech into latents is missing; and the student
may have another decoder. The voice itself knows both ends: it speaks its sentences, and the latents behind each frame
are at hand. A fresh posterior encoder is regressed onto them, and a fresh decoder onto the speech, which is far cheaper
than learning the two through each other.
"""

import functools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ttsd.config import Config
from ttsd.model.mel import compute_spectrogram
from ttsd.training.batch import TrainingUtterance
from ttsd.training.decoder import learn
from ttsd.training.phase import Schedule, Turns, find_device, minimize, mixed_precision
from ttsd.training.pitch import measure_pitch
from ttsd.training.start import Start
from ttsd.training.windows import Pairs, Spoken, long_enough
from ttsd.utils.seeds import derive_seed

# The noise Piper speaks with: latents as varied as its decoder was trained on.
_NOISE_SCALE, _NOISE_SCALE_DURATION = 0.667, 0.8
_POSTERIOR = "completion"


def complete_student(
    start: Start,
    utterances: Sequence[TrainingUtterance],
    run_dir: Path,
    config: Config,
    progress: Callable[[int, int, str], None],
) -> dict[str, list[float]]:
    """Give a student the parts that its starting voice lacks; one that lacks none is left as it is.

    Args:
        start: The student, trained in place, and the voice it starts from.
        utterances: The training utterances, whose sentences the voice speaks to itself.
        run_dir: Each part is kept there in `completion-<part>.ckpt`, from which it goes on where it was stopped.
        config: Reads `audio`, `train` and `seed`.
        progress: Told how many sentences and steps are done.

    Returns:
        The mean loss of each hundred steps, by the name of the phase.

    Raises:
        StageError: The voice speaks every sentence in fewer frames than a crop or a window, or a loss is not finite.
    """
    completion, windows = config.train.completion, config.train.decoder
    encoder, decoder = start.student.posterior_encoder, start.student.waveform_decoder
    speech = functools.cache(lambda: speak_sentences(start, utterances, config, progress))
    # Spoken when a phase asks for it: a run that goes on from the full steps does not.
    crops = functools.cache(lambda: long_enough(speech(), completion.crop_frames, "train.completion.crop_frames"))
    spectrograms = functools.cache(
        lambda: [(compute_spectrogram(wav.unsqueeze(0), config.audio)[0], z) for z, wav, _ in crops()]
    )
    spoken = functools.cache(lambda: long_enough(speech(), windows.segment_frames, "train.decoder.segment_frames"))
    device = find_device(config.train)
    phases: dict[str, tuple[nn.Module, Turns, int, str]] = {}
    if start.lacks_posterior_encoder:
        phases["completion-posterior"] = (
            encoder,
            lambda step: regress(encoder, spectrograms(), config, device, step),
            completion.max_steps,
            "completion",
        )
    if start.lacks_decoder:
        phases["completion-decoder"] = (
            decoder,
            lambda step: learn(decoder, spoken(), config, device, step),
            completion.decoder_max_steps,
            "decoder",
        )
    losses = {}
    for name, (part, turns, max_steps, section) in phases.items():
        schedule = Schedule(max_steps, getattr(config.train, section).learning_rate, f"train.{section}.learning_rate")
        part.to(device)
        losses[name] = minimize({section: part}, turns, schedule, run_dir / f"{name}.ckpt", progress)
        part.cpu()
    return losses


def speak_sentences(
    start: Start, utterances: Sequence[TrainingUtterance], config: Config, progress: Callable[[int, int, str], None]
) -> Spoken:
    """Let the starting voice speak some of the corpus's sentences and keep what its decoder was given.

    Args:
        start: The starting voice, with its own duration predictor.
        utterances: The sentences to choose from.
        config: Reads `train.completion` and `seed`.
        progress: Told how many sentences are done.

    Returns:
        For each sentence latents, waveform and pitch; the last is empty where the student has a decoder already.
    """
    assert start.voice is not None
    rng = random.Random(derive_seed(config.seed, "completion"))
    chosen = rng.sample(list(utterances), min(config.train.completion.n_utterances, len(utterances)))
    spoken = []
    for number, utterance in enumerate(chosen):
        torch.manual_seed(derive_seed(config.seed, "completion", "speak", number))
        synthesis = start.voice.synthesize(
            torch.tensor(utterance.symbol_ids),
            noise_scale=_NOISE_SCALE,
            noise_scale_duration=_NOISE_SCALE_DURATION,
            length_scale=1.0,
        )
        # Outside the inference mode they were made in, a loss can be taken of them.
        wav = synthesis.wav.clone()
        f0_hz = torch.from_numpy(measure_pitch(wav.numpy(), config.audio)) if start.lacks_decoder else torch.zeros(0)
        spoken.append((synthesis.z.clone(), wav, f0_hz))
        progress(number + 1, len(chosen), "completion-speech")
    return spoken


def regress(
    encoder: nn.Module, targets: Pairs, config: Config, device: torch.device, step: int
) -> Iterator[tuple[str, Tensor]]:
    """Yield the loss of a posterior encoder on random crops of a voice's own speech and latents.

    It is the Gaussian negative log-likelihood of the latents plus the absolute error of the mean.

    Args:
        encoder: The posterior encoder, on `device`.
        targets: Spectrograms float32 [n_freqs, n_frames] and latents float32 [hidden, n_frames], at least a crop long.
        config: Reads `train` and `seed`.
        device: Where the work is done.
        step: Number of the step, which the crops follow from.
    """
    completion = config.train.completion
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "completion", step))
    torch.manual_seed(derive_seed(config.seed, "completion", "noise", step))
    crops = [_crop(targets, completion.crop_frames, generator) for _ in range(completion.batch_size)]
    spec, z = (torch.stack(part).to(device) for part in zip(*crops, strict=True))
    with mixed_precision(config.train, device):
        _, mean, log_scale, _ = encoder(
            spec, torch.full((completion.batch_size,), completion.crop_frames, device=device)
        )
    error, log_scale = z - mean.float(), log_scale.float()
    likelihood = log_scale + 0.5 * error**2 * torch.exp(-2 * log_scale)
    yield _POSTERIOR, likelihood.mean() + error.abs().mean()


def _crop(targets: Pairs, n_frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    spec, z = targets[int(torch.randint(len(targets), (1,), generator=generator))]
    first = int(torch.randint(z.shape[1] - n_frames + 1, (1,), generator=generator))
    return spec[:, first : first + n_frames], z[:, first : first + n_frames]
