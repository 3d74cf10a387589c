"""Where a student starts, and the checkpoints that keep a voice."""

import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ttsd.config import Config, load_config
from ttsd.data.phonemes import phonemize
from ttsd.data.piper_voice import piper_voice_path
from ttsd.errors import CheckpointError, ConfigError, StageError
from ttsd.model.mel import compute_spectrogram
from ttsd.training.batch import TrainingUtterance
from ttsd.training.checkpoint import load_student, read_checkpoint, save_checkpoint
from ttsd.training.completion import complete_student, speak_sentences
from ttsd.training.decoder import learn
from ttsd.training.start import Start, load_start


@pytest.fixture(scope="module")
def start() -> Start:
    return load_start(Config())


def test_the_starting_voice_speaks_from_its_checkpoint_as_from_its_onnx_file(voice: Path) -> None:
    student = load_student(voice)
    spoken = student.speak("The tide turns twice a day.", seed=0, noise_scale=0.0, noise_scale_duration=0.0)
    ids = student.symbols.encode(phonemize("The tide turns twice a day."))
    session = onnxruntime.InferenceSession(piper_voice_path("joe"))
    feed = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array([0.0, 1.0, 0.0], dtype=np.float32),
    }
    assert np.abs(session.run(None, feed)[0].squeeze() - spoken).max() <= 1e-3


def test_the_same_seed_speaks_the_same_and_speed_shortens(voice: Path) -> None:
    student = load_student(voice)
    text = "The tide turns twice a day."
    first, again, other = (student.speak(text, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert len(student.speak(text, seed=1, speed=1.5)) < 0.8 * len(first)


def test_the_same_contents_give_the_same_bytes(start: Start, tmp_path: Path) -> None:
    assert start.voice is not None
    for name in ("one.ckpt", "another_name.ckpt"):
        save_checkpoint(tmp_path / name, start.voice_config, start.symbols, start.voice.state_dict())
    assert (tmp_path / "another_name.ckpt").read_bytes() == (tmp_path / "one.ckpt").read_bytes()


def test_a_checkpoint_holds_no_pickled_code(voice: Path) -> None:
    torch.load(voice, weights_only=True)


def test_a_student_starts_from_a_checkpoint_with_every_weight(voice: Path) -> None:
    config = load_config(None, [f"train.init_from={voice}", "model.duration_predictor=stochastic"])
    start = load_start(config)
    weights = read_checkpoint(voice)["voice"]
    assert all(torch.equal(value, start.student.state_dict()[name]) for name, value in weights.items())
    assert sum(part.n_skipped + part.n_new for part in start.parts) == 0


def test_wrong_files_are_answered_with_the_cure(voice: Path, tmp_path: Path) -> None:
    wrong = {
        "missing.ckpt": None,
        "text.ckpt": b"not a checkpoint",
        "empty.ckpt": b"",
        "half.ckpt": voice.read_bytes()[:5000],
    }
    for name, content in wrong.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{name}.*ttsd train"):
            load_student(tmp_path / name)
    torch.save({"model": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other\.ckpt: a torch file, but not a ttsd checkpoint"):
        load_student(tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="a directory"):
        load_student(tmp_path)
    content = read_checkpoint(voice)
    torch.save(content | {"version": 99}, tmp_path / "newer.ckpt")
    with pytest.raises(CheckpointError, match="format 99"):
        load_student(tmp_path / "newer.ckpt")
    torch.save({name: value for name, value in content.items() if name != "symbols"}, tmp_path / "partial.ckpt")
    with pytest.raises(CheckpointError, match=r"partial\.ckpt: a damaged checkpoint without symbols"):
        load_student(tmp_path / "partial.ckpt")


def test_a_start_at_another_sample_rate_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"audio\.sample_rate=22050"):
        load_start(load_config(None, ["audio.sample_rate=24000"]))


def test_a_missing_start_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"nobody\.onnx"):
        load_start(load_config(None, ["train.init_from=nobody.onnx"]))


def test_a_start_of_another_geometry_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"model\.preset"):
        load_start(load_config(None, ["model.preset=high"]))


def test_any_piper_voice_starts_by_its_path(tmp_path: Path) -> None:
    joe = piper_voice_path("joe")
    for suffix in ("", ".json"):
        shutil.copy(f"{joe}{suffix}", tmp_path / f"copy.onnx{suffix}")
    start = load_start(load_config(None, [f"train.init_from={tmp_path / 'copy.onnx'}"]))
    assert start.lacks_posterior_encoder


def test_completion_brings_the_posterior_encoder_to_the_voices_latents(start: Start, tmp_path: Path) -> None:
    config = load_config(None, ["train.completion.max_steps=30", "train.completion.batch_size=4"])
    utterances = _utterances(start, tmp_path)
    said: list[tuple[int, int, str]] = []
    spoken = speak_sentences(start, utterances, config, lambda *told: said.append(told))
    assert [len(wav) for _, wav, _ in spoken] == [z.shape[1] * config.audio.hop_length for z, _, _ in spoken]
    assert said[-1] == (2, 2, "completion-speech")
    encoder = start.student.posterior_encoder

    def error() -> float:
        errors = []
        for z, wav, _ in spoken:
            spec = compute_spectrogram(wav.unsqueeze(0), config.audio)
            with torch.no_grad():
                errors.append((encoder(spec, torch.tensor([spec.shape[2]]))[1][0] - z).abs().flatten())
        return float(torch.cat(errors).mean())

    before = error()
    losses = complete_student(start, utterances, tmp_path, config, lambda *told: said.append(told))
    assert error() < 0.8 * before
    assert said[-1] == (30, 30, "completion-posterior")
    assert list(losses) == ["completion-posterior"]


def test_completion_gives_a_student_its_own_kind_of_decoder(tmp_path: Path) -> None:
    config = load_config(
        None,
        [
            "model.decoder=source_filter",
            "train.completion.max_steps=1",
            "train.completion.decoder_max_steps=60",
            "train.decoder.batch_size=4",
        ],
    )
    torch.manual_seed(0)
    start = load_start(config)
    (part,) = (part for part in start.parts if part.part == "waveform_decoder")
    assert (part.n_loaded, part.why) == (0, "the student decodes in another way")
    utterances = _utterances(start, tmp_path)
    spoken = speak_sentences(start, utterances, config, lambda *_: None)

    def loss() -> float:
        with torch.no_grad():
            decoder = start.student.waveform_decoder
            ((_, loss),) = learn(decoder, spoken, config, torch.device("cpu"), 0)
            return float(loss)

    before = loss()
    losses = complete_student(start, utterances, tmp_path, config, lambda *_: None)
    assert loss() < 0.6 * before
    assert list(losses) == ["completion-posterior", "completion-decoder"]


def _utterances(start: Start, folder: Path) -> list[TrainingUtterance]:
    texts = ("The tide turns twice a day, as it always has.", "Mountains grow where two continents collide.")
    return [
        TrainingUtterance(str(number), folder, tuple(start.symbols.encode(phonemize(text))), 1)
        for number, text in enumerate(texts)
    ]


def test_sentences_shorter_than_a_crop_complete_nothing_and_say_so(start: Start, tmp_path: Path) -> None:
    config = load_config(None, ["train.completion.crop_frames=500"])
    utterance = TrainingUtterance("short", tmp_path, tuple(start.symbols.encode(phonemize("Yes."))), 1)
    with pytest.raises(StageError, match=r"train\.completion\.crop_frames is 500"):
        complete_student(start, [utterance], tmp_path, config, lambda *_: None)


def test_a_checkpoint_of_another_make_is_refused_as_a_start(start: Start, tmp_path: Path) -> None:
    assert start.voice is not None
    path = tmp_path / "voice.ckpt"
    other = start.voice_config.model_copy(
        update={"model": start.voice_config.model.model_copy(update={"decoder": "source_filter"})}
    )
    save_checkpoint(path, other, start.symbols, {})
    with pytest.raises(CheckpointError, match=r"set model\.decoder=source_filter"):
        load_start(load_config(None, [f"train.init_from={path}"]))
    save_checkpoint(path, start.voice_config, start.symbols, start.voice.state_dict())
    with pytest.raises(CheckpointError, match=r"set model\.posterior_layers=16"):
        load_start(load_config(None, [f"train.init_from={path}", "model.posterior_layers=6"]))


def test_a_start_that_hears_other_spectrograms_is_refused(start: Start, tmp_path: Path) -> None:
    assert start.voice is not None
    path = tmp_path / "voice.ckpt"
    save_checkpoint(path, start.voice_config, start.symbols, start.voice.state_dict())
    with pytest.raises(ConfigError, match=r"set audio\.n_fft=1024"):
        load_start(load_config(None, [f"train.init_from={path}", "audio.n_fft=2048"]))
