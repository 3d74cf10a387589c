"""Documents: generated pages are fresh, links and trees name what exists, every command is explained."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [page for page in PAGES if page.name not in ("cli.md", "config.md")]
COMMANDS = ("generate", "preprocess", "qc", "train", "evaluate", "synth")
"""The pipeline of the demo."""
BESIDE = ("ingest",)
"""Another way into it."""


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["docs/cli.md", "docs/config.md", "configs/default.yaml"])
def test_generated_pages_are_fresh(name: str) -> None:
    pages = load_generator().pages()
    assert (ROOT / name).read_text(encoding="utf-8") == pages[Path(name)], f"{name} is stale: run `make docs`"


@pytest.mark.parametrize("command", [*COMMANDS, *BESIDE])
def test_every_command_is_explained_outside_the_reference(command: str) -> None:
    assert any(f"ttsd {command}" in page.read_text(encoding="utf-8") for page in WRITTEN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_the_file_tree_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"<!-- tree -->\n```text\n(.*?)```", readme, re.DOTALL)
    assert tree is not None
    folders: list[str] = []
    names: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip(" "))) // 2
        for name in re.match(r"\s*(.*?)(?:\s{2,}|$)", line)[1].split(" "):  # type: ignore[index]
            folders[depth:] = [name] if name.endswith("/") else []
            names.append("".join(folders[: depth + 1]) if name.endswith("/") else "".join(folders[:depth]) + name)
    assert len(names) > 15
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_make_help_lists_what_the_readme_tells_to_type() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", readme, re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"demo", "test"} <= targets
    assert targets <= set(re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE))


def test_commands_in_the_readme_are_understood() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", readme, re.DOTALL))
    lines = re.findall(r"^ttsd ([a-z]+)(.*)$", blocks, re.MULTILINE)
    assert {name for name, _ in lines} >= set(COMMANDS)
    for name, rest in lines:
        help_text = subprocess.run(
            [sys.executable, "-m", "ttsd", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert all(option in help_text for option in re.findall(r"\s(--?[a-z]+)", rest.partition("#")[0]))


def test_the_pipeline_script_chains_every_stage_and_parses() -> None:
    script = ROOT / "examples/pipeline.sh"
    subprocess.run(["bash", "-n", script], check=True)
    called = re.findall(r'^"\$\{ttsd\[@\]\}" (\w+)', script.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(dict.fromkeys(called)) == list(COMMANDS)
    assert script.stat().st_mode & 0o111


def test_continuous_integration_runs_the_test_command_in_a_machine_with_a_browser() -> None:
    script = ROOT / ".ci/run"
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    browser, required, *commands = [line for line in lines[1:] if not line.startswith("cd ")]
    assert "install" in browser
    assert browser.count("chromium") == 2
    assert required == "export TTSD_TEST_BROWSER=required"
    assert commands == ["make test"]
    assert script.stat().st_mode & 0o111
