"""What the code promises about itself: layers, start time, sizes, words."""

import ast
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = {
    "numpy", "pydantic", "yaml", "rich", "torch", "lightning", "scipy", "librosa", "soundfile", "transformers",
    "jinja2", "TTS", "faster_whisper", "onnxruntime",
}  # fmt: skip
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".toml", ".txt", ".sh", ".html", ".j2", ".css", ".js", ".ipynb"}
TEXTS = [
    path
    for folder in ("src", "tests", "docs", "configs", "examples", "benchmarks", "notebooks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in TEXT_SUFFIXES
] + [
    ROOT / name
    for name in (
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.txt",
        ".pre-commit-config.yaml", ".gitignore", ".ci/run", "datasets/README.md", "checkpoints/README.md",
    )
]  # fmt: skip


def loaded_modules(code: str) -> set[str]:
    """Return the top-level modules loaded after some code has run in a fresh interpreter."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    command = [sys.executable, "-c", f"{code}\n{report}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


def test_imports_point_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['ttsd', '--help']\n"
        "from ttsd.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    loaded = loaded_modules(code)
    assert "typer" in loaded
    assert not HEAVY & loaded


def test_no_stage_imports_torch_before_it_runs() -> None:
    names = sorted(path.stem for path in (ROOT / "src/ttsd/stages").glob("[a-z]*.py"))
    assert {"generate", "preprocess", "qc", "train", "evaluate", "synth"} <= set(names)
    loaded = loaded_modules("\n".join(f"import ttsd.stages.{name}" for name in names))
    assert not {"torch", "lightning", "TTS", "transformers", "faster_whisper", "librosa", "scipy"} & loaded


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_are_short_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # config.py is one list of every setting, read from top to bottom.
    assert text.count("\n") <= (800 if path.name == "config.py" else 400)
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert len(docstring.splitlines()[0]) <= 120


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty_names = {"utils.py", "misc.py", "common.py", "helpers.py", "base_utils.py"}
    assert not empty_names & {path.name for path in SOURCES}


def test_no_blanket_except() -> None:
    blanket = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert blanket == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_names_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # A folder of somebody's machine, or the address of a package registry.
    found = re.findall(r"(?<![\w.])/(?:home|root|Users|work|tmp|opt)/\w+|index-url|files\.pythonhosted", text)
    assert path == Path(__file__) or found == []


def test_nothing_is_left_open_in_the_code() -> None:
    open_ends = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    left = []
    for path in SOURCES:
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and open_ends.search(token.string):
                    left.append(f"{path.relative_to(ROOT)}:{token.start[0]}")
    assert left == []
