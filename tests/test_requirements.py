"""requirements.txt pins what the workstation needs, says why, and agrees with the ranges of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
PINS = [line for line in LINES if line and not line.startswith(("#", "-"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
    if not text.startswith("ttsd[")
]
ASKED_FOR = {
    "torch", "torchaudio", "librosa", "scipy", "pandas", "numpy", "coqui-tts", "transformers", "accelerate", "wandb",
    "tensorboard", "jupyterlab",
}  # fmt: skip


@pytest.mark.parametrize("line", PINS)
def test_every_line_pins_one_version_and_says_why(line):
    assert re.fullmatch(r"[\w.-]+==[\w.]+(?:\s+#\s\S.*)?", line), line
    if "#" not in line:  # the comment above says it for both
        above = LINES[: LINES.index(line)]
        block = above[len(above) - above[::-1].index("") :]
        assert block, line
        assert block[0].startswith("# "), line


def test_pins_lie_in_the_ranges_of_the_project():
    pins = {canonicalize_name(requirement.name): requirement for requirement in map(_read, PINS)}
    assert set(pins) >= ASKED_FOR
    checked = 0
    for allowed in RANGES:
        pin = pins.get(canonicalize_name(allowed.name))
        if pin is not None:
            (version,) = (specifier.version for specifier in pin.specifier)
            assert allowed.specifier.contains(version), f"{pin} is not {allowed}"
            checked += 1
    assert checked > 15


def test_the_last_line_installs_ttsd_itself_with_all_its_extras():
    assert LINES[-1] == "-e .[all]"


def _read(line: str) -> Requirement:
    return Requirement(line.partition("#")[0])
