"""`ttsd synth` and `ttsd export`: the commands that use a student."""

from pathlib import Path
from typing import Annotated

import typer

from ttsd.options import (
    AsJson,
    Checkpoint,
    ConfigFile,
    Overrides,
    Overwrite,
    find_checkpoint,
    load_settings,
    run_stage,
)


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
    settings = load_settings(config, overrides, {"synth.speed": speed, "seed": seed})
    checkpoint = find_checkpoint(ckpt or settings.synth.ckpt, settings.paths.run)
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

        run_stage("synth", stage.run, source, out or Path("speech"), settings, overwrite, as_json)


def export(
    ckpt: Checkpoint = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; by default `export` beside it.")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", metavar="NAME", help="Whose files to write: piper.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Keep the weights in 16 bits: half the size.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a student as files that other programs speak with.

    `piper` writes an ONNX file and its settings, which Piper's runtimes load, and the tokens that sherpa-onnx asks for.
    """
    settings = load_settings(config, overrides, {"export.format": form, "export.half_weights": half or None})
    checkpoint = find_checkpoint(ckpt or settings.synth.ckpt, settings.paths.run)
    from ttsd.stages import export as stage

    run_stage("export", stage.run, checkpoint, out_dir or checkpoint.parent / "export", settings, overwrite, as_json)
