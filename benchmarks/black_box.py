"""From the packaged voice to three voices that give audio and nothing else, as a table; goes on where it was stopped.

python benchmarks/black_box.py [--teachers pico-en-GB pico-en-US flite-slt] [--recipe configs/demo_cpu.yaml]
    [--minutes 20] [--work datasets/black_box] [--name recipe] [--set train.ema_decay=0 ...]

Each teacher reads the example study guides; 20 minutes of its clips train, whole sections are held out. Everything
goes through the commands of `ttsd`. flite's `slt` needs the program flite (Debian: apt install flite).
"""

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from ttsd.config import load_config
from ttsd.data.corpus import copy_clip, read_corpus, write_corpus
from ttsd.data.split import split_of
from ttsd.utils.seeds import derive_seed

ROOT = Path(__file__).resolve().parents[1]
TEACHERS = ("pico-en-GB", "pico-en-US", "flite-slt")
# More held out than by default, for at least a hundred sentences to evaluate.
SPLIT = ("split.test_fraction=0.15", "split.val_fraction=0.05")


def ttsd(command: str, *arguments: str | Path, settings: tuple[str, ...] = ()) -> None:
    sets = [part for setting in settings for part in ("--set", setting)]
    subprocess.run(["ttsd", command, *map(str, arguments), *sets], check=True)


def speak(teacher: str, folder: Path) -> None:
    """Let a teacher read the guides into a raw corpus."""
    guides = ROOT / "examples/study_guides"
    voice = teacher.removeprefix("pico-") if teacher.startswith("pico") else "en-US"
    source = folder.parent / f"pico-{voice}" / "raw"
    ttsd("generate", guides, source, settings=("generate.teacher=pico", f"generate.pico.voice={voice}"))
    if teacher.startswith("pico") or (folder / "raw/metadata.csv").is_file():
        return
    corpus = read_corpus(source)
    for utterance in corpus.utterances:
        wav = folder / "raw/wavs" / f"{utterance.id}.wav"
        wav.parent.mkdir(parents=True, exist_ok=True)
        told = ["flite", "-voice", teacher.removeprefix("flite-"), "-t", utterance.spoken, "-o", str(wav)]
        subprocess.run(told, check=True)
    write_corpus(folder / "raw", [u.model_copy(update={"speaker": teacher, "teacher": {}}) for u in corpus.utterances])


def prepare(teacher: str, folder: Path, minutes: float) -> Path:
    """Make a teacher's corpus: what is held out, and so many minutes of the rest."""
    curated = folder / "curated"
    if (curated / "metadata.csv").is_file():
        return curated
    speak(teacher, folder)
    ttsd("preprocess", folder / "raw", folder / "processed")
    corpus, split = read_corpus(folder / "processed"), load_config(None, SPLIT).split
    left_s, chosen = 60 * minutes, set()
    for utterance in sorted(corpus.utterances, key=lambda u: derive_seed(0, "black box", u.id)):
        if split_of(utterance, split) != "train":
            chosen.add(utterance.id)
        elif left_s > 0:
            chosen.add(utterance.id)
            left_s -= utterance.duration_s or 0.0
    kept = [utterance for utterance in corpus.utterances if utterance.id in chosen]
    for utterance in kept:
        copy_clip(corpus.clip_path(utterance), curated, utterance.id)
    write_corpus(curated, kept)
    return curated


def measure(curated: Path, run: Path) -> dict[str, Any]:
    """Evaluate the best voice of a run on what was held out."""
    ttsd("evaluate", curated, "--ckpt", run / "best.ckpt", settings=(*SPLIT, "evaluate.speed_sentences=4"))
    details: dict[str, Any] = json.loads((run / "evaluation/report.json").read_text())["details"]
    figures: dict[str, Any] = {"gap_closed": details["gap_closed"]["student"]}
    for key in ("wer", "cer", "similarity", "dnsmos"):
        entry = details["metrics"][key]["systems"]["student"]
        figures[key] = {"teacher": details["metrics"][key]["teacher"], "student": entry["value"]}
        figures[key] |= {name: entry[name] for name in ("delta", "lo", "hi")}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teachers", nargs="+", choices=TEACHERS, default=TEACHERS)
    parser.add_argument("--recipe", type=Path, default=ROOT / "configs/demo_cpu.yaml")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--work", type=Path, default=ROOT / "datasets/black_box")
    parser.add_argument("--name", default="recipe")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    if "flite-slt" in options.teachers and shutil.which("flite") is None:
        parser.error("flite-slt needs the program flite: apt install flite, or --teachers without it")
    rows = []
    for teacher in options.teachers:
        folder = options.work / teacher
        curated = prepare(teacher, folder, options.minutes)
        run = folder / options.name
        result = learn(options.recipe, curated, run, tuple(options.settings))
        rows.append(f"| {teacher} | {describe(result)} |")
        show_curve(run)
    columns = ("teacher", "training", "its WER", "student", "way to its voice", "its DNSMOS", "student", "similarity")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    print("\n".join(rows))
    print("bars: 60 min, WER + 2 points, 95 %, DNSMOS - 0.10")


def learn(recipe: Path, curated: Path, run: Path, settings: tuple[str, ...]) -> dict[str, Any]:
    """Train a voice and measure it; the result is kept beside the run."""
    clock = run.with_name(f"{run.name}.seconds")
    begun_s = time.perf_counter()
    ttsd("train", recipe, curated, run, settings=(*SPLIT, *settings))
    if not clock.is_file():
        clock.write_text(f"{time.perf_counter() - begun_s:.0f}")
    result = measure(curated, run) | {"train_s": int(clock.read_text())}
    run.with_name(f"{run.name}.json").write_text(json.dumps(result))
    return result


def describe(result: dict[str, Any]) -> str:
    """Return a row's cells."""
    wer, dnsmos, voice = result["wer"], result["dnsmos"], result["similarity"]
    cells = (
        f"{result['train_s'] / 60:.0f} min", f"{wer['teacher']:.1%}", f"{wer['student']:.1%}",
        f"{result['gap_closed']['value']:.1%}", f"{dnsmos['teacher']:.2f}", f"{dnsmos['student']:.2f}",
        f"{voice['student']:.3f} of {voice['teacher']:.3f}",
    )  # fmt: skip
    return " | ".join(cells)


def show_curve(run: Path) -> None:
    """Print the validations of a run."""
    for row in json.loads((run / "report.json").read_text())["details"]["validation"]:
        figures = ("score", "cer", "mel", "duration", "similarity")
        print(f"step {row['step']:6}  " + "  ".join(f"{name} {row[name]:.3f}" for name in figures if name in row))


if __name__ == "__main__":
    main()
