"""Train: from a real corpus to checkpoints that speak, stopped and resumed without a trace."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from tests.model.test_coqui_weights import write_coqui
from ttsd.cli import app
from ttsd.config import load_config
from ttsd.data.corpus import read_corpus, write_corpus
from ttsd.errors import CheckpointError, ConfigError, CorpusError, StageError, TtsdError
from ttsd.stages import preprocess, qc, train
from ttsd.training.checkpoint import load_student, read_checkpoint
from ttsd.training.schedule import learning_rate_at

SETTINGS = (
    "split.test_fraction=0.157",
    "split.val_fraction=0.05",
    "train.max_steps=4",
    "train.batch_size=2",
    "train.checkpoint_every_steps=2",
    "train.log_every_steps=1",
    "train.completion.n_utterances=2",
    "train.completion.max_steps=2",
    "train.completion.batch_size=2",
    "train.accelerator=cpu",
)
KILL = """
import os, signal, sys
from pathlib import Path
from ttsd.cli import app
from ttsd.config import load_config
from ttsd.stages import train
def progress(done, total, note="", detail=""):
    if (note, str(done)) == tuple(sys.argv[3].split(":")):
        os.kill(os.getpid(), signal.SIGKILL)
train.run(Path(sys.argv[1]), Path(sys.argv[2]), load_config(None, sys.argv[4:]), progress)
"""
SOURCE_FILTER_SETTINGS = (
    *SETTINGS,
    "model.decoder=source_filter",
    "model.posterior_layers=2",
    "train.max_steps=2",
    "train.completion.decoder_max_steps=2",
    "train.decoder.max_steps=3",
    "train.decoder.batch_size=2",
    "train.decoder.n_utterances=3",
    # The discriminator has fifty to itself.
    "train.decoder.polish_max_steps=52",
)


def run_until_killed(
    corpus: Path, out_dir: Path, at: str, settings: tuple[str, ...], by: signal.Signals = signal.SIGKILL
) -> subprocess.CompletedProcess[bytes]:
    script = KILL.replace("SIGKILL", by.name)
    arguments = [sys.executable, "-c", script, str(corpus), str(out_dir), at, *settings]
    killed = subprocess.run(arguments, env=os.environ, check=False, capture_output=True)
    assert killed.returncode != 0, killed.stderr
    return killed


@pytest.fixture(scope="module")
def run_dir(curated_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train") / "run"
    report = train.run(curated_corpus, folder, load_config(None, SETTINGS))
    assert report.details["steps"] == 4
    return folder


def kept_files(folder: Path) -> dict[str, bytes]:
    # TensorBoard's events carry the time of day.
    files = (path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def test_a_run_leaves_voices_that_speak(run_dir: Path) -> None:
    assert set(kept_files(run_dir)) == {
        "best.ckpt", "config.yaml", "last.ckpt", "report.json", "stage.json", "start.ckpt", "step-0000002.ckpt",
        "step-0000004.ckpt",
    }  # fmt: skip
    for name in ("start.ckpt", "best.ckpt", "last.ckpt"):
        assert load_student(run_dir / name).speak("Rain falls.", seed=0).size > 2000, name
    assert "run" not in read_checkpoint(run_dir / "best.ckpt")
    assert load_config(run_dir / "config.yaml").train.max_steps == 4


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(run_dir: Path, curated_corpus: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "run"
    assert run_until_killed(curated_corpus, out_dir, "training:3", SETTINGS).returncode == -signal.SIGKILL
    assert read_checkpoint(out_dir / "last.ckpt")["run"]["step"] == 2
    told: list[tuple[int, str]] = []
    train.run(curated_corpus, out_dir, load_config(None, SETTINGS), lambda n, _, note, *__: told.append((n, note)))
    assert [done for done, note in told if note == "training"] == [2, 3, 4]
    assert kept_files(out_dir) == kept_files(run_dir)


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_run_that_is_told_to_stop_keeps_its_last_step(
    run_dir: Path, curated_corpus: Path, tmp_path: Path, by: signal.Signals, code: int
) -> None:
    out_dir = tmp_path / "run"
    stopped = run_until_killed(curated_corpus, out_dir, "training:3", SETTINGS, by)
    assert stopped.returncode == code, stopped.stderr
    # Step 3 has no checkpoint of its own.
    assert read_checkpoint(out_dir / "last.ckpt")["run"]["step"] == 4 - 1
    train.run(curated_corpus, out_dir, load_config(None, SETTINGS))
    assert kept_files(out_dir) == kept_files(run_dir)


def test_two_processes_train_together_and_one_writes(curated_corpus: Path, tmp_path: Path) -> None:
    settings = [*SOURCE_FILTER_SETTINGS, "train.devices=2", "train.decoder.polish_max_steps=0", "train.max_steps=4"]
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    command = [sys.executable, "-m", "ttsd", "train", str(curated_corpus), str(tmp_path / "run"), *arguments]
    done = subprocess.run(command, env=os.environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("train: ") == 1
    run = read_checkpoint(tmp_path / "run" / "last.ckpt")["run"]
    assert run["step"] == 4
    assert [row["step"] for row in json.loads(run["history"])] == [2, 4, 7]
    assert load_student(tmp_path / "run" / "best.ckpt").speak("Rain falls.", seed=0).size > 2000


def test_a_run_that_gets_no_better_ends_and_stays_ended(curated_corpus: Path, tmp_path: Path) -> None:
    settings = (
        *SETTINGS, "train.max_steps=50", "train.checkpoint_every_steps=1", "train.validation.patience=2",
        "train.learning_rate=1e-12", "train.keep_checkpoints=1", "train.validation.n_sentences=0",
    )  # fmt: skip
    report = train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    steps = report.details["steps"]
    assert 3 <= steps < 50
    history = report.details["validation"]
    assert len(history) == steps
    assert len(list((tmp_path / "run").glob("step-*.ckpt"))) == 1
    (tmp_path / "run" / "report.json").unlink()
    again = train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    assert again == report


def test_a_run_goes_on_with_other_settings_only_where_that_is_allowed(
    run_dir: Path, curated_corpus: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "run"
    shutil.copytree(run_dir, out_dir)
    longer = load_config(None, [*SETTINGS, "train.max_steps=5"])
    with pytest.raises(StageError, match=r"train\.max_steps: 4, now 5"):
        train.run(curated_corpus, out_dir, longer)
    arguments = ["train", str(curated_corpus), str(out_dir), "--resume", "--set", "train.max_steps=5"]
    for more in ((), ("--allow-changes",)):
        done = CliRunner().invoke(app, [*arguments, *more])
        assert (done.exit_code == 0) == bool(more), done.output
    assert read_checkpoint(out_dir / "last.ckpt")["run"]["step"] == 5
    other = load_config(None, [*SETTINGS, "train.max_steps=5", "model.posterior_layers=4"])
    with pytest.raises(StageError, match=r"model\.posterior_layers cannot change"):
        train.adopt(curated_corpus, out_dir, other)
    with pytest.raises(StageError, match="no work of train"):
        train.adopt(curated_corpus, tmp_path / "nothing", longer)
    shorter = load_config(None, [*SETTINGS, "train.max_steps=3"])
    train.adopt(curated_corpus, out_dir, shorter)
    with pytest.raises(ConfigError, match=r"has 5 steps behind it, and train\.max_steps is 3"):
        train.run(curated_corpus, out_dir, shorter)


def test_a_damaged_checkpoint_of_the_run_itself_is_told_as_such(
    run_dir: Path, curated_corpus: Path, tmp_path: Path
) -> None:
    out_dir = tmp_path / "run"
    shutil.copytree(run_dir, out_dir)
    (out_dir / "report.json").unlink()
    (out_dir / "last.ckpt").write_bytes((run_dir / "last.ckpt").read_bytes()[:100_000])
    with pytest.raises(StageError, match=r"last\.ckpt: damaged; remove it to begin anew, or begin another run with"):
        train.run(curated_corpus, out_dir, load_config(None, SETTINGS))


def test_gradients_that_are_added_up_hide_no_checkpoint(curated_corpus: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, "train.accumulate_batches=3", "train.max_steps=7", "train.validation.n_sentences=0"]
    report = train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    # Due at 2, 4, 6 and 7: the optimisers take steps after 3 and 6.
    assert [row["step"] for row in report.details["validation"]] == [3, 6, 7]
    assert (tmp_path / "run" / "best.ckpt").is_file()


def test_without_a_clip_to_watch_by_a_run_goes_to_its_end(curated_corpus: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(curated_corpus, corpus, ignore=shutil.ignore_patterns("report.*", "stage.json"))
    utterances = [u.model_copy(update={"split": "train"}) for u in read_corpus(corpus).utterances]
    write_corpus(corpus, utterances)
    settings = [
        *SETTINGS, "split.val_fraction=0", "split.test_fraction=0", "train.checkpoint_every_steps=1",
        "train.validation.patience=1",
    ]  # fmt: skip
    report = train.run(corpus, tmp_path / "run", load_config(None, settings))
    assert (report.details["n_val"], report.details["steps"], report.details["ended_by"]) == (0, 4, "train.max_steps")


def test_a_place_inside_the_corpus_and_an_unknown_strategy_are_refused_at_once(
    curated_corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="lies in the corpus it reads"):
        train.run(curated_corpus, curated_corpus / "run", load_config(None, SETTINGS))
    assert not (curated_corpus / "run").exists()
    with pytest.raises(ConfigError, match="Lightning has no `foo`; it has auto, ddp"):
        train.run(curated_corpus, tmp_path / "run", load_config(None, [*SETTINGS, "train.strategy=foo"]))
    assert not (tmp_path / "run").exists()
    arguments = ["train", str(curated_corpus), str(tmp_path / "run"), "--resume", "--overwrite"]
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_weights_and_biases_keeps_an_offline_run(curated_corpus: Path, tmp_path: Path) -> None:
    settings = (*SETTINGS, "train.max_steps=1", "train.wandb.project=voices")
    train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    (offline,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert list(offline.glob("*.wandb"))
    assert list(offline.glob("files/media/audio/**/*.wav"))
    # Another start is told apart from foreign files.
    other = (*settings, "seed=1")
    train.run(curated_corpus, tmp_path / "run", load_config(None, other), overwrite=True)


def test_a_source_filter_decoder_learns_in_every_phase_and_speaks(curated_corpus: Path, tmp_path: Path) -> None:
    config = load_config(None, SOURCE_FILTER_SETTINGS)
    report = train.run(curated_corpus, tmp_path / "run", config)
    losses = report.details["losses"]
    assert {name: len(means) for name, means in losses.items()} == {
        "completion-posterior": 1, "completion-decoder": 1, "decoder": 1, "polish": 1,
    }  # fmt: skip
    for name in ("best.ckpt", "last.ckpt"):
        student = load_student(tmp_path / "run" / name)
        assert type(student.voice.waveform_decoder).__name__ == "SourceFilterDecoder"
        assert student.speak("Rain falls.", seed=0).size > 2000
    assert [row["step"] for row in report.details["validation"]] == [2, 5, 57]
    whole = kept_files(tmp_path / "run")
    killed = tmp_path / "killed"
    for moment in ("decoder:2", "polish:51"):
        run_until_killed(curated_corpus, killed, moment, SOURCE_FILTER_SETTINGS)
        assert "decoder" not in read_checkpoint(killed / "last.ckpt")["run"]
    train.run(curated_corpus, killed, config)
    assert kept_files(killed) == whole
    # The last moment to die in: all is written but the report.
    (killed / "report.json").unlink()
    train.run(curated_corpus, killed, config)
    assert kept_files(killed) == whole
    again = load_config(None, [*SOURCE_FILTER_SETTINGS, f"train.init_from={killed / 'best.ckpt'}"])
    parts = train.run(curated_corpus, tmp_path / "again", again).details["parts"]
    assert {part["part"]: part["n_new"] for part in parts}["waveform_decoder"] == 0


def test_weights_that_cannot_be_frozen_are_told_before_anything_is_made(curated_corpus: Path, tmp_path: Path) -> None:
    config = load_config(None, [*SETTINGS, 'train.frozen=["txt_encoder"]'])
    with pytest.raises(ConfigError, match="no weight's name begins with txt_encoder"):
        train.run(curated_corpus, tmp_path / "run", config)
    assert not list((tmp_path / "run").glob("*.ckpt"))


def test_tensorboard_shows_losses_clips_and_mels(run_dir: Path) -> None:
    events = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    tags = events.Tags()
    assert {"train/loss_mel", "train/loss_kl", "train/loss_duration", "train/learning_rate", "val/score"} <= set(
        tags["scalars"]
    )
    assert [event.step for event in events.Scalars("train/learning_rate")] == [1, 2, 3, 4]
    assert {tag.rsplit("/", 1)[1] for tag in tags["audio"]} == {"teacher", "student"}
    assert {tag.rsplit("/", 1)[1] for tag in tags["images"]} == {"mel", "alignment"}
    assert tags["images"]


def test_the_learning_rate_rises_then_falls_to_its_final_share() -> None:
    rates = [learning_rate_at(step, peak=1e-3, max_steps=100, warmup_steps=10, final_ratio=0.05) for step in range(101)]
    assert rates[0] < rates[5] < rates[10] == max(rates) == pytest.approx(1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(5e-5)


def test_a_run_goes_on_from_a_checkpoint_of_ours(run_dir: Path, curated_corpus: Path, tmp_path: Path) -> None:
    config = load_config(None, [*SETTINGS, f"train.init_from={run_dir / 'best.ckpt'}", "train.max_steps=1"])
    train.run(curated_corpus, tmp_path / "run", config)
    parts = {part["part"]: part for part in train.run(curated_corpus, tmp_path / "run", config).details["parts"]}
    assert parts["posterior_encoder"]["n_new"] == 0


def test_the_starting_voice_of_a_run_is_completed_anew_where_training_starts_from_it(
    run_dir: Path, curated_corpus: Path, tmp_path: Path
) -> None:
    settings = [*SETTINGS, f"train.init_from={run_dir / 'start.ckpt'}", "model.posterior_layers=2", "train.max_steps=1"]
    report = train.run(curated_corpus, tmp_path / "run", load_config(None, settings))
    assert len(report.details["losses"]["completion-posterior"]) == 1


@pytest.mark.parametrize("name", ["vits_rtx6000", "vits_rtx6000_medium"])
def test_the_settings_for_a_large_card_run_on_a_cpu(name: str, curated_corpus: Path, tmp_path: Path) -> None:
    settings = [
        *SETTINGS[:2],
        "train.accelerator=cpu",
        "train.max_steps=2",
        "train.batch_size=2",
        "train.n_workers=0",
        # The discriminator's cost grows with the segment.
        "train.segment_frames=8",
        "train.validation.n_sentences=0",
    ]
    if name == "vits_rtx6000":
        # Random weights in the form of the published voice, which is not here.
        settings.append(f"train.init_from={write_coqui(tmp_path / 'coqui')[2]}")
    else:
        settings += [
            "train.adversarial_start_step=1",
            "train.warmup.discriminator_steps=0",
            "train.completion.max_steps=1",
            "train.completion.n_utterances=1",
            "train.completion.batch_size=1",
        ]
    config = load_config(Path(__file__).parents[2] / "configs" / f"{name}.yaml", settings)
    assert config.train.precision == "bf16-mixed"
    report = train.run(curated_corpus, tmp_path / "run", config)
    run = read_checkpoint(tmp_path / "run" / "last.ckpt")["run"]
    assert run["step"] == 2
    assert [len(state["step"]) > 0 for state in run["optimizers"]] == [True, True]
    new = {part["part"] for part in report.details["parts"] if part["n_new"]}
    # Of the duration predictor, the half that only trains.
    assert new == (set() if name == "vits_rtx6000" else {"disc", "posterior_encoder", "duration_predictor"})
    assert load_student(tmp_path / "run" / "last.ckpt").n_parameters < 40e6


def test_a_corpus_at_another_sample_rate_is_refused(raw_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="16000 Hz where 22050 Hz is expected; run `ttsd preprocess`"):
        train.run(raw_corpus, tmp_path / "run", load_config(None, SETTINGS))


def test_a_corpus_without_training_utterances_is_refused(curated_corpus: Path, tmp_path: Path) -> None:
    config = load_config(None, [*SETTINGS, "split.val_fraction=0.0", "split.test_fraction=0.99"])
    unsplit = tmp_path / "corpus"
    raw = load_config(None, ["split.val_fraction=0.0", "split.test_fraction=0.99", "qc.min_dnsmos=null", "n_workers=1"])
    preprocess.run(curated_corpus.parent / "raw", tmp_path / "processed", raw)
    qc.run(tmp_path / "processed", unsplit, raw)
    with pytest.raises(CorpusError, match="no utterance is in the train split"):
        train.run(unsplit, tmp_path / "run", config)


def test_a_start_that_failed_does_not_block_the_mended_command(curated_corpus: Path, tmp_path: Path) -> None:
    wrong = load_config(None, [*SETTINGS, f"train.init_from={tmp_path / 'none.onnx'}"])
    with pytest.raises(CheckpointError, match=r"none\.onnx"):
        train.run(curated_corpus, tmp_path / "run", wrong)
    report = train.run(curated_corpus, tmp_path / "run", load_config(None, [*SETTINGS, "train.max_steps=1"]))
    assert report.details["steps"] == 1


def test_a_gpu_that_is_not_there_is_told_before_anything_is_written(
    curated_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # While it is imported, PyTorch's compiler looks into the function that is replaced here.
    importlib.import_module("torch._dynamo")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    config = load_config(None, [*SETTINGS, "train.accelerator=gpu"])
    with pytest.raises(ConfigError, match=r"finds no GPU here; set train\.accelerator"):
        train.run(curated_corpus, tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_settings_that_fit_no_clip_are_refused_before_anything_is_made(curated_corpus: Path, tmp_path: Path) -> None:
    for setting, words in (
        ("train.decoder.segment_frames=5000", r"train\.decoder\.segment_frames is 5000, and the longest clip has"),
        ("train.completion.crop_frames=5000", r"train\.completion\.crop_frames is 5000"),
    ):
        with pytest.raises(TtsdError, match=words):
            train.run(curated_corpus, tmp_path / "run", load_config(None, [*SOURCE_FILTER_SETTINGS, setting]))
    train.run(curated_corpus, tmp_path / "run", load_config(None, SOURCE_FILTER_SETTINGS))


@pytest.mark.parametrize(
    ("language", "told"), [("en-gb-x-rp", "has the phonemes of another one"), ("en-gb", "en-gb-x-rp")]
)
def test_a_language_that_is_not_the_corpuss_is_told_before_anything_is_made(
    language: str, told: str, curated_corpus: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"language: .*{told}"):
        train.run(curated_corpus, tmp_path / "run", load_config(None, [*SETTINGS, f"language={language}"]))
    assert not (tmp_path / "run").exists()
