"""How a compact student learns: its front end from the teacher's durations and latents, its decoder from its speech.

Each part learns by itself, which is far cheaper than through the other. Then the decoder hears the front end's latents
as well, in turns with the teacher's, since they are what it meets in synthesis; and at the end a small discriminator
may polish it. A HiFi-GAN's waveform is a function of its latents, so phases count where those are the teacher's. The
front end's latents are a little off, and the teacher's phases are not in them.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ttsd.config import Config
from ttsd.model.compact import N_LATENTS, CompactVoice, FrontEnd
from ttsd.model.small_discriminator import SmallDiscriminator
from ttsd.model.two_rate_decoder import TwoRateDecoder
from ttsd.model.vits import Vits
from ttsd.report import Progress
from ttsd.training.decoder import learn, polish
from ttsd.training.hint import make_hint, read_texts
from ttsd.training.phase import Schedule, Turns, find_device, look, minimize_watched, mixed_precision
from ttsd.training.rendering import Rendering
from ttsd.training.shelf import Shelf
from ttsd.training.windows import Spoken, long_enough
from ttsd.utils.seeds import derive_seed

_FRONT, _DECODER, _DISCRIMINATOR = "front_end", "decoder", "discriminator"
_SLOPE_SHARE = 1.0
"""Weight of the error of the latents' differences from frame to frame, against that of the latents."""
_DURATION_SHARE = 0.3
_TEXT_SHARE = 1.0
PHASES = ("front", "decoder", "joint", "polish")


def distil(
    student: CompactVoice,
    teacher: Vits,
    renderings: Sequence[Rendering],
    shelf: Shelf,
    config: Config,
    progress: Progress,
    validate: Callable[[CompactVoice, int], dict[str, float]],
) -> dict[str, list[float]]:
    """Train a compact student, phase after phase; stopped in the middle, it goes on from what it saved.

    Args:
        student: Trained in place.
        teacher: Its weights are left alone.
        renderings: What the teacher does when it speaks.
        shelf: Takes the voices that were validated; each phase is kept in `<phase>.ckpt` of its run.
        config: Reads `audio`, `train` and `seed`.
        progress: Told how many steps are done.
        validate: Tells how good the student is after so many steps.

    Returns:
        The mean loss of each hundred steps, by the name of the phase.

    Raises:
        StageError: Every sentence is shorter than a window, or a loss is not finite.
    """
    phases = make_phases(student, teacher, renderings, config, progress)
    losses: dict[str, list[float]] = {}
    done = 0
    for name, schedule in make_schedules(config).items():
        parts, turns = phases[name]
        # Before that one of the parts has learnt nothing.
        ask = validate if name in ("joint", "polish") else None
        losses[name] = minimize_watched(name, student, parts, turns, schedule, shelf, done, progress, ask)
        done += schedule.max_steps
    if not shelf.history:
        look(student, shelf, validate, 0, done)
    return losses


def make_phases(
    student: CompactVoice, teacher: Vits, renderings: Sequence[Rendering], config: Config, progress: Progress
) -> dict[str, tuple[dict[str, nn.Module], Turns]]:
    """Return what learns in each phase, by the names of the parts, and the turns of its steps.

    Args:
        student: Moved to the device that `config.train` asks for.
        teacher: Likewise.
        renderings: What the teacher does when it speaks.
        config: Reads `audio`, `train` and `seed`.
        progress: Told how many sentences the front end has given latents for, when a phase first asks for them.

    Raises:
        StageError: Every sentence is shorter than a window.
    """
    device = find_device(config.train)
    student.to(device).eval()
    teacher.to(device)
    front, decoder = student.front_end, student.waveform_decoder
    windows = config.train.decoder
    spoken = long_enough(
        [(one.z, one.wav, one.f0_hz) for one in renderings], windows.segment_frames, "train.decoder.segment_frames"
    )

    @functools.cache
    def heard() -> Spoken:
        own = []
        for number, one in enumerate(renderings, start=1):
            own.append((speak_latents(front, one, device), one.wav, one.f0_hz))
            progress(number, len(renderings), "latents")
        return long_enough(own, windows.segment_frames, "train.decoder.segment_frames")

    torch.manual_seed(derive_seed(config.seed, "hint"))
    hint = None
    if isinstance(decoder, TwoRateDecoder):
        hint = make_hint(teacher.waveform_decoder, decoder.fine_channels, [one.z for one in renderings])
    reading = nn.Conv1d(front.head.in_features, N_LATENTS, 1)
    texts = functools.cache(lambda: read_texts(teacher, [one.symbol_ids for one in renderings]))
    exact = hint is not None
    taught = nn.ModuleList([decoder, *([hint.to(device)] if hint else [])])
    torch.manual_seed(derive_seed(config.seed, "polish"))
    opponent = SmallDiscriminator().to(device)
    order = sorted(range(len(renderings)), key=lambda i: (renderings[i].z.shape[1], i))

    def join(step: int) -> Iterator[tuple[str, Tensor]]:
        latents, told, phases = (heard(), None, False) if step % 2 else (spoken, hint, exact)
        return learn(decoder, latents, config, device, -1_000_000 - step, hint=told, phases=phases)

    def smooth(step: int) -> Iterator[tuple[str, Tensor]]:
        latents, phases = (heard(), False) if step % 2 else (spoken, exact)
        return polish(decoder, opponent, latents, config, device, step, phases=phases)

    return {
        "front": (
            {_FRONT: nn.ModuleList([front, reading.to(device)])},
            lambda step: learn_front_end(front, renderings, order, config, device, step, reading, texts()),
        ),
        "decoder": (
            {_DECODER: taught},
            lambda step: learn(decoder, spoken, config, device, step, hint=hint, phases=exact),
        ),
        "joint": ({_DECODER: taught}, join),
        "polish": ({_DISCRIMINATOR: opponent, _DECODER: decoder}, smooth),
    }


def make_schedules(config: Config) -> dict[str, Schedule]:
    """Return how long each phase lasts and how fast it learns, by its name."""
    distil, decoder, every = config.train.distil, config.train.decoder, config.train.checkpoint_every_steps
    rate, name = decoder.learning_rate, "train.decoder.learning_rate"
    return {
        "front": Schedule(distil.max_steps, distil.learning_rate, "train.distil.learning_rate"),
        "decoder": Schedule(decoder.max_steps, rate, name),
        "joint": Schedule(distil.joint_max_steps, 0.5 * rate, name, every),
        "polish": Schedule(
            decoder.polish_max_steps, decoder.polish_learning_rate, "train.decoder.polish_learning_rate", every
        ),
    }


def learn_front_end(
    front: FrontEnd,
    renderings: Sequence[Rendering],
    order: Sequence[int],
    config: Config,
    device: torch.device,
    step: int,
    reading: nn.Conv1d,
    texts: Sequence[Tensor],
) -> Iterator[tuple[str, Tensor]]:
    """Yield the loss of a front end on some of the teacher's sentences.

    It is the mean absolute error of the latents, that of their differences from frame to frame, that of the logarithms
    of the durations, and that of what the teacher's text encoder says.

    Args:
        front: The front end, on `device`.
        renderings: The teacher's sentences.
        order: Their numbers, by length.
        config: Reads `train` and `seed`.
        device: Where the work is done.
        step: Number of the step, which the sentences follow from.
        reading: Reads off the front end's symbols what the teacher says of them.
        texts: The latter for every sentence, from `read_texts`.
    """
    front.train()
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "front", step))
    size = min(config.train.distil.batch_size, len(order))
    # Neighbours by length: the shorter ones are padded little.
    first = int(torch.randint(len(order) - size + 1, (1,), generator=generator))
    numbers = order[first : first + size]
    chosen = [renderings[i] for i in numbers]
    torch.manual_seed(derive_seed(config.seed, "front", "dropout", step))
    pad = nn.utils.rnn.pad_sequence
    symbol_ids = pad([one.symbol_ids for one in chosen], batch_first=True).to(device)
    durations = pad([one.durations for one in chosen], batch_first=True).to(device)
    target = pad([one.z.T for one in chosen], batch_first=True).transpose(1, 2).to(device)
    text = pad([texts[i].T for i in numbers], batch_first=True).transpose(1, 2).to(device)
    lengths = torch.tensor([len(one.symbol_ids) for one in chosen], device=device)
    n_frames = torch.tensor([one.z.shape[1] for one in chosen], device=device)
    with mixed_precision(config.train, device):
        hidden, mask = front.encode(symbol_ids, lengths)
        log_durations = front.predict_log_durations(hidden, mask)
        z, read = front.speak(hidden, durations), reading(hidden)
    frames = (torch.arange(z.shape[2], device=device) < n_frames.unsqueeze(1)).unsqueeze(1)
    error = (z.float() - target) * frames
    slope = (error[:, :, 1:] - error[:, :, :-1]) * frames[:, :, 1:]
    n_values = frames.sum() * z.shape[1]
    of_latents = (error.abs().sum() + _SLOPE_SHARE * slope.abs().sum()) / n_values
    known = durations > 0
    of_durations = (log_durations.float() - torch.log(durations.clamp(min=1).float()))[known].abs().mean()
    of_texts = (read.float() - text).abs().mean(1)[known].mean()
    yield _FRONT, of_latents + _DURATION_SHARE * of_durations + _TEXT_SHARE * of_texts


@torch.no_grad()
def speak_latents(front: FrontEnd, one: Rendering, device: torch.device) -> Tensor:
    """Return the latents that a front end gives a sentence with the teacher's timing, float32 [192, n_frames]."""
    front.eval()
    lengths = torch.tensor([len(one.symbol_ids)], device=device)
    hidden, _ = front.encode(one.symbol_ids.to(device).unsqueeze(0), lengths)
    return front.speak(hidden, one.durations.to(device).unsqueeze(0))[0].float().cpu()
