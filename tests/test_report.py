import json

import pytest

from ttsd import __version__
from ttsd.config import Config
from ttsd.errors import ConfigError, StageError
from ttsd.report import (
    REPORT_NAME,
    STAGE_NAME,
    StageReport,
    as_stage,
    begin_stage,
    fingerprint,
    finish_stage,
    hash_tree,
    load_report,
)

MARK = fingerprint("qc", {"a": 1}, {"x": "00"})


def make_stage(name, *writes, mark=MARK, check=None, reads=()):
    """Return a stage that checks its input and claims its output."""

    @as_stage(*writes)
    def run(in_dir, out_dir, _config, _progress):
        return begin_stage(name, in_dir, out_dir, mark, reads=reads, check=check) or StageReport(stage=name)

    return run


def test_a_new_directory_is_claimed(tmp_path):
    out_dir = tmp_path / "deep" / "out"
    assert begin_stage("qc", tmp_path / "in", out_dir, MARK) is None
    kept = json.loads((out_dir / STAGE_NAME).read_text())
    assert kept == {"stage": "qc", "fingerprint": MARK, **MARK.parts}
    assert (kept["settings"], kept["version"]) == ({"a": 1}, __version__)


@pytest.mark.parametrize(
    ("config", "inputs", "told"),
    [
        ({"a": 2, "b": {"c": "x"}}, {"x": "00"}, r"settings \(a: 1, now 2\); name"),
        ({"a": 1, "b": {"c": "y"}}, {"x": "01"}, r'settings \(what it reads has changed; b\.c: "x", now "y"\); name'),
        ({"a": 1}, {"x": "00"}, r'\(b\.c: "x", now null\)'),
        ({str(n): n for n in range(9)}, {"x": "00"}, r"now null; 0: null, now 0; and 8 more\)"),
    ],
)
def test_what_differs_between_the_work_that_is_there_and_that_is_asked_for_is_named(tmp_path, config, inputs, told):
    begin_stage("qc", None, tmp_path, fingerprint("qc", {"a": 1, "b": {"c": "x"}}, {"x": "00"}))
    (tmp_path / "half").touch()
    with pytest.raises(StageError, match=told) as info:
        begin_stage("qc", None, tmp_path, fingerprint("qc", config, inputs))
    assert "\n" not in str(info.value)


def test_work_of_a_version_that_kept_less_is_told_without_what_differs(tmp_path):
    (tmp_path / STAGE_NAME).write_text('{"stage": "qc", "fingerprint": "00"}')
    (tmp_path / "half").touch()
    with pytest.raises(StageError, match="holds the work of other input or settings; name another"):
        begin_stage("qc", None, tmp_path, MARK)


def test_an_empty_directory_is_claimed(tmp_path):
    assert begin_stage("qc", None, tmp_path, MARK) is None


def test_half_done_work_of_the_same_kind_is_resumed(tmp_path):
    begin_stage("qc", None, tmp_path, MARK)
    (tmp_path / "half").touch()
    assert begin_stage("qc", None, tmp_path, MARK) is None
    assert (tmp_path / "half").exists()


def test_finished_work_of_the_same_kind_gives_its_report(tmp_path):
    begin_stage("qc", None, tmp_path, MARK)
    report = finish_stage(tmp_path, StageReport(stage="qc", n_in=3, n_out=1, dropped={"too_short": 2}))
    assert begin_stage("qc", None, tmp_path, MARK) == report == load_report(tmp_path)
    assert report.n_dropped == 2


@pytest.mark.parametrize(
    ("stage", "mark", "message"),
    [
        ("qc", fingerprint("qc", {"a": 2}, {"x": "00"}), "other input or settings"),
        ("preprocess", MARK, "the stage qc"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_work_is_refused_finished_or_not(tmp_path, stage, mark, message, finished):
    begin_stage("qc", None, tmp_path, MARK)
    (tmp_path / "half").touch()
    if finished:
        finish_stage(tmp_path, StageReport(stage="qc"))
    with pytest.raises(StageError, match=message):
        begin_stage(stage, None, tmp_path, mark)


@pytest.mark.parametrize("stage", ["qc", "train"])
def test_a_stage_that_failed_before_it_made_anything_blocks_nobody(tmp_path, stage):
    begin_stage("qc", None, tmp_path, MARK)
    for name in ("config.yaml", "rejected.csv", ".last.abc.tmp.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / "wavs").mkdir()
    other = fingerprint(stage, {"a": 2}, {"x": "00"})
    make_stage(stage, "config.yaml", "rejected.csv", mark=other)(tmp_path / "in", tmp_path, Config())
    assert json.loads((tmp_path / STAGE_NAME).read_text()) == {"stage": stage, "fingerprint": other, **other.parts}
    # Another run's list of rejections would change the bytes of this one's output.
    assert not (tmp_path / "rejected.csv").exists()


@pytest.mark.parametrize("work", ["last.ckpt", "wavs/a.wav", ".partial/clips/a.json", "report.json"])
def test_a_single_file_of_work_is_kept(tmp_path, work):
    begin_stage("qc", None, tmp_path, MARK)
    (tmp_path / work).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / work).touch()
    with pytest.raises(StageError, match="other input or settings"):
        begin_stage("qc", None, tmp_path, fingerprint("qc", {"a": 2}, {}))
    assert (tmp_path / work).exists()


def test_the_input_by_another_name_is_refused_as_output(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(StageError, match="cannot write into the directory it reads"):
        begin_stage("qc", tmp_path / "in", tmp_path / "link", MARK)


def test_a_file_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StageError, match="a file stands where"):
        begin_stage("qc", None, tmp_path / "file", MARK)
    with pytest.raises(StageError, match="no stage wrote"):
        begin_stage("qc", None, tmp_path, MARK)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stage": "qc"}', "null"])
def test_a_damaged_mark_is_one_clear_error(tmp_path, text):
    (tmp_path / STAGE_NAME).write_text(text)
    with pytest.raises(StageError, match=r"stage.json: damaged"):
        begin_stage("qc", None, tmp_path, MARK)


def test_a_missing_or_damaged_report_is_one_clear_error(tmp_path):
    with pytest.raises(StageError, match=r"has not finished, run it again"):
        load_report(tmp_path)
    (tmp_path / REPORT_NAME).write_text('{"stage": 1, "colour": 2}')
    with pytest.raises(StageError, match="not a report") as caught:
        load_report(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.fixture
def finished(tmp_path):
    """A finished corpus of `qc`, beside files that somebody put there."""
    out_dir = tmp_path / "out"
    begin_stage("qc", None, out_dir, MARK)
    for name in ("wavs/a.wav", "metadata.csv", "mine.txt", "wavs/notes.txt", "evaluation/report.html", "other/a.wav"):
        (out_dir / name).parent.mkdir(exist_ok=True)
        (out_dir / name).write_text(name)
    finish_stage(out_dir, StageReport(stage="qc"))
    return out_dir


def names(out_dir):
    return {path.relative_to(out_dir).as_posix() for path in out_dir.rglob("*") if path.is_file()}


def test_overwrite_clears_only_a_stages_own_directory(finished, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    before = names(tmp_path)
    for stage, in_dir, target, reason in (
        ("qc", tmp_path / "in", tmp_path / "mine", "leaves it alone"),
        ("train", tmp_path / "in", finished, "leaves it alone"),
        ("qc", finished / "wavs", finished, "leaves it alone"),
        ("qc", finished, finished, "cannot write into the directory it reads"),
        ("qc", tmp_path / "in", tmp_path / "mine" / "thesis.tex", "a file stands where"),
    ):
        with pytest.raises(StageError, match=reason):
            make_stage(stage, "*", "*/*", mark="other")(in_dir, target, Config(), overwrite=True)
    assert names(tmp_path) == before
    make_stage("qc", "*", "*/*", mark="other")(tmp_path / "mine", finished, Config(), overwrite=True)
    assert names(finished) == {STAGE_NAME}
    assert not (finished / "wavs").exists()


def test_overwrite_removes_what_the_stage_wrote_and_nothing_else(finished, tmp_path):
    other = fingerprint("qc", {"a": 2}, {})
    run = make_stage("qc", "metadata.csv", "wavs/*.wav", mark=other)
    with pytest.raises(StageError, match="--overwrite"):
        run(tmp_path / "in", finished, Config())
    run(tmp_path / "in", finished, Config(), overwrite=True)
    kept = {"mine.txt", "wavs/notes.txt", "evaluation/report.html", "other/a.wav"}
    assert names(finished) == {STAGE_NAME, *kept}
    assert json.loads((finished / STAGE_NAME).read_text())["fingerprint"] == other


def test_overwrite_removes_nothing_before_the_input_is_checked(finished, tmp_path):
    def refuse():
        raise ConfigError("qc.max_cer: unknown")

    before = names(finished)
    with pytest.raises(ConfigError):
        make_stage("qc", "metadata.csv", "wavs/*.wav", check=refuse)(
            tmp_path / "in", finished, Config(), overwrite=True
        )
    assert names(finished) == before


def test_overwrite_goes_on_with_the_same_work_where_it_was_interrupted(finished, tmp_path):
    run = make_stage("qc", "metadata.csv", "wavs/*.wav")
    (finished / REPORT_NAME).unlink()
    run(tmp_path / "in", finished, Config(), overwrite=True)
    assert (finished / "wavs/a.wav").exists()
    finish_stage(finished, StageReport(stage="qc"))
    run(tmp_path / "in", finished, Config(), overwrite=True)
    assert not (finished / "wavs/a.wav").exists()


def test_overwrite_never_removes_a_file_that_is_about_to_be_read(finished, tmp_path):
    run = make_stage("qc", "metadata.csv", "wavs/*.wav", reads=[finished / "wavs/a.wav"])
    before = names(finished)
    with pytest.raises(StageError, match=r"a\.wav: qc reads this"):
        run(tmp_path / "in", finished, Config(), overwrite=True)
    assert names(finished) == before


def test_overwrite_does_not_follow_links_out_of_the_directory(finished, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").touch()
    (finished / "wavs" / "a.wav").unlink()
    (finished / "wavs" / "notes.txt").unlink()
    (finished / "wavs").rmdir()
    (finished / "wavs").symlink_to(tmp_path / "elsewhere")
    make_stage("qc", "wavs/*.wav")(tmp_path / "in", finished, Config(), overwrite=True)
    assert (tmp_path / "elsewhere" / "a.wav").exists()


def test_overwrite_takes_an_empty_or_missing_directory(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        make_stage("qc")(tmp_path / "in", tmp_path / name, Config(), overwrite=True)
        assert names(tmp_path / name) == {STAGE_NAME}


def test_the_fingerprint_tells_settings_and_input_but_no_order():
    assert fingerprint("qc", {"a": 1, "b": 2}, {"x": "0", "y": "1"}) == fingerprint(
        "qc", {"b": 2, "a": 1}, {"y": "1", "x": "0"}
    )
    marks = {fingerprint("qc", {"a": 1}, {"x": "0"}), fingerprint("qc", {"a": 1}, {"x": "1"})}
    marks |= {fingerprint("qc", {"a": 2}, {"x": "0"}), fingerprint("train", {"a": 1}, {"x": "0"})}
    assert len(marks) == 4


def test_hidden_files_do_not_count_in_the_hash_of_a_tree(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("x")
    before = hash_tree(tmp_path)
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "y").write_text("y")
    assert hash_tree(tmp_path) == before
    assert list(before) == ["a/x.txt"]


def test_an_unknown_field_in_a_report_is_refused():
    with pytest.raises(ValueError, match="colour"):
        StageReport(stage="qc", colour=1)
