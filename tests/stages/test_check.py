"""`train --check`: what would stop a training is told before it starts, with the file, the id and the cure."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ttsd.cli import app
from ttsd.config import load_config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import read_corpus, write_corpus
from ttsd.stages import check

SETTINGS = ["train.accelerator=cpu", "train.batch_size=2", "split.val_fraction=0.05", "model.posterior_layers=2"]


@pytest.fixture
def corpus_dir(curated_corpus: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    shutil.copytree(curated_corpus, folder, ignore=shutil.ignore_patterns("report.*", "stage.json"))
    return folder


def tell(corpus_dir: Path, tmp_path: Path, *settings: str) -> dict[str, list[tuple[str, str]]]:
    told: dict[str, list[tuple[str, str]]] = {}
    for finding in check.tell(corpus_dir, tmp_path / "run", load_config(None, [*SETTINGS, *settings])):
        told.setdefault(finding.check, []).append((finding.verdict, finding.told))
    return told


def replace_clip(corpus_dir: Path, number: int, length: float) -> str:
    corpus = read_corpus(corpus_dir)
    train = [u for u in corpus.utterances if u.split == "train"]
    path = corpus.clip_path(train[number])
    wav, sample_rate = read_wav(path)
    write_wav(path, np.resize(wav, round(wav.size * length)), sample_rate)
    return train[number].id


def test_a_sound_corpus_is_ready_and_its_longest_batch_was_tried(corpus_dir: Path, tmp_path: Path) -> None:
    told = tell(corpus_dir, tmp_path)
    assert {verdict for findings in told.values() for verdict, _ in findings} == {"ok"}
    assert list(told) == ["corpus", "start", "symbols", "lengths", "outliers", "disk", "expected", "memory"]
    assert "frames of slices ×" in told["expected"][0][1]
    assert "2 clips in" in told["memory"][0][1]
    assert "train.batch_frames=" in told["memory"][0][1]
    assert not (tmp_path / "run").exists()


def test_every_clip_that_cannot_be_trained_on_is_named_at_once(corpus_dir: Path, tmp_path: Path) -> None:
    short, long = replace_clip(corpus_dir, 0, 0.05), replace_clip(corpus_dir, 1, 4.0)
    told = tell(corpus_dir, tmp_path, "train.batch_frames=900")
    assert [verdict for verdict, _ in told["lengths"]] == ["fail", "fail"]
    lines = " ".join(line for _, line in told["lengths"])
    assert short in lines
    assert f"{long} has" in lines
    assert "raise train.batch_frames" in lines
    assert {verdict for verdict, _ in told["outliers"]} == {"look"}
    assert "memory" not in told


def test_phonemes_that_the_voice_lacks_are_named(corpus_dir: Path, tmp_path: Path) -> None:
    corpus = read_corpus(corpus_dir)
    first, *others = corpus.utterances
    write_corpus(corpus_dir, [first.model_copy(update={"phonemes": "hɛ☂loʊ", "split": "train"}), *others])
    told = tell(corpus_dir, tmp_path)
    assert told["symbols"][0][0] == "fail"
    assert first.id in told["symbols"][0][1]
    assert "☂" in told["symbols"][0][1]


def test_another_sample_rate_is_told_and_the_command_fails(corpus_dir: Path, tmp_path: Path) -> None:
    arguments = ["train", str(corpus_dir), str(tmp_path / "run"), "--check", "--json"]
    settings = [argument for setting in (*SETTINGS, "audio.sample_rate=24000") for argument in ("--set", setting)]
    done = CliRunner().invoke(app, [*arguments, *settings])
    assert done.exit_code == 1
    (finding,) = json.loads(done.stdout)
    assert finding["verdict"] == "fail"
    assert "24000" in finding["told"]


def test_a_disk_without_room_is_told(corpus_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    told = tell(corpus_dir, tmp_path)
    assert told["disk"][0][0] == "fail"
    assert "free some" in told["disk"][0][1]


def test_a_compact_voice_is_told_how_long_it_takes(curated_corpus, tmp_path):
    settings = [
        "model.preset=micro", "train.accelerator=cpu", "train.distil.n_utterances=4", "train.distil.max_steps=3",
        "train.distil.batch_size=2", "train.distil.joint_max_steps=2", "train.decoder.max_steps=2",
        "train.decoder.batch_size=2", "train.decoder.segment_frames=16",
    ]  # fmt: skip
    findings = {
        finding.check: finding for finding in check.tell(curated_corpus, tmp_path / "run", load_config(None, settings))
    }
    assert [findings[name].verdict for name in ("corpus", "teacher", "sentences", "time")] == ["ok"] * 4
    assert all(f"{phase} " in findings["time"].told for phase in ("front", "decoder", "joint"))
    assert "polish" not in findings["time"].told
    assert not (tmp_path / "run").exists()


def test_a_compact_voice_without_its_teacher_is_told_so(curated_corpus, tmp_path):
    settings = ["model.preset=micro", f"teacher.ckpt={tmp_path}/gone.ckpt"]
    *_, last = check.tell(curated_corpus, tmp_path / "run", load_config(None, settings))
    assert (last.check, last.verdict) == ("teacher", "fail")
    assert "gone.ckpt" in last.told
