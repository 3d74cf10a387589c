"""What every stage promises, asked of each of them on real parts. Add a stage by adding a `Case`."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ttsd.config import Config, load_config
from ttsd.data.corpus import read_corpus, read_rejections, validate_corpus
from ttsd.errors import CheckpointError, StageError, TtsdError
from ttsd.report import REPORT_NAME, StageReport, load_report

CORPUS_SETTINGS = (
    "generate.teacher=pico",
    "qc.max_cer=null",
    "qc.max_missing_words=null",
    "qc.max_extra_words=null",
    "qc.min_dnsmos=null",
    "split.test_fraction=0.157",
    "split.val_fraction=0.05",
)


@dataclass(frozen=True)
class Case:
    """A stage, its input and its settings."""

    name: str
    source: str
    """Name of the fixture that gives the input directory."""
    settings: tuple[str, ...]
    changed: str
    """A setting that changes the output."""
    writes_corpus: bool = True
    has_workers: bool = True
    bad_start: str = ""
    """A setting that names a checkpoint, to be given `{bad}`: a file that is none."""
    killed_in: str = ""
    """The work in the middle of which the stage is killed; by default whatever comes first."""
    volatile: tuple[str, ...] = ()
    """Files that carry times of day or timings, by how their names begin."""

    def read(self, root: Path) -> dict[str, bytes]:
        """Return the bytes of every file that two runs share."""
        return {name: data for name, data in read_tree(root).items() if not name.startswith(self.volatile or ("//",))}

    @property
    def run(self) -> Callable[..., StageReport]:
        return importlib.import_module(f"ttsd.stages.{self.name}").run

    def config(self, *more: str) -> Config:
        return load_config(None, [*self.settings, *more])


TRAIN_SETTINGS = (
    *CORPUS_SETTINGS[2:],
    "train.max_steps=3",
    "train.batch_size=2",
    "train.checkpoint_every_steps=1",
    "train.completion.n_utterances=1",
    "train.completion.max_steps=1",
    "train.completion.batch_size=1",
    "train.accelerator=cpu",
)


CASES = (
    Case(
        "generate",
        "guides",
        (*CORPUS_SETTINGS, "generate.max_utterances=6"),
        "generate.pico.speed=1.5",
        killed_in="speech",
    ),
    Case("ingest", "recordings", (), "ingest.margin_ms=20", killed_in="windows"),
    Case("preprocess", "raw_corpus", CORPUS_SETTINGS, "preprocess.loudness_lufs=-20"),
    Case("qc", "processed_corpus", CORPUS_SETTINGS, "qc.max_chars_per_s=10"),
    Case(
        "train",
        "curated_corpus",
        TRAIN_SETTINGS,
        "train.learning_rate=1e-5",
        writes_corpus=False,
        has_workers=False,
        bad_start="train.init_from={bad}",
        killed_in="training",
        volatile=("tensorboard/",),
    ),
    Case("synth", "lines", ("synth.ckpt={voice}",), "synth.speed=1.5", bad_start="synth.ckpt={bad}"),
    Case(
        "evaluate",
        "processed_corpus",
        (*CORPUS_SETTINGS, "evaluate.ckpt={voice}", "evaluate.n_bootstrap=100", "evaluate.speed_sentences=1"),
        "seed=1",
        writes_corpus=False,
        bad_start="evaluate.ckpt={bad}",
        volatile=("speed.json", "report.html"),
    ),
    Case(
        "export",
        "voice",
        (),
        "export.half_weights=true",
        writes_corpus=False,
        has_workers=False,
    ),
    Case(
        "listen",
        "evaluation",
        ("listen.n_comparisons=2", "listen.n_checks=2", "listen.n_speaker=1"),
        "seed=1",
        writes_corpus=False,
    ),
)


def read_tree(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a directory, hidden ones too."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def read_times(root: Path) -> dict[str, int]:
    """Return when every file below a directory was written."""
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Finished:
    """A stage that ran once, undisturbed, in one process."""

    out_dir: Path
    report: StageReport
    source_before: tuple[dict[str, bytes], dict[str, int]]
    calls: list[tuple[int, int, str]]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request):
    chosen = request.param
    if any("{voice}" in setting for setting in chosen.settings):
        voice = request.getfixturevalue("voice")
        return replace(chosen, settings=tuple(setting.format(voice=voice) for setting in chosen.settings))
    return chosen


@pytest.fixture(scope="module")
def source(case, request):
    return request.getfixturevalue(case.source)


@pytest.fixture(scope="module")
def finished(case, source, tmp_path_factory):
    before = (read_tree(source), read_times(source))
    out_dir = tmp_path_factory.mktemp(case.name) / "out"
    calls = []
    report = case.run(source, out_dir, case.config("n_workers=1"), lambda *told: calls.append(told))
    return Finished(out_dir, report, before, calls)


def test_the_input_is_left_as_it_was(finished, source):
    assert (read_tree(source), read_times(source)) == finished.source_before


def test_the_output_is_a_valid_corpus(case, finished):
    if case.writes_corpus:
        corpus = read_corpus(finished.out_dir)
        assert corpus.layout == "ttsd"
        assert validate_corpus(corpus) > 0
        assert {path.stem for path in (finished.out_dir / "wavs").iterdir()} == {u.id for u in corpus.utterances}


def test_the_counts_add_up(case, finished):
    report = finished.report
    assert report.n_in == report.n_out + report.n_dropped
    assert report.n_out > 0
    assert report.stage == case.name
    if case.writes_corpus:
        utterances = read_corpus(finished.out_dir).utterances
        assert report.n_out == len(utterances)
        assert report.n_dropped == len(read_rejections(finished.out_dir))
        assert report.duration_s == pytest.approx(sum(u.duration_s for u in utterances), abs=0.01)


def test_the_report_is_written_last_and_is_the_one_returned(finished):
    times = read_times(finished.out_dir)
    assert times[REPORT_NAME] == max(times.values())
    assert load_report(finished.out_dir) == finished.report


def test_the_output_names_no_place_on_this_machine(finished, source):
    for name, data in read_tree(finished.out_dir).items():
        if not name.endswith(".wav"):
            assert str(source).encode() not in data, name
            assert str(finished.out_dir).encode() not in data, name


def test_progress_is_told_from_the_first_to_the_last(finished):
    done, total, note, *_ = finished.calls[-1]
    assert done == total > 0
    assert note
    assert [call[0] for call in finished.calls if call[2] == note] == sorted(
        call[0] for call in finished.calls if call[2] == note
    )


def test_a_second_run_writes_nothing_and_says_the_same(case, finished, source):
    before = read_times(finished.out_dir)
    assert case.run(source, finished.out_dir, case.config("n_workers=1")) == finished.report
    assert read_times(finished.out_dir) == before


def test_two_workers_give_the_bytes_of_one(case, finished, source, tmp_path):
    if case.has_workers:
        case.run(source, tmp_path / "out", case.config("n_workers=2"))
        assert case.read(tmp_path / "out") == case.read(finished.out_dir)


KILL = """
import importlib, os, signal, sys
from pathlib import Path
from ttsd.config import load_config
name, source, out, share, work, *settings = sys.argv[1:]
def progress(done, total, note="", detail=""):
    if work in ("", note) and done >= max(1, float(share) * total):
        os.kill(os.getpid(), signal.SIGKILL)
importlib.import_module("ttsd.stages." + name).run(Path(source), Path(out), load_config(None, settings), progress)
"""


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_killed_and_run_again_it_ends_with_the_same_bytes(case, finished, source, tmp_path, share):
    out_dir = tmp_path / "out"
    arguments = [case.name, str(source), str(out_dir), str(share), case.killed_in, *case.settings, "n_workers=1"]
    killed = subprocess.run([sys.executable, "-c", KILL, *arguments], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (out_dir / REPORT_NAME).exists()
    # What a kill in the middle of a file leaves behind.
    if case.writes_corpus:
        (out_dir / "wavs").mkdir(exist_ok=True)
        (out_dir / "wavs" / ".half.abc.tmp.wav").write_bytes(b"RIFF")
    calls = []
    report = case.run(source, out_dir, case.config("n_workers=1"), lambda *told: calls.append(told))
    n_done, *_ = next(told for told in calls if case.killed_in in ("", told[2]))
    assert n_done > 0, "it started from the beginning"
    assert report == finished.report
    assert case.read(out_dir) == case.read(finished.out_dir)


def test_changed_settings_are_refused(case, finished, source):
    before = read_tree(finished.out_dir)
    with pytest.raises(StageError, match=r"other input or settings.*--overwrite"):
        case.run(source, finished.out_dir, case.config(case.changed))
    assert read_tree(finished.out_dir) == before


def test_the_input_itself_is_refused_as_output(case, finished, source):
    with pytest.raises(StageError, match="cannot write into the directory it reads"):
        case.run(source, source, case.config())
    assert read_tree(source) == finished.source_before[0]


def test_a_directory_of_somebody_else_is_refused_and_left_alone(case, source, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StageError, match="holds files that no stage wrote"):
        case.run(source, tmp_path, case.config())
    assert read_tree(tmp_path) == {"thesis.tex": b"mine"}


def test_overwrite_checks_before_it_removes_and_leaves_other_files(case, finished, source, tmp_path):
    out_dir = shutil.copytree(finished.out_dir, tmp_path / "out")
    (out_dir / "mine.txt").write_text("mine")
    before = read_tree(out_dir)
    with pytest.raises(TtsdError):
        case.run(tmp_path / "mistyped", out_dir, case.config(), overwrite=True)
    assert read_tree(out_dir) == before
    if case.bad_start:
        with pytest.raises(CheckpointError):
            case.run(source, out_dir, case.config(case.bad_start.format(bad=out_dir / "mine.txt")), overwrite=True)
        assert read_tree(out_dir) == before
    # Whatever the stage wrote is gone, so that nothing of the old run can be mistaken for the new one's.
    with pytest.raises(ZeroDivisionError):
        case.run(source, out_dir, case.config(case.changed, "n_workers=1"), lambda *_: 1 / 0, overwrite=True)
    assert set(read_tree(out_dir)) <= {"mine.txt", "stage.json", "config.yaml", "start.ckpt"}


def test_a_second_one_at_the_same_time_is_refused_in_one_line(case, source, tmp_path):
    refusals = []

    def meanwhile(*_):
        with pytest.raises(StageError, match="another ttsd writes here") as caught:
            case.run(source, tmp_path / "out", case.config(case.changed), overwrite=True)
        refusals.append(str(caught.value))
        raise ZeroDivisionError  # One is enough.

    with pytest.raises(ZeroDivisionError):
        case.run(source, tmp_path / "out", case.config("n_workers=1"), meanwhile)
    assert refusals
    assert not (tmp_path / "out" / ".lock").exists()
