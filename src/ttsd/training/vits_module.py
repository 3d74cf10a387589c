"""One training step of VITS: a discriminator turn, then a generator turn, over a single generator forward."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import lightning
import torch
from torch import Tensor
from TTS.tts.utils.helpers import segment, sequence_mask

from ttsd.config import Config
from ttsd.errors import StageError
from ttsd.model.mel import compute_mel, compute_spectrogram
from ttsd.model.vits import Vits, generator_parameters
from ttsd.training.batch import Batch
from ttsd.training.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from ttsd.training.schedule import learning_rate_at
from ttsd.utils.seeds import derive_seed

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class VitsModule(lightning.LightningModule):
    """Trains a student; `step` counts batches, whatever the number of optimisers."""

    def __init__(self, student: Vits, config: Config) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.student = student
        self.config = config
        self.step = 0
        self._optimizer_states: list[dict[str, list[Tensor]]] = []
        student.spec_segment_size = config.train.segment_frames
        self.averages = {name: p.detach().clone() for name, p in generator_parameters(student).items()}

    @property
    def is_adversarial(self) -> bool:
        """Whether the discriminator takes part in the present step."""
        start = self.config.train.adversarial_start_step
        return start is not None and self.step >= start

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

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the generator's AdamW, and the discriminator's where there is one."""
        train = self.config.train
        groups = [list(generator_parameters(self.student).values())]
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
        """Do one step and log it."""
        # Seeded by its number, so that a resumed run draws what an undisturbed one would.
        torch.manual_seed(derive_seed(self.config.seed, "step", self.step, self.global_rank))
        train = self.config.train
        learning_rate = learning_rate_at(
            self.step,
            peak=train.learning_rate,
            max_steps=train.max_steps,
            warmup_steps=train.warmup_steps,
            final_ratio=train.final_learning_rate_ratio,
        )
        optimizers = self._optimizers()
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        outputs, mel = self.forward_generator(batch)
        losses: dict[str, Tensor] = {}
        if self.is_adversarial:
            losses["discriminator"] = self.discriminator_losses(outputs)
            self._optimize(optimizers[1], losses["discriminator"], list(self.student.disc.parameters()))
        generator = self.generator_losses(outputs, mel, batch)
        losses |= generator
        parameters = list(generator_parameters(self.student).values())
        grad_norm = self._optimize(optimizers[0], torch.stack(list(generator.values())).sum(), parameters)
        self._average()
        self.step += 1
        if self.step % train.log_every_steps == 0 or self.step == train.max_steps:
            self._log_step(losses, learning_rate, grad_norm, batch)

    def forward_generator(self, batch: Batch) -> tuple[dict[str, Any], Tensor]:
        """Run the generator once.

        Returns:
            coqui's output dictionary, and the batch's log-mel spectrogram float32 [B, n_mels, max_frames].
        """
        with torch.autocast(self.device.type, enabled=False):
            spec = compute_spectrogram(batch.wav.float(), self.config.audio)
            spec = spec * sequence_mask(batch.frame_lengths, spec.shape[2]).unsqueeze(1)
            mel = compute_mel(spec, self.config.audio)
        lengths = (batch.symbol_lengths, batch.frame_lengths)
        return self.student(batch.symbol_ids, lengths[0], spec, lengths[1], batch.wav.unsqueeze(1)), mel

    def discriminator_losses(self, outputs: dict[str, Any]) -> Tensor:
        """Return the discriminator's loss on the generator's output, through which no gradient flows."""
        fake, _, real, _ = self.student.disc(outputs["model_outputs"].detach(), outputs["waveform_seg"])
        return discriminator_loss(real, fake)

    def generator_losses(self, outputs: dict[str, Any], mel: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the generator's weighted losses by name; their sum is what it minimises."""
        train, audio, weights = self.config.train, self.config.audio, self.config.train.loss_weights
        with torch.autocast(self.device.type, enabled=False):
            real_mel = segment(mel, outputs["slice_ids"], train.segment_frames, pad_short=True)
            fake_mel = compute_mel(compute_spectrogram(outputs["model_outputs"].squeeze(1).float(), audio), audio)
            mask = sequence_mask(batch.frame_lengths, mel.shape[2]).unsqueeze(1).float()
            z_p, logs_q, m_p, logs_p = (outputs[name] for name in ("z_p", "logs_q", "m_p", "logs_p"))
            losses = {
                "mel": weights.mel * mel_loss(real_mel, fake_mel),
                "kl": weights.kl * kl_loss(z_p, logs_q, m_p, logs_p, mask),
                "duration": weights.duration * outputs["loss_duration"].float().sum(),
            }
        if self.is_adversarial:
            with _frozen(self.student.disc):
                fake_scores, fake_features, _, _ = self.student.disc(outputs["model_outputs"])
                with torch.no_grad():
                    _, real_features, _, _ = self.student.disc(outputs["waveform_seg"])
            losses["adversarial"] = weights.adversarial * adversarial_loss(fake_scores)
            losses["feature_matching"] = weights.feature_matching * feature_matching_loss(real_features, fake_features)
        return losses

    @torch.no_grad()
    def validation_losses(self, batch: Batch) -> dict[str, float]:
        """Return the losses over whole utterances, without crops and without noise: the same for the same weights."""
        student, audio = self.student, self.config.audio
        spec = compute_spectrogram(batch.wav, audio)
        x, m_p, logs_p, x_mask = student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
        _, m_q, logs_q, y_mask = student.posterior_encoder(spec, batch.frame_lengths)
        z_p = student.flow(m_q, y_mask)
        outputs, attn = student.forward_mas({}, z_p, m_p, logs_p, x, x_mask, y_mask, g=None, lang_emb=None)
        m_p, logs_p = (torch.einsum("bkst,bcs->bct", attn, prior) for prior in (m_p, logs_p))
        wav = student.waveform_decoder(m_q * y_mask)
        mel = compute_mel(compute_spectrogram(wav.squeeze(1), audio), audio)
        weights = self.config.train.loss_weights
        losses = {
            "mel": weights.mel * mel_loss(compute_mel(spec, audio), mel),
            "kl": weights.kl * kl_loss(z_p, logs_q, m_p, logs_p, y_mask),
            "duration": weights.duration * outputs["loss_duration"].float().sum(),
        }
        return {name: float(value.detach()) for name, value in losses.items()}

    @torch.no_grad()
    def duration_scale(self, batches: Sequence[Batch]) -> float:
        """Return the factor that makes the predicted durations as long as the clips on average; 1 without clips.

        A regression on log durations predicts the log's mean, which lies below the log of the mean: the speech would be
        too fast. A stochastic predictor has no such bias.
        """
        if self.config.model.duration_predictor == "stochastic" or not batches:
            return 1.0
        spoken = predicted = 0.0
        for batch in batches:
            x, _, _, x_mask = self.student.text_encoder(batch.symbol_ids, batch.symbol_lengths)
            durations = torch.ceil(torch.exp(self.student.duration_predictor(x, x_mask)) * x_mask)
            spoken += float(batch.frame_lengths.sum())
            predicted += float(durations.sum())
        # Outside these bounds the predictor has learnt nothing yet.
        return min(max(spoken / max(predicted, 1.0), 0.5), 2.0)

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

    def _optimizers(self) -> list[Any]:
        # Lightning unpacks a list of one.
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

    def _optimize(self, optimizer: Any, loss: Tensor, parameters: list[torch.nn.Parameter]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.train.grad_clip_norm)
        optimizer.step()
        return norm

    @torch.no_grad()
    def _average(self) -> None:
        # A young average must not remember the starting voice for longer than it has trained.
        decay = min(self.config.train.ema_decay, (1 + self.step) / (10 + self.step))
        parameters = generator_parameters(self.student)
        torch._foreach_lerp_([self.averages[name] for name in parameters], list(parameters.values()), 1 - decay)

    def _log_step(self, losses: dict[str, Tensor], learning_rate: float, grad_norm: Tensor, batch: Batch) -> None:
        values = {f"train/loss_{name}": float(value.detach()) for name, value in losses.items()}
        if not all(math.isfinite(value) for value in values.values()):
            raise StageError(
                f"step {self.step}: a loss is not finite on the clips {', '.join(batch.ids)}; "
                "look at these clips, or lower train.learning_rate"
            )
        values |= {"train/learning_rate": learning_rate, "train/grad_norm": float(grad_norm.detach())}
        if self.logger is not None:
            self.logger.log_metrics(values, step=self.step)


@contextlib.contextmanager
def _frozen(module: torch.nn.Module) -> Iterator[None]:
    # Gradients still flow through the discriminator to the generator, but none is computed for its own weights.
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


@torch.no_grad()
def _assign(parameters: dict[str, torch.nn.Parameter], values: dict[str, Tensor]) -> None:
    for name, parameter in parameters.items():
        parameter.copy_(values[name])
