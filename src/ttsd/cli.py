"""The command line: one command for each stage, thin enough that `ttsd --help` imports nothing but Typer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsd.errors import CheckpointError, ConfigError, StageError, TtsdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttsd.config import Config
    from ttsd.report import Run

app = typer.Typer(
    name="ttsd",
    epilog="Every setting: docs/config.md. Exit codes: 0 done, 1 a mistake told in one line, 2 wrong usage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
Checkpoint = Annotated[
    Path | None, typer.Option("--ckpt", metavar="FILE", help="The student; by default last.ckpt in `paths.run`.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from ttsd import __version__

        typer.echo(f"ttsd {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Distil a text-to-speech voice: study guides in, a proven local voice out."""


@app.command()
def generate(
    in_dir: InDir = None,
    out_dir: OutDir = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="DIR", help="Folder of Markdown; the same as IN.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option("--teacher", metavar="NAME", help="Whose voice: pico, piper or elevenlabs.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what there is to buy and its price, and buy nothing.")
    ] = False,
    max_credits: Annotated[
        int | None,
        typer.Option("--max-credits", metavar="N", min=1, help="Hard cap on the credits of all purchases ever."),
    ] = None,
    rebuy_unknown: Annotated[
        bool, typer.Option("--rebuy-unknown", help="Buy requests again whose outcome nobody knows.")
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Let a teacher read Markdown aloud.

    Reads a folder of Markdown files, cuts them into utterances, and writes the teacher's speech as a corpus. What is
    bought is kept in `paths.takes`, and never bought again.
    """
    if markdown is not None:
        if out_dir is not None:
            raise typer.BadParameter("name the folder once, as IN or with --markdown")
        # With the folder named, the one position left is the output's.
        in_dir, out_dir = markdown, in_dir
    options = {
        "generate.teacher": teacher,
        "generate.elevenlabs.max_credits": max_credits,
        "generate.elevenlabs.rebuy_unknown": rebuy_unknown or None,
    }
    settings = _load(config, overrides, options)
    voice = settings.generate.teacher
    for option, is_given in (("--max-credits", max_credits is not None), ("--rebuy-unknown", rebuy_unknown)):
        if is_given and voice != "elevenlabs":
            raise ConfigError(f"{option}: is for a bought voice and {voice} is none; leave it out")
    source, target = in_dir or settings.paths.markdown, out_dir or settings.paths.raw
    if plan:
        from ttsd import terminal
        from ttsd.stages.plan import plan_purchases

        with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
            planned = plan_purchases(source, settings, progress)
        terminal.print_plan(planned, as_json)
        return
    from ttsd.stages import generate as stage

    _run("generate", stage.run, source, target, settings, overwrite, as_json)


@app.command()
def ingest(
    in_dir: InDir = None,
    out_dir: OutDir = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="CSV `text,audio` or YAML: pairs that names do not tell."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Cut long recordings into sentences.

    Reads a folder of transcripts with a recording beside each, finds every sentence that was read aloud as it is
    written, and writes them as a corpus; all else is listed with its reason in rejected.csv.
    """
    settings = _load(config, overrides, {"ingest.map": map_file})
    from ttsd.stages import ingest as stage

    source, target = in_dir or settings.paths.markdown, out_dir or settings.paths.raw
    _run("ingest", stage.run, source, target, settings, overwrite, as_json)


@app.command()
def preprocess(
    in_dir: InDir = None,
    out_dir: OutDir = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Bring clips and text into one form.

    Resamples, trims and levels every clip of a corpus, spells out numbers, and assigns the splits.
    """
    settings = _load(config, overrides)
    from ttsd.stages import preprocess as stage

    source, target = in_dir or settings.paths.raw, out_dir or settings.paths.processed
    _run("preprocess", stage.run, source, target, settings, overwrite, as_json)


@app.command()
def qc(
    in_dir: InDir = None,
    out_dir: OutDir = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what each threshold would cost, and write no corpus.")
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Keep the clips that say their transcript.

    Checks every clip of a corpus, copies the good ones, and lists the others with their reason in rejected.csv. What
    was measured is kept: another threshold takes seconds. `paths.decisions` names a file that overrules the checks.
    """
    settings = _load(config, overrides)
    from ttsd.stages import qc as stage

    source, target = in_dir or settings.paths.processed, out_dir or settings.paths.curated
    if dry_run:
        from ttsd import terminal

        with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
            costs = stage.tell(source, target, settings, progress)
        terminal.print_costs(costs, as_json)
        return
    _run("qc", stage.run, source, target, settings, overwrite, as_json)


@app.command()
def train(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CONFIG] [IN] [OUT]", help="A YAML file of settings, a corpus, a run directory."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Look for what could stop the training, try its longest batch, train nothing."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in OUT, by the settings it began with where none are given."),
    ] = False,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="With --resume: go on although settings are others, and say which.")
    ] = False,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a student on a corpus.

    An argument that ends in .yaml or .yml is the settings file. A stopped run goes on from its last checkpoint where
    the same command is given again.
    """
    files = [place for place in places or () if place.suffix in (".yaml", ".yml") and not place.is_dir()]
    directories = [place for place in places or () if place not in files]
    if len(files) + (config is not None) > 1:
        raise typer.BadParameter("name one settings file, as CONFIG or with --config")
    if len(directories) > 2:
        raise typer.BadParameter("give at most one IN and one OUT")
    if allow_changes and not resume:
        raise typer.BadParameter("--allow-changes goes with --resume")
    in_dir, out_dir = [*directories, None, None][:2]
    named = config or (files[0] if files else None)
    settings = _load(named, overrides)
    if resume and named is None:
        kept = (out_dir or settings.paths.run) / "config.yaml"
        if not kept.is_file():
            raise StageError(f"{kept.parent}: holds no run to go on with; run it without --resume")
        settings = _load(kept, overrides)
    from ttsd.stages import train as stage

    source, target = in_dir or settings.paths.curated, out_dir or settings.paths.run
    if resume and allow_changes and source.exists() and stage.find_rank(settings) == 0:
        told = stage.adopt(source, target, settings)
        print(f"ttsd: goes on with {told or 'the settings it began with'}", file=sys.stderr)
    if check:
        from ttsd import terminal
        from ttsd.stages import check as rehearsal

        with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
            findings = rehearsal.tell(source, target, settings, progress)
        terminal.print_findings(findings, as_json)
        raise typer.Exit(any(finding.verdict == "fail" for finding in findings))
    _run("train", stage.run, source, target, settings, overwrite, as_json)


@app.command()
def evaluate(
    in_dir: InDir = None,
    out_dir: OutDir = None,
    ckpt: Annotated[
        list[Path] | None,
        typer.Option(
            "--ckpt",
            metavar="PATH",
            help="A student: a checkpoint, or a corpus of what it spoke; may be repeated. By default last.ckpt.",
        ),
    ] = None,
    take2: Annotated[
        Path | None, typer.Option("--take2", metavar="DIR", help="Corpus of the teacher's second takes.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="FILE", help="report.json of an earlier evaluation.")
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", metavar="FORMULA", help="Fail where 'wer.delta.lo > 0.02' holds; may be repeated."),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Measure students against their teacher.

    All speak the held-out sentences of a corpus. Writes report.html with players, report.json, tables, a summary and
    junit.xml, by default into `evaluation` beside the first checkpoint. Also spelt `ttsd eval`. Exit code 1 where a
    condition of --fail-if holds, 2 where it asks for what is not known.
    """
    settings = _load(config, overrides)
    given = ckpt or list(settings.evaluate.ckpt)
    students = [_find_student(one, settings.paths.run) for one in given] or [_find_checkpoint(None, settings.paths.run)]
    told = {"ckpt": tuple(students), "take2": take2, "baseline": baseline, "fail_if": tuple(fail_if or ()) or None}
    named = {key: value for key, value in told.items() if value is not None}
    settings = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update=named)})
    from ttsd.stages import evaluate as stage

    source = in_dir or settings.paths.processed
    target = out_dir or settings.paths.evaluation or students[0].parent / "evaluation"
    _run("evaluate", stage.run, source, target, settings, overwrite, as_json)


app.command("eval", hidden=True)(evaluate)


@app.command()
def synth(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A text, a text file, or - for standard input.")],
    ckpt: Checkpoint = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="A .wav file (speech.wav), or a folder.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="A corpus, one utterance a line, in a folder.")] = False,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="RATE", help="Speaking rate; above 1 is faster.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the noise.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Speak with a student.

    Where --out ends in .wav or is not given, the whole text becomes one WAV file; with any other --out, or --lines,
    each line becomes an utterance of a corpus in that folder.
    """
    as_wav = not lines and (out is None or out.suffix.lower() == ".wav")
    if lines and out is not None and out.suffix.lower() == ".wav":
        raise typer.BadParameter("--lines writes a corpus, so --out must be a folder")
    settings = _load(config, overrides, {"synth.speed": speed, "seed": seed})
    checkpoint = _find_checkpoint(ckpt or settings.synth.ckpt, settings.paths.run)
    settings = settings.model_copy(update={"synth": settings.synth.model_copy(update={"ckpt": checkpoint})})
    from ttsd import terminal

    if as_wav:
        spoken, target = terminal.read_text(text), out or Path("speech.wav")
        from ttsd.stages.synth import speak_to_file

        with terminal.stdout_on_stderr():
            duration_s = speak_to_file(spoken, target, settings)
        terminal.print_clip(target, duration_s, as_json)
        return
    with terminal.text_file(text) as source:
        from ttsd.stages import synth as stage

        _run("synth", stage.run, source, out or Path("speech"), settings, overwrite, as_json)


def main() -> None:
    """Run the command line: exit 0 done, 1 a user's mistake in one line, 2 wrong usage, 130 and 143 interrupted."""
    try:
        app()
    except TtsdError as error:
        print(f"ttsd: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        from ttsd.utils.files import explain_write, is_disk_error

        if not is_disk_error(error):
            raise
        # What libraries write by themselves, such as TensorBoard's events, and a redirected standard output.
        print(f"ttsd: {explain_write(Path(error.filename or 'the output'), error)}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as stop:
        if stop.code in (130, 143):
            print("ttsd: interrupted; run the same command again to go on", file=sys.stderr)
        raise


def _load(path: Path | None, overrides: list[str] | None, options: "Mapping[str, object] | None" = None) -> "Config":
    from ttsd.config import load_config

    given = [f"{key}={value}" for key, value in (options or {}).items() if value is not None]
    return load_config(path, [*(overrides or ()), *given])


def _find_student(path: Path, run_dir: Path) -> Path:
    return path if (path / "metadata.csv").is_file() else _find_checkpoint(path, run_dir)


def _find_checkpoint(ckpt: Path | None, run_dir: Path) -> Path:
    for candidate in (ckpt, run_dir / ckpt) if ckpt else (run_dir / "last.ckpt",):
        if candidate.is_file():
            return candidate
    name = ckpt or run_dir / "last.ckpt"
    if name.is_dir():
        raise CheckpointError(f"{name}: a directory; name a checkpoint in it, such as --ckpt {name}/last.ckpt")
    raise CheckpointError(f"{name}: no such checkpoint, here or in {run_dir}; name one of `ttsd train` with --ckpt")


def _run(name: str, run: "Run", in_dir: Path, out_dir: Path, config: "Config", overwrite: bool, as_json: bool) -> None:
    from ttsd import terminal

    if not in_dir.exists():
        raise StageError(f"{in_dir}: no such file or folder for {name} to read; name it: ttsd {name} IN OUT")
    with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
        report = run(in_dir, out_dir, config, progress, overwrite=overwrite)
    terminal.print_report(report, out_dir, as_json)
