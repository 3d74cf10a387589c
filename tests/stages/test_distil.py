"""A compact student is distilled from a voice's inside, stopped and taken up again, and speaks wherever others do."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import piper
import pytest
import soundfile
import torch

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus
from ttsd.data.phonemes import phonemize
from ttsd.data.split import split_of
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError, ConfigError, CorpusError, StageError
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.model.vits import build_vits
from ttsd.stages import check, evaluate, export, synth, train
from ttsd.training.batch import TrainingUtterance
from ttsd.training.checkpoint import load_student, load_tensors, save_checkpoint, save_tensors
from ttsd.training.compact_validator import CompactValidator
from ttsd.training.lanes import load_lane
from ttsd.training.rendering import load_teacher, render
from ttsd.training.shelf import describe, rank
from ttsd.training.start import load_start

SETTINGS = (
    "model.preset=micro", "train.accelerator=cpu", "train.checkpoint_every_steps=100", "train.distil.n_utterances=4",
    "train.distil.max_steps=120", "train.distil.batch_size=2", "train.distil.joint_max_steps=102",
    "train.decoder.max_steps=3", "train.decoder.batch_size=2", "train.decoder.segment_frames=16",
    "train.decoder.polish_max_steps=102", "train.validation.n_sentences=2", "split.test_fraction=0.157",
    "split.val_fraction=0.05",
)  # fmt: skip
# Where no save in the middle of a phase is looked at. The discriminator is alone in the first 50 steps of polish.
SHORT = (
    *SETTINGS, "train.distil.max_steps=2", "train.distil.joint_max_steps=2", "train.decoder.polish_max_steps=52",
)  # fmt: skip


@pytest.fixture(scope="module")
def run_dir(curated_corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "micro"
    train.run(curated_corpus, folder, load_config(None, SETTINGS))
    return folder


def kept(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_every_phase_has_its_turn_and_the_front_end_learns(run_dir):
    details = json.loads((run_dir / "report.json").read_text())["details"]
    assert list(details["losses"]) == ["front", "decoder", "joint", "polish"]
    first, *_, last = details["losses"]["front"]
    assert last < first
    assert [row["step"] for row in details["validation"]] == [223, 225, 325, 327]
    assert {"cer", "mel", "similarity", "score", "loss_latents"} <= set(details["validation"][-1])
    *best, _ = rank(details["validation"])
    assert {path.name for path in run_dir.glob("*.ckpt")} == {
        "last.ckpt", "best.ckpt", *(f"step-0000{step}.ckpt" for step in best)
    }  # fmt: skip
    student = load_student(run_dir / "best.ckpt")
    assert student.speak("Rain falls.", seed=0).size > 2000
    assert (student.speak("Rain falls.", seed=0) == student.speak("Rain falls.", seed=0)).all()
    assert student.n_parameters < 0.6e6


@pytest.mark.parametrize("at", ["rendering:2", "front:101", "joint:101", "polish:101"])
def test_killed_and_run_again_it_ends_with_the_same_bytes(run_dir, curated_corpus, tmp_path, at):
    code = """
import os, signal, sys
from pathlib import Path
from ttsd.config import load_config
from ttsd.stages import train
source, out, at, *settings = sys.argv[1:]
def progress(done, total, note="", detail=""):
    if f"{note}:{done}" == at:
        os.kill(os.getpid(), signal.SIGKILL)
train.run(Path(source), Path(out), load_config(None, settings), progress)
"""
    arguments = [sys.executable, "-c", code, str(curated_corpus), str(tmp_path / "micro"), at, *SETTINGS]
    killed = subprocess.run(arguments, env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    train.run(curated_corpus, tmp_path / "micro", load_config(None, SETTINGS))
    assert kept(tmp_path / "micro") == kept(run_dir)


def test_an_exported_one_speaks_in_pipers_runtime(run_dir, tmp_path):
    export.run(run_dir / "best.ckpt", tmp_path / "export", load_config(None, ["export.format=piper"]))
    voice = piper.PiperVoice.load(tmp_path / "export" / "micro.onnx")
    (chunk,) = voice.synthesize("Rain falls.")
    assert chunk.sample_rate == 22050
    assert chunk.audio_float_array.size > 2000


def test_in_pipers_form_padding_is_not_spoken(run_dir, tmp_path):
    export.run(run_dir / "best.ckpt", tmp_path / "export", load_config(None, ["export.format=piper"]))
    session = onnxruntime.InferenceSession(tmp_path / "export" / "micro.onnx")
    ids = np.array([load_student(run_dir / "best.ckpt").symbols.encode(phonemize("Rain falls.", "en-us"))])
    told = {"input_lengths": np.array([ids.shape[1]]), "scales": np.array([0, 1, 0], dtype=np.float32)}
    alone, padded = (session.run(None, {"input": one, **told})[0] for one in (ids, np.pad(ids, ((0, 0), (0, 40)))))
    assert np.array_equal(alone, padded)


def test_stopped_before_its_report_it_keeps_what_it_learnt(run_dir, curated_corpus, tmp_path):
    again = tmp_path / "micro"
    shutil.copytree(run_dir, again)
    (again / "report.json").unlink()
    before = (again / "best.ckpt").stat().st_mtime_ns
    train.run(curated_corpus, again, load_config(None, SETTINGS))
    assert kept(again) == kept(run_dir)
    assert (again / "best.ckpt").stat().st_mtime_ns == before


def test_its_durations_are_stretched_to_the_length_of_the_teachers(run_dir, tmp_path):
    student = load_student(run_dir / "best.ckpt")
    said = ("Water runs down the hill.", "Nobody has seen the far side of it.", "Rain falls on the roof at night.")
    ids = [tuple(student.symbols.encode(phonemize(one, "en-us"))) for one in said]
    utterances = [TrainingUtterance(str(i), tmp_path / "a.wav", one, 0) for i, one in enumerate(ids)]
    renderings = render(load_teacher(student.config), utterances, student.config, tmp_path, lambda *_: None)
    validator = CompactValidator(said, renderings, student.config, None)
    scale = validator.validate(student.voice, 1, [])["duration_scale"]

    def count_frames(length_scale: float) -> int:
        with torch.no_grad():
            return sum(int(student.voice.front_end.time(torch.tensor([one]), length_scale)[1].sum()) for one in ids)

    # Little trained, all its symbols are about as long and reach the next frame together.
    assert count_frames(0.999 * scale) <= sum(int(one.durations.sum()) for one in renderings)
    assert count_frames(1.001 * scale) >= sum(int(one.durations.sum()) for one in renderings)
    assert 0.5 < scale < 2


def test_no_setting_of_it_changes_in_the_middle(run_dir, curated_corpus):
    settings = load_config(None, [*SETTINGS, "train.decoder.polish_max_steps=8"])
    with pytest.raises(StageError, match=r"train\.decoder\.polish_max_steps cannot change in the middle"):
        train.adopt(curated_corpus, run_dir, settings)
    assert (run_dir / "report.json").is_file()


def test_a_gpu_that_is_not_there_is_told(curated_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    settings = load_config(None, [*SETTINGS, "train.accelerator=gpu"])
    with pytest.raises(ConfigError, match="finds no GPU here"):
        train.run(curated_corpus, tmp_path / "run", settings)


def test_renderings_are_the_teachers_own_and_are_kept(tmp_path):
    config = load_config(None, ())
    teacher = load_teacher(config)
    ids = tuple(teacher.symbols.encode(phonemize("Water runs down.", "en-us")))
    utterances = [TrainingUtterance("a", tmp_path / "a.wav", ids, 0)]
    (one,) = render(teacher, utterances, config, tmp_path, lambda *_: None)
    assert one.z.shape[1] == one.durations.sum()
    assert one.wav.shape[0] == one.z.shape[1] * config.audio.hop_length
    # The decoder makes the speech of the latents, to the sample: none is a frame late.
    with torch.no_grad():
        again = teacher.vits.waveform_decoder(one.z.unsqueeze(0))[0, 0]
    assert torch.allclose(again, one.wav, atol=1e-4)
    teacher.vits.synthesize = None  # It is not asked again.
    (read,) = render(teacher, utterances, config, tmp_path, lambda *_: None)
    assert torch.equal(read.z, one.z)


def test_a_student_of_ours_is_a_teacher_and_a_compact_one_is_none(voice, run_dir):
    by_name = load_teacher(load_config(None, ()))
    by_path = load_teacher(load_config(None, [f"teacher.ckpt={voice}"]))
    symbol_ids = torch.tensor(by_name.symbols.encode(phonemize("Rain falls.", "en-us")))
    silent = {"noise_scale": 0.0, "noise_scale_duration": 0.0, "length_scale": 1.0}
    one, two = (teacher.vits.synthesize(symbol_ids, **silent).wav for teacher in (by_name, by_path))
    assert torch.equal(one, two)
    with pytest.raises(CheckpointError, match="a micro voice; a teacher is a VITS"):
        load_teacher(load_config(None, [f"teacher.ckpt={run_dir / 'best.ckpt'}"]))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_teacher(load_config(None, ["teacher.ckpt=nowhere.ckpt"]))


def test_a_teacher_that_filters_sources_is_learnt_with_sources(curated_corpus, run_dir, tmp_path):
    assert load_student(run_dir / "best.ckpt").config.model.decoder == "spectral"
    torch.manual_seed(0)
    config = load_config(None, ["model.decoder=source_filter"])
    symbols = SymbolTable.default()
    vits = build_vits(config.model, config.audio, symbols.n_symbols)
    save_checkpoint(tmp_path / "vits.ckpt", config, symbols, vits.state_dict())
    settings = [*SHORT, f"teacher.ckpt={tmp_path / 'vits.ckpt'}"]
    *_, last = check.tell(curated_corpus, tmp_path / "run", load_config(None, settings))
    assert (last.check, last.verdict) == ("time", "ok")
    train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    student = load_student(tmp_path / "run" / "best.ckpt")
    assert student.config.model.decoder == "source_filter"
    assert isinstance(student.voice.waveform_decoder, SourceFilterDecoder)


def test_the_chain_from_bought_speech_to_a_small_voice_without_torch(curated_corpus, tmp_path):
    """A corpus teaches a VITS, that one a compact voice, and the corpus's clips are what it is compared with."""
    vits = [
        "train.max_steps=2", "train.checkpoint_every_steps=2", "train.batch_size=2", "train.accelerator=cpu",
        "train.completion.n_utterances=2", "train.completion.max_steps=2", "train.completion.batch_size=2",
        *SETTINGS[-2:],
    ]  # fmt: skip
    train.run(curated_corpus, tmp_path / "vits", load_config(None, vits))
    teacher = tmp_path / "vits" / "best.ckpt"
    train.run(curated_corpus, tmp_path / "small", load_config(None, [*SHORT, f"teacher.ckpt={teacher}"]))
    student = tmp_path / "small" / "best.ckpt"
    settings = [
        f"evaluate.ckpt={student}", "evaluate.lanes=true", "evaluate.n_bootstrap=100", "evaluate.speed_sentences=1",
        "evaluate.max_utterances=2", "n_workers=1", *SETTINGS[-2:],
    ]  # fmt: skip
    evaluation = tmp_path / "small" / "evaluation"
    details = evaluate.run(curated_corpus, evaluation, load_config(None, settings)).details
    roles = {one["name"]: one["role"] for one in details["systems"]}
    assert roles == {"student": "student", "teacher_latents": "lane", "student_latents": "lane"}
    assert set(details["metrics"]["wer"]["systems"]) == set(roles)
    # Both lanes have the teacher's timing.
    for clip in (evaluation / "wavs" / "teacher_latents").iterdir():
        lengths = [soundfile.info(evaluation / "wavs" / name / clip.name).frames for name in roles]
        assert lengths[1] == lengths[2]
    page = (evaluation / "report.html").read_text()
    assert "student latents" in page
    assert "timed by the teacher" in page
    export.run(student, tmp_path / "export", load_config(None, ()))
    exported = tmp_path / "export" / "small.onnx"
    assert json.loads(exported.with_suffix(".json").read_text())["metrics"]["n_sentences"] == 2
    duration_s = synth.speak_to_file("Rain falls.", tmp_path / "a.wav", load_config(None, [f"synth.ckpt={exported}"]))
    assert duration_s > 0.1


def test_the_teacher_speaks_other_texts_besides(curated_corpus, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("It costs five dollars.\n\nRain falls on the hills.\n", encoding="utf-8")
    settings = [
        *SHORT, f"teacher.texts={texts}", "train.distil.n_utterances=1000",
        "train.validation.n_sentences=0",
    ]  # fmt: skip
    report = train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    n_corpus = sum(
        split_of(u, load_config(None, SETTINGS).split) == "train" for u in read_corpus(curated_corpus).utterances
    )
    assert report.details["n_train"] == n_corpus + 2
    for line, told in (
        ("***", r"texts\.txt: line 2: there is nothing to say in it"),
        ("It rains, " * 40 + "and rains.", r"texts\.txt: line 2: has 410 characters, .*cut it into sentences"),
        ("Дождь идёт.", r"texts\.txt: line 2: holds the letter Д"),
    ):
        texts.write_text(f"Rain falls.\n{line}\n", encoding="utf-8")
        with pytest.raises(CorpusError, match=told):
            train.run(curated_corpus, tmp_path / "other", load_config(None, settings))
    texts.write_text("\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"texts\.txt: holds no sentence"):
        train.run(curated_corpus, tmp_path / "other", load_config(None, settings))
    with pytest.raises(CorpusError, match="cannot be read"):
        train.run(curated_corpus, tmp_path / "other", load_config(None, [*SETTINGS, f"teacher.texts={tmp_path}"]))
    with pytest.raises(CorpusError, match=r"nowhere\.txt: no such file"):
        train.run(curated_corpus, tmp_path / "other", load_config(None, [*SETTINGS, "teacher.texts=nowhere.txt"]))
    assert not (tmp_path / "other").exists()


def test_lanes_are_those_of_one_small_voice(curated_corpus, run_dir, voice, tmp_path):
    for given, told in (
        ([f"{run_dir / 'best.ckpt'}", f"{run_dir / 'last.ckpt'}"], "name one"),
        ([f"{voice}"], "a medium voice; evaluate.lanes is for small ones"),
    ):
        settings = load_config(None, [f"evaluate.ckpt={json.dumps(given)}", "evaluate.lanes=true"])
        with pytest.raises(CheckpointError, match=told):
            evaluate.run(curated_corpus, tmp_path / "evaluation", settings)


def test_a_lane_is_of_the_teacher_that_taught(run_dir, tmp_path):
    content = load_tensors(run_dir / "best.ckpt")
    assert load_lane("teacher_latents", run_dir / "best.ckpt").teacher.sha256 == content["teacher_sha256"]
    save_tensors(tmp_path / "other.ckpt", content | {"teacher_sha256": "0" * 64})
    with pytest.raises(CheckpointError, match=r"other\.ckpt: learnt from another joe than there is now"):
        load_lane("teacher_latents", tmp_path / "other.ckpt")


def test_lanes_tell_what_they_miss(run_dir, tmp_path):
    content = load_tensors(run_dir / "best.ckpt")
    content["config"]["teacher"]["ckpt"] = str(tmp_path / "gone.ckpt")
    save_tensors(tmp_path / "orphan.ckpt", content)
    with pytest.raises(CheckpointError, match=r"orphan\.ckpt: its teacher .*gone\.ckpt is not there"):
        load_lane("student_latents", tmp_path / "orphan.ckpt")
    with pytest.raises(CheckpointError, match=r"voice\.onnx: an exported voice has no lanes"):
        load_lane("student_latents", tmp_path / "voice.onnx")


def test_where_nothing_is_held_out_nothing_is_measured(run_dir):
    student = load_student(run_dir / "best.ckpt")
    figures = CompactValidator([], [], student.config, None).validate(student.voice, 100, [])
    assert figures == {"duration_scale": 1.0}
    assert describe([{"step": 100} | figures]) == ""


def test_what_does_not_fit_is_told_before_anything_is_made(curated_corpus, run_dir, tmp_path, voice):
    small = run_dir / "best.ckpt"
    with pytest.raises(ConfigError, match=r"train\.init_from: a micro student starts from nothing"):
        train.run(curated_corpus, tmp_path / "run", load_config(None, [*SETTINGS, f"train.init_from={small}"]))
    with pytest.raises(CheckpointError, match=r"best\.ckpt: a micro student, which no training starts from"):
        load_start(load_config(None, [f"train.init_from={small}"]))
    with pytest.raises(ConfigError, match=r"train\.devices"):
        train.run(curated_corpus, tmp_path / "run", load_config(None, [*SETTINGS, "train.devices=2"]))
    with pytest.raises(CheckpointError, match=r"audio\.hop_length=256"):
        load_teacher(load_config(None, [f"teacher.ckpt={voice}", "audio.hop_length=512"]))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_a_compact_voice_that_does_not_fit_is_damaged(tmp_path, run_dir):
    student = load_student(run_dir / "best.ckpt")
    other = student.config.model_copy(update={"model": student.config.model.model_copy(update={"preset": "nano"})})
    save_checkpoint(tmp_path / "bad.ckpt", other, SymbolTable.default(), student.voice.state_dict())
    with pytest.raises(CheckpointError, match="do not fit its settings"):
        load_student(tmp_path / "bad.ckpt")
