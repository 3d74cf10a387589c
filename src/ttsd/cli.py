"""The command line: one command for each stage, thin enough that `ttsd --help` imports nothing but Typer."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ttsd.cli_listen import listen
from ttsd.cli_speak import export, synth
from ttsd.errors import ConfigError, StageError, TtsdError
from ttsd.options import (
    HELD_OUT,
    AsJson,
    ConfigFile,
    InDir,
    OutDir,
    Overrides,
    Overwrite,
    find_checkpoint,
    find_student,
    load_settings,
    name_beside,
    run_stage,
)

app = typer.Typer(
    name="ttsd",
    epilog="Every setting: docs/config.md. Exit codes: 0 done, 1 a mistake told in one line, 2 wrong usage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(listen)


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
    takes: Annotated[
        int, typer.Option("--takes", metavar="N", min=1, max=9, help="2 has the held-out sentences read once more.")
    ] = 1,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Read the sentences of the package, to evaluate with; no IN.")
    ] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Let a teacher read Markdown aloud.

    Reads a folder of Markdown files, cuts them into utterances, and writes the teacher's speech as a corpus. What is
    bought is kept in `paths.takes`, and never bought again. Second takes go beside the corpus, into OUT-take2; evaluate
    tells by them how far the teacher is from itself.
    """
    if held_out and markdown is not None:
        raise typer.BadParameter("--held-out reads the sentences of the package; leave --markdown out")
    if markdown is not None:
        if out_dir is not None:
            raise typer.BadParameter("name the folder once, as IN or with --markdown")
        # With the folder named, the one position left is the output's.
        in_dir, out_dir = markdown, in_dir
    if held_out and in_dir is not None and out_dir is not None:
        raise typer.BadParameter("--held-out reads the sentences of the package; name the output alone")
    options = {
        # Each of these sentences is an utterance, however short or long.
        "generate.verbatim.min_chars": 1 if held_out else None,
        "generate.verbatim.max_chars": 400 if held_out else None,
        "evaluate.split": "all" if held_out else None,
        "generate.teacher": teacher,
        "generate.elevenlabs.max_credits": max_credits,
        "generate.elevenlabs.rebuy_unknown": rebuy_unknown or None,
    }
    settings = load_settings(config, overrides, options)
    voice = settings.generate.teacher
    for option, is_given in (("--max-credits", max_credits is not None), ("--rebuy-unknown", rebuy_unknown)):
        if is_given and voice != "elevenlabs":
            raise ConfigError(f"{option}: is for a bought voice and {voice} is none; leave it out")
    source, target = in_dir or settings.paths.markdown, out_dir or settings.paths.raw
    if held_out:
        source, target = Path(__file__).with_name("transcripts") / "held_out", in_dir or HELD_OUT
    if takes > 1:
        from ttsd.stages.generate import check_takes

        check_takes(settings)
    if plan:
        from ttsd import terminal
        from ttsd.stages.plan import plan_purchases

        with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
            planned = plan_purchases(source, settings, progress, takes)
        terminal.print_plan(planned, as_json)
        return
    from ttsd.stages import generate as stage

    run_stage("generate", stage.run, source, target, settings, overwrite, as_json)
    for take in range(2, takes + 1):
        told = settings.generate.model_copy(update={"take": take})
        beside = target.with_name(f"{target.name}-take{take}")
        run_stage(
            "generate", stage.run, source, beside, settings.model_copy(update={"generate": told}), overwrite, as_json
        )


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
    settings = load_settings(config, overrides, {"ingest.map": map_file})
    from ttsd.stages import ingest as stage

    source, target = in_dir or settings.paths.markdown, out_dir or settings.paths.raw
    run_stage("ingest", stage.run, source, target, settings, overwrite, as_json)


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
    settings = load_settings(config, overrides)
    from ttsd.stages import preprocess as stage

    source, target = in_dir or settings.paths.raw, out_dir or settings.paths.processed
    run_stage("preprocess", stage.run, source, target, settings, overwrite, as_json)


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
    settings = load_settings(config, overrides)
    from ttsd.stages import qc as stage

    source, target = in_dir or settings.paths.processed, out_dir or settings.paths.curated
    if dry_run:
        from ttsd import terminal

        with terminal.stdout_on_stderr(), terminal.show_progress() as progress:
            costs = stage.tell(source, target, settings, progress)
        terminal.print_costs(costs, as_json)
        return
    run_stage("qc", stage.run, source, target, settings, overwrite, as_json)


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
    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with a run, and --overwrite begins it anew; give one of them")
    in_dir, out_dir = [*directories, None, None][:2]
    named = config or (files[0] if files else None)
    settings = load_settings(named, overrides)
    if resume and named is None:
        kept = (out_dir or settings.paths.run) / "config.yaml"
        if not kept.is_file():
            raise StageError(f"{kept.parent}: holds no run to go on with; run it without --resume")
        settings = load_settings(kept, overrides)
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
    run_stage("train", stage.run, source, target, settings, overwrite, as_json)


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
    settings = load_settings(config, overrides)
    given = ckpt or list(settings.evaluate.ckpt)
    students = [find_student(one, settings.paths.run) for one in given] or [find_checkpoint(None, settings.paths.run)]
    told = {"ckpt": tuple(students), "take2": take2, "baseline": baseline, "fail_if": tuple(fail_if or ()) or None}
    named = {key: value for key, value in told.items() if value is not None}
    settings = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update=named)})
    from ttsd.stages import evaluate as stage

    source = in_dir or settings.paths.processed
    target = out_dir or settings.paths.evaluation or name_beside(students[0], "evaluation")
    run_stage("evaluate", stage.run, source, target, settings, overwrite, as_json)


app.command("eval", hidden=True)(evaluate)
app.command()(synth)
app.command()(export)


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
