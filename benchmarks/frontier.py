"""Small voices of three sizes, distilled from one teacher: quality and speed against size, as a table and a figure.

python benchmarks/frontier.py [--work datasets/frontier] [--sizes compact] [--recipe configs/compact_distill.yaml]
    [--set KEY=VALUE ...] [--rows docs/frontier.json] [--figure docs/frontier.svg] [--curves docs/joe-compact.svg]

Everything goes through the commands of `ttsd`: joe reads the study guides, and once more the sentences of the package
that nothing is trained on; each size is trained on the former and measured on the latter and on the guides' held-out
sections. Goes on where it was stopped. What was measured is kept in the file of rows; sizes that are not named are
taken from there. Speeds are those of onnxruntime on one thread, against Piper's in the same minute; the VITS of the
paper is there with random weights, for its size and speed alone.
"""

import argparse
import functools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from black_box import ROOT, ttsd
from compact_speed import PIPER_PARAMETERS, load_piper, measure_rtf, speak_as_piper
from numpy.typing import NDArray

from ttsd.config import Config, ModelConfig
from ttsd.data.audio import read_wav
from ttsd.data.corpus import copy_clip, read_corpus, write_corpus
from ttsd.data.onnx_voice import OnnxVoice, load_voice
from ttsd.data.piper_voice import piper_voice_path
from ttsd.data.symbols import SymbolTable
from ttsd.metrics.similarity import VoiceEmbedder
from ttsd.model.vits import build_vits
from ttsd.training.checkpoint import save_checkpoint

SIZES = ("micro", "nano", "compact")


def prepare(work: Path) -> tuple[Path, Path]:
    """Return the corpus to train on, and the one to measure by: what was held out of both."""
    settings = ("generate.teacher=piper",)
    guides, processed = ROOT / "examples/study_guides", work / "processed"
    ttsd("generate", guides, work / "raw", settings=settings)
    ttsd("preprocess", work / "raw", processed)
    ttsd("generate", "--held-out", work / "held_out/raw", settings=settings)
    ttsd("preprocess", work / "held_out/raw", work / "held_out/processed")
    tests = work / "tests"
    if not (tests / "metadata.csv").is_file():
        kept = []
        for name, corpus in (("guides", read_corpus(processed)), ("package", read_corpus(work / "held_out/processed"))):
            for utterance in corpus.utterances:
                if name == "package" or utterance.split == "test":
                    copy_clip(corpus.clip_path(utterance), tests, utterance.id)
                    kept.append(utterance.model_copy(update={"split": "test"}))
        write_corpus(tests, kept)
    return processed, tests


def train(recipe: Path, corpus: Path, run: Path, settings: tuple[str, ...]) -> int:
    """Train a voice, or go on; returns the seconds it took in all, those of parts that were interrupted included."""
    clock = run.with_suffix(".seconds")
    before_s = int(clock.read_text()) if clock.is_file() else 0
    is_done = (run / "report.json").is_file()
    begun_s = time.perf_counter()
    try:
        # A finished run is not taken on trust: `train` refuses it where the recipe or the corpus is another one.
        ttsd("train", recipe, corpus, run, settings=settings)
    finally:
        spent_s = 0 if is_done else time.perf_counter() - begun_s
        clock.write_text(f"{before_s + spent_s:.0f}")
    return int(clock.read_text())


def measure_likeness(spoken: Path, tests: Path) -> dict[str, float]:
    """Compare speaker embeddings of a voice with its teacher's, clip by clip and voice by voice.

    Returns:
        `likeness`: mean cosine of clips of the same sentence; `voice_likeness`: cosine of the mean embeddings of all
        clips; `teacher_voice_likeness`: that of the teacher's even and odd clips, which says how far chance goes.
    """
    embedder, corpus = VoiceEmbedder(), read_corpus(tests)
    pairs = []
    for utterance in corpus.utterances:
        clips = [read_wav(path) for path in (spoken / f"{utterance.id}.wav", corpus.clip_path(utterance))]
        pair = [embedder.embed(wav, sample_rate) for wav, sample_rate in clips]
        if all(one is not None for one in pair):
            pairs.append(pair)
    student, teacher = np.array(pairs, dtype=np.float64).swapaxes(0, 1)
    return {
        "likeness": float((student * teacher).sum(axis=1).mean()),
        "voice_likeness": _cosine_of_means(student, teacher),
        "teacher_voice_likeness": _cosine_of_means(teacher[::2], teacher[1::2]),
    }


def _cosine_of_means(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    first, second = one.mean(axis=0), other.mean(axis=0)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def measure(run: Path, tests: Path) -> dict[str, Any]:
    """Evaluate and export the best voice of a run, and time it."""
    checkpoint, evaluation = run / "best.ckpt", run / "evaluation"
    # One cache for all sizes: the teacher is measured once.
    settings = (
        "evaluate.split=all",
        "evaluate.speed_sentences=4",
        f"paths.cache={run.parent / 'cache'}",
    )
    ttsd("evaluate", tests, evaluation, "--ckpt", checkpoint, settings=settings)
    ttsd("export", "--ckpt", checkpoint)
    details = json.loads((evaluation / "report.json").read_text())["details"]
    voice = load_voice(run / "export" / f"{run.name}.onnx")
    figures: dict[str, Any] = {"n": len(details["utterances"]), "parameters": voice.n_parameters}
    for key in ("wer", "cer", "similarity", "dnsmos", "distillmos"):
        metric = details["metrics"][key]
        figures[key] = metric["systems"]["student"]["value"]
        figures[f"{key}_hi"] = metric["systems"]["student"]["hi"]
        figures[f"teacher_{key}"] = metric["teacher"]
    return figures | measure_likeness(evaluation / "wavs/student", tests) | time_voice(voice)


def time_voice(voice: OnnxVoice) -> dict[str, float]:
    """Return seconds of work for a second of speech, of a voice and of the Piper runtime."""
    teacher = load_piper(piper_voice_path("joe"))
    return measure_rtf(
        {
            "rtf": (functools.partial(voice.speak, seed=0), voice.sample_rate),
            "piper_rtf": (functools.partial(speak_as_piper, teacher), teacher.config.sample_rate),
        }
    )


def time_vits(work: Path) -> dict[str, float]:
    """Return size and speed of the paper's VITS with random weights."""
    folder = work / "vits"
    config = Config(model=ModelConfig(preset="high", duration_predictor="stochastic"))
    if not (folder / "export/vits.onnx").is_file():
        torch.manual_seed(0)
        symbols = SymbolTable.default()
        voice = build_vits(config.model, config.audio, symbols.n_symbols)
        save_checkpoint(folder / "best.ckpt", config, symbols, voice.state_dict())
        ttsd("export", "--ckpt", folder / "best.ckpt")
    voice = load_voice(folder / "export/vits.onnx")
    return {"parameters": float(voice.n_parameters)} | time_voice(voice)


def start_drawing() -> Any:
    """Return pyplot, set to write the same figure for the same numbers."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {"svg.hashsalt": "ttsd", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    return pyplot


def draw_curves(run: Path, path: Path) -> None:
    """Draw the losses of a training's phases, and what the voice said at every look."""
    pyplot = start_drawing()
    details = json.loads((run / "report.json").read_text())["details"]
    losses, looks = details["losses"], details["validation"]
    figure, axes = pyplot.subplots(1, len(losses) + 1, figsize=(11, 2.6), constrained_layout=True)
    for axis, (phase, values) in zip(axes, losses.items(), strict=False):
        axis.plot([100 * (n + 1) for n in range(len(values))], values, color="#0b6e99")
        axis.set(title=f"loss: {phase}", xlabel="steps of the phase")
    axes[-1].plot([look["step"] for look in looks], [100 * look["cer"] for look in looks], "o-", color="#b35c00")
    axes[-1].set(title="character error rate, %", xlabel="steps of the run", ylim=(0, None))
    for axis in axes:
        axis.grid(alpha=0.25)
    figure.savefig(path, metadata={"Date": None})


def draw(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw word errors, predicted opinion and speed against the number of parameters."""
    pyplot = start_drawing()
    figure, axes = pyplot.subplots(1, 3, figsize=(9.5, 3.1), constrained_layout=True)
    vits = rows["vits"]
    voices = {name: row for name, row in rows.items() if name != "vits"}
    teacher = next(iter(voices.values()))
    sizes = [row["parameters"] / 1e6 for row in voices.values()]
    panels = (
        ("word error rate, %", [100 * row["wer"] for row in voices.values()], 100 * teacher["teacher_wer"], None),
        ("DNSMOS", [row["dnsmos"] for row in voices.values()], teacher["teacher_dnsmos"], None),
        (
            "times Piper's speed",
            [row["piper_rtf"] / row["rtf"] for row in voices.values()],
            1,
            vits["piper_rtf"] / vits["rtf"],
        ),
    )
    others = {"Piper": (PIPER_PARAMETERS / 1e6, "D", "#b35c00"), "VITS": (vits["parameters"] / 1e6, "s", "#666666")}
    for axis, (title, values, *of_others) in zip(axes, panels, strict=True):
        axis.plot(sizes, values, "o-", color="#0b6e99")
        # Off the line: below it where it rises.
        place = (7, -13 if values[-1] > values[0] else 6)
        for name, x, y in zip(voices, sizes, values, strict=True):
            axis.annotate(name, (x, y), textcoords="offset points", xytext=place)
        ticks = list(sizes)
        for (name, (x, marker, color)), y in zip(others.items(), of_others, strict=True):
            if y is not None:
                axis.plot(x, y, marker, color=color)
                axis.annotate(name, (x, y), textcoords="offset points", xytext=(-4, 8), ha="right", color=color)
                ticks.append(x)
        axis.set(title=title, xlabel="parameters, millions", xscale="log")
        axis.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axis.set_xticks([], minor=True)
        axis.margins(0.2)
        axis.grid(alpha=0.25)
    speeds = [0.1, 0.3, 1, 3, 10, 30]
    axes[2].set_yscale("log")
    axes[2].set_yticks(speeds, [f"{speed:g}" for speed in speeds])
    axes[2].set_yticks([], minor=True)
    figure.savefig(path, metadata={"Date": None})


def write_table(rows: dict[str, dict[str, Any]]) -> None:
    """Print a line for every voice."""
    print("| voice | parameters | training | WER | up to | CER | DNSMOS | DistillMOS | "
          "similarity | same sentence | voice | × real time | Piper's / it |")  # fmt: skip
    print("|---" * 13 + "|")
    first = next(iter(rows.values()))
    told = f"{first['teacher_wer']:.1%} | | {first['teacher_cer']:.1%} | {first['teacher_dnsmos']:.2f} | "
    told += f"{first['teacher_distillmos']:.2f} | {first['teacher_similarity']:.3f} | 1 | "
    told += f"{first['teacher_voice_likeness']:.3f}"
    print(f"| joe (Piper) | {PIPER_PARAMETERS / 1e6:.1f} M | | {told} | {first['piper_rtf']:.4f} | 1 |")
    for name, row in rows.items():
        size, speed = f"{row['parameters'] / 1e6:.1f} M", f"{row['rtf']:.4f} | {row['piper_rtf'] / row['rtf']:.1f} |"
        if name == "vits":
            print(f"| VITS (speed alone) | {size} | | | | | | | | | | {speed}")
            continue
        print(
            f"| {name} | {size} | {row['steps']:,} steps, {row['train_s'] / 60:.0f} min | {row['wer']:.1%} | "
            f"{100 * row['wer_hi']:+.1f} | {row['cer']:.1%} | {row['dnsmos']:.2f} | {row['distillmos']:.2f} | "
            f"{row['similarity']:.3f} | {row['likeness']:.3f} | {row['voice_likeness']:.3f} | {speed}"
        )
    print(f"{first['n']} held-out sentences; `up to`: upper end of the 95 % interval of the difference in WER, points; "
          "`similarity` to the teacher's other sentences, `same sentence` to its clip of that sentence, "
          "`voice`: cosine of the means of all clips, the teacher's of its even and odd clips")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "datasets/frontier")
    parser.add_argument("--recipe", type=Path, default=ROOT / "configs/compact_distill.yaml")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--rows", type=Path, help="what was measured, kept; default: rows.json in --work")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--curves", type=Path, help="of the last of the sizes")
    options = parser.parse_args()
    corpus, tests = prepare(options.work)
    kept = options.rows or options.work / "rows.json"
    rows: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for size in options.sizes:
        run = options.work / f"joe-{size}"
        train_s = train(options.recipe, corpus, run, (f"model.preset={size}", *options.settings))
        steps = json.loads((run / "report.json").read_text())["details"]["steps"]
        rows[size] = measure(run, tests) | {"train_s": train_s, "steps": steps}
    rows["vits"] = time_vits(options.work)
    rows = {name: rows[name] for name in (*SIZES, "vits") if name in rows}
    kept.write_text(json.dumps(rows, indent=1) + "\n")
    write_table(rows)
    if options.curves:
        draw_curves(run, options.curves)
    if options.figure:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
