"""`evaluate` on real voices: Pico is the teacher, joe stands in for a student, another Pico voice for its start."""

import csv
import functools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import numpy as np
import pytest

from ttsd.config import PicoConfig, PiperConfig, parse_config
from ttsd.data.audio import write_wav
from ttsd.data.corpus import Utterance, read_corpus, write_corpus
from ttsd.errors import CheckpointError, ConfigError, CorpusError, EvaluationError, FigureError, StageError, UsageError
from ttsd.metrics.catalogue import BY_KEY
from ttsd.metrics.systems import find_systems
from ttsd.stages.evaluate import choose, evaluate_systems, run
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


@dataclass(frozen=True)
class Standin:
    """A system whose voice is a teacher's."""

    name: str
    loader: Callable
    role: str = "student"
    is_voice: bool = True
    sha256: str = "0"


LOADERS = {"student": load_joe, "start": functools.partial(load_pico, "en-GB")}
SYSTEMS = [Standin("student", load_joe), Standin("start", LOADERS["start"], "start")]
JOE = [SYSTEMS[0]]
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
    return evaluate_systems(corpus, corpus.utterances, out_dir, SYSTEMS, config), out_dir


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
    assert [timing["n_threads"] for timing in speed["student"]["timings"]] == [1]
    assert speed["student"]["timings"][0]["rtf"] > 0
    assert json.loads((evaluated[1] / "speed.json").read_text()) == speed


def test_a_second_run_takes_what_the_first_one_left(evaluated, corpus, config):
    result, out_dir = evaluated

    def refuse():
        raise AssertionError("a voice was loaded to speak again")

    systems = [replace(system, loader=refuse) for system in SYSTEMS]
    again = evaluate_systems(corpus, corpus.utterances, out_dir, systems, config)
    assert again == result


def test_what_cannot_be_evaluated_is_listed_with_its_reason_and_the_rest_goes_on(config, tmp_path):
    texts = {
        "good": SENTENCES["light"],
        "better": SENTENCES["river"],
        "unreadable": "This clip is damaged.",
        "missing": "This clip is gone.",
        "hum": "Um, uh.",
        "marks": "Dots and dashes.",
        "hard": "This is unspeakable.",
        "quiet": "There is silence here.",
    }
    corpus = make_corpus(tmp_path / "in", texts)
    marks = {"marks": {"transcript": "…!?—"}}
    corpus = write_corpus(corpus.root, [one.model_copy(update=marks.get(one.id, {})) for one in corpus.utterances])
    (tmp_path / "in/wavs/unreadable.wav").write_bytes(b"RIFF, but not really")
    (tmp_path / "in/wavs/missing.wav").unlink()
    result = evaluate_systems(corpus, corpus.utterances, tmp_path / "out", JOE, config)
    assert [row.id for row in result.rows] == ["good", "better", "quiet"]
    assert {name: reason for name, reason, _ in result.dropped} == {
        "unreadable": "unreadable_clip",
        "missing": "missing_clip",
        "hum": "no_words",
        "marks": "no_words",
        "hard": "student_cannot_speak",
    }
    assert sum(result.count_dropped().values()) == 5
    quiet = result.rows[2].systems["student"]
    assert (quiet.word_errors, quiet.n_words) == (4, 4)
    assert quiet.failures == ["empty"]
    counts = result.count_unmeasured()
    assert {counts[f"{name}.student"] for name in ("mcd_db", "similarity", "distillmos", "pause_s")} == {1}
    assert not any(name.endswith(".teacher") for name in counts)


def test_a_corpus_without_a_single_usable_sentence_is_one_line(config, tmp_path):
    corpus = make_corpus(tmp_path / "in", {"hum": "Um, uh."})
    with pytest.raises(EvaluationError, match="hum: no_words"):
        evaluate_systems(corpus, corpus.utterances, tmp_path / "out", JOE, config)


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


@pytest.mark.parametrize(("ckpt", "cure"), [((), "--ckpt"), ("nowhere/last.ckpt", "ttsd train")])
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
    assert metrics.keys() == BY_KEY.keys()
    # The same weights, texts and seeds: the student is its start.
    for metric in metrics.values():
        assert metric["systems"]["student"] == metric["systems"]["start"]
    assert report.details["sizes"]["student"] == report.details["sizes"]["start"]
    assert report.details["gap_closed"]["student"]["value"] == 0
    assert report.details["notes"][0].startswith("2 sentences: with fewer than 50")
    assert "no second take" in report.details["notes"][1]
    assert "rtf" not in json.dumps(report.model_dump(mode="json"))
    assert json.loads((out_dir / "speed.json").read_text()).keys() == {"student", "start"}
    assert str(tmp_path) not in (out_dir / "report.json").read_text()
    assert not (out_dir / ".partial").exists()

    files = {path: path.stat().st_mtime_ns for path in out_dir.rglob("*")}
    assert run(corpus.root, out_dir, config) == report
    assert {path: path.stat().st_mtime_ns for path in out_dir.rglob("*")} == files

    kept = {name: (out_dir / name).read_bytes() for name in WRITTEN}
    for name in kept:
        (out_dir / name).unlink()
    (out_dir / "wavs/student").rename(out_dir / "gone")
    shutil.rmtree(out_dir / "gone")
    run(corpus.root, out_dir, config)
    assert {name: (out_dir / name).read_bytes() for name in kept} == kept


WRITTEN = ("report.json", "report.html", "utterances.csv", "metrics.csv", "summary.md", "junit.xml")


def test_a_condition_is_no_other_work_and_fails_where_it_holds(corpus, run_dir, tmp_path):
    settings = SETTINGS["evaluate"] | {"ckpt": str(run_dir / "last.ckpt"), "with_start": False, "max_utterances": 2}
    out_dir = tmp_path / "out"

    def check(*conditions):
        return run(
            corpus.root, out_dir, parse_config(SETTINGS | {"evaluate": settings | {"fail_if": conditions}}, "test")
        )

    first = check("wer.delta > 1")
    # Another voice than the teacher's: similarity is far lower.
    for _ in range(2):
        with pytest.raises(
            EvaluationError,
            match=r"html: similarity\.delta < -10% holds for student, n > 1 holds for student;",
        ) as caught:
            check("wer.delta > 1", "similarity.delta < -10%", "n > 1")
        assert caught.value.exit_code == 1
    suite = ElementTree.parse(out_dir / "junit.xml").getroot()
    assert (suite.get("failures"), suite[0].get("name"), suite[1].get("name")) == (
        "2", "wer.delta > 1", "similarity.delta < -10%",
    )  # fmt: skip
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [
        "similarity.delta < -10%", "n > 1",
    ]  # fmt: skip
    for unknown in ("mcd_db.ratio > 1", "nothing > 1"):
        with pytest.raises(FigureError) as caught:
            check(unknown)
        assert caught.value.exit_code == 2
    assert check("rtf > 100", "parameters > 1e9", "fail.count > 1") == first
    with pytest.raises(UsageError):
        check("wer.delta")


def test_margins_of_nothing_are_refused(corpus, run_dir, tmp_path):
    settings = SETTINGS["evaluate"] | {"ckpt": str(run_dir / "last.ckpt"), "margins": {"werr": 0.1}}
    with pytest.raises(ConfigError, match=r"evaluate\.margins\.werr.*wer"):
        run(corpus.root, tmp_path / "out", parse_config(SETTINGS | {"evaluate": settings}, "test"))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Corpora of the same sentences by joe: two takes of the teacher, and a student that has spoken already."""
    root = tmp_path_factory.mktemp("recordings")
    for name, seed, scale in (("joe", 1, 0.667), ("joe-take2", 2, 0.667), ("flat", 1, 0.0)):
        teacher = PiperTeacher(PiperConfig(noise_scale=scale, noise_scale_duration=0.8 if scale else 0))
        utterances = []
        for number, (key, text) in enumerate(SENTENCES.items()):
            speech = teacher.speak(text, 10 * number + seed)
            write_wav(root / name / "wavs" / f"{key}.wav", speech.wav, speech.sample_rate)
            utterances.append(Utterance(id=key, transcript=text, speaker="joe"))
        write_corpus(root / name, utterances)
    return root


def test_corpora_are_evaluated_as_they_are_and_the_second_take_is_found(recordings, tmp_path):
    settings = SETTINGS["evaluate"] | {"ckpt": str(recordings / "flat"), "mcd_presets": ["espnet", "pymcd"]}
    report = run(recordings / "joe", tmp_path / "out", parse_config(SETTINGS | {"evaluate": settings}, "test"))
    assert [(one["name"], one["role"]) for one in report.details["systems"]] == [
        ("take2", "take2"),
        ("student", "student"),
    ]
    mcd = report.details["metrics"]["mcd_db"]["systems"]
    assert 1 < mcd["take2"]["value"] < 8
    assert mcd["student"]["ratio"] == pytest.approx(mcd["student"]["value"] / mcd["take2"]["value"], abs=1e-5)
    assert report.details["toolkits_mcd_db"].keys() == {"espnet", "pymcd"}
    assert not any("no second take" in note for note in report.details["notes"])
    assert not (tmp_path / "out/speed.json").is_file() or json.loads((tmp_path / "out/speed.json").read_text()) == {}
    # Everything of the second take is nearer to the teacher than another voice would be.
    assert report.details["metrics"]["similarity"]["systems"]["take2"]["value"] > 0.8


def test_a_second_take_that_is_the_first_is_told(recordings, tmp_path):
    settings = SETTINGS["evaluate"] | {"ckpt": str(recordings / "flat"), "take2": str(recordings / "joe")}
    config = parse_config(SETTINGS | {"evaluate": settings}, "test")
    report = run(recordings / "joe", tmp_path / "out", config)
    assert any("in one way alone" in note for note in report.details["notes"])
    assert report.details["metrics"]["mcd_db"]["systems"]["take2"]["value"] == 0


def test_an_earlier_report_tells_what_has_changed(recordings, tmp_path):
    def evaluate(ckpt, name, **more):
        settings = SETTINGS["evaluate"] | {"ckpt": str(recordings / ckpt), **more}
        return run(recordings / "joe", tmp_path / name, parse_config(SETTINGS | {"evaluate": settings}, "test"))

    first = evaluate("flat", "first")
    again = evaluate("flat", "again", baseline=str(tmp_path / "first/report.json"))
    baseline = again.details["baseline"]["wer"]
    assert baseline["baseline"] == first.details["metrics"]["wer"]["systems"]["student"]["value"]
    assert baseline["student"]["delta"] == 0
    with pytest.raises(EvaluationError, match="no such file"):
        evaluate("flat", "third", baseline=str(tmp_path / "nowhere.json"))
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(EvaluationError, match="no report of an evaluation"):
        evaluate("flat", "third", baseline=str(tmp_path / "other.json"))


def test_a_recording_that_is_missing_is_listed_with_whose_it_is(recordings, tmp_path):
    shutil.copytree(recordings / "flat", tmp_path / "flat")
    corpus = read_corpus(tmp_path / "flat")
    write_corpus(tmp_path / "flat", corpus.utterances[1:])
    settings = SETTINGS["evaluate"] | {"ckpt": str(tmp_path / "flat")}
    config = parse_config(SETTINGS | {"evaluate": settings}, "test")
    report = run(recordings / "joe", tmp_path / "out", config)
    assert [(one["id"], one["reason"]) for one in report.details["dropped"]] == [("light", "missing_clip_of_student")]


def test_a_recording_of_another_text_is_left_out_and_told(recordings, tmp_path):
    shutil.copytree(recordings / "flat", tmp_path / "flat")
    first, *others = read_corpus(tmp_path / "flat").utterances
    write_corpus(tmp_path / "flat", [first.model_copy(update={"transcript": "Something else."}), *others])
    settings = SETTINGS["evaluate"] | {"ckpt": str(tmp_path / "flat")}
    report = run(recordings / "joe", tmp_path / "out", parse_config(SETTINGS | {"evaluate": settings}, "test"))
    assert [(one["id"], one["reason"]) for one in report.details["dropped"]] == [(first.id, "other_text_of_student")]
    assert any("left out 1 sentences (other_text_of_student)" in note for note in report.details["notes"])


def test_a_recording_that_was_changed_is_other_work(recordings, tmp_path):
    shutil.copytree(recordings / "flat", tmp_path / "flat")
    settings = SETTINGS["evaluate"] | {"ckpt": str(tmp_path / "flat")}
    config = parse_config(SETTINGS | {"evaluate": settings}, "test")
    run(recordings / "joe", tmp_path / "out", config)
    clip = read_corpus(tmp_path / "flat").utterances[0].id
    shutil.copyfile(recordings / "joe/wavs" / f"{clip}.wav", tmp_path / "flat/wavs" / f"{clip}.wav")
    with pytest.raises(StageError, match="other input"):
        run(recordings / "joe", tmp_path / "out", config)


def test_a_figure_that_does_not_exist_is_told_before_anything_is_measured(recordings, tmp_path):
    for name in ("nope > 1", "wer.start > 1", "baseline.wer.delta > 1"):
        settings = SETTINGS["evaluate"] | {"ckpt": str(recordings / "flat"), "fail_if": ["wer.delta > 1", name]}
        with pytest.raises(FigureError, match="there is no figure"):
            run(recordings / "joe", tmp_path / "out", parse_config(SETTINGS | {"evaluate": settings}, "test"))
    assert not (tmp_path / "out").exists()


def test_students_are_named_by_what_tells_them_apart(recordings, run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "two")
    paths = (run_dir / "last.ckpt", tmp_path / "two/last.ckpt", recordings / "flat")
    systems = find_systems(recordings / "flat", parse_config({"evaluate": {"ckpt": paths}}, "test"), load_joe, {})
    names = [system.name for system in systems]
    assert len(set(names)) == 3
    assert names[1] == "two_last"
    assert all(name.isidentifier() for name in names)
    with pytest.raises(CheckpointError, match="named twice"):
        find_systems(recordings / "flat", parse_config({"evaluate": {"ckpt": paths[:1] * 2}}, "test"), load_joe, {})


def test_a_missing_start_is_noted(evaluated):
    result, _ = evaluated
    alone = replace(result, systems=result.systems[:1])
    assert any("no starting voice" in note for note in alone.describe(parse_config({}, "test"))["notes"])
