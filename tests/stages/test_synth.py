"""Synth: one text to a WAV, a file of lines to a corpus."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsd.config import Config, load_config
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError, StageError
from ttsd.stages import synth
from ttsd.training.checkpoint import load_student, read_checkpoint, save_checkpoint


@pytest.fixture
def config(voice: Path) -> Config:
    return load_config(None, [f"synth.ckpt={voice}", "n_workers=1"])


def test_a_long_text_becomes_one_wav_with_pauses(config: Config, tmp_path: Path) -> None:
    text = "Rain falls. Rivers carry it back to the sea. " * 2
    duration_s = synth.speak_to_file(text, tmp_path / "out" / "long.wav", config)
    wav, sample_rate = soundfile.read(tmp_path / "out" / "long.wav", dtype="int16")
    assert (sample_rate, wav.ndim) == (22050, 1)
    assert duration_s == pytest.approx(len(wav) / sample_rate)
    without = config.model_copy(update={"synth": config.synth.model_copy(update={"pause_ms": 0.0})})
    assert duration_s - synth.speak_to_file(text, tmp_path / "b.wav", without) == pytest.approx(0.75, abs=0.01)


def test_the_seed_decides_and_speed_shortens(config: Config, tmp_path: Path) -> None:
    def spoken(name: str, **changes: object) -> bytes:
        settings = config.model_copy(update={"seed": changes.pop("seed", 0)})
        settings = settings.model_copy(update={"synth": settings.synth.model_copy(update=changes)})
        synth.speak_to_file("Rivers carry it back to the sea.", tmp_path / name, settings)
        return (tmp_path / name).read_bytes()

    assert spoken("a.wav") == spoken("b.wav")
    assert spoken("a.wav") != spoken("c.wav", seed=1)
    assert len(spoken("d.wav", speed=2.0)) < 0.7 * len(spoken("a.wav"))


def test_a_voice_keeps_its_own_noise_unless_one_is_given(voice: Path, tmp_path: Path) -> None:
    content = read_checkpoint(voice)
    settings = ["synth.noise_scale=0", "synth.noise_scale_duration=0"]
    quiet = tmp_path / "quiet.ckpt"
    own = load_student(voice).config.model_copy(update={"synth": load_config(None, settings).synth})
    save_checkpoint(quiet, own, SymbolTable(**content["symbols"]), content["voice"])

    def spoken(seed: int, *more: str) -> bytes:
        config = load_config(None, [f"synth.ckpt={quiet}", f"seed={seed}", *more])
        synth.speak_to_file("Rivers carry it back to the sea.", tmp_path / "a.wav", config)
        return (tmp_path / "a.wav").read_bytes()

    assert spoken(0) == spoken(1)
    assert spoken(0, "synth.noise_scale=0.667") != spoken(1, "synth.noise_scale=0.667")


def test_a_very_long_sentence_is_spoken_whole(config: Config, tmp_path: Path) -> None:
    words = "the river runs and runs " * 40
    duration_s = synth.speak_to_file(words, tmp_path / "river.wav", config)
    assert duration_s > 30


def test_lines_become_a_corpus(config: Config, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("Rain falls.\n\n  It costs $5 | or so.  \n***\n", encoding="utf-8")
    report = synth.run(lines, tmp_path / "spoken", config)
    assert (report.n_in, report.n_out, report.dropped) == (3, 2, {"nothing_to_say": 1})
    corpus = read_corpus(tmp_path / "spoken")
    assert [u.transcript for u in corpus.utterances] == ["Rain falls.", "It costs $5 or so."]
    assert [r.id for r in read_rejections(tmp_path / "spoken")] == ["0003"]
    wav, _ = soundfile.read(corpus.clip_path(corpus.utterances[0]), dtype="float32")
    assert np.abs(wav).max() > 0.05
    before = (tmp_path / "spoken" / "report.json").stat().st_mtime_ns
    assert synth.run(lines, tmp_path / "spoken", config) == report
    assert (tmp_path / "spoken" / "report.json").stat().st_mtime_ns == before


def test_nothing_to_say_and_no_voice_end_in_one_line(config: Config, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="nothing to say"):
        synth.speak_to_file(" \n *** ", tmp_path / "a.wav", config)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(StageError, match=r"empty\.txt: holds no line"):
        synth.run(tmp_path / "empty.txt", tmp_path / "out", config)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(StageError, match=r"binary\.txt.*UTF-8"):
        synth.run(tmp_path / "binary.txt", tmp_path / "out", config)
    with pytest.raises(CheckpointError, match=r"gone\.ckpt"):
        synth.speak_to_file("Rain.", tmp_path / "a.wav", load_config(None, [f"synth.ckpt={tmp_path / 'gone.ckpt'}"]))


def test_lines_without_a_word_end_in_one_line_that_names_the_reasons(config: Config, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("***\n!\n")
    with pytest.raises(StageError, match=r"rejected\.csv: synth dropped every one of 2 .*2 nothing_to_say"):
        synth.run(tmp_path / "lines.txt", tmp_path / "out", config)


@pytest.mark.parametrize(
    ("text", "script"), [("Rain falls. Привет, мир.", "CYRILLIC"), ("你好，世界", "CJK"), ("שלום", "HEBREW")]
)
def test_a_text_in_a_script_the_student_does_not_read_is_refused(
    text: str, script: str, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match=rf"script {script}.*reads LATIN, GREEK.*scripts=\[LATIN, GREEK, {script}\]"):
        synth.speak_to_file(text, tmp_path / "a.wav", config)
    assert not (tmp_path / "a.wav").exists()


def test_lines_in_another_script_are_rejected_and_the_rest_is_spoken(config: Config, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    # Greek letters, accents and units are read as they always were.
    lines.write_text("Rain falls.\nПривет, мир.\nThe angle α is 5 µm wide in Besançon.\n", encoding="utf-8")
    report = synth.run(lines, tmp_path / "spoken", config)
    assert (report.n_out, report.dropped) == (2, {"foreign_script": 1})
    assert [(r.id, r.value) for r in read_rejections(tmp_path / "spoken")] == [("0002", "П is CYRILLIC")]
    allowed = load_config(None, [f"synth.ckpt={config.synth.ckpt}", "generate.verbatim.scripts=[CYRILLIC]"])
    assert synth.run(lines, tmp_path / "all", allowed).dropped.get("foreign_script") is None
