"""The weights of a Piper voice, read from its ONNX graph under the names that coqui's `Vits` uses.

An exported graph keeps most weights under their module's name. The rest are folded (weight normalisation is multiplied
out, an embedding takes the name of another input, `exp(-log_scale)` becomes a constant): those are found by the node
that consumes them, because a node is named after its module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ttsd.errors import CheckpointError
from ttsd.model.vits import Vits
from ttsd.utils.extras import require

# Piper's module names and coqui's. Piper puts a flip between couplings and counts it; coqui counts couplings only.
_RENAMES = (
    ("enc_p.", "text_encoder."),
    ("dec.", "waveform_decoder."),
    ("flow.flows.2.", "flow.flows.1."),
    ("flow.flows.4.", "flow.flows.2."),
    ("flow.flows.6.", "flow.flows.3."),
    ("dp.flows.0.logs", "duration_predictor.flows.0.log_scale"),
    ("dp.flows.0.m", "duration_predictor.flows.0.translation"),
    ("dp.flows.3.", "duration_predictor.flows.2."),
    ("dp.flows.5.", "duration_predictor.flows.3."),
    ("dp.flows.7.", "duration_predictor.flows.4."),
    ("dp.", "duration_predictor."),
)
_SCOPES = ("enc_p.", "dec.", "flow.", "dp.")


@dataclass(frozen=True)
class LoadedPart:
    """What became of one part of the student when weights were loaded."""

    part: str
    n_loaded: int
    n_new: int
    """Tensors of the student that the source does not have."""
    n_skipped: int
    """Tensors of the source that the student has no place for."""
    why: str = ""


def read_piper_weights(path: Path) -> dict[str, Tensor]:
    """Read a Piper voice's weights.

    Args:
        path: The voice's `.onnx` file.

    Returns:
        float32 tensors by the name of coqui's `Vits`; 236 of them for a voice of medium quality.

    Raises:
        CheckpointError: The file is no ONNX graph, or not one of a single-speaker Piper voice.
    """
    graph = _load_graph(path)
    constants = dict(_iter_constants(graph))
    weights = {name: value for name, value in constants.items() if name.startswith(_SCOPES)}
    for node in graph.node:
        module = node.name.strip("/").replace("/", ".").rpartition(".")[0]
        if not f"{module}.".startswith(_SCOPES):
            continue
        if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in constants:
            weights.setdefault(f"{module}.weight", constants[node.input[1]])
        elif node.op_type == "Gather" and module.endswith(".emb") and node.input[0] in constants:
            weights.setdefault(f"{module}.weight", constants[node.input[0]])
        elif node.op_type == "Mul" and module == "dp.flows.0" and node.input[1] in constants:
            # The reverse pass multiplies by exp(-log_scale).
            scale = constants[node.input[1]]
            if scale.shape == constants["dp.flows.0.m"].shape:
                weights.setdefault("dp.flows.0.logs", -np.log(scale))
    if "enc_p.emb.weight" not in weights or "dec.conv_pre.weight" not in weights:
        raise CheckpointError(f"{path}: an ONNX file, but not of a Piper voice; give the .onnx of a Piper voice")
    if any("cond" in name for name in weights):
        raise CheckpointError(f"{path}: a voice of several speakers; ttsd starts from voices of one speaker")
    return {_rename(name): torch.from_numpy(np.array(value)) for name, value in weights.items()}


def load_weights(student: Vits, weights: dict[str, Tensor], source: str) -> list[LoadedPart]:
    """Load plain weights into a student whose convolutions may be weight-normalised.

    Args:
        student: The student; changed in place.
        weights: Tensors by name, weight normalisation multiplied out.
        source: The weights' file, for error messages.

    Returns:
        A table of what was loaded, is new, and was skipped, by part.

    Raises:
        CheckpointError: A tensor has another shape than the student's, so the geometry is not the same.
    """
    targets = dict(_iter_targets(student))
    skips_durations = _has_other_duration_predictor(student, weights)
    loaded: set[str] = set()
    with torch.no_grad():
        for name, value in weights.items():
            if name not in targets or (skips_durations and name.startswith("duration_predictor.")):
                continue
            module, attribute = targets[name]
            current = getattr(module, attribute)
            if current.shape != value.shape:
                raise CheckpointError(
                    f"{source}: {name} is {list(value.shape)} where the student has {list(current.shape)}; "
                    f"choose the model.preset of that voice"
                )
            if parametrize.is_parametrized(module, attribute):
                setattr(module, attribute, value)  # weight_norm's right inverse splits it into direction and length
            else:
                current.copy_(value)
            loaded.add(name)
    return _table(set(targets), loaded, set(weights), skips_durations)


def _iter_targets(student: Vits) -> Iterator[tuple[str, tuple[torch.nn.Module, str]]]:
    for prefix, module in student.named_modules():
        if "parametrizations" in prefix:
            continue
        dot = f"{prefix}." if prefix else ""
        for name in [n for n, _ in module.named_parameters(recurse=False)]:
            yield dot + name, (module, name)
        for name in getattr(module, "parametrizations", {}):
            yield dot + name, (module, name)


def _has_other_duration_predictor(student: Vits, weights: dict[str, Tensor]) -> bool:
    stochastic = any(name.startswith("duration_predictor.flows.") for name in weights)
    return stochastic != bool(student.args.use_sdp)


def _table(targets: set[str], loaded: set[str], given: set[str], skips_durations: bool) -> list[LoadedPart]:
    rows = []
    for part in dict.fromkeys(name.split(".")[0] for name in sorted(targets | given)):
        mine = {name for name in targets if name.split(".")[0] == part}
        theirs = {name for name in given if name.split(".")[0] == part}
        why = ""
        if part == "duration_predictor" and skips_durations:
            why = "the student predicts durations in another way"
        elif part == "waveform_decoder" and not mine & loaded:
            why = "the student decodes in another way"
        elif mine and not theirs:
            why = "the source has none"
        elif mine - loaded:
            why = "needed in training only, so the source has none"
        n_loaded = len(mine & loaded)
        rows.append(LoadedPart(part, n_loaded, len(mine - loaded), len(theirs - loaded), why))
    return rows


def _load_graph(path: Path) -> Any:
    onnx = require("local", "onnx")
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(path).graph
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such voice; give `joe` or the path of a Piper .onnx file") from None
    except (DecodeError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not an ONNX file ({type(error).__name__}); give the .onnx of a Piper voice"
        ) from None


def _iter_constants(graph: Any) -> Iterator[tuple[str, Any]]:
    from onnx import numpy_helper

    for tensor in graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            yield node.output[0], numpy_helper.to_array(node.attribute[0].t)


def _rename(name: str) -> str:
    for theirs, ours in _RENAMES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name
