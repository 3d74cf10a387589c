"""Run the notebooks on recordings made by a local voice, and write them with their results into docs/notebooks.

python docs/render_notebooks.py [NAME ...]
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
RENDERED = ROOT / "docs" / "notebooks"


def run_notebook(path: Path, root: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder that holds `output/` and `study_guides/`, and return it with its results."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(root)}}).execute()
    return notebook


def render_notebook(notebook: nbformat.NotebookNode, name: str, root: Path) -> None:
    """Write a notebook with its results as Markdown, its pictures beside it; players are left out."""
    remove = {"enabled": True, "remove_all_outputs_tags": {"audio"}}
    exporter = MarkdownExporter(config=Config({"TagRemovePreprocessor": remove}))
    text, resources = exporter.from_notebook_node(notebook, {"output_files_dir": f"{name}_files"})
    # Cells may print the folder that they ran in, and pandas brings a style sheet that GitHub shows as text.
    text = re.sub(r"<style.*?</style>\n?", "", text.replace(f"{root}/", ""), flags=re.DOTALL)
    shutil.rmtree(RENDERED / f"{name}_files", ignore_errors=True)
    for picture, data in resources["outputs"].items():
        (RENDERED / picture).parent.mkdir(parents=True, exist_ok=True)
        (RENDERED / picture).write_bytes(data)
    (RENDERED / f"{name}.md").write_text(text.strip() + "\n", encoding="utf-8")


def main() -> None:
    """Render every notebook."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([sys.executable, ROOT / "examples/recordings.py", "--out", root / "output"], check=True)
        shutil.copytree(ROOT / "examples/study_guides", root / "study_guides")
        names = sys.argv[1:] or [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
        for path in (ROOT / "notebooks" / f"{name}.ipynb" for name in names):
            render_notebook(run_notebook(path, root), path.stem, root)
            print(RENDERED.relative_to(ROOT) / f"{path.stem}.md")


if __name__ == "__main__":
    main()
