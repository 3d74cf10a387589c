"""The last phase: latents of the text with the clip's own timing, and a decoder that learns from them."""

from pathlib import Path

import pytest
import torch

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus
from ttsd.errors import StageError
from ttsd.model.small_discriminator import SmallDiscriminator
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.training.datamodule import prepare_data
from ttsd.training.decoder import learn, polish, speak_latents
from ttsd.training.phase import Schedule, minimize
from ttsd.training.start import load_start
from ttsd.training.windows import long_enough

CONFIG = load_config(
    None,
    [
        "model.decoder=source_filter",
        "model.posterior_layers=2",
        "train.decoder.batch_size=4",
        "train.decoder.n_utterances=3",
    ],
)


def test_latents_have_the_timing_of_the_clips_and_teach_the_decoder(curated_corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = load_start(CONFIG)
    data = prepare_data(read_corpus(curated_corpus), CONFIG, start.symbols, tmp_path)
    data.store.fill(lambda *_: None)
    told: list[tuple[int, int, str]] = []
    spoken = speak_latents(start.student.eval(), data.train, data.store, CONFIG, lambda *said: told.append(said))
    assert told == [(1, 3, "decoder-latents"), (2, 3, "decoder-latents"), (3, 3, "decoder-latents")]
    assert all(len(wav) == z.shape[1] * CONFIG.audio.hop_length for z, wav, _ in spoken)
    assert all(len(f0_hz) == z.shape[1] for z, _, f0_hz in spoken)
    again = speak_latents(start.student, data.train, data.store, CONFIG, lambda *_: None)
    assert all(torch.equal(one, other) for (one, _, _), (other, _, _) in zip(spoken, again, strict=True))

    decoder = SourceFilterDecoder(192, CONFIG.audio)
    cpu = torch.device("cpu")

    def loss_at(step: int) -> float:
        ((_, loss),) = learn(decoder, spoken, CONFIG, cpu, step)
        return float(loss.detach())

    before, schedule = loss_at(1000), Schedule(60, 1e-3, "a.b")
    parts = {"decoder": decoder}
    minimize(
        parts, lambda step: learn(decoder, spoken, CONFIG, cpu, step), schedule, tmp_path / "1.ckpt", lambda *_: None
    )
    learnt = loss_at(1000)
    assert learnt < 0.6 * before

    opponent = SmallDiscriminator()
    weights = opponent.parts[0].conv_post.bias.detach().clone()
    minimize(
        {"discriminator": opponent, **parts}, lambda step: polish(decoder, opponent, spoken, CONFIG, cpu, step),
        Schedule(60, 1e-4, "a.b"), tmp_path / "2.ckpt", lambda *_: None,
    )  # fmt: skip
    assert not torch.equal(weights, opponent.parts[0].conv_post.bias)
    assert loss_at(1000) != learnt
    assert loss_at(1000) < 0.7 * before


def test_windows_longer_than_every_clip_are_refused() -> None:
    spoken = [(torch.zeros(192, n), torch.zeros(n * 256), torch.zeros(n)) for n in (40, 90)]
    assert long_enough(spoken, 90, "train.decoder.segment_frames") == spoken[1:]
    with pytest.raises(StageError, match=r"train\.decoder\.segment_frames is 91, and the longest of 2 clips has 90"):
        long_enough(spoken, 91, "train.decoder.segment_frames")
