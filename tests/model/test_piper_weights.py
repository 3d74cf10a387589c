"""A Piper voice's weights in the student: the same waveform as the voice's own runtime."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ttsd.config import Config, ModelConfig
from ttsd.data.phonemes import phonemize
from ttsd.data.piper_voice import piper_voice_path, read_piper_config
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError
from ttsd.model.piper_weights import load_weights, read_piper_weights
from ttsd.model.vits import Vits, build_vits

SENTENCES = (
    "Photosynthesis converts light energy.",
    "What happens to the oxygen?",
    "The cell membrane is only a few nanometres thick, yet it decides what enters and what leaves.",
    "Yes.",
    "Voltage, current and resistance are bound together by one simple law.",
    "In July, the crowd marched to the old fortress; by evening, it had fallen.",
    "A rising fifth sounds open and strong.",
    "Never mix the two solutions!",
    "The server answers with a status code, a set of headers and, usually, a body.",
    "Her theory was rejected for thirty years.",
    "Which plate moves faster?",
    "Bubble sort compares neighbours and swaps them when they are out of order.",
    "Vitamins are needed in tiny amounts.",
    "The median is the value in the middle.",
    "Mountains grow where continents collide.",
    "Bread, rice and potatoes are rich in starch.",
    "He asked, quietly, whether the data were independent.",
    "Through thick and thin, the rhythm carried them along.",
    "Zero is an even number.",
    "Judge the measure by its usual pleasure, not by a vague azure vision.",
)


@pytest.fixture(scope="module")
def joe() -> tuple[Vits, SymbolTable, Path]:
    path = piper_voice_path("joe")
    symbols = SymbolTable.from_piper_config(read_piper_config(path))
    weights = read_piper_weights(path)
    student = build_vits(
        ModelConfig(duration_predictor="stochastic"), Config().audio, len(weights["text_encoder.emb.weight"])
    )
    load_weights(student, weights, str(path))
    return student.eval(), symbols, path


def test_the_student_speaks_as_the_onnx_voice_does(joe: tuple[Vits, SymbolTable, Path]) -> None:
    import onnxruntime

    student, symbols, path = joe
    session = onnxruntime.InferenceSession(path)
    for sentence in SENTENCES:
        ids = symbols.encode(phonemize(sentence))
        feed = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([0.0, 1.0, 0.0], dtype=np.float32),
        }
        expected = session.run(None, feed)[0].squeeze()
        spoken = student.synthesize(torch.tensor(ids), noise_scale=0.0, noise_scale_duration=0.0, length_scale=1.0)
        assert spoken.wav.shape == expected.shape, sentence
        assert np.abs(spoken.wav.numpy() - expected).max() <= 1e-3, sentence
        assert int(spoken.durations.sum()) == spoken.z.shape[1] == len(expected) // 256


def test_every_weight_of_joe_but_the_durations_finds_its_place() -> None:
    path = piper_voice_path("joe")
    weights = read_piper_weights(path)
    student = build_vits(ModelConfig(), Config().audio, 256)
    parts = {part.part: part for part in load_weights(student, weights, str(path))}
    shared = ("text_encoder", "flow", "waveform_decoder")
    assert sum(parts[name].n_loaded for name in shared) == 236
    assert all(parts[name].n_new == parts[name].n_skipped == 0 for name in shared)
    assert parts["duration_predictor"].n_loaded == 0
    assert parts["duration_predictor"].n_skipped > 0
    assert parts["posterior_encoder"].n_new > 0


def test_a_voice_of_another_geometry_is_refused() -> None:
    path = piper_voice_path("joe")
    student = build_vits(ModelConfig(preset="high"), Config().audio, 256)
    with pytest.raises(CheckpointError, match=r"model\.preset"):
        load_weights(student, read_piper_weights(path), str(path))


def test_files_that_are_no_piper_voice_are_refused(tmp_path: Path) -> None:
    other = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match="not of a Piper voice"):
        read_piper_weights(tmp_path / "other.onnx")
    (tmp_path / "text.onnx").write_text("this is no graph")
    with pytest.raises(CheckpointError, match="not an ONNX file"):
        read_piper_weights(tmp_path / "text.onnx")
    with pytest.raises(CheckpointError, match="no such voice"):
        read_piper_weights(tmp_path / "missing.onnx")
