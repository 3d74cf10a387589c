"""Clips heard in shared windows against one call of faster-whisper's `transcribe` a clip: time, and what is understood.

python benchmarks/asr_speed.py [--clips 128] [--teacher pico]

Both hear the same clips with the same model, beam and thread, in one process, and both tell the time of every word. One
line more shows `transcribe` without word times, which costs less.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ttsd.config import AsrConfig, load_config
from ttsd.data.audio import read_wav, resample
from ttsd.data.corpus import read_corpus
from ttsd.metrics.intelligibility import char_errors, normalize_english, sum_edits
from ttsd.metrics.listening import Listener
from ttsd.stages import generate, preprocess

ROOT = Path(__file__).resolve().parents[1]
GROUP = 32
Wav = NDArray[np.float32]


def speak(root: Path, teacher: str, n_clips: int) -> tuple[list[str], list[Wav]]:
    config = load_config(None, [f"generate.teacher={teacher}", f"generate.max_utterances={n_clips}"])
    generate.run(ROOT / "examples/study_guides", root / "raw", config)
    preprocess.run(root / "raw", root / "processed", config)
    corpus = read_corpus(root / "processed")
    wavs = [resample(*read_wav(corpus.clip_path(utterance)), 16000) for utterance in corpus.utterances]
    return [utterance.spoken for utterance in corpus.utterances], wavs


def timed(hear: Callable[[], list[str]], texts: list[str], name: str) -> tuple[float, float]:
    start = time.perf_counter()
    heard = hear()
    seconds = time.perf_counter() - start
    pairs = zip(texts, heard, strict=True)
    rate = sum_edits([char_errors(normalize_english(text), normalize_english(got)) for text, got in pairs]).rate
    print(f"{name:34} {1000 * seconds / len(texts):6.0f} ms a clip   CER {100 * rate:.2f} %", flush=True)
    return seconds, rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--teacher", choices=("pico", "piper"), default="pico")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        texts, wavs = speak(Path(folder), options.teacher, options.clips)
    listener = Listener(AsrConfig())

    def one_by_one(*, word_timestamps: bool) -> list[str]:
        heard = []
        for wav in wavs:
            segments, _ = listener.recognizer.model.transcribe(
                wav,
                language="en",
                beam_size=AsrConfig().beam_size,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                word_timestamps=word_timestamps,
            )
            heard.append(" ".join(segment.text for segment in segments))
        return heard

    def together() -> list[str]:
        groups = (wavs[start : start + GROUP] for start in range(0, len(wavs), GROUP))
        return [heard.text for group in groups for heard in listener.hear(group)]

    one_s, one_rate = timed(lambda: one_by_one(word_timestamps=True), texts, "transcribe, a call a clip")
    plain_s, _ = timed(lambda: one_by_one(word_timestamps=False), texts, "the same without word times")
    all_s, all_rate = timed(together, texts, "shared windows")
    print(f"one call a clip / shared windows: {one_s / all_s:.2f} (bar 3.0), without word times {plain_s / all_s:.2f}")
    print(f"CER {100 * (all_rate - one_rate):+.2f} points (bar +0.30)")


if __name__ == "__main__":
    main()
