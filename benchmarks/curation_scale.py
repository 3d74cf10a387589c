"""Time and memory of `preprocess` and `qc` for 2,000 and 20,000 clips: linear and flat, or not.

python benchmarks/curation_scale.py [--small 2000] [--large 20000]

Pico reads the study guides, and copies of its clips, each at its own level, make the corpora. `qc` makes its cheap
checks and writes its page; the models cost the same for every clip and are left out. Each stage is a process of its
own, and its memory is the most that it and each of its workers held.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ttsd.config import load_config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import read_corpus, write_corpus
from ttsd.stages import generate

ROOT = Path(__file__).resolve().parents[1]
NO_MODELS = [
    argument
    for name in ("max_cer", "max_missing_words", "max_extra_words", "min_dnsmos", "min_similarity", "max_same_text")
    for argument in ("--set", f"qc.{name}=null")
]
RUN = """
import json, resource, sys, time
from ttsd.cli import main
start = time.perf_counter()
sys.argv = ["ttsd", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
own, workers = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print("FIGURES", json.dumps([time.perf_counter() - start, own, workers]))
"""


def make_corpus(root: Path, n_clips: int) -> None:
    spoken = read_corpus(root / "spoken")
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(n_clips):
        utterance = spoken.utterances[number % len(spoken.utterances)]
        wav, sample_rate = read_wav(spoken.clip_path(utterance))
        name = f"{number:05d}"
        path = root / f"raw{n_clips}" / "wavs" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(path, wav * np.float32(rng.uniform(0.5, 1.0)), sample_rate)
        utterances.append(utterance.model_copy(update={"id": name}))
    write_corpus(root / f"raw{n_clips}", utterances)


def run(*arguments: str) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    seconds, own_mb, worker_mb = json.loads(done.stdout.rpartition("FIGURES")[2])
    return seconds, own_mb, worker_mb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large", type=int, default=20000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate.run(ROOT / "examples/study_guides", root / "spoken", load_config(None, ["generate.teacher=pico"]))
        figures = {}
        for n_clips in (options.small, options.large):
            make_corpus(root, n_clips)
            raw, processed, curated = (str(root / f"{name}{n_clips}") for name in ("raw", "processed", "curated"))
            cache = ["--set", f"paths.cache={root / f'cache{n_clips}'}"]
            figures["preprocess", n_clips] = run("preprocess", raw, processed, *cache)
            figures["qc", n_clips] = run("qc", processed, curated, *cache, *NO_MODELS)
            for stage in ("preprocess", "qc"):
                seconds, own_mb, worker_mb = figures[stage, n_clips]
                each_ms = 1000 * seconds / n_clips
                memory = f"{own_mb:5.0f} MB, workers {worker_mb:5.0f} MB"
                print(f"{stage:10} {n_clips:6,} clips  {each_ms:5.2f} ms a clip  {memory}", flush=True)
        for stage in ("preprocess", "qc"):
            small, large = figures[stage, options.small], figures[stage, options.large]
            growth = (large[1] - small[1]) * 1024 / (options.large - options.small)
            time_ratio = large[0] / options.large / (small[0] / options.small)
            print(f"{stage}: a clip takes {time_ratio:.2f} times as long in the large corpus (flat is 1);")
            worker = large[2] / small[2]
            print(f"  each more holds {growth:.1f} kB in the stage's process; a worker {worker:.2f} times as much")


if __name__ == "__main__":
    main()
