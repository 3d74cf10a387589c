"""`ttsd listen`: the commands of a blind listening test."""

from pathlib import Path
from typing import Annotated

import typer

from ttsd.options import AsJson, ConfigFile, Overrides, Overwrite, load_settings, run_stage

listen = typer.Typer(
    name="listen",
    help="A blind listening test: build it, serve it, and tell what the answers say.",
    no_args_is_help=True,
)


@listen.command("build")
def build_test(
    in_dir: Annotated[
        Path | None, typer.Argument(metavar="EVALUATION", help="What `evaluate` wrote; by default from `paths`.")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Argument(metavar="TEST", help="Directory of the test; by default `listening` beside it.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a blind test of the clips of an evaluation.

    Its folder `public` can be put on any static host; the key stays outside of it.
    """
    settings = load_settings(config, overrides)
    source = in_dir or settings.paths.evaluation or settings.paths.run / "evaluation"
    from ttsd.stages import listen as stage

    run_stage("listen build", stage.run, source, out_dir or source.with_name("listening"), settings, overwrite, as_json)


@listen.command("serve")
def serve_test(
    folder: Annotated[Path, typer.Argument(metavar="TEST", help="What `ttsd listen build` wrote.")],
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any free one.")] = 8765,
) -> None:
    """Serve a test on this machine, and keep every answer as it is given; Ctrl-C ends it."""
    from ttsd.terminal import serve_until_interrupted
    from ttsd.web.hearing_server import HearingServer

    serve_until_interrupted(HearingServer(folder, port))


@listen.command("analyse")
def analyse_test(
    folder: Annotated[Path, typer.Argument(metavar="TEST", help="What `ttsd listen build` wrote.")],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[ANSWERS]...", help="Files that listeners saved and sent.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what the answers say, with and without listeners who failed the hidden checks; writes analysis.json."""
    from ttsd import terminal
    from ttsd.stages.listen import tell

    terminal.print_analysis(tell(folder, files or []), as_json)
