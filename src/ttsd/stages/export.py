"""Export: a student becomes files that other programs speak with."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ttsd.config import Config
from ttsd.data.phonemes import phonemize
from ttsd.errors import CheckpointError, StageError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, finish_stage, no_progress
from ttsd.utils.extras import require
from ttsd.utils.files import atomic_path, sha256_file, write_text
from ttsd.utils.parallel import clear_partial

if TYPE_CHECKING:
    from ttsd.training.checkpoint import Student

NAME = "export"
TOKENS_NAME = "tokens.txt"
MAX_DIFFERENCE = 1e-3
"""Largest difference of a sample between the graph and the student."""
_SENTENCE = "The old maps show a river that runs to the sea."


@as_stage("*.onnx", "*.onnx.json", TOKENS_NAME)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Write a student as a Piper voice: `<name>.onnx`, `<name>.onnx.json`, and `tokens.txt` for sherpa-onnx.

    Args:
        in_dir: The student's checkpoint, a file; the voice has the name of its folder.
        out_dir: Where the voice goes.
        config: Reads `export`.
        progress: Told when the graph is written and when it has spoken.

    Raises:
        CheckpointError: The checkpoint is missing or not one of ours.
        StageError: `out_dir` holds something else, or the graph does not speak as the student does.
    """
    require("train", "TTS")
    from ttsd.training.checkpoint import load_student

    if not in_dir.is_file():
        raise CheckpointError(f"{in_dir}: no such checkpoint; give a .ckpt file that `ttsd train` wrote")
    settings = {"export": config.export.model_dump(mode="json")}
    sha256 = sha256_file(in_dir)
    mark = fingerprint(NAME, settings, {"checkpoint": sha256})
    load = functools.cache(functools.partial(load_student, in_dir))
    done = begin_stage(NAME, in_dir, out_dir, mark, reads=(in_dir,), check=load)
    if done is not None:
        return done
    from ttsd.model.onnx_graph import write_graph

    student = load()
    path = out_dir / f"{in_dir.resolve().parent.name}.onnx"
    with atomic_path(path) as temporary:
        write_graph(
            student.voice,
            temporary,
            duration_scale=student.duration_scale,
            metadata=_describe_for_sherpa(student),
            half_weights=config.export.half_weights,
        )
        progress(1, 2, "export")
        difference = None if config.export.half_weights else _compare(temporary, student)
    ids = student.symbols.ids
    write_text(out_dir / TOKENS_NAME, "".join(f"{symbol} {number}\n" for symbol, number in ids.items()))
    card = _describe_for_piper(student) | {"ttsd": {"checkpoint_sha256": sha256}}
    write_text(path.with_name(f"{path.name}.json"), json.dumps(card, ensure_ascii=False, indent=1) + "\n")
    progress(2, 2, "export")
    clear_partial(out_dir)
    return finish_stage(
        out_dir,
        StageReport(
            stage=NAME,
            fingerprint=mark,
            n_in=1,
            n_out=1,
            seed=config.seed,
            config=settings,
            details={
                "voice": path.name,
                "parameters": student.n_parameters,
                "bytes": path.stat().st_size,
                "largest_difference": difference,
            },
        ),
    )


def _describe_for_piper(student: "Student") -> dict[str, Any]:
    audio, synth = student.config.audio, student.config.synth
    return {
        "audio": {"sample_rate": audio.sample_rate, "quality": student.config.model.preset},
        "espeak": {"voice": student.config.language},
        "phoneme_type": "espeak",
        "num_symbols": student.symbols.n_symbols,
        "num_speakers": 1,
        "speaker_id_map": {},
        "hop_length": audio.hop_length,
        "inference": {
            "noise_scale": synth.noise_scale,
            "length_scale": 1.0,
            "noise_w": synth.noise_scale_duration,
        },
        "phoneme_id_map": {symbol: [number] for symbol, number in student.symbols.ids.items()},
    }


def _describe_for_sherpa(student: "Student") -> dict[str, str]:
    language = student.config.language
    return {
        "model_type": "vits",
        "comment": "piper",
        "language": language,
        "voice": language,
        "has_espeak": "1",
        "n_speakers": "1",
        "sample_rate": str(student.sample_rate),
    }


def _compare(path: Path, student: "Student") -> float | None:
    """Return the largest difference of a sample, or none where the decoder draws noise whatever the scales are.

    Raises:
        StageError: It is too large, or the speech is of another length.
    """
    import torch

    from ttsd.model.source_filter_decoder import SourceFilterDecoder

    onnxruntime = require("local", "onnxruntime")
    ids = student.symbols.encode(phonemize(_SENTENCE, student.config.language))
    feed = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array([0, 1, 0], dtype=np.float32),
    }
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wav = session.run(None, feed)[0].reshape(-1)
    silent = {"noise_scale": 0.0, "noise_scale_duration": 0.0, "length_scale": student.duration_scale}
    own = student.voice.synthesize(torch.tensor(ids), **silent).wav.numpy()
    if wav.shape != own.shape:
        raise StageError(f"{student.path}: its graph speaks {wav.size} samples where the student speaks {own.size}")
    if isinstance(student.voice.waveform_decoder, SourceFilterDecoder):
        return None
    difference = float(np.abs(wav - own).max())
    if difference > MAX_DIFFERENCE:
        raise StageError(f"{student.path}: its graph is {difference:.1g} away from the student; report this")
    return difference
