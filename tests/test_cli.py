"""The command line: its spellings, its exit codes, and what it prints where."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

COMMANDS = ("generate", "ingest", "preprocess", "qc", "train", "evaluate", "synth")
GUIDE = "# Light\n\nLight travels in straight lines. A mirror sends it back at the same angle.\n"


def ttsd(*arguments: str, cwd: Path, stdin: str = "", before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a child process, after the lines of Python in `before`."""
    code = f"import sys\n{textwrap.dedent(before)}\nfrom ttsd.cli import main\nmain()"
    command = [sys.executable, "-c", code, *arguments]
    environment = {**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, encoding="utf-8", env=environment, check=False
    )


# Replaces a stage by one that reports what it was called with: what is under test is the way there.
FAKE_STAGE = """
    import types
    from ttsd.report import StageReport
    def run(in_dir, out_dir, config, progress, overwrite=False):
        progress(0, 2, "work")
        print("a library's chatter")
        progress(2, 2, "work")
        ckpt = config.evaluate.ckpt[0] if config.evaluate.ckpt else config.synth.ckpt
        details = {"in": str(in_dir), "out": str(out_dir), "ckpt": str(ckpt), "teacher": config.generate.teacher,
                   "batch_size": config.train.batch_size, "speed": config.synth.speed, "seed": config.seed,
                   "map": str(config.ingest.map),
                   "lines": in_dir.read_text() if in_dir.is_file() else ""}
        return StageReport(stage="NAME", n_in=2, n_out=2, details=details)
    def speak_to_file(text, out_path, config, progress):
        out_path.write_text(text + "|" + str(config.synth.speed))
        return 1.5
    stage = types.ModuleType("ttsd.stages.NAME")
    stage.run, stage.speak_to_file = run, speak_to_file
    stage.find_voice = lambda config: config.synth.ckpt or "packaged"
    import ttsd.stages
    sys.modules["ttsd.stages.NAME"] = ttsd.stages.NAME = stage
"""


def called_with(name: str, *arguments: str, cwd: Path, stdin: str = "") -> dict[str, object]:
    """Return what the stage behind a command is called with."""
    module = {"eval": "evaluate"}.get(name, name)
    done = ttsd(name, *arguments, "--json", cwd=cwd, stdin=stdin, before=FAKE_STAGE.replace("NAME", module))
    assert done.returncode == 0, done.stderr
    details = json.loads(done.stdout)["details"]
    assert isinstance(details, dict)
    return details


def mistake(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that ended with a user's mistake."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("ttsd: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working directory with the default places of every stage, a settings file and a checkpoint."""
    for name in ("output", "datasets/raw", "datasets/processed", "datasets/curated", "checkpoints/run", "configs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "configs/vits_rtx6000.yaml").write_text("train:\n  batch_size: 48\n")
    (tmp_path / "checkpoints/run/last.ckpt").touch()
    (tmp_path / "lines.txt").write_text("One line.\nAnother line.\n")
    return tmp_path


@pytest.mark.parametrize("name", [*COMMANDS, "eval"])
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    done = ttsd(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--config" in done.stdout
    assert "--json" in done.stdout
    assert "None" not in done.stdout


def test_the_root_help_lists_every_command(tmp_path: Path) -> None:
    done = ttsd("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_the_version_is_printed(tmp_path: Path) -> None:
    from ttsd import __version__

    assert ttsd("--version", cwd=tmp_path).stdout == f"ttsd {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("quality",),
        ("qc", "--no-such-option"),
        ("qc", "a", "b", "c"),
        ("train", "a.yaml", "-c", "b.yaml"),
        ("train", "a", "b", "c"),
        ("generate", "a", "b", "--markdown", "c"),
        ("synth",),
        ("synth", "Text.", "--lines", "--out", "a.wav"),
        ("synth", "Text.", "--out", "a.mp3"),
        ("synth", "Text.", "--out", "-"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = ttsd(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_spellings_of_the_design_reach_their_stage(place: Path) -> None:
    def read(*arguments: str) -> tuple[object, object]:
        details = called_with(*arguments, cwd=place)
        return details["in"], details["out"]

    (place / "notes").mkdir()
    assert read("generate", "--markdown", "./output") == ("output", "datasets/raw")
    assert read("generate", "notes", "there") == ("notes", "there")
    assert read("generate", "there", "--markdown", "notes") == ("notes", "there")
    assert read("ingest", "./output") == ("output", "datasets/raw")
    assert read("ingest", "notes", "there") == ("notes", "there")
    assert called_with("ingest", "--map", "pairs.csv", cwd=place)["map"] == "pairs.csv"
    assert read("preprocess") == ("datasets/raw", "datasets/processed")
    assert read("qc") == ("datasets/processed", "datasets/curated")
    assert read("qc", "notes", "there") == ("notes", "there")
    assert read("train") == ("datasets/curated", "checkpoints/run")
    assert read("evaluate", "--ckpt", "last.ckpt") == ("datasets/processed", "checkpoints/run/evaluation")
    assert read("eval", "notes", "there") == ("notes", "there")
    assert called_with("generate", "--teacher", "pico", cwd=place)["teacher"] == "pico"


def test_train_takes_its_settings_as_an_argument(place: Path) -> None:
    settings = "configs/vits_rtx6000.yaml"
    details = called_with("train", settings, cwd=place)
    assert (details["batch_size"], details["in"], details["out"]) == (48, "datasets/curated", "checkpoints/run")
    details = called_with("train", settings, "datasets/raw", "there", "--set", "train.batch_size=2", cwd=place)
    assert (details["batch_size"], details["in"], details["out"]) == (2, "datasets/raw", "there")
    details = called_with("train", "datasets/raw", "there", "-c", settings, cwd=place)
    assert (details["batch_size"], details["in"], details["out"]) == (48, "datasets/raw", "there")


def test_a_checkpoint_is_looked_for_here_and_then_in_the_run_directory(place: Path) -> None:
    assert called_with("eval", "--ckpt", "last.ckpt", cwd=place)["ckpt"] == "checkpoints/run/last.ckpt"
    assert called_with("eval", cwd=place)["ckpt"] == "checkpoints/run/last.ckpt"
    (place / "last.ckpt").touch()
    details = called_with("eval", "--ckpt", "last.ckpt", cwd=place)
    assert (details["ckpt"], details["out"]) == ("last.ckpt", "evaluation")
    line = mistake(ttsd("evaluate", "--ckpt", "best.ckpt", cwd=place))
    assert "best.ckpt: no such checkpoint" in line
    assert "a directory; name a checkpoint in it" in mistake(ttsd("eval", "--ckpt", "checkpoints/run", cwd=place))
    # A compact voice's training is watched from its joint phase on, and has its last checkpoint at the end.
    (place / "checkpoints/run/last.ckpt").rename(place / "checkpoints/run/best.ckpt")
    assert called_with("eval", cwd=place)["ckpt"] == "checkpoints/run/best.ckpt"


def test_synth_makes_one_wav_of_a_text_a_file_or_standard_input(place: Path) -> None:
    def speak(*arguments: str, stdin: str = "") -> dict[str, object]:
        done = ttsd("synth", *arguments, "--json", cwd=place, stdin=stdin, before=FAKE_STAGE.replace("NAME", "synth"))
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    assert speak("Some text.", "--ckpt", "last.ckpt") == {
        "path": "speech.wav", "duration_s": 1.5, "voice": "checkpoints/run/last.ckpt"
    }  # fmt: skip
    assert (place / "speech.wav").read_text() == "Some text.|1.0"
    speak("lines.txt", "--out", "a.wav", "--speed", "1.5")
    assert (place / "a.wav").read_text() == "One line.\nAnother line.\n|1.5"
    speak("-", "-o", "b.wav", stdin="From the pipe.\n\nTwo paragraphs.")
    assert (place / "b.wav").read_text() == "From the pipe.\n\nTwo paragraphs.|1.0"
    long_text = "A sentence that goes on. " * 400
    speak(long_text, "-o", "c.wav")
    assert (place / "c.wav").read_text() == f"{long_text}|1.0"


def test_synth_speaks_with_the_voice_of_the_package_where_there_is_no_run(tmp_path: Path) -> None:
    fake = FAKE_STAGE.replace("NAME", "synth")
    done = ttsd("synth", "Some text.", "--json", cwd=tmp_path, before=fake)
    assert json.loads(done.stdout)["voice"] == "packaged", done.stderr
    (tmp_path / "checkpoints/run").mkdir(parents=True)
    told = mistake(ttsd("synth", "Some text.", cwd=tmp_path, before=fake))
    assert "no such checkpoint" in told
    assert "the voice of the package is --ckpt joe-compact" in told
    done = ttsd("synth", "Some text.", "--ckpt", "joe-compact", "--json", cwd=tmp_path, before=fake)
    assert json.loads(done.stdout)["voice"].endswith("voices/joe-compact.onnx"), done.stderr
    done = ttsd("synth", "Some text.", "--set", "paths.run=elsewhere", "--json", cwd=tmp_path, before=fake)
    assert json.loads(done.stdout)["voice"] == "packaged", done.stderr


def test_synth_makes_a_corpus_of_a_file_of_lines(place: Path) -> None:
    details = called_with("synth", "lines.txt", "--out", "spoken", "--seed", "7", cwd=place)
    assert (details["in"], details["out"], details["seed"]) == ("lines.txt", "spoken", 7)
    details = called_with("synth", "-", "--lines", cwd=place, stdin="One.\nTwo.\n")
    assert (details["lines"], details["out"]) == ("One.\nTwo.\n", "speech")


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("nowhere.txt", "--out", "spoken"), "", "nowhere.txt: no such file"),
        (("nowhere.txt",), "", "nowhere.txt: no such file"),
        (("-",), " \n", "nothing to speak"),
        (("",), "", "nothing to speak"),
        (("Text.", "--out", "spoken"), "", "a file of lines"),
    ],
)
def test_synth_without_a_text_says_so(arguments: tuple[str, ...], stdin: str, words: str, place: Path) -> None:
    assert words in mistake(ttsd("synth", *arguments, cwd=place, stdin=stdin))


@pytest.mark.parametrize("name", ["generate", "ingest", "preprocess", "qc", "train"])
def test_a_missing_folder_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    assert "nowhere: no such file or folder" in mistake(ttsd(name, "nowhere", "out", cwd=tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_misspelt_setting_is_answered_with_the_nearest(place: Path) -> None:
    line = mistake(ttsd("qc", "--set", "qc.max_cre=0.1", cwd=place))
    assert "qc.max_cre: unknown setting; did you mean qc.max_cer?" in line


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), ("a: [", "not a YAML"), ("- a", "key: value"), ("seed: x", "seed: ")],
)
def test_a_wrong_settings_file_is_told_in_one_line(content: str | None, words: str, place: Path) -> None:
    path = place / "mine.yaml"
    if content is not None:
        path.write_text(content)
    for arguments in (("qc", "-c", "mine.yaml"), ("train", "mine.yaml")):
        line = mistake(ttsd(*arguments, cwd=place))
        assert "mine.yaml" in line
        assert words in line


def test_a_missing_extra_is_answered_with_its_pip_line(tmp_path: Path) -> None:
    block = """
        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "py_nanotts":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, Blocker())
    """
    (tmp_path / "output").mkdir()
    (tmp_path / "output/light.md").write_text(GUIDE)
    line = mistake(ttsd("generate", "--teacher", "pico", "--set", "n_workers=1", cwd=tmp_path, before=block))
    assert "pip install 'ttsd[local]'" in line


def test_json_is_all_that_standard_output_holds(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/light.md").write_text(GUIDE)
    done = ttsd("generate", "--teacher", "pico", "--set", "n_workers=1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["stage"] == "generate"
    assert report["n_out"] >= 1
    again = ttsd("generate", "--teacher", "pico", "--set", "n_workers=1", cwd=tmp_path)
    assert "datasets/raw" in again.stdout


def test_chatter_of_libraries_and_progress_go_to_standard_error(place: Path) -> None:
    done = ttsd("qc", cwd=place, before=FAKE_STAGE.replace("NAME", "qc"))
    assert "chatter" in done.stderr
    assert "chatter" not in done.stdout
    assert "work: 0/2\n" in done.stderr
    assert "work: 2/2" in done.stderr
    assert done.stdout.splitlines()[0] == "qc"


# The same stage, but one that claims its output as the real ones do.
CLAIMING_STAGE = FAKE_STAGE.replace(
    "    stage = types.ModuleType", "    run = claiming(run)\n    stage = types.ModuleType"
).replace(
    "    def run(",
    """
    def claiming(run):
        from ttsd.report import as_stage, begin_stage
        @as_stage("old.wav")
        def claimed(in_dir, out_dir, config, progress):
            begin_stage("NAME", in_dir, out_dir, "mark")
            return run(in_dir, out_dir, config, progress)
        return claimed
    def run(""",
    1,
)


def test_overwrite_removes_only_the_stages_own_work(place: Path) -> None:
    def qc(*arguments: str) -> subprocess.CompletedProcess[str]:
        return ttsd("qc", *arguments, "--overwrite", cwd=place, before=CLAIMING_STAGE.replace("NAME", "qc"))

    curated = place / "datasets/curated"
    (curated / "stage.json").write_text('{"stage": "qc", "fingerprint": "x"}')
    (curated / "old.wav").touch()
    (curated / "mine.txt").touch()
    assert "nowhere: no such file" in mistake(qc("nowhere"))
    assert "did you mean qc.max_cer" in mistake(qc("--set", "qc.max_cre=1"))
    assert (curated / "old.wav").exists()
    assert qc().returncode == 0
    assert {path.name for path in curated.iterdir()} == {"stage.json", "mine.txt"}
    (place / "datasets/raw/thesis.txt").touch()
    line = mistake(qc("datasets/processed", "datasets/raw"))
    assert "datasets/raw: qc did not write this" in line
    (place / "datasets/stage.json").write_text('{"stage": "qc", "fingerprint": "x"}')
    assert "qc reads from here" in mistake(qc("datasets/processed", "datasets"))
    assert (place / "datasets/raw/thesis.txt").exists()


def test_a_bug_keeps_its_traceback(place: Path) -> None:
    broken = FAKE_STAGE.replace("NAME", "qc").replace('progress(0, 2, "work")', "1 / 0")
    done = ttsd("qc", cwd=place, before=broken)
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_disk_that_takes_no_more_is_told_in_one_line(n_workers: int, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/light.md").write_text(GUIDE)
    (tmp_path / "file").touch()
    command = ("generate", "output", "raw", "--teacher", "pico", "--set", f"n_workers={n_workers}")
    # Limits are inherited by the worker processes.
    done = ttsd(*command, cwd=tmp_path, before=LIMITED)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert ".wav: cannot be written (File too large)" in done.stderr.splitlines()[-1]
    line = mistake(ttsd("generate", "output", "file/raw", "--teacher", "pico", cwd=tmp_path))
    assert "file/raw" in line
    assert "a file stands where" in line


def test_a_full_disk_behind_standard_output_or_a_library_is_told_in_one_line(place: Path) -> None:
    full = FAKE_STAGE.replace("NAME", "qc").replace('progress(0, 2, "work")', 'raise OSError(28, "No space left")')
    assert "free some space" in mistake(ttsd("qc", cwd=place, before=full))
    bug = FAKE_STAGE.replace("NAME", "qc").replace('progress(0, 2, "work")', 'open("nowhere")')
    assert "Traceback" in ttsd("qc", cwd=place, before=bug).stderr


def test_ctrl_c_ends_in_one_line(place: Path) -> None:
    interrupted = FAKE_STAGE.replace("NAME", "qc").replace('progress(0, 2, "work")', "raise KeyboardInterrupt")
    done = ttsd("qc", cwd=place, before=interrupted)
    assert done.returncode == 130
    assert done.stderr.startswith("ttsd: interrupted")
    assert done.stderr.count("\n") == 1


def test_a_closed_pipe_ends_quietly(place: Path) -> None:
    code = f"import sys\n{textwrap.dedent(FAKE_STAGE.replace('NAME', 'qc'))}\nfrom ttsd.cli import main\nmain()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "qc"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    errors = child.stderr.read()
    child.stderr.close()
    child.wait()
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


def test_python_m_ttsd_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "ttsd", "--version"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.startswith(b"ttsd ")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "generate.elevenlabs.api_key=sk-hush",
            "generate.elevenlabs.api_key: unknown setting; keys are never settings: export ELEVEN",
        ),
        ("ELEVENLABS_API_KEY=sk-hush", "ELEVENLABS_API_KEY: unknown setting; keys are never settings"),
        ("generate.gemini.api_key:sk-hush", "keys are never settings"),
    ],
)
def test_a_key_among_the_settings_is_sent_to_the_environment_and_not_shown(
    override: str, words: str, tmp_path: Path
) -> None:
    done = ttsd("generate", "--set", override, cwd=tmp_path)
    assert words in mistake(done)
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize("option", [("--max-credits", "5"), ("--rebuy-unknown",)])
def test_an_option_for_bought_speech_is_refused_with_a_voice_that_costs_nothing(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    line = mistake(ttsd("generate", "--teacher", "pico", *option, cwd=tmp_path))
    assert f"{option[0]}: is for a bought voice and pico is none" in line


@pytest.mark.parametrize("value", ["-5", "0"])
def test_a_cap_below_one_is_the_fault_of_its_option(value: str, tmp_path: Path) -> None:
    done = ttsd("generate", "--teacher", "elevenlabs", "--max-credits", value, cwd=tmp_path)
    assert done.returncode == 2
    assert "--max-credits" in done.stderr
    assert "--set" not in done.stderr


@pytest.mark.parametrize("arguments", [("--plan",), ()])
def test_a_second_take_of_who_has_none_is_refused_before_the_first(arguments: tuple[str, ...], place: Path) -> None:
    done = ttsd("generate", "--held-out", "out", "--teacher", "pico", "--takes", "2", *arguments, cwd=place)
    assert "in one way alone" in mistake(done)
    assert not (place / "out").exists()


def test_the_sentences_of_the_package_are_not_those_of_a_folder(place: Path) -> None:
    done = ttsd("generate", "--held-out", "--markdown", "notes", cwd=place)
    assert done.returncode == 2
    assert "leave --markdown out" in done.stderr
