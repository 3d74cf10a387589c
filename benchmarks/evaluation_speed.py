"""How long an evaluation takes, against its recogniser alone on the same clips.

python benchmarks/evaluation_speed.py [--sentences 200] [--workers 2]

Two systems (a local voice, and another reading of it) of so many sentences of the package: `ttsd evaluate` with
everything it measures by default, and the recogniser on all their clips in as many processes, one after the other. The
bar is twice the recogniser's own time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from ttsd.config import AsrConfig, Config, load_config
from ttsd.data.audio import read_wav
from ttsd.data.corpus import read_corpus
from ttsd.metrics.intelligibility import Recognizer
from ttsd.stages import evaluate, generate
from ttsd.utils.parallel import map_processes

SENTENCES = Path(generate.__file__).parents[1] / "transcripts/held_out"
_recognizer: Recognizer | None = None


def load() -> None:
    global _recognizer
    _recognizer = Recognizer(AsrConfig())


def hear(path: Path) -> str:
    assert _recognizer is not None
    return _recognizer.transcribe(*read_wav(path))


def speak(root: Path, settings: list[str]) -> tuple[Config, Config]:
    """Let the voice read the sentences twice."""
    configs = load_config(None, settings), load_config(None, [*settings, "generate.take=2"])
    for config, name in zip(configs, ("teacher", "student"), strict=True):
        generate.run(SENTENCES, root / name, config)
    return configs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = [
            f"n_workers={options.workers}",
            "evaluate.split=all",
            f"generate.max_utterances={options.sentences}",
            "generate.verbatim.min_chars=1",
            "generate.verbatim.max_chars=400",
            f"evaluate.ckpt={root / 'student'}",
        ]
        config, _ = speak(root, settings)
        begun_s = time.perf_counter()
        report = evaluate.run(root / "teacher", root / "evaluation", config)
        whole_s = time.perf_counter() - begun_s
        paths = [
            corpus.clip_path(utterance)
            for corpus in (read_corpus(root / name) for name in ("teacher", "student"))
            for utterance in corpus.utterances
        ]
        begun_s = time.perf_counter()
        map_processes(hear, [(str(path), path) for path in paths], options.workers, lambda *_: None, load, ())
        heard_s = time.perf_counter() - begun_s
    print(f"{report.n_out} sentences of two systems, {options.workers} processes")
    print(f"evaluation {whole_s:.0f} s, recogniser alone {heard_s:.0f} s: {whole_s / heard_s:.2f} times (bar 2)")


if __name__ == "__main__":
    main()
