"""Export: a student becomes an ONNX file that `ttsd synth` or other programs speak with."""

import functools
import itertools
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ttsd import __version__
from ttsd.config import Config
from ttsd.data.onnx_voice import FORMAT, FORMAT_VERSION, OnnxVoice, card_path, draw_noise, load_voice, run_voice
from ttsd.data.piper_form import describe_for_piper, describe_for_sherpa, list_tokens, write_piper_form
from ttsd.errors import CheckpointError, ConfigError, StageError
from ttsd.report import (
    REPORT_NAME,
    Fingerprint,
    Progress,
    StageReport,
    as_stage,
    begin_stage,
    fingerprint,
    finish_stage,
    load_report,
    no_progress,
)
from ttsd.utils.extras import require
from ttsd.utils.files import atomic_path, sha256_file, sha256_json, write_json, write_text
from ttsd.utils.parallel import clear_partial

if TYPE_CHECKING:
    from ttsd.training.checkpoint import Student

NAME = "export"
TOKENS_NAME = "tokens.txt"
MAX_DIFFERENCE = 1e-3
"""Largest difference of a sample between the graph and the student."""
_SENTENCES = (
    "The old maps show a river that runs to the sea.",
    "Her theory was rejected for thirty years.",
    "Rain falls.",
)
_EVALUATION = "evaluation"


@as_stage("*.onnx", "*.json", TOKENS_NAME)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Write a student as an ONNX file.

    The format `onnx`, for `ttsd synth`, is `<name>.onnx` and its card `<name>.json`. The format `piper`, for Piper's
    runtimes, is `<name>.onnx` and `<name>.onnx.json`, and `tokens.txt` for sherpa-onnx.

    Args:
        in_dir: The student's checkpoint, a file; the voice has the name of its folder. Or a voice of the format `onnx`,
            which can be given the other one.
        out_dir: Where the voice goes.
        config: Reads `export`.
        progress: Told when the graph is written and when it has spoken.

    Raises:
        CheckpointError: The checkpoint is missing or not one of ours.
        StageError: `out_dir` holds something else, or the graph does not speak as the student does.
    """
    if not in_dir.is_file():
        raise CheckpointError(f"{in_dir}: no such checkpoint; give a .ckpt file that `ttsd train` wrote")
    form, half = config.export.format, config.export.half_weights
    if in_dir.suffix == ".onnx":
        return _rewrite(in_dir, out_dir, config, progress)
    require("train", "TTS")
    from ttsd.training.checkpoint import load_student

    settings = {"export": config.export.model_dump(mode="json")}
    sha256 = sha256_file(in_dir)
    metrics = _find_metrics(in_dir.parent / _EVALUATION, sha256)
    mark = fingerprint(NAME, settings, {"checkpoint": sha256, "metrics": sha256_json(metrics)})
    load = functools.cache(functools.partial(load_student, in_dir))
    done = begin_stage(NAME, in_dir, out_dir, mark, reads=(in_dir,), check=load)
    if done is not None:
        return done
    from ttsd.model.onnx_graph import write_graph

    student = load()
    told = {"checkpoint_sha256": sha256, "licence": config.export.licence, "metrics": metrics}
    card = _describe(student) | told
    path = out_dir / f"{in_dir.resolve().parent.name}.onnx"
    with atomic_path(path) as temporary:
        scale, metadata = student.duration_scale, describe_for_sherpa(card) if form == "piper" else {}
        write_graph(student.voice, temporary, form, duration_scale=scale, metadata=metadata, half_weights=half)
        progress(1, 2, "export")
        difference = None if half else _compare(temporary, student, form)
    if form == "piper":
        _write_beside(path, card)
    else:
        write_json(card_path(path), card | {"onnx_sha256": sha256_file(path)})
    progress(2, 2, "export")
    clear_partial(out_dir)
    return _finish(out_dir, config, mark, path, student.n_parameters, difference)


def _finish(
    out_dir: Path, config: Config, mark: Fingerprint, path: Path, n_parameters: int, difference: float | None
) -> StageReport:
    details = {
        "voice": path.name,
        "format": config.export.format,
        "parameters": n_parameters,
        "bytes": path.stat().st_size,
        "largest_difference": difference,
    }
    settings = {"export": config.export.model_dump(mode="json")}
    report = StageReport(
        stage=NAME, fingerprint=mark, n_in=1, n_out=1, seed=config.seed, config=settings, details=details
    )
    return finish_stage(out_dir, report)


def _write_beside(path: Path, card: dict[str, Any]) -> None:
    """Write what Piper's runtimes and sherpa-onnx read beside a voice."""
    write_text(path.with_name(TOKENS_NAME), list_tokens(card))
    write_json(path.with_name(f"{path.name}.json"), describe_for_piper(card))


def _rewrite(in_dir: Path, out_dir: Path, config: Config, progress: Progress) -> StageReport:
    """Give a voice that is exported already Piper's form.

    Raises:
        CheckpointError: It is missing, damaged, or no voice of ours.
        ConfigError: It is to have another form, other weights or another licence.
        StageError: `out_dir` holds something else, or the graph does not speak as the voice does.
    """
    if config.export.format != "piper" or config.export.half_weights:
        raise ConfigError(
            f"{in_dir}: exported already, and all it can be given is Piper's form, with the weights it has; say "
            "--format piper alone, or name the .ckpt file that it was made of"
        )
    voice = load_voice(in_dir)
    settings = {"export": config.export.model_dump(mode="json")}
    mark = fingerprint(NAME, settings, {"voice": sha256_file(in_dir), "card": sha256_file(card_path(in_dir))})
    done = begin_stage(NAME, in_dir, out_dir, mark, reads=(in_dir,))
    if done is not None:
        return done
    path = out_dir / in_dir.name
    with atomic_path(path) as temporary:
        write_piper_form(voice, temporary)
        progress(1, 2, "export")
        difference = _compare_forms(temporary, voice)
    _write_beside(path, voice.card)
    progress(2, 2, "export")
    clear_partial(out_dir)
    return _finish(out_dir, config, mark, path, voice.n_parameters, difference)


def _describe(student: "Student") -> dict[str, Any]:
    from ttsd.model.compact import CompactVoice
    from ttsd.model.source_filter_decoder import SourceFilterDecoder

    audio, synth, teacher = student.config.audio, student.config.synth, student.config.teacher
    # Others learnt from clips, whose speaker is not known here.
    is_compact = isinstance(student.voice, CompactVoice)
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "ttsd": __version__,
        "preset": student.config.model.preset,
        "teacher": (teacher.ckpt.name if teacher.ckpt else teacher.voice) if is_compact else None,
        "n_parameters": student.n_parameters,
        "text": "numbers and abbreviations written out by ttsd, phonemes by espeak-ng",
        "language": student.config.language,
        "scripts": list(student.config.generate.verbatim.scripts),
        "symbols": {"ids": dict(student.symbols.ids), "n_symbols": student.symbols.n_symbols},
        "sample_rate": audio.sample_rate,
        "hop_length": audio.hop_length,
        "noise_scale": synth.noise_scale,
        "noise_scale_duration": synth.noise_scale_duration,
        # A compact voice's latents have none; a decoder's sources may.
        "reads_noise": not is_compact or isinstance(student.voice.waveform_decoder, SourceFilterDecoder),
    }


def _find_metrics(folder: Path, sha256: str) -> dict[str, Any]:
    """Return the figures of the evaluation in a folder, where it was the checkpoint of this hash that was evaluated.

    Raises:
        StageError: There is a report, and it is damaged.
    """
    details = load_report(folder).details if (folder / REPORT_NAME).is_file() else {}
    names = [one["name"] for one in details.get("systems", []) if one["sha256"] == sha256]
    if not names:
        return {}
    metrics: dict[str, Any] = {"n_sentences": len(details["utterances"])}
    for key, metric in details["metrics"].items():
        own = metric["systems"][names[0]]
        # The 95 % interval of the difference as well: a figure by itself proves nothing.
        metrics[key] = {"voice": own["value"], "teacher": metric["teacher"], "lo": own["lo"], "hi": own["hi"]}
    return metrics


def _compare(path: Path, student: "Student", form: str) -> float | None:
    """Return the largest difference of a sample, with noise and without; none where both draw noise of their own.

    Of a voice with pulses the median of some sentences counts: a pitch on the edge between two steps may fall to the
    other side, and moves the pulses that follow.

    Raises:
        StageError: It is too large, or the speech is of another length.
    """
    import torch

    from ttsd.model.draws import DrawFrom
    from ttsd.model.source_filter_decoder import SourceFilterDecoder

    synth = student.config.synth
    has_pulses = isinstance(student.voice.waveform_decoder, SourceFilterDecoder)
    session = require("local", "onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    scales = [(0.0, 1.0, 0.0), (synth.noise_scale, 1.0, synth.noise_scale_duration)]
    differences = []
    # In Piper's form noise is another one in every call.
    for sentence, (noise_scale, length_scale, noise_scale_duration) in itertools.product(
        _SENTENCES, scales[:1] if form == "piper" else scales
    ):
        ids = student.encode(sentence)
        noise = draw_noise(len(ids))
        with DrawFrom(torch.from_numpy(noise)):
            spoken = student.voice.synthesize(
                torch.tensor(ids),
                noise_scale=noise_scale,
                noise_scale_duration=noise_scale_duration,
                length_scale=length_scale * student.duration_scale,
            )
        own, told = spoken.wav.numpy().clip(-1, 1), (noise_scale, length_scale, noise_scale_duration)
        wav = run_voice(session, ids, told, noise) if form == "onnx" else _run_piper(session, ids, told)
        if wav.shape != own.shape:
            raise StageError(f"{student.path}: its graph speaks {wav.size} samples where the student speaks {own.size}")
        differences.append(float(np.abs(wav - own).max()))
    if form == "piper" and has_pulses:
        return None
    difference = statistics.median_low(differences) if has_pulses else max(differences)
    if difference > MAX_DIFFERENCE:
        raise StageError(f"{student.path}: its graph is {difference:.1g} away from the student; report this")
    return difference


def _compare_forms(path: Path, voice: OnnxVoice) -> float | None:
    """Return the largest difference of a sample between a voice and its Piper form; none where both draw noise.

    Raises:
        StageError: It is too large, or the speech is of another length.
    """
    session = require("local", "onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    differences = []
    for sentence in _SENTENCES:
        ids = voice.encode(sentence)
        own = run_voice(voice.session, ids, (0.0, 1.0, 0.0), draw_noise(0))
        wav = _run_piper(session, ids, (0.0, 1.0, 0.0))
        if wav.shape != own.shape:
            raise StageError(f"{voice.path}: its Piper form speaks {wav.size} samples for {own.size}; report this")
        differences.append(float(np.abs(wav - own).max()))
    if voice.reads_noise:
        return None
    if max(differences) > MAX_DIFFERENCE:
        raise StageError(f"{voice.path}: its Piper form is {max(differences):.1g} away from it; report this")
    return max(differences)


def _run_piper(session: Any, symbol_ids: list[int], scales: tuple[float, float, float]) -> NDArray[np.float32]:
    feed = {
        "input": np.array([symbol_ids], dtype=np.int64),
        "input_lengths": np.array([len(symbol_ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    wav: NDArray[np.float32] = session.run(None, feed)[0].reshape(-1)
    return wav.clip(-1, 1)
