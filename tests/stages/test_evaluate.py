"""`evaluate` on real voices: Pico is the teacher, joe stands in for a student, another Pico voice for its start."""

import csv
import functools
import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from ttsd.config import PicoConfig, PiperConfig, parse_config
from ttsd.data.audio import write_wav
from ttsd.data.corpus import Utterance, read_corpus, write_corpus
from ttsd.errors import CheckpointError, CorpusError, EvaluationError
from ttsd.stages.evaluate import choose, evaluate_speakers, run
from ttsd.teachers.pico import PicoTeacher
from ttsd.teachers.piper import PiperTeacher

SENTENCES = {
    "light": "The green plants turn the light of the sun into sugar.",
    "river": "A river carries sand and small stones down to the sea.",
    "bread": "Warm water and a little yeast make the bread rise.",
}


@dataclass
class Voice:
    """A teacher in a student's place."""

    teacher: PicoTeacher | PiperTeacher
    sample_rate: int
    n_parameters: int = 1

    def speak(self, text, *, seed):
        if "unspeakable" in text:
            raise CorpusError("a phoneme of the text has no symbol")
        if "silence" in text:
            return np.zeros(0, np.float32)
        return self.teacher.speak(text, seed).wav


def load_joe():
    return Voice(PiperTeacher(PiperConfig(noise_scale=0, noise_scale_duration=0)), 22050)


def load_pico(voice):
    return Voice(PicoTeacher(PicoConfig(voice=voice)), 16000)


LOADERS = {"student": load_joe, "start": functools.partial(load_pico, "en-GB")}
SETTINGS = {"n_workers": 1, "evaluate": {"split": "all", "n_bootstrap": 500, "speed_sentences": 1}}


def make_corpus(root, texts):
    teacher = PicoTeacher(PicoConfig())
    utterances = []
    for name, text in texts.items():
        speech = teacher.speak(text, 0)
        write_wav(root / "wavs" / f"{name}.wav", speech.wav, speech.sample_rate)
        utterances.append(Utterance(id=name, transcript=text, speaker="pico"))
    return write_corpus(root, utterances)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), SENTENCES)


@pytest.fixture(scope="module")
def config():
    return parse_config(SETTINGS, "test")


@pytest.fixture(scope="module")
def evaluated(corpus, config, tmp_path_factory):
    """The corpus evaluated with another voice in the student's place, and where."""
    out_dir = tmp_path_factory.mktemp("out")
    return evaluate_speakers(corpus, corpus.utterances, out_dir, LOADERS, config), out_dir


def test_every_system_speaks_every_sentence(evaluated):
    result, out_dir = evaluated
    assert [row.id for row in result.rows] == list(SENTENCES)
    for system in ("teacher", "student", "start"):
        assert sorted(path.stem for path in (out_dir / "wavs" / system).iterdir()) == sorted(SENTENCES)
    assert all(row.systems["student"].word_errors < row.systems["student"].n_words / 2 for row in result.rows)


def test_another_voice_is_less_similar_than_the_teacher_itself(evaluated):
    for row in evaluated[0].rows:
        assert row.similarity["teacher"] > 0.85 > row.similarity["student"]


def test_only_the_teacher_has_no_distance_to_the_teacher(evaluated):
    for row in evaluated[0].rows:
        assert row.systems["teacher"].mcd_db == 0
        assert row.systems["student"].mcd_db > 4


def test_the_table_has_a_line_for_every_clip(evaluated):
    lines = list(csv.DictReader(evaluated[0].to_csv().splitlines()))
    assert len(lines) == 9
    assert {line["system"] for line in lines} == {"teacher", "student", "start"}
    assert all(float(line["similarity"]) <= 1 for line in lines)


def test_timings_name_their_threads(evaluated):
    speed = evaluated[0].speed
    assert [timing["n_threads"] for timing in speed["student"]] == [1]
    assert speed["student"][0]["rtf"] > 0
    assert json.loads((evaluated[1] / "speed.json").read_text()) == speed


def test_a_second_run_takes_what_the_first_one_left(evaluated, corpus, config):
    result, out_dir = evaluated

    def refuse():
        raise AssertionError("a voice was loaded to speak again")

    loads = iter([load_joe, functools.partial(load_pico, "en-GB")])
    # Each is loaded once, for the count of its parameters: no worker starts.
    loaders = {name: (lambda: next(loads, refuse)()) for name in LOADERS}
    again = evaluate_speakers(corpus, corpus.utterances, out_dir, loaders, config)
    assert again == result


def test_what_cannot_be_evaluated_is_listed_with_its_reason_and_the_rest_goes_on(config, tmp_path):
    texts = {
        "good": SENTENCES["light"],
        "better": SENTENCES["river"],
        "unreadable": "This clip is damaged.",
        "missing": "This clip is gone.",
        "hum": "Um, uh.",
        "hard": "This is unspeakable.",
        "quiet": "There is silence here.",
    }
    corpus = make_corpus(tmp_path / "in", texts)
    (tmp_path / "in/wavs/unreadable.wav").write_bytes(b"RIFF, but not really")
    (tmp_path / "in/wavs/missing.wav").unlink()
    result = evaluate_speakers(corpus, corpus.utterances, tmp_path / "out", {"student": load_joe}, config)
    assert [row.id for row in result.rows] == ["good", "better", "quiet"]
    assert {name: reason for name, reason, _ in result.dropped} == {
        "unreadable": "unreadable_clip",
        "missing": "missing_clip",
        "hum": "no_words",
        "hard": "student_cannot_speak",
    }
    assert sum(result.count_dropped().values()) == 4
    quiet = result.rows[2].systems["student"]
    assert (quiet.word_errors, quiet.n_words) == (4, 4)
    assert result.count_unmeasured() == {"mcd_db.student": 1, "similarity.student": 1}


def test_a_corpus_without_a_single_usable_sentence_is_one_line(config, tmp_path):
    corpus = make_corpus(tmp_path / "in", {"hum": "Um, uh."})
    with pytest.raises(EvaluationError, match="hum: no_words"):
        evaluate_speakers(corpus, corpus.utterances, tmp_path / "out", {"student": load_joe}, config)


def test_an_empty_split_is_named_with_its_cure(corpus):
    config = parse_config({"split": {"test_fraction": 0.0, "val_fraction": 0.0}}, "test")
    with pytest.raises(EvaluationError, match=r"split test.*evaluate\.split=all"):
        choose(corpus, config)


def test_fewer_utterances_are_a_fixed_sample_in_the_order_of_the_corpus(corpus):
    chosen = [
        [u.id for u in choose(corpus, parse_config({"evaluate": {"split": "all", "max_utterances": n}}, "test"))]
        for n in (1, 2, 3)
    ]
    assert [len(ids) for ids in chosen] == [1, 2, 3]
    assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])
    assert chosen[2] == list(SENTENCES)


def test_only_the_split_that_is_asked_for_is_evaluated(tmp_path):
    corpus = make_corpus(tmp_path, {"one": SENTENCES["light"], "two": SENTENCES["river"]})
    utterances = [
        u.model_copy(update={"split": split}) for u, split in zip(corpus.utterances, ("train", "test"), strict=True)
    ]
    write_corpus(tmp_path, utterances)
    assert [u.id for u in choose(read_corpus(tmp_path), parse_config({}, "test"))] == ["two"]


@pytest.mark.parametrize(("ckpt", "cure"), [(None, "--ckpt"), ("nowhere/last.ckpt", "ttsd train")])
def test_a_missing_student_is_one_line_with_the_cure(corpus, tmp_path, ckpt, cure):
    config = parse_config({"evaluate": {"ckpt": ckpt}}, "test")
    with pytest.raises(CheckpointError, match=cure):
        run(corpus.root, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run's checkpoints: joe as the start, and as a student that has learnt nothing."""
    from ttsd.config import Config
    from ttsd.training.checkpoint import save_checkpoint
    from ttsd.training.start import load_start

    folder = tmp_path_factory.mktemp("run")
    start = load_start(Config())
    for name in ("start.ckpt", "last.ckpt"):
        save_checkpoint(folder / name, start.voice_config, start.symbols, start.voice.state_dict())
    return folder


def test_a_run_is_reported_bounded_and_done_once(corpus, run_dir, tmp_path):
    out_dir = tmp_path / "out"
    settings = SETTINGS["evaluate"] | {"ckpt": str(run_dir / "last.ckpt"), "max_utterances": 2}
    config = parse_config(SETTINGS | {"evaluate": settings}, "test")
    report = run(corpus.root, out_dir, config)
    assert (report.n_in, report.n_out, report.n_dropped) == (2, 2, 0)
    metrics = report.details["metrics"]
    assert {"teacher", "student", "start", "delta", "lo", "hi", "n", "verdict"} <= metrics["wer"].keys()
    # The same weights, texts and seeds: the student is its start.
    for name in ("wer", "cer", "mcd_db", "similarity", "duration_ratio", "parameters", "size_bytes"):
        assert metrics[name]["student"] == metrics[name]["start"] is not None
    assert metrics["gap_closed"]["value"] == 0
    assert "too few sentences" in report.details["notes"][0]
    assert "rtf" not in json.dumps(report.model_dump(mode="json"))
    assert json.loads((out_dir / "speed.json").read_text()).keys() == {"student", "start"}
    assert str(tmp_path) not in (out_dir / "report.json").read_text()
    assert not (out_dir / ".partial").exists()

    files = {path: path.stat().st_mtime_ns for path in out_dir.rglob("*")}
    assert run(corpus.root, out_dir, config) == report
    assert {path: path.stat().st_mtime_ns for path in out_dir.rglob("*")} == files

    kept = {name: (out_dir / name).read_bytes() for name in ("report.json", "report.html", "utterances.csv")}
    for name in kept:
        (out_dir / name).unlink()
    (out_dir / "wavs/student").rename(out_dir / "gone")
    shutil.rmtree(out_dir / "gone")
    run(corpus.root, out_dir, config)
    assert {name: (out_dir / name).read_bytes() for name in kept} == kept

    # A bound is no other work: the finished report is held against it, every time.
    bounded = parse_config(SETTINGS | {"evaluate": settings | {"max_wer_delta": 0.0}}, "test")
    report.details["metrics"]["wer"] |= {"teacher": 0.05, "student": 0.3, "delta": 0.25}
    (out_dir / "report.json").write_text(report.model_dump_json())
    for _ in range(2):
        with pytest.raises(EvaluationError, match=r"WER is 30\.0%, the teacher's 5\.0%.*max_wer_delta"):
            run(corpus.root, out_dir, bounded)
    assert (out_dir / "report.html").is_file()


def test_a_missing_start_is_noted(evaluated):
    result, _ = evaluated
    config = parse_config({}, "test")
    details = result.describe({"student": {"sha256": "0"}}, {"asr": {}}, config)
    assert any("no starting voice" in note for note in details["notes"])
