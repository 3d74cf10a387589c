"""The last phase of a student: its decoder learns to speak from the latents that the text gives.

The full steps of VITS show a decoder latents of real speech alone, a slice of each clip at a time. What it meets in
synthesis are latents of the text. A decoder that goes on with the latter, stretched to the clips' own timing by the
alignment, makes up for the difference, as vocoders do that are trained on the spectrograms an acoustic model predicts
(Shen et al., 2018, "Natural TTS synthesis by conditioning WaveNet on mel spectrogram predictions"); and as nothing
else moves, a step costs a fraction of a full one. At the end a small discriminator may polish it.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ttsd.config import Config
from ttsd.data.symbols import SymbolTable
from ttsd.model.discriminator import frozen
from ttsd.model.mel import compute_spectrogram
from ttsd.model.small_discriminator import SmallDiscriminator
from ttsd.model.source_filter_decoder import decode, pitch_loss
from ttsd.model.two_rate_decoder import TwoRateDecoder
from ttsd.model.vits import Vits, build_vits
from ttsd.report import Progress
from ttsd.training.batch import TrainingUtterance, UtteranceDataset
from ttsd.training.checkpoint import read_checkpoint, save_checkpoint
from ttsd.training.hint import Hint
from ttsd.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from ttsd.training.phase import Schedule, Turns, find_device, minimize_watched, mixed_precision
from ttsd.training.shelf import BEST_NAME, Shelf
from ttsd.training.store import AudioStore
from ttsd.training.windows import Spoken, draw_windows, long_enough, phase_loss, spectral_loss
from ttsd.utils.files import atomic_path
from ttsd.utils.seeds import derive_seed

_DECODER, _DISCRIMINATOR = "decoder", "discriminator"
_OPPONENTS_LEAD = 50
"""Steps in which the new discriminator learns alone."""
_PHASE_WEIGHT = 2.0
"""Of the error of the phases against that of the log mels."""


def adapt_decoder(
    run_dir: Path,
    utterances: Sequence[TrainingUtterance],
    store: AudioStore,
    config: Config,
    progress: Progress,
    validate: Callable[[Vits, int], dict[str, float]],
) -> tuple[dict[str, list[float]], list[dict[str, float]]]:
    """Let the decoder of a run's best voice learn from the latents of the text; done before, it is left as it is.

    Args:
        run_dir: Where `last.ckpt` and `best.ckpt` lie; they are written anew. The phase goes on from where it was
            stopped by `decoder.ckpt` and `polish.ckpt`.
        utterances: The training utterances.
        store: Their clips.
        config: Reads `audio`, `train` and `seed`.
        progress: Told how many clips and steps are done.
        validate: Tells how good a student is after so many steps.

    Returns:
        The mean loss of each hundred steps, by the name of the phase; and the validations of the whole run.

    Raises:
        StageError: Every clip is shorter than a window, or a loss is not finite.
    """
    last, base = run_dir / "last.ckpt", run_dir / "decoder-base.ckpt"
    content = read_checkpoint(last)
    run, history = content["run"], json.loads(content["run"]["history"])
    if "decoder" in run:
        return run["decoder"], history
    if not base.is_file():
        # The best voice becomes another one while this phase goes on.
        with atomic_path(base) as temporary:
            shutil.copyfile(run_dir / BEST_NAME, temporary)
    start = read_checkpoint(base)
    symbols, device = SymbolTable(**start["symbols"]), find_device(config.train)
    student = build_vits(config.model, config.audio, symbols.n_symbols)
    student.load_state_dict(start["voice"])
    student.to(device).eval()
    shelf = Shelf(run_dir, symbols, config, history)
    # Spoken when a phase asks for them, and once.
    spoken = functools.cache(lambda: speak_latents(student, utterances, store, config, progress))
    losses: dict[str, list[float]] = {}
    done = int(run["step"])
    for name, schedule in _schedules(config).items():
        parts, turns = _make_turns(name, student.waveform_decoder, spoken, config, device)
        losses[name] = minimize_watched(name, student, parts, turns, schedule, shelf, done, progress, validate)
        done += schedule.max_steps
    scale = shelf.history[-1]["duration_scale"]
    run |= {"decoder": losses, "history": json.dumps(shelf.history)}
    save_checkpoint(last, config, symbols, student.state_dict(), scale, run)
    base.unlink()
    return losses, shelf.history


def _schedules(config: Config) -> dict[str, Schedule]:
    settings, every = config.train.decoder, config.train.checkpoint_every_steps
    schedules = {
        "decoder": Schedule(settings.max_steps, settings.learning_rate, "train.decoder.learning_rate", every),
        "polish": Schedule(
            settings.polish_max_steps, settings.polish_learning_rate, "train.decoder.polish_learning_rate", every
        ),
    }
    return {name: schedule for name, schedule in schedules.items() if schedule.max_steps}


def _make_turns(
    name: str, decoder: nn.Module, spoken: Callable[[], Spoken], config: Config, device: torch.device
) -> tuple[dict[str, nn.Module], Turns]:
    if name == "decoder":
        return {_DECODER: decoder}, lambda step: learn(decoder, spoken(), config, device, step)
    torch.manual_seed(derive_seed(config.seed, "polish"))
    opponent = SmallDiscriminator().to(device)
    parts = {_DISCRIMINATOR: opponent, _DECODER: decoder}
    return parts, lambda step: polish(decoder, opponent, spoken(), config, device, step)


def learn(
    decoder: nn.Module,
    spoken: Spoken,
    config: Config,
    device: torch.device,
    step: int,
    *,
    hint: Hint | None = None,
    phases: bool = False,
) -> Iterator[tuple[str, Tensor]]:
    """Yield the loss of a decoder on windows of clips.

    Args:
        decoder: The decoder, on `device`.
        spoken: Latents, waveforms and pitches, from `speak_latents`.
        config: Reads `audio`, `train` and `seed`.
        device: Where the work is done.
        step: Number of the step, which the windows follow from.
        hint: Shows a `TwoRateDecoder` what its teacher's decoder thinks halfway.
        phases: The waveforms are functions of the latents, so their phases count.
    """
    decoder.train()
    drawn = draw_windows(spoken, config.train.decoder, config.audio.hop_length, config.seed, step)
    latents, wav, f0_hz = (part.to(device) for part in drawn)
    torch.manual_seed(derive_seed(config.seed, "decoder", "sources", step))
    with mixed_precision(config.train, device):
        if isinstance(decoder, TwoRateDecoder):
            middle = decoder.find_middle(latents)
            made, beside = decoder.speak(decoder.refine(middle)), hint(latents, middle) if hint else None
        else:
            made, beside = decode(decoder, latents, f0_hz).float(), pitch_loss(decoder, latents, f0_hz)
    loss = _distance(wav, made.squeeze(1), config, phases)
    yield _DECODER, loss if beside is None else loss + beside


def polish(
    decoder: nn.Module,
    opponent: SmallDiscriminator,
    spoken: Spoken,
    config: Config,
    device: torch.device,
    step: int,
    *,
    phases: bool = False,
) -> Iterator[tuple[str, Tensor]]:
    """Yield the loss of a small discriminator, then that of the decoder, which has it to deceive as well.

    Args:
        decoder: The decoder, on `device`.
        opponent: The discriminator, on `device`.
        spoken: Latents, waveforms and pitches, from `speak_latents`.
        config: Reads `audio`, `train` and `seed`; the weights of the losses are those of the full steps.
        device: Where the work is done.
        step: Number of the step; the first ones are the discriminator's alone.
        phases: As for `learn`.
    """
    decoder.train()
    train, weights = config.train, config.train.loss_weights
    drawn = draw_windows(spoken, train.decoder, config.audio.hop_length, config.seed, -1 - step)
    latents, wav, f0_hz = (part.to(device) for part in drawn)
    wav = wav.unsqueeze(1)
    torch.manual_seed(derive_seed(config.seed, "polish", "sources", step))
    with mixed_precision(train, device):
        made = decode(decoder, latents, f0_hz).float()
        fake, _ = opponent(made.detach())
        real, _ = opponent(wav)
    yield _DISCRIMINATOR, discriminator_loss(real, fake)
    if step < _OPPONENTS_LEAD:
        return
    with frozen(opponent), mixed_precision(train, device):
        fake, fake_features = opponent(made)
        with torch.no_grad():
            _, real_features = opponent(wav)
        pitch = pitch_loss(decoder, latents, f0_hz)
    distance = _distance(wav.squeeze(1), made.squeeze(1), config, phases)
    loss = weights.mel * (distance if pitch is None else distance + pitch)
    loss = loss + weights.adversarial * adversarial_loss(fake)
    yield _DECODER, loss + weights.feature_matching * feature_matching_loss(real_features, fake_features)


def _distance(original: Tensor, made: Tensor, config: Config, phases: bool) -> Tensor:
    loss = spectral_loss(original, made, config.audio)
    return loss + _PHASE_WEIGHT * phase_loss(original, made) if phases else loss


def speak_latents(
    student: Vits, utterances: Sequence[TrainingUtterance], store: AudioStore, config: Config, progress: Progress
) -> Spoken:
    """Let the text speak each clip in latents, with the clip's own timing.

    Args:
        student: The student after its full steps, in evaluation mode.
        utterances: Clips to speak; the first `train.decoder.n_utterances` of a shuffled order are taken.
        store: Their samples.
        config: Reads `audio`, `train.decoder` and `seed`.
        progress: Told how many are done.

    Returns:
        For each clip of a window's length or longer, latents, waveform and pitch, on the CPU.

    Raises:
        StageError: Every clip is shorter than a window.
    """
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "decoder", "utterances"))
    order = torch.randperm(len(utterances), generator=generator)[: config.train.decoder.n_utterances].tolist()
    dataset = UtteranceDataset([utterances[i] for i in order], store, config.audio.hop_length)
    spoken = []
    for number in range(len(dataset)):
        _, symbol_ids, wav, f0_hz = dataset[number]
        torch.manual_seed(derive_seed(config.seed, "decoder", "noise", number))
        spoken.append((_latents_of_text(student, symbol_ids, wav, config), wav, f0_hz))
        progress(number + 1, len(dataset), "decoder-latents")
    return long_enough(spoken, config.train.decoder.segment_frames, "train.decoder.segment_frames")


@torch.no_grad()
def _latents_of_text(student: Vits, symbol_ids: Tensor, wav: Tensor, config: Config) -> Tensor:
    device = next(student.parameters()).device
    spec = compute_spectrogram(wav.to(device).unsqueeze(0), config.audio)
    lengths = torch.tensor([len(symbol_ids)], device=device), torch.tensor([spec.shape[2]], device=device)
    text = student.text_encoder(symbol_ids.to(device).unsqueeze(0), lengths[0])
    _, m_q, _, mask = student.posterior_encoder(spec, lengths[1])
    prior = student.align(text, lengths[0], student.flow(m_q, mask), mask, lengths[1])
    noise = torch.randn(prior.m_p.shape).to(device) * config.train.decoder.noise_scale
    z_p = prior.m_p + noise * torch.exp(prior.logs_p)
    latents: Tensor = student.flow(z_p, mask, reverse=True)[0].cpu()
    return latents
