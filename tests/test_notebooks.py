"""The notebooks run from the top on real recordings, and the copies in the docs are of what they are now."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from docs.render_notebooks import run_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    command = [sys.executable, ROOT / "examples/recordings.py", "--out", root / "output", "--sentences", "10"]
    subprocess.run(command, check=True, capture_output=True)
    (root / "study_guides").mkdir()
    shutil.copy(ROOT / "examples/study_guides/cell_biology.md", root / "study_guides")
    return root


@pytest.fixture(scope="module")
def executed(workspace) -> nbformat.NotebookNode:
    return run_notebook(ROOT / "notebooks/01_setup_and_data_prep.ipynb", workspace)


@pytest.fixture(scope="module")
def trained(workspace) -> nbformat.NotebookNode:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTSD_STEPS", "4")
        return run_notebook(ROOT / "notebooks/02_train_and_listen.ipynb", workspace)


def outputs_of(notebook: nbformat.NotebookNode, start: str) -> list:
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and start in cell.source]
    return cell.outputs


def test_ingest_finds_what_the_narrator_left_out_and_said_twice(executed):
    printed, table = outputs_of(executed, "def ingest_output")
    assert "sentences" in printed.text
    assert table.data["text/plain"].count("not_spoken") == 2


def test_the_clips_can_be_heard_and_seen(executed):
    players = [
        output for output in outputs_of(executed, "Audio(str") if "audio" in output.get("data", {}).get("text/html", "")
    ]
    assert len(players) == 3
    for start in ("def mel_db", "def measure"):
        assert any("image/png" in output.data for output in outputs_of(executed, start) if "data" in output)


def test_every_clip_has_a_verdict_and_its_figures(executed):
    printed, *_ = outputs_of(executed, "qc.run")
    assert "clips kept" in printed.text
    assert "duration_s" in outputs_of(executed, "describe()")[-1].data["text/plain"]


def test_a_small_training_ends_with_curves_a_table_and_players(trained):
    assert any("image/png" in output.data for output in outputs_of(trained, "draw_curves") if "data" in output)
    table = outputs_of(trained, "evaluate.run")[-1].data["text/plain"]
    assert "Word error rate" in table
    assert "not enough data" in table
    (players,) = (output for output in outputs_of(trained, "show_players") if "data" in output)
    assert players.data["text/html"].count("<audio") == 9


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_results_and_has_a_copy_with_them(path):
    notebook = nbformat.read(path, as_version=4)
    copy = (ROOT / "docs/notebooks" / f"{path.stem}.md").read_text(encoding="utf-8")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert cell.source.strip() in copy, "stale: make notebooks"
    pictures = {name.partition(")")[0] for name in copy.split("](")[1:] if name.partition(")")[0].endswith(".png")}
    assert pictures
    assert all((ROOT / "docs/notebooks" / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_stays_thin(path):
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert sum(source.count("\n") + 1 for source in sources) < 120
