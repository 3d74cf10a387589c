"""A student as an ONNX graph with the interface of Piper's voices.

Inputs: `input`, symbol ids int64 [B, n_symbols]; `input_lengths`, int64 [B]; `scales`, float32 [3]: noise of the
latents, stretch of the durations, noise of the durations. Output: `output`, float32 [B, 1, 1, n_samples].
"""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttsd.data.piper_voice import HALF
from ttsd.errors import CheckpointError
from ttsd.model.compact import CompactVoice
from ttsd.model.real_decoder import RealDecoder
from ttsd.model.source_filter_decoder import SourceFilterDecoder
from ttsd.model.vits import Vits
from ttsd.utils.extras import require

OPSET = 17
_LEAST_HALVED = 256
"""Smaller tensors are scales and shapes, not worth it."""
_N_SYMBOLS = 60
"""Of the example that the graph is traced with; it takes any number."""


class _CompactInterface(nn.Module):
    def __init__(self, voice: CompactVoice, duration_scale: float) -> None:
        super().__init__()
        self.voice = voice
        self.duration_scale = duration_scale

    def forward(self, symbol_ids: Tensor, lengths: Tensor, scales: Tensor) -> Tensor:
        # One text at a time, so its length is known; but an input that is not read would vanish from the graph.
        wav, _, _ = self.voice(symbol_ids, scales[1] * self.duration_scale + 0 * lengths.sum())
        return torch.as_tensor(wav).unsqueeze(1)


class _PiperInterface(nn.Module):
    def __init__(self, voice: Vits, duration_scale: float) -> None:
        super().__init__()
        self.voice = voice
        self.duration_scale = duration_scale

    def forward(self, symbol_ids: Tensor, lengths: Tensor, scales: Tensor) -> Tensor:
        voice: Any = self.voice
        voice.inference_noise_scale, voice.inference_noise_scale_dp = scales[0], scales[2]
        voice.length_scale = scales[1] * self.duration_scale
        given = dict.fromkeys(("d_vectors", "speaker_ids", "language_ids", "durations"))
        wav: Tensor = voice.inference(symbol_ids, aux_input=given | {"x_lengths": lengths})["model_outputs"]
        return wav.unsqueeze(1)


def write_graph(
    voice: Vits | CompactVoice,
    path: Path,
    *,
    duration_scale: float,
    metadata: Mapping[str, str],
    half_weights: bool = False,
) -> None:
    """Write a student as an ONNX file; the same student gives the same bytes.

    Args:
        voice: The student, its weight normalisation multiplied out; left as it is.
        path: The file.
        duration_scale: Stretch that the graph puts on all durations.
        metadata: Kept in the file, for runtimes that look there.
        half_weights: Keep the weights in 16 bits.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx = require("local", "onnx")
    voice = copy.deepcopy(voice)
    if isinstance(voice.waveform_decoder, SourceFilterDecoder):
        voice.waveform_decoder = RealDecoder(voice.waveform_decoder)
    graph: nn.Module = (
        _CompactInterface(voice, duration_scale)
        if isinstance(voice, CompactVoice)
        else _PiperInterface(voice, duration_scale)
    )
    # As a whole: the exporter puts the mode of the outermost module on everything below.
    graph.eval()
    example = torch.ones((1, _N_SYMBOLS), dtype=torch.long), torch.tensor([_N_SYMBOLS]), torch.tensor([0.0, 1.0, 0.0])
    with torch.no_grad(), warnings.catch_warnings():
        # It warns of every shape that it takes for a constant; parity at other lengths is what counts, and tested.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input", "input_lengths", "scales"],
            output_names=["output"],
            dynamic_axes={
                "input": {0: "batch_size", 1: "phonemes"}, "input_lengths": {0: "batch_size"},
                "output": {0: "batch_size", 3: "time"},
            },
        )  # fmt: skip
    model = onnx.load(path)
    if half_weights:
        _halve_weights(onnx, model.graph)
    onnx.helper.set_model_props(model, dict(metadata))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _halve_weights(onnx: Any, graph: Any) -> None:
    """Keep a graph's weights in 16 bits, each turned into 32 where it is read; runtimes do that once, when they load.

    Raises:
        CheckpointError: A weight is beyond the range of 16 bits.
    """
    casts = []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        if not np.isfinite(values.astype(np.float16)).all():
            raise CheckpointError(f"{weight.name}: too large for 16 bits; export with export.half_weights=false")
        name, half = weight.name, weight.name + HALF
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(onnx.helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
