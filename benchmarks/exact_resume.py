"""Whether a training that is killed again and again ends with the same bytes as an undisturbed one.

python benchmarks/exact_resume.py [--corpus datasets/demo/curated] [--kills 12] [--seed 0]
    [--devices 1]

A short training of every kind of step: completion, full steps with a discriminator, the decoder alone and its polish.
SIGKILL comes after a random time, again and again, and the same command goes on; with several devices it hits the first
process alone. TensorBoard's events carry the time of day and are left out.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "model.decoder=source_filter", "model.posterior_layers=2", "model.discriminator=small", "train.accelerator=cpu",
    "train.max_steps=60", "train.batch_size=2", "train.checkpoint_every_steps=5", "train.adversarial_start_step=0",
    "train.segment_frames=16", "train.completion.n_utterances=4", "train.completion.max_steps=120",
    "train.completion.decoder_max_steps=120", "train.decoder.max_steps=300", "train.decoder.n_utterances=8",
    "train.decoder.batch_size=2", "train.decoder.polish_max_steps=150", "train.validation.n_sentences=2",
)  # fmt: skip


def command(options: argparse.Namespace, run: Path) -> list[str]:
    settings = (*SETTINGS, f"paths.cache={run.parent}", f"train.devices={options.devices}")
    sets = [part for setting in settings for part in ("--set", setting)]
    return ["ttsd", "train", str(options.corpus), str(run), *sets]


def hashes(run: Path) -> dict[str, str]:
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and "tensorboard" not in path.parts]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=ROOT / "datasets/demo/curated")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--devices", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun_s = time.monotonic()
        subprocess.run(command(options, folder / "whole"), check=True, capture_output=True)
        whole_s = time.monotonic() - begun_s
        print(f"undisturbed, {whole_s:.0f} s", flush=True)
        kills = 0
        while True:
            going = subprocess.Popen(
                command(options, folder / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            # Most of a start is over after a tenth of the whole.
            wait_s = rng.uniform(0.1, 0.25) * whole_s
            try:
                code = going.wait(wait_s if kills < options.kills else None)
            except subprocess.TimeoutExpired:
                going.send_signal(signal.SIGKILL)
                going.wait()
                kills += 1
                print(f"kill {kills} after {wait_s:.0f} s", flush=True)
                continue
            if code:
                raise SystemExit(f"the command ended with {code}")
            break
        one, other = hashes(folder / "whole"), hashes(folder / "killed")
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    print(f"{kills} kills, {len(one)} files, {len(differing)} differ: {', '.join(differing) or 'none'}")
    raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
