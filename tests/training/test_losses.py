"""The losses and the step: equal to coqui's own on the same batch."""

import pytest
import torch
from TTS.tts.layers.losses import VitsDiscriminatorLoss, VitsGeneratorLoss

from ttsd.config import Config, load_config
from ttsd.model.mel import compute_mel
from ttsd.model.vits import Forward, build_vits
from ttsd.training.batch import Batch
from ttsd.training.vits_module import Target, VitsModule

CONFIG = load_config(None, ["train.adversarial_start_step=0", "train.segment_frames=16"])


def make_batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    wav = (torch.rand(2, 256 * 60, generator=generator) - 0.5) * 0.4
    wav[1, 256 * 48 :] = 0
    return Batch(
        ids=["a", "b"],
        symbol_ids=torch.randint(1, 40, (2, 21), generator=generator),
        symbol_lengths=torch.tensor([21, 17]),
        wav=wav,
        frame_lengths=torch.tensor([60, 48]),
        f0_hz=torch.full((2, 60), 150.0),
    )


def run_generator(module: VitsModule, batch: Batch) -> tuple[Forward, Target]:
    spec = module.measure_spectrogram(batch)
    outputs = module.forward_generator(batch, spec)
    return outputs, module.find_target(batch, spec, outputs)


@pytest.mark.parametrize("durations", ["deterministic", "stochastic"])
@pytest.mark.parametrize("trains", [False, True])
def test_losses_equal_coquis_train_step(durations: str, trains: bool) -> None:
    torch.manual_seed(0)
    model = CONFIG.model.model_copy(update={"duration_predictor": durations})
    student = build_vits(model, CONFIG.audio, 40, discriminator=True).train(trains)
    student.spec_segment_size = CONFIG.train.segment_frames
    module = VitsModule(student, CONFIG)
    batch = make_batch()
    torch.manual_seed(7)
    outputs, target = run_generator(module, batch)
    ours = {
        "discriminator": module.discriminator_loss(outputs, target),
        **module.generator_losses(outputs, target, module._measure_shares(batch)),
    }

    spec = module.measure_spectrogram(batch)
    mask = (torch.arange(60) < batch.frame_lengths.unsqueeze(1)).unsqueeze(1)
    theirs_batch = {
        "tokens": batch.symbol_ids,
        "token_lens": batch.symbol_lengths,
        "spec": spec * mask,
        "mel": compute_mel(spec, CONFIG.audio) * mask,
        "spec_lens": batch.frame_lengths,
        "waveform": batch.wav.unsqueeze(1),
        "d_vectors": None,
        "speaker_ids": None,
        "language_ids": None,
    }
    torch.manual_seed(7)
    _, discriminator = student.train_step(theirs_batch, VitsDiscriminatorLoss(student.config), 0)
    _, generator = student.train_step(theirs_batch, VitsGeneratorLoss(student.config), 1)
    pairs = {
        "discriminator": discriminator["loss"],
        "mel": generator["loss_mel"],
        "kl": generator["loss_kl"],
        "duration": generator["loss_duration"],
        "adversarial": generator["loss_gen"],
        "feature_matching": generator["loss_feat"],
    }
    assert set(pairs) == set(ours)
    for name, theirs in pairs.items():
        torch.testing.assert_close(ours[name], theirs, rtol=1e-4, atol=1e-4, msg=name)
    torch.testing.assert_close(
        torch.stack([value for name, value in ours.items() if name != "discriminator"]).sum(),
        generator["loss"],
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_generator_turn_leaves_the_discriminator_without_gradients() -> None:
    student = build_vits(CONFIG.model, CONFIG.audio, 40, discriminator=True)
    module = VitsModule(student, CONFIG)
    batch = make_batch()
    outputs, target = run_generator(module, batch)
    losses = module.generator_losses(outputs, target, module._measure_shares(batch))
    (losses["adversarial"] + losses["feature_matching"]).backward()
    assert all(parameter.grad is None for parameter in student.disc.parameters())
    assert all(parameter.requires_grad for parameter in student.disc.parameters())
    reached = [
        p.grad is not None and bool(p.grad.abs().sum() > 0) for p in student.waveform_decoder.conv_pre.parameters()
    ]
    assert all(reached)


def test_the_discriminator_turn_leaves_the_generator_without_gradients() -> None:
    student = build_vits(CONFIG.model, CONFIG.audio, 40, discriminator=True)
    module = VitsModule(student, CONFIG)
    module.discriminator_loss(*run_generator(module, make_batch())).backward()
    assert all(p.grad is None for name, p in student.named_parameters() if not name.startswith("disc."))
    assert any(p.grad is not None for p in student.disc.parameters())


def test_losses_reach_every_part_of_the_generator() -> None:
    config = Config()
    student = build_vits(config.model, config.audio, 40)
    module = VitsModule(student, config)
    batch = make_batch()
    outputs, target = run_generator(module, batch)
    losses = module.generator_losses(outputs, target, module._measure_shares(batch))
    torch.stack(list(losses.values())).sum().backward()
    without = {name for name, p in student.named_parameters() if p.grad is None}
    assert without == set()
