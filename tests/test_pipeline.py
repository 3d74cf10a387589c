"""The whole path at a small size, by the commands a user types: study guides in, a measured voice out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from ttsd.report import load_report

ROOT = Path(__file__).parents[1]
SMALL = """
n_workers: 1
generate:
  teacher: pico
split:
  test_fraction: 0.157
  val_fraction: 0.05
train:
  max_steps: 3
  batch_size: 2
  checkpoint_every_steps: 2
  accelerator: cpu
  completion:
    n_utterances: 2
    max_steps: 2
    batch_size: 2
evaluate:
  n_bootstrap: 200
  speed_sentences: 1
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, guides: Path) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    command = [ROOT / "examples" / "pipeline.sh", guides, folder / "work", folder / "small.yaml"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"TTSD": f"{sys.executable} -m ttsd"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder / "work"


def test_every_stage_leaves_its_report(work: Path) -> None:
    places = ("datasets/raw", "datasets/processed", "datasets/curated", "checkpoints", "checkpoints/evaluation")
    stages = ["generate", "preprocess", "qc", "train", "evaluate"]
    assert [load_report(work / place).stage for place in places] == stages


def test_the_student_is_measured_beside_its_teacher_and_its_start(work: Path) -> None:
    metrics = load_report(work / "checkpoints" / "evaluation").details["metrics"]
    for name in ("wer", "cer", "mcd_db", "similarity", "dnsmos"):
        assert metrics[name]["systems"].keys() == {"student", "start"}, name
    # Three steps teach nothing yet, but the starting voice was copied whole and is understood.
    assert metrics["wer"]["systems"]["start"]["value"] < 0.5
    assert metrics["similarity"]["teacher"] > metrics["similarity"]["systems"]["start"]["value"]


def test_the_student_speaks(work: Path) -> None:
    for name in ("hello.wav", "introduction.wav"):
        wav, sample_rate = soundfile.read(work / "checkpoints" / name)
        assert sample_rate == 22050
        assert len(wav) > sample_rate / 2


def test_the_page_is_whole(work: Path) -> None:
    page = (work / "checkpoints" / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") + page.count("data:audio") > 0
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert json.loads((work / "checkpoints" / "evaluation" / "report.json").read_text(encoding="utf-8"))["n_out"] > 0
