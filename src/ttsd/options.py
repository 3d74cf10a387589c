"""What the commands share: options, and the way from a command to its stage."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsd.errors import CheckpointError, StageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttsd.config import Config
    from ttsd.report import Run

InDir = Annotated[Path | None, typer.Argument(metavar="IN", help="What to read; by default from `paths`.")]
OutDir = Annotated[Path | None, typer.Argument(metavar="OUT", help="Directory to write; by default from `paths`.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file of settings.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting, such as qc.max_cer=0.1; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace this stage's earlier output, once the input is checked.")
]
HELD_OUT = Path("datasets/held_out/raw")
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--ckpt", metavar="FILE", help="A checkpoint, or an exported .onnx; by default last.ckpt in `paths.run`."
    ),
]


def load_settings(
    path: Path | None, overrides: list[str] | None, options: "Mapping[str, object] | None" = None
) -> "Config":
    """Return the settings of a file, with single ones over them.

    Args:
        path: The file, or none for the defaults.
        overrides: What `--set` was given.
        options: What other options stand for, by name of the setting; those that are none were not given.

    Raises:
        ConfigError: A setting is unknown, of the wrong type, or out of its bounds.
    """
    from ttsd.config import load_config

    given = [f"{key}={value}" for key, value in (options or {}).items() if value is not None]
    return load_config(path, [*(overrides or ()), *given])


def find_student(path: Path, run_dir: Path) -> Path:
    """Return a student to be evaluated: a corpus of what it has spoken, or a voice as `find_named_voice` does."""
    return path if (path / "metadata.csv").is_file() else find_named_voice(path, run_dir)


def find_checkpoint(ckpt: Path | None, run_dir: Path) -> Path:
    """Return a checkpoint: by path, by its name in a run, or the run's last one; its best one while there is no last.

    Raises:
        CheckpointError: There is none.
    """
    for candidate in (ckpt, run_dir / ckpt) if ckpt else (run_dir / "last.ckpt", run_dir / "best.ckpt"):
        if candidate.is_file():
            return candidate
    name = ckpt or run_dir / "last.ckpt"
    if name.is_dir():
        raise CheckpointError(f"{name}: a directory; name a checkpoint in it, such as --ckpt {name}/last.ckpt")
    raise CheckpointError(f"{name}: no such checkpoint, here or in {run_dir}; name one of `ttsd train` with --ckpt")


def find_named_voice(ckpt: Path | None, run_dir: Path) -> Path:
    """Return a voice to speak with: a checkpoint as `find_checkpoint` does, or the package's own voice by its name.

    Raises:
        CheckpointError: There is none.
    """
    from ttsd.data.onnx_voice import PACKAGED_VOICE

    if ckpt is not None and str(ckpt) == PACKAGED_VOICE.stem and not ckpt.exists():
        return PACKAGED_VOICE
    try:
        return find_checkpoint(ckpt, run_dir)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; the voice of the package is --ckpt {PACKAGED_VOICE.stem}") from None


def name_beside(voice: Path, name: str) -> Path:
    """Return the folder of a voice's output, beside it; that of the package's own voice is here."""
    from ttsd.data.onnx_voice import PACKAGED_VOICE

    return Path(f"{voice.stem}-{name}") if voice == PACKAGED_VOICE else voice.parent / name


def run_stage(
    name: str, run: "Run", in_dir: Path, out_dir: Path, config: "Config", overwrite: bool, as_json: bool
) -> None:
    """Run a stage with its progress on standard error and its report on standard output.

    Raises:
        StageError: There is nothing at `in_dir`.
    """
    from ttsd import terminal

    if not in_dir.exists():
        raise StageError(f"{in_dir}: no such file or folder for {name} to read; name it: ttsd {name} IN OUT")
    with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
        report = run(in_dir, out_dir, config, progress, overwrite=overwrite)
    terminal.print_report(report, out_dir, as_json)
