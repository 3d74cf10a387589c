"""How fast the student speaks in PyTorch, against onnxruntime with the very same weights, on one thread.

python benchmarks/synthesis_speed.py
"""

import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch

from ttsd.config import Config
from ttsd.data.phonemes import phonemize
from ttsd.data.piper_voice import piper_voice_path
from ttsd.training.start import load_start

SENTENCES = (
    "Photosynthesis converts light energy.",
    "The cell membrane is only a few nanometres thick, yet it decides what enters and what leaves.",
    "In July, the crowd marched to the old fortress; by evening, it had fallen.",
    "Her theory was rejected for thirty years.",
    "The server answers with a status code, a set of headers and, usually, a body.",
)
N_ROUNDS = 5


def time_s(speak: Callable[[list[int]], int], ids: list[list[int]]) -> float:
    """Return seconds of work for a second of speech, after one round to warm up."""
    for symbol_ids in ids:
        speak(symbol_ids)
    start_s = time.perf_counter()
    n_samples = sum(speak(symbol_ids) for _ in range(N_ROUNDS) for symbol_ids in ids)
    return (time.perf_counter() - start_s) / (n_samples / 22050)


def main() -> None:
    torch.set_num_threads(1)
    start = load_start(Config())
    voice = start.voice
    assert voice is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(piper_voice_path("joe"), options)
    scales = np.array([0.0, 1.0, 0.0], dtype=np.float32)

    def speak_onnx(ids: list[int]) -> int:
        feed = {"input": np.array([ids]), "input_lengths": np.array([len(ids)]), "scales": scales}
        return int(session.run(None, feed)[0].size)

    def speak_torch(ids: list[int]) -> int:
        spoken = voice.synthesize(torch.tensor(ids), noise_scale=0.0, noise_scale_duration=0.0, length_scale=1.0)
        return spoken.wav.numel()

    ids = [start.symbols.encode(phonemize(sentence)) for sentence in SENTENCES]
    onnx_rtf, torch_rtf = time_s(speak_onnx, ids), time_s(speak_torch, ids)
    print(f"onnxruntime        {onnx_rtf:.3f} x real time, 1 thread")
    print(f"PyTorch (student)  {torch_rtf:.3f} x real time, 1 thread")
    print(f"ratio              {torch_rtf / onnx_rtf:.2f}")


if __name__ == "__main__":
    main()
