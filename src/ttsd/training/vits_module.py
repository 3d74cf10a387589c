"""One training step of VITS: a discriminator turn, then a generator turn, over a single generator forward."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor
from TTS.tts.utils.helpers import sequence_mask

from ttsd.config import Config
from ttsd.model.discriminator import discriminate, frozen
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Forward, Vits, find_frozen, generator_parameters, take_slices
from ttsd.training.batch import Batch
from ttsd.training.guard import Guard
from ttsd.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from ttsd.training.schedule import learning_rate_at
from ttsd.utils.seeds import derive_seed

_WARMUP_STEPS = 500
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Target:
    """What the generator should have made of a batch."""

    wav: Tensor
    """The slices of the clips, float32 [B, 1, segment_frames * hop_length]."""
    mel: Tensor
    """Their log-mel spectrograms, float32 [B, n_mels, segment_frames]."""


@dataclass(frozen=True)
class Shares:
    """What a process's losses are divided by, so that the mean of all processes' gradients is the joint batch's."""

    clips: Tensor
    """Its clips against those of the mean process: 1 for a single one."""
    n_frames: Tensor
    """Speech frames in the mean process's batch."""
    n_symbols: Tensor
    """Symbols in it."""


class VitsModule(lightning.LightningModule):
    """Trains a student; `step` counts batches, whatever the number of optimisers.

    Losses stay on the device between two lines of the log, gradients that are not finite are passed over without asking
    for them, and slices are gathered: on a GPU nothing in a step waits for the host but alignment and the splines.
    """

    def __init__(self, student: Vits, config: Config, *, discriminator_is_new: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student = student
        self.config = config
        self.discriminator_is_new = discriminator_is_new
        """It stands against pretrained parts."""
        for parameter in find_frozen(student, config.train.frozen):
            parameter.requires_grad_(False)
        self.step = 0
        self._optimizer_states: list[dict[str, list[Tensor]]] = []
        self.averages = {name: p.detach().clone() for name, p in generator_parameters(student).items()}
        self.guard = Guard(config.train.max_skipped_steps)
        self._discriminate = discriminate
        self._sums: dict[str, Tensor] = {}
        self._n_summed = 0
        self._ids: list[str] = []
        """The clips whose gradients are added up."""

    @property
    def is_adversarial(self) -> bool:
        """Whether the discriminator takes part in the present step."""
        start = self.config.train.adversarial_start_step
        return start is not None and self.step >= start

    @property
    def is_warming_up(self) -> bool:
        """Whether the discriminator learns alone in the present step."""
        start = self.config.train.adversarial_start_step
        return start is not None and start <= self.step < start + self._n_warmup_steps

    @property
    def _n_warmup_steps(self) -> int:
        train = self.config.train
        if train.warmup.discriminator_steps is not None:
            return train.warmup.discriminator_steps
        # A discriminator that knows nothing would first teach the pretrained parts nonsense.
        return min(_WARMUP_STEPS, train.max_steps // 50) if self.discriminator_is_new else 0

    def resume(self, run: dict[str, Any], voice: dict[str, Tensor]) -> None:
        """Go on from the `run` and `voice` entries of a `last.ckpt`."""
        self.student.load_state_dict(run["student"])
        self.averages = {name: voice[name] for name in self.averages}
        self.step = run["step"]
        self._optimizer_states = run["optimizers"]

    def optimizer_states(self) -> list[dict[str, list[Tensor]]]:
        """Return AdamW's moments and step counts, by parameter; its settings follow from the configuration."""
        # Rebuilt from plain literals: a pickle also records which strings are one object, and the bytes shall not.
        states = [optimizer.state_dict()["state"] for optimizer in self.trainer.optimizers]
        return [{name: [state[i][name] for i in sorted(state)] for name in _MOMENTS} for state in states]

    def on_train_start(self) -> None:
        """Hand the optimisers what they remembered, and move the averages to the student's device."""
        self.averages = {name: value.to(self.device) for name, value in self.averages.items()}
        if self._optimizer_states:
            # The trainer's own: Lightning's wrapper would load the state into itself and step without it.
            for optimizer, kept in zip(self.trainer.optimizers, self._optimizer_states, strict=True):
                state = {i: {name: kept[name][i] for name in _MOMENTS} for i in range(len(kept["step"]))}
                optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        self.student.train()
        if self.config.train.compile:
            self.student.waveform_decoder.compile()
            self._discriminate = torch.compile(discriminate)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the generator's AdamW, and the discriminator's where there is one."""
        train = self.config.train
        groups = [[p for p in generator_parameters(self.student).values() if p.requires_grad]]
        if train.adversarial_start_step is not None:
            groups.append(list(self.student.disc.parameters()))
        return [
            torch.optim.AdamW(
                group,
                lr=train.learning_rate,
                betas=train.betas,
                eps=1e-9,
                weight_decay=train.weight_decay,
                fused=True,
            )
            for group in groups
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 (Lightning's signature)
        """Do one step, and log it where a line is due."""
        train = self.config.train
        # Seeded by its number, so that a resumed run draws what an undisturbed one would.
        torch.manual_seed(derive_seed(self.config.seed, "step", self.step, self.global_rank))
        self._set_learning_rate()
        shares = self._measure_shares(batch)
        moves = (self.step + 1) % train.accumulate_batches == 0
        self._ids = [*(self._ids if self.step % train.accumulate_batches else []), *batch.ids]
        spec = self.measure_spectrogram(batch)
        with torch.set_grad_enabled(not self.is_warming_up):
            outputs = self.forward_generator(batch, spec)
        target = self.find_target(batch, spec, outputs)
        losses: dict[str, Tensor] = {}
        norms: dict[str, Tensor] = {}
        if self.is_adversarial:
            losses["discriminator"] = self.discriminator_loss(outputs, target) * shares.clips
            norms["discriminator"] = self._optimize(1, losses["discriminator"], moves)
        if not self.is_warming_up:
            generator = self.generator_losses(outputs, target, shares)
            losses |= generator
            norms["generator"] = self._optimize(0, torch.stack(list(generator.values())).sum(), moves)
            if moves:
                self._average()
        self.step += 1
        self._sum(losses, {f"grad_norm_{name}": norm for name, norm in norms.items()})
        if self.step % train.log_every_steps == 0 or self.step == train.max_steps:
            self._log_step()

    @torch.no_grad()
    def measure_spectrogram(self, batch: Batch) -> Tensor:
        """Return the magnitudes of a batch's clips, float32 [B, n_freqs, max_frames], 0 in the padding."""
        with torch.autocast(self.device.type, enabled=False):
            # With silence behind it the end of the longest clip is like the others': no clip depends on its company.
            wav = torch.nn.functional.pad(batch.wav.float(), (0, self.config.audio.n_fft))
            spec = compute_spectrogram(wav, self.config.audio)
        spec = spec[:, :, : batch.wav.shape[1] // self.config.audio.hop_length]
        mask: Tensor = sequence_mask(batch.frame_lengths, spec.shape[2]).unsqueeze(1)
        return spec * mask

    def forward_generator(self, batch: Batch, spec: Tensor) -> Forward:
        """Run the generator once, on a batch and its `measure_spectrogram`."""
        return self.student.forward_slices(
            batch.symbol_ids,
            batch.symbol_lengths,
            spec,
            batch.frame_lengths,
            batch.f0_hz,
            self.config.train.segment_frames,
        )

    @torch.no_grad()
    def find_target(self, batch: Batch, spec: Tensor, outputs: Forward) -> Target:
        """Return what the slices of a batch sound like in the clips."""
        n_frames, hop = self.config.train.segment_frames, self.config.audio.hop_length
        first = outputs.first_frames
        wav = take_slices(batch.wav.float().unsqueeze(1), first * hop, n_frames * hop)
        with torch.autocast(self.device.type, enabled=False):
            # From the spectrogram of the whole clip: at its edges a slice has no neighbours.
            return Target(wav, compute_mel(take_slices(spec, first, n_frames), self.config.audio))

    def discriminator_loss(self, outputs: Forward, target: Target) -> Tensor:
        """Return the discriminator's loss on the generator's output, through which no gradient flows."""
        # Both at once: every weight is read once, and its gradient is one product.
        scores, _ = self._discriminate(self.student.disc, torch.cat([outputs.wav.detach().float(), target.wav]))
        fake, real = zip(*(both.chunk(2) for both in scores), strict=True)
        with torch.autocast(self.device.type, enabled=False):
            return discriminator_loss(real, fake)

    def generator_losses(self, outputs: Forward, target: Target, shares: Shares) -> dict[str, Tensor]:
        """Return the generator's weighted losses by name; their sum is what it minimises."""
        audio, weights, prior = self.config.audio, self.config.train.loss_weights, outputs.alignment
        with torch.autocast(self.device.type, enabled=False):
            mel = compute_mel(compute_spectrogram(outputs.wav.squeeze(1).float(), audio), audio)
            kl = kl_loss(outputs.z_p, outputs.logs_q, prior.m_p, prior.logs_p, outputs.mask.float())
            losses = {
                "mel": weights.mel * mel_loss(target.mel, mel) * shares.clips,
                "kl": weights.kl * kl / shares.n_frames,
                "duration": weights.duration * prior.duration_loss / shares.n_symbols,
            }
        if outputs.pitch_loss is not None:
            losses["pitch"] = weights.pitch * outputs.pitch_loss * shares.clips
        if self.is_adversarial:
            with frozen(self.student.disc):
                fake_scores, fake_features = self._discriminate(self.student.disc, outputs.wav)
                with torch.no_grad():
                    _, real_features = self._discriminate(self.student.disc, target.wav)
            with torch.autocast(self.device.type, enabled=False):
                matching = feature_matching_loss(real_features, fake_features)
                losses["adversarial"] = weights.adversarial * adversarial_loss(fake_scores) * shares.clips
                losses["feature_matching"] = weights.feature_matching * matching * shares.clips
        return losses

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights in place, in evaluation mode, for the length of a block."""
        parameters = generator_parameters(self.student)
        kept = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        training = self.student.training
        self.student.eval()
        try:
            _assign(parameters, self.averages)
            yield
        finally:
            _assign(parameters, kept)
            self.student.train(training)

    def _set_learning_rate(self) -> None:
        train = self.config.train
        learning_rate = learning_rate_at(
            self.step,
            peak=train.learning_rate,
            max_steps=train.max_steps,
            warmup_steps=train.warmup_steps,
            final_ratio=train.final_learning_rate_ratio,
        )
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

    def _measure_shares(self, batch: Batch) -> Shares:
        n_frames = batch.frame_lengths.sum()
        n_clips = torch.full_like(n_frames, len(batch.ids))
        own = torch.stack([n_clips, n_frames, batch.symbol_lengths.sum()]).float()
        # DDP takes the mean of the processes' gradients; with these it is the gradient of the joint batch.
        # A clone, for the mean is written over what it is taken of.
        mean = self.trainer.strategy.reduce(own.clone(), reduce_op="mean") if self._is_spread() else own
        return Shares(own[0] / mean[0], mean[1], mean[2])

    def _is_spread(self) -> bool:
        return self._trainer is not None and self.trainer.world_size > 1

    def _optimizers(self) -> list[Any]:
        # Lightning unpacks a list of one.
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _optimize(self, which: int, loss: Tensor, moves: bool) -> Tensor:
        """Add a loss's gradients up, and where it is time, clip them and step; return their norm so far."""
        optimizer, n_batches = self._optimizers()[which], self.config.train.accumulate_batches
        if self.step % n_batches == 0:
            optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss / n_batches)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        limit = self.config.train.grad_clip_norm
        if not moves:
            return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        # The fused kernel leaves weights and moments alone where this is 1; nobody waits for the answer.
        inner: Any = self.trainer.optimizers[which]
        inner.found_inf = self.guard.watch(norm, self.step, self._ids)
        optimizer.step()
        return norm

    @torch.no_grad()
    def _average(self) -> None:
        # A young average must not remember the starting voice for longer than it has trained.
        decay = min(self.config.train.ema_decay, (1 + self.step) / (10 + self.step))
        parameters = generator_parameters(self.student)
        torch._foreach_lerp_([self.averages[name] for name in parameters], list(parameters.values()), 1 - decay)

    def _sum(self, losses: dict[str, Tensor], norms: dict[str, Tensor]) -> None:
        for name, value in ({f"loss_{name}": loss for name, loss in losses.items()} | norms).items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().float()
        self._n_summed += 1

    def _log_step(self) -> None:
        self.guard.check()
        means = (torch.stack(list(self._sums.values())) / self._n_summed).tolist()
        values = {f"train/{name}": mean for name, mean in zip(self._sums, means, strict=True)}
        values["train/learning_rate"] = self._optimizers()[0].param_groups[0]["lr"]
        self._sums, self._n_summed = {}, 0
        for logger in self.loggers:
            logger.log_metrics(values, step=self.step)


@torch.no_grad()
def _assign(parameters: dict[str, torch.nn.Parameter], values: dict[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
