"""A student as an ONNX graph, with the interface of Piper's voices or with ours.

Piper's takes `input`, symbol ids int64 [B, n_symbols]; `input_lengths`, int64 [B]; `scales`, float32 [3]: noise of the
latents, stretch of the durations, noise of the durations; and gives `output`, float32 [B, 1, 1, n_samples]. Its noise
is drawn in the graph, another one in every call.

Ours takes `symbol_ids`, int64 [n_symbols]; the same `scales`; and `noise`, standard normal float32 [n_noise], which
everything random is read from; and gives `wav`, float32 [n_samples]. The same input gives the same speech.
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
from ttsd.model.convnext import ConvNeXtBlock
from ttsd.model.draws import DrawFrom
from ttsd.model.real_decoder import in_real_arithmetic
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
        # One text at a time; what a runtime has padded it with is not spoken.
        wav, _, _ = self.voice(symbol_ids[:, : lengths[0]], scales[1] * self.duration_scale)
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


class _OwnInterface(nn.Module):
    def __init__(self, speak: nn.Module) -> None:
        super().__init__()
        self.speak = speak

    def forward(self, symbol_ids: Tensor, scales: Tensor, noise: Tensor) -> Tensor:
        # Counted by torch, for the graph to count as well.
        n_symbols = torch.ones_like(symbol_ids).sum().reshape(1)
        with DrawFrom(noise):
            wav: Tensor = self.speak(symbol_ids.unsqueeze(0), n_symbols, scales)
        # An input that is not read, as by a voice without noise, would vanish from the graph.
        return wav.reshape(-1) + 0 * noise[:1]


_EXAMPLE = torch.ones(_N_SYMBOLS, dtype=torch.long)
_SCALES = torch.tensor([0.0, 1.0, 0.0])
_INTERFACES: dict[str, dict[str, Any]] = {
    "piper": {
        "args": (_EXAMPLE.unsqueeze(0), torch.tensor([_N_SYMBOLS]), _SCALES),
        "input_names": ["input", "input_lengths", "scales"],
        "output_names": ["output"],
        "dynamic_axes": {
            "input": {0: "batch_size", 1: "phonemes"}, "input_lengths": {0: "batch_size"},
            "output": {0: "batch_size", 3: "time"},
        },
    },
    "onnx": {
        "args": (_EXAMPLE, _SCALES, torch.zeros(100)),
        "input_names": ["symbol_ids", "scales", "noise"],
        "output_names": ["wav"],
        "dynamic_axes": {"symbol_ids": {0: "n_symbols"}, "noise": {0: "n_noise"}, "wav": {0: "n_samples"}},
    },
}  # fmt: skip


def write_graph(
    voice: Vits | CompactVoice,
    path: Path,
    interface: str,
    *,
    duration_scale: float,
    metadata: Mapping[str, str],
    half_weights: bool = False,
) -> None:
    """Write a student as an ONNX file; the same student gives the same bytes.

    Args:
        voice: The student, its weight normalisation multiplied out; left as it is.
        path: The file.
        interface: `piper` or `onnx`, which is ours.
        duration_scale: Stretch that the graph puts on all durations.
        metadata: Kept in the file, for runtimes that look there.
        half_weights: Keep the weights in 16 bits.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx = require("local", "onnx")
    voice = copy.deepcopy(voice)
    for part in voice.modules():
        if isinstance(part, ConvNeXtBlock):
            part.fold_scale()
    voice.waveform_decoder = in_real_arithmetic(voice.waveform_decoder)
    graph: nn.Module = (
        _CompactInterface(voice, duration_scale)
        if isinstance(voice, CompactVoice)
        else _PiperInterface(voice, duration_scale)
    )
    if interface == "onnx":
        graph = _OwnInterface(graph)
    # As a whole: the exporter puts the mode of the outermost module on everything below.
    graph.eval()
    with torch.no_grad(), warnings.catch_warnings():
        # It warns of every shape that it takes for a constant; parity at other lengths is what counts, and tested.
        warnings.simplefilter("ignore")
        torch.onnx.export(graph, f=str(path), dynamo=False, opset_version=OPSET, **_INTERFACES[interface])
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
