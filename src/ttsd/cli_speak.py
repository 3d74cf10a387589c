"""`ttsd synth` and `ttsd export`: the commands that use a student."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ttsd.options import (
    AsJson,
    Checkpoint,
    ConfigFile,
    Overrides,
    Overwrite,
    find_named_voice,
    load_settings,
    name_beside,
    run_stage,
)

_OTHER_FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac")


def synth(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A text, a text file, or - for standard input.")],
    ckpt: Checkpoint = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="A .wav file (speech.wav), or a folder.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="A corpus, one utterance a line, in a folder.")] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="A WAV on standard output, sentence by sentence, for a player.")
    ] = False,
    speed: Annotated[
        float | None, typer.Option("--speed", metavar="RATE", help="Speaking rate; above 1 is faster.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Seed of the noise.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Speak with a student, of a checkpoint or exported; with the package's own voice where there is no run.

    Where --out ends in .wav or is not given, the whole text becomes one WAV file; with any other --out, or --lines,
    each line becomes an utterance of a corpus in that folder.
    """
    if stream and (lines or out is not None or as_json):
        raise typer.BadParameter("--stream writes to standard output, without --lines, --out and --json")
    if out is not None and (str(out) == "-" or out.suffix.lower() in _OTHER_FORMATS):
        raise typer.BadParameter(f"--out {out}: name a .wav file or a folder; --stream writes to standard output")
    as_wav = not lines and (out is None or out.suffix.lower() == ".wav")
    if lines and out is not None and out.suffix.lower() == ".wav":
        raise typer.BadParameter("--lines writes a corpus, so --out must be a folder")
    settings = load_settings(config, overrides, {"synth.speed": speed, "seed": seed})
    named = ckpt or settings.synth.ckpt
    if named or settings.paths.run.is_dir():
        checkpoint = find_named_voice(named, settings.paths.run)
        settings = settings.model_copy(update={"synth": settings.synth.model_copy(update={"ckpt": checkpoint})})
    from ttsd import terminal

    if stream:
        from ttsd.stages.synth import speak_to_pipe

        if sys.stdout is None:
            raise typer.BadParameter("--stream writes to standard output, which is closed")
        if sys.stdout.isatty():
            raise typer.BadParameter("--stream writes sound; send it to a player: ttsd synth TEXT --stream | aplay")
        spoken = terminal.read_text(text)
        # Libraries may print; the sound alone goes where standard output went.
        with os.fdopen(os.dup(1), "wb") as pipe, terminal.stdout_on_stderr():
            speak_to_pipe(spoken, pipe, settings)
        return
    if as_wav:
        spoken, target = terminal.read_text(text), out or Path("speech.wav")
        from ttsd.stages.synth import find_voice, speak_to_file

        with terminal.stdout_on_stderr():
            duration_s = speak_to_file(spoken, target, settings, terminal.ProgressLines())
        terminal.print_clip(target, duration_s, find_voice(settings), as_json)
        return
    with terminal.text_file(text) as source:
        from ttsd.stages import synth as stage

        run_stage("synth", stage.run, source, out or Path("speech"), settings, overwrite, as_json)


def export(
    ckpt: Annotated[
        Path | None,
        typer.Option(
            "--ckpt", metavar="FILE", help="A checkpoint, or an exported .onnx for `piper`; by default last.ckpt."
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to write; by default `export` or `piper` beside it."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="onnx for ttsd synth, or piper for other programs.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Keep the weights in 16 bits: half the size.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a student as a file that speaks without PyTorch.

    `onnx` writes a voice and its card, for `ttsd synth --ckpt voice.onnx`. `piper` writes an ONNX file and its
    settings, which Piper's runtimes load, and the tokens that sherpa-onnx asks for.
    """
    settings = load_settings(config, overrides, {"export.format": form, "export.half_weights": half or None})
    checkpoint = find_named_voice(ckpt or settings.synth.ckpt, settings.paths.run)
    from ttsd.stages import export as stage

    # A folder for each form: one command after the other leaves both.
    target = out_dir or name_beside(checkpoint, "piper" if settings.export.format == "piper" else "export")
    run_stage("export", stage.run, checkpoint, target, settings, overwrite, as_json)
