"""The last phase of a student with the `istft` decoder: it learns to speak from the latents that the text gives.

The full steps of VITS show a decoder latents of real speech alone. What it meets in synthesis are latents of the text,
and after a short training the two are not yet alike. A decoder that goes on with the latter, stretched to the clips'
own timing by the alignment, makes up for much of the difference, as vocoders do that are trained on the spectrograms
an acoustic model predicts (Shen et al., 2018, "Natural TTS synthesis by conditioning WaveNet on mel spectrogram
predictions").
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ttsd.config import AudioConfig, Config, DecoderConfig
from ttsd.data.symbols import SymbolTable
from ttsd.errors import StageError
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Vits
from ttsd.training.batch import TrainingUtterance, UtteranceDataset
from ttsd.training.checkpoint import build_student, read_checkpoint, save_checkpoint
from ttsd.training.losses import mel_loss
from ttsd.training.phase import minimize
from ttsd.training.store import AudioStore
from ttsd.utils.seeds import derive_seed

Pairs = list[tuple[Tensor, Tensor]]
"""Latents, and something that belongs to them frame by frame."""

_RESOLUTIONS = ((512, 80), (1024, 80), (2048, 120))
"""Length of the Fourier transform in samples, and mel bands; successive frames are a quarter of the former apart."""


def adapt_decoder(
    run_dir: Path,
    utterances: Sequence[TrainingUtterance],
    store: AudioStore,
    config: Config,
    progress: Callable[[int, int, str], None],
) -> list[float]:
    """Let the decoder of a trained student learn from the latents of the text; done before, it is left as it is.

    Args:
        run_dir: Where `last.ckpt` lies; it and `best.ckpt` are written anew. The phase goes on from where it was
            stopped by `decoder.ckpt`.
        utterances: The training utterances.
        store: Their clips.
        config: Reads `audio`, `train.decoder` and `seed`.
        progress: Told how many clips and steps are done.

    Returns:
        The mean loss of each hundred steps.

    Raises:
        StageError: Every clip is shorter than a window.
    """
    settings, last = config.train.decoder, run_dir / "last.ckpt"
    content = read_checkpoint(last)
    run = content["run"]
    if "decoder" in run:
        losses: list[float] = run["decoder"]
        return losses
    student = build_student(content, last).vits
    decoder = student.waveform_decoder
    pairs = functools.cache(lambda: speak_latents(student, utterances, store, config, progress))
    losses = minimize(
        decoder,
        lambda step: decoder_loss(decoder, pairs(), settings, config.audio, config.seed, step),
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        setting="train.decoder.learning_rate",
        kept=run_dir / "decoder.ckpt",
        progress=lambda done, total: progress(done, total, "decoder"),
    )
    voice = content["voice"] | {f"waveform_decoder.{name}": value for name, value in decoder.state_dict().items()}
    symbols = SymbolTable(**content["symbols"])
    for name, kept in (("best.ckpt", None), ("last.ckpt", run | {"decoder": losses})):
        save_checkpoint(run_dir / name, config, symbols, voice, content["duration_scale"], kept)
    # Their decoders have not learnt this.
    for path in run_dir.glob("step-*.ckpt"):
        path.unlink()
    return losses


def speak_latents(
    student: Vits,
    utterances: Sequence[TrainingUtterance],
    store: AudioStore,
    config: Config,
    progress: Callable[[int, int, str], None],
) -> Pairs:
    """Let the text speak each clip in latents, with the clip's own timing.

    Args:
        student: The student after its full steps, in evaluation mode on the CPU.
        utterances: Clips to speak; the first `train.decoder.n_utterances` of a shuffled order are taken.
        store: Their samples.
        config: Reads `audio`, `train.decoder` and `seed`.
        progress: Told how many are done.

    Returns:
        For each clip of a window's length or longer, the latents float32 [hidden, n_frames] and the waveform float32
        [n_frames * hop_length].

    Raises:
        StageError: Every clip is shorter than a window.
    """
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "decoder", "utterances"))
    order = torch.randperm(len(utterances), generator=generator)[: config.train.decoder.n_utterances].tolist()
    dataset = UtteranceDataset([utterances[i] for i in order], store, config.audio.hop_length)
    pairs = []
    for number in range(len(dataset)):
        _, symbol_ids, wav = dataset[number]
        torch.manual_seed(derive_seed(config.seed, "decoder", "noise", number))
        pairs.append((_latents_of_text(student, symbol_ids, wav, config), wav))
        progress(number + 1, len(dataset), "decoder-latents")
    return long_enough(pairs, config.train.decoder.segment_frames, "train.decoder.segment_frames")


def long_enough(pairs: Pairs, n_frames: int, setting: str) -> Pairs:
    """Return the pairs of at least this many frames.

    Args:
        pairs: Latents float32 [hidden, n_frames], and something that belongs to them.
        n_frames: The least number.
        setting: Name of the setting that asks for it.

    Raises:
        StageError: There is none.
    """
    kept = [pair for pair in pairs if pair[0].shape[1] >= n_frames]
    if not kept:
        longest = max(z.shape[1] for z, _ in pairs)
        raise StageError(f"{setting} is {n_frames}, and the longest of {len(pairs)} clips has {longest}; lower it")
    return kept


@torch.inference_mode()
def _latents_of_text(student: Vits, symbol_ids: Tensor, wav: Tensor, config: Config) -> Tensor:
    spec = compute_spectrogram(wav.unsqueeze(0), config.audio)
    lengths = torch.tensor([len(symbol_ids)]), torch.tensor([spec.shape[2]])
    text = student.text_encoder(symbol_ids.unsqueeze(0), lengths[0])
    _, m_q, _, mask = student.posterior_encoder(spec, lengths[1])
    prior = student.align(text, lengths[0], student.flow(m_q, mask), mask, lengths[1])
    z_p = prior.m_p + torch.randn_like(prior.m_p) * torch.exp(prior.logs_p) * config.train.decoder.noise_scale
    latents: Tensor = student.flow(z_p, mask, reverse=True)[0]
    return latents.clone()


def decoder_loss(
    decoder: nn.Module,
    pairs: Pairs,
    config: DecoderConfig,
    audio: AudioConfig,
    seed: int,
    step: int,
) -> Tensor:
    """Return the log-mel loss of random windows, averaged over three resolutions.

    Args:
        decoder: The decoder.
        pairs: Latents and waveforms, from `speak_latents`.
        config: Number and length of the windows.
        audio: Samples and frames.
        seed: The run's seed.
        step: Number of the step, which the windows follow from.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "decoder", step))
    lengths = torch.tensor([z.shape[1] for z, _ in pairs], dtype=torch.float64)
    chosen = torch.multinomial(lengths, config.batch_size, replacement=True, generator=generator).tolist()
    latents, waves = [], []
    for i in chosen:
        z, wav = pairs[i]
        first = int(torch.randint(z.shape[1] - config.segment_frames + 1, (1,), generator=generator))
        last = first + config.segment_frames
        latents.append(z[:, first:last])
        waves.append(wav[first * audio.hop_length : last * audio.hop_length])
    original, spoken = torch.stack(waves), decoder(torch.stack(latents)).squeeze(1)
    losses = []
    for n_fft, n_mels in _RESOLUTIONS:
        sizes = {"n_fft": n_fft, "win_length": n_fft, "hop_length": n_fft // 4, "n_mels": n_mels}
        analysis = audio.model_copy(update=sizes)
        mels = [compute_mel(compute_spectrogram(wav, analysis), analysis) for wav in (original, spoken)]
        losses.append(mel_loss(*mels))
    return torch.stack(losses).mean()
