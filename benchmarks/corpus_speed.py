"""A corpus of lines by `synth`, against a loop of single calls in one process; the same audio.

python benchmarks/corpus_speed.py VOICE [--lines 1000] [--workers 0]

VOICE is an exported .onnx or a checkpoint. The loop loads it once and speaks on one thread, as every worker does.
"""

import argparse
import tempfile
import time
from pathlib import Path

from synthesis_speed import SENTENCES

from ttsd.config import Config
from ttsd.data.audio import write_wav
from ttsd.data.corpus import WAVS_NAME
from ttsd.stages import synth
from ttsd.training.speakers import load_speaker
from ttsd.utils.parallel import count_workers
from ttsd.utils.seeds import derive_seed


def loop(lines: list[str], voice_path: Path, folder: Path, config: Config) -> float:
    """Speak line after line, and return the seconds it took."""
    start_s = time.perf_counter()
    voice = load_speaker(voice_path)
    for number, line in enumerate(lines, start=1):
        seed = derive_seed(config.seed, "synth", f"{number:04d}", 0)
        write_wav(folder / f"{number:04d}.wav", voice.speak(line, seed=seed), voice.sample_rate)
    return time.perf_counter() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    config = Config.model_validate({"synth": {"ckpt": options.voice}, "n_workers": options.workers})
    lines = [SENTENCES[i % len(SENTENCES)] for i in range(options.lines)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lines.txt").write_text("\n".join(lines))
        (folder / "loop").mkdir()
        start_s = time.perf_counter()
        synth.run(folder / "lines.txt", folder / "corpus", config)
        corpus_s = time.perf_counter() - start_s
        loop_s = loop(lines, options.voice, folder / "loop", config)
        others = sum(
            path.read_bytes() != (folder / "corpus" / WAVS_NAME / path.name).read_bytes()
            for path in (folder / "loop").iterdir()
        )
    print(f"a loop of {len(lines)} calls            {loop_s:.1f} s")
    print(f"ttsd synth, {count_workers(options.workers)} processes        {corpus_s:.1f} s")
    print(f"ratio                           {loop_s / corpus_s:.2f}")
    print(f"clips that differ               {others}")


if __name__ == "__main__":
    main()
