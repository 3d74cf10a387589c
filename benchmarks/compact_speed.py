"""Exported voices against the Piper runtime: the same sentences, one thread each, one run.

python benchmarks/compact_speed.py [VOICE.onnx ...]

Without a voice, the three compact sizes as they are before training: the arithmetic does not depend on the weights'
values, and their durations are set to those of speech. Times begin with the text and end with the samples.
"""

import argparse
import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import piper
import torch
from synthesis_speed import N_ROUNDS, SENTENCES

from ttsd.config import Config, ModelConfig
from ttsd.data.onnx_voice import load_voice
from ttsd.data.piper_voice import piper_voice_path
from ttsd.data.symbols import SymbolTable
from ttsd.model.compact import GEOMETRIES, CompactVoice
from ttsd.stages import export
from ttsd.stages.synth import speak_sentences
from ttsd.training.checkpoint import save_checkpoint

LONG_TEXT = " ".join(SENTENCES * 6)
PIPER_PARAMETERS = 15_650_475
"""Weights in the graph of the packaged voice."""
_LOG_FRAMES = 1.45
"""A symbol's frames before training: with the pads between them, those of joe."""
_PIPER = "piper"
_MEMORY = """
import sys
from pathlib import Path
from ttsd.data.onnx_voice import load_voice
if sys.argv[1] == "piper":
    import piper
    list(piper.PiperVoice.load(sys.argv[2]).synthesize(sys.argv[3]))
else:
    load_voice(Path(sys.argv[2])).speak(sys.argv[3], seed=0)
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def write_untrained(folder: Path) -> list[Path]:
    """Export the three sizes."""
    paths = []
    for preset, geometry in GEOMETRIES.items():
        config = Config(model=ModelConfig(preset=preset, decoder="spectral"))
        torch.manual_seed(0)
        symbols = SymbolTable.default()
        voice = CompactVoice(geometry, config.audio, symbols.n_symbols, config.model.decoder)
        with torch.no_grad():
            voice.front_end.duration_predictor.proj.weight.zero_()
            voice.front_end.duration_predictor.proj.bias.fill_(_LOG_FRAMES)
        save_checkpoint(folder / preset / "best.ckpt", config, symbols, voice.state_dict())
        export.run(folder / preset / "best.ckpt", folder / preset / "export", config)
        paths.append(folder / preset / "export" / f"{preset}.onnx")
    return paths


def load_piper(path: Path) -> piper.PiperVoice:
    """Load the teacher on one thread."""
    voice = piper.PiperVoice.load(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    voice.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return voice


def speak_as_piper(voice: piper.PiperVoice, text: str) -> np.ndarray:
    """Return all that the Piper runtime says for a text."""
    return np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text)])


def measure_rtf(voices: Mapping[str, tuple[Callable[[str], np.ndarray], int]]) -> dict[str, float]:
    """Return seconds of work for a second of speech by each of some voices, after one round to warm up.

    They take turns, so that what else the machine does meets them all; the best of some rounds counts.

    Args:
        voices: What speaks, and its sample rate.
    """
    took: dict[str, list[float]] = {name: [] for name in voices}
    for _ in range(N_ROUNDS + 1):
        for name, (speak, sample_rate) in voices.items():
            start_s = time.perf_counter()
            n_samples = sum(speak(sentence).size for sentence in SENTENCES)
            took[name].append((time.perf_counter() - start_s) / (n_samples / sample_rate))
    return {name: min(times[1:]) for name, times in took.items()}


def measure_first_s(chunks: Callable[[], Iterator[Any]]) -> float:
    """Return the seconds until the first sentence of a long text is there; the best of some rounds."""
    took = []
    for _ in range(N_ROUNDS + 1):
        start_s = time.perf_counter()
        next(chunks())
        took.append(time.perf_counter() - start_s)
    return min(took[1:])


def measure_memory_mb(kind: str, path: Path) -> float:
    """Return the most memory of a process that loads a voice and says a sentence."""
    command = [sys.executable, "-c", _MEMORY, kind, str(path), SENTENCES[1]]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="*", type=Path)
    given = parser.parse_args().voices
    with tempfile.TemporaryDirectory() as folder:
        voices = given or write_untrained(Path(folder))
        path = piper_voice_path("joe")
        teacher = load_piper(path)
        speakers = {_PIPER: (functools.partial(speak_as_piper, teacher), teacher.config.sample_rate)}
        first_s = {_PIPER: measure_first_s(lambda: iter(teacher.synthesize(LONG_TEXT)))}
        memory_mb = {_PIPER: measure_memory_mb(_PIPER, path)}
        size_mb = {_PIPER: path.stat().st_size / 1e6}
        n_parameters = {_PIPER: PIPER_PARAMETERS}
        for one in voices:
            voice, name = load_voice(one), one.stem
            config = Config.model_validate({"synth": {"ckpt": one}})
            speakers[name] = functools.partial(voice.speak, seed=0), voice.sample_rate
            first_s[name] = measure_first_s(lambda config=config: speak_sentences(LONG_TEXT, config))
            memory_mb[name] = measure_memory_mb("ours", one)
            size_mb[name] = one.stat().st_size / 1e6
            n_parameters[name] = voice.n_parameters
        rtf = measure_rtf(speakers)
    print(f"the first of {len(LONG_TEXT.split())} words; onnxruntime {onnxruntime.__version__}, one thread")
    print("| voice | parameters | MB | memory, MB | × real time | Piper's / it | first audio, ms | Piper's / it |")
    print("|---" * 8 + "|")
    for name, own in rtf.items():
        print(
            f"| {name} | {n_parameters[name] / 1e6:.1f} M | {size_mb[name]:.1f} | {memory_mb[name]:.0f} | {own:.4f} | "
            f"{rtf[_PIPER] / own:.1f} | {1000 * first_s[name]:.0f} | {first_s[_PIPER] / first_s[name]:.1f} |"
        )


if __name__ == "__main__":
    main()
