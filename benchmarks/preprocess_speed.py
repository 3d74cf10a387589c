"""`ttsd preprocess` against the script that one would write instead, on the same clips and the same cores.

python benchmarks/preprocess_speed.py [--clips 1200]

The plain script goes through the clips one by one: librosa loads, resamples and trims, pyloudnorm levels, soundfile
writes. It knows no text, no phonemes, no true peak, no resuming. Both are whole commands, their start included.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

from ttsd.config import load_config  # noqa: E402
from ttsd.data.audio import read_wav  # noqa: E402
from ttsd.data.corpus import read_corpus, write_corpus  # noqa: E402
from ttsd.data.loudness import measure_loudness  # noqa: E402
from ttsd.stages import generate  # noqa: E402

PLAIN = """
import sys
from pathlib import Path
import librosa, numpy as np, pyloudnorm, soundfile
source, target = map(Path, sys.argv[1:])
target.mkdir()
meter = pyloudnorm.Meter(22050, filter_class="DeMan")
for path in sorted(source.glob("*.wav")):
    wav, _ = librosa.load(path, sr=22050)
    wav, _ = librosa.effects.trim(wav, top_db=45)
    wav = pyloudnorm.normalize.loudness(wav, meter.integrated_loudness(wav), -23.0)
    peak = np.abs(wav).max()
    if peak > 0.891:
        wav = wav * 0.891 / peak
    soundfile.write(target / path.name, wav, 22050, subtype="PCM_16")
"""


def make_corpus(root: Path, n_clips: int) -> float:
    """Let Pico read the study guides until there are enough clips, each at its own level; returns their seconds."""
    generate.run(ROOT / "examples/study_guides", root / "spoken", load_config(None, ["generate.teacher=pico"]))
    spoken = read_corpus(root / "spoken")
    utterances, total_s = [], 0.0
    for number in range(n_clips):
        utterance = spoken.utterances[number % len(spoken.utterances)]
        name = f"{number:05d}"
        target = root / "raw" / "wavs" / f"{name}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(spoken.clip_path(utterance), target)
        utterances.append(utterance.model_copy(update={"id": name}))
        total_s += utterance.duration_s or 0.0
    write_corpus(root / "raw", utterances)
    return total_s


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        total_s = make_corpus(root, options.clips)
        (root / "plain.py").write_text(PLAIN)
        best: dict[str, float] = {}
        plain = [sys.executable, str(root / "plain.py"), str(root / "raw/wavs")]
        stage = [sys.executable, "-m", "ttsd", "preprocess", str(root / "raw")]
        for number in range(options.rounds):
            runs = {"plain script": [*plain, str(root / f"plain{number}")]}
            for trim in ("energy", "vad"):
                out = str(root / f"{trim}{number}" / "out")
                runs[f"preprocess, {trim}"] = [*stage, out, "--set", f"preprocess.trim={trim}"]
            for name, command in runs.items():
                best[name] = min(timed(command), best.get(name, float("inf")))
        for name, seconds in best.items():
            print(f"{name:20} {seconds:6.1f} s  {total_s / seconds:5.0f} x real time")
        for trim, bar in (("energy", 1.7), ("vad", 0.5)):
            ratio = best["plain script"] / best[f"preprocess, {trim}"]
            print(f"preprocess by {trim} / plain script: {ratio:.2f} (bar {bar})")
        apart = []
        for path in sorted((root / "plain0").glob("*.wav"))[:200]:
            levels = [measure_loudness(*read_wav(p)) for p in (path, root / "energy0/out/wavs" / path.name)]
            # The true peak turns a clip down that the plain script, which knows sample peaks alone, leaves louder.
            if abs(levels[1] + 23) < 0.05:
                apart.append(abs(levels[0] - levels[1]))
        print(f"loudness of {len(apart)} clips below the ceiling: {max(apart):.3f} LU apart at most (bar 0.1)")


if __name__ == "__main__":
    main()
