"""The known pains of training a VITS elsewhere, a test each: none of them is left here."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.one_step import SETTINGS, make_batch
from tests.training.test_step import train
from ttsd.config import load_config
from ttsd.data import phonemes
from ttsd.data.corpus import Utterance, read_corpus, write_corpus
from ttsd.data.split import split_of
from ttsd.errors import CheckpointError
from ttsd.model.vits import build_vits
from ttsd.training.batch import Batch, TrainingUtterance
from ttsd.training.check import find_misfits
from ttsd.training.checkpoint import load_student, read_checkpoint
from ttsd.training.datamodule import prepare_data
from ttsd.training.sampler import epoch_batches
from ttsd.training.schedule import learning_rate_at
from ttsd.training.start import load_start
from ttsd.training.validator import Validator
from ttsd.training.vits_module import Shares, VitsModule

# Lightning against its own torch version; and advice that is of no use here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
]
STORED = Path(__file__).with_name("voice-format-1.ckpt")
"""A voice as the first format kept it, every tensor's weights one and the same number."""


def test_a_learning_rate_that_never_decays(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["train.max_steps=4", "train.warmup_steps=1", "train.log_every_steps=1", "train.batch_size=2"]
    config = load_config(None, [*SETTINGS, *settings, "train.max_steps=4"])
    applied: list[list[float]] = []
    step = torch.optim.AdamW.step

    def keep(self: torch.optim.AdamW, *arguments: object, **named: object) -> object:
        applied.append([group["lr"] for group in self.param_groups])
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", keep)
    module, _ = train(config, [make_batch([0])] * 4)
    peak = config.train.learning_rate
    wanted = [
        learning_rate_at(i, peak=peak, max_steps=4, warmup_steps=1, final_ratio=config.train.final_learning_rate_ratio)
        for i in range(4)
    ]
    # A step of the discriminator's optimiser and one of the generator's, with the same rate.
    assert applied == [[rate] for rate in wanted for _ in range(2)]
    assert wanted[1] == peak
    assert wanted[3] < 0.4 * peak
    assert module.step == 4


def test_a_best_checkpoint_chosen_on_random_crops() -> None:
    config = load_config(None, ["model.posterior_layers=2", "train.validation.n_sentences=2"])
    torch.manual_seed(0)
    student = build_vits(config.model, config.audio, 40).eval()
    batches = [_one_of(make_batch([0, 1]), i) for i in range(3)]
    heard: list[list[np.ndarray]] = []

    def judge(wavs: object) -> dict[str, float]:
        heard.append(list(wavs))  # type: ignore[call-overload]
        return {"score": float(sum(np.abs(wav).mean() for wav in heard[-1]))}

    validator = Validator(batches, config, judge)
    figures = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        figures.append(validator.validate(student, seed, []))
    assert figures[0] == figures[1]
    assert all(np.array_equal(one, other) for one, other in zip(*heard, strict=True))
    # Whole sentences from their text, not slices.
    assert [wav.size % 256 for wav in heard[0]] == [0, 0]
    assert min(wav.size for wav in heard[0]) > 32 * 256 / 4


def test_nan_in_half_precision() -> None:
    config = load_config(None, [*SETTINGS, "train.precision=bf16-mixed", "model.duration_predictor=stochastic"])
    torch.manual_seed(0)
    module = VitsModule(build_vits(config.model, config.audio, 40, discriminator=True), config)
    batch = make_batch([0, 1])
    one = torch.ones(())
    with torch.autocast("cpu", torch.bfloat16):
        spec = module.measure_spectrogram(batch)
        outputs = module.forward_generator(batch, spec)
        target = module.find_target(batch, spec, outputs)
        losses = module.generator_losses(outputs, target, Shares(one, one, one))
        losses["discriminator"] = module.discriminator_loss(outputs, target)
    assert outputs.wav.dtype == torch.bfloat16
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert all(math.isfinite(float(loss.detach())) for loss in losses.values())
    islands = (outputs.z_p, outputs.logs_q, outputs.alignment.m_p, outputs.alignment.duration_loss, target.mel, spec)
    assert {island.dtype for island in islands} == {torch.float32}
    # Means of hundreds and narrow deviations: in bfloat16 a likelihood would be off by more than neighbours differ by.
    hidden = outputs.z_p.shape[1]
    generator = torch.Generator().manual_seed(3)
    x, means = (torch.randn(1, hidden, 12, generator=generator) for _ in range(2))
    text = (x, 300 + means, torch.full_like(means, -4.0), torch.ones(1, 1, 12))
    wanted = torch.arange(12).repeat_interleave(4)
    z_p = text[1][:, :, wanted] + 0.02 * torch.randn(1, hidden, 48, generator=generator)
    lengths = torch.tensor([12]), torch.tensor([48])
    with torch.autocast("cpu", torch.bfloat16):
        aligned = module.student.align(text, lengths[0], z_p, torch.ones(1, 1, 48), lengths[1])
    assert torch.equal(aligned.symbols[0], wanted)


def test_out_of_memory_from_one_long_clip() -> None:
    lengths = [200] * 60 + [2000]
    batches = epoch_batches(lengths, 16, 4000, 0, 0)
    assert max(len(batch) * max(lengths[i] for i in batch) for batch in batches) <= 4000
    config = load_config(None, ["train.batch_frames=1500"])
    clips = [TrainingUtterance(f"{i}", Path(f"wavs/{i}.wav"), (1, 2), length) for i, length in enumerate(lengths)]
    (told,) = find_misfits(clips, config)
    assert told.startswith("wavs/60.wav: 60 has 2000 frames, and train.batch_frames is 1500")


def test_a_resume_that_changes_the_split() -> None:
    config = load_config().split
    before = [Utterance(id=f"u{i}", transcript="A.", source={"section": f"s{i // 3}"}) for i in range(300)]
    more = [Utterance(id=f"new{i}", transcript="A.", source={"section": f"t{i}"}) for i in range(100)]
    split = {u.id: split_of(u, config) for u in before}
    assert set(split.values()) == {"train", "val", "test"}
    assert {u.id: split_of(u, config) for u in reversed([*more, *before])} | split == {
        u.id: split_of(u, config) for u in [*more, *before]
    }
    # Neighbours of one section are never on both sides.
    assert all(len({split[f"u{3 * i + j}"] for j in range(3)}) == 1 for i in range(100))


def test_hours_of_phonemising_before_the_first_step(
    curated_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config()
    shutil.copytree(curated_corpus, tmp_path / "corpus")
    corpus = read_corpus(tmp_path / "corpus")
    # A corpus of other makes: it brings no phonemes.
    corpus = write_corpus(corpus.root, [u.model_copy(update={"phonemes": None}) for u in corpus.utterances])
    symbols = load_start(config).symbols
    first = prepare_data(corpus, config, symbols, tmp_path / "cache")

    def refuse(*_: object) -> str:
        raise AssertionError("phonemized again")

    monkeypatch.setattr(phonemes, "phonemize", refuse)
    again = prepare_data(corpus, config, symbols, tmp_path / "cache")
    assert again.train == first.train
    assert len(first.train) > 0


def test_missing_discriminators() -> None:
    config = load_config(None, ["train.adversarial_start_step=10", "train.max_steps=1000"])
    start = load_start(config)
    assert start.lacks_discriminator
    module = VitsModule(start.student, config, discriminator_is_new=start.lacks_discriminator)
    alone = []
    for step in (0, 9, 10, 29, 30):
        module.step = step
        alone.append(module.is_warming_up)
    assert alone == [False, False, True, True, False]
    (part,) = (part for part in start.parts if part.part == "disc")
    assert part.n_loaded == 0
    assert part.n_new > 0
    assert not load_start(load_config(None, ["train.init_from=null"])).lacks_discriminator


def test_checkpoints_that_no_longer_load(tmp_path: Path) -> None:
    assert torch.load(STORED, weights_only=True)["version"] == 1
    student = load_student(STORED)
    assert student.config.train.decoder.max_steps == 0
    assert student.speak("Rain falls.", seed=0).size > 256
    assert load_start(load_config(None, [f"train.init_from={STORED}", "model.posterior_layers=2"])).parts
    torch.save(read_checkpoint(STORED) | {"version": 99}, tmp_path / "later.ckpt")
    with pytest.raises(CheckpointError, match=r"format 99, and this ttsd reads up to 2; .*upgrade ttsd"):
        load_student(tmp_path / "later.ckpt")


def _one_of(batch: Batch, place: int) -> Batch:
    n_symbols, n_frames = int(batch.symbol_lengths[place]), int(batch.frame_lengths[place])
    return Batch(
        ids=[batch.ids[place]],
        symbol_ids=batch.symbol_ids[place : place + 1, :n_symbols],
        symbol_lengths=batch.symbol_lengths[place : place + 1],
        wav=batch.wav[place : place + 1, : 256 * n_frames],
        frame_lengths=batch.frame_lengths[place : place + 1],
        f0_hz=batch.f0_hz[place : place + 1, :n_frames],
    )
