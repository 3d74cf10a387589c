"""A voice of ours in the form of Piper's: its graph with other inputs and outputs, and what runtimes read beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ttsd.data.onnx_voice import N_NOISE, OnnxVoice
from ttsd.utils.extras import require


def write_piper_form(voice: OnnxVoice, path: Path) -> None:
    """Write an exported voice with Piper's interface; its weights stay as they are.

    The graph then takes `input`, symbol ids int64 [1, n_symbols]; `input_lengths`, int64 [1]; `scales`, float32 [3];
    and gives `output`, float32 [1, 1, 1, n_samples]. Noise, where the voice reads any, is drawn in the graph.

    Args:
        voice: From `load_voice`.
        path: The file.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx = require("local", "onnx")
    helper, types = onnx.helper, onnx.TensorProto
    model = onnx.load(voice.path)
    graph = model.graph

    def constant(name: str, values: Any) -> None:
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))

    constant("piper_flat", [-1])
    constant("piper_start", [0])
    constant("piper_shape", [1, 1, 1, -1])
    before = [
        helper.make_node("Reshape", ["input", "piper_flat"], ["piper_ids"]),
        helper.make_node("Slice", ["piper_ids", "piper_start", "input_lengths"], ["symbol_ids"]),
    ]
    if voice.reads_noise:
        before.append(helper.make_node("RandomNormal", [], ["noise"], shape=[N_NOISE]))
    else:
        constant("noise", np.zeros(1, dtype=np.float32))
    nodes = [*before, *graph.node, helper.make_node("Reshape", ["wav", "piper_shape"], ["output"])]
    scales = next(one for one in graph.input if one.name == "scales")
    inputs = [
        helper.make_tensor_value_info("input", types.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", types.INT64, [1]),
        scales,
    ]
    rewritten = helper.make_graph(
        nodes, graph.name, inputs,
        [helper.make_tensor_value_info("output", types.FLOAT, [1, 1, 1, "time"])], list(graph.initializer),
    )  # fmt: skip
    model.graph.CopyFrom(rewritten)
    helper.set_model_props(model, describe_for_sherpa(voice.card))
    path.write_bytes(model.SerializeToString(deterministic=True))


def describe_for_piper(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that Piper's runtimes read beside a voice, from the card of the voice."""
    return {
        "audio": {"sample_rate": card["sample_rate"], "quality": card["preset"]},
        "espeak": {"voice": card["language"]},
        "phoneme_type": "espeak",
        "num_symbols": card["symbols"]["n_symbols"],
        "num_speakers": 1,
        "speaker_id_map": {},
        "hop_length": card["hop_length"],
        "inference": {
            "noise_scale": card["noise_scale"],
            "length_scale": 1.0,
            "noise_w": card["noise_scale_duration"],
        },
        "phoneme_id_map": {symbol: [number] for symbol, number in card["symbols"]["ids"].items()},
        "ttsd": {key: card[key] for key in ("checkpoint_sha256", "licence", "metrics")},
    }


def describe_for_sherpa(card: Mapping[str, Any]) -> dict[str, str]:
    """Return what sherpa-onnx reads in the file itself, from the card of the voice."""
    return {
        "model_type": "vits",
        "comment": "piper",
        "language": card["language"],
        "voice": card["language"],
        "has_espeak": "1",
        "n_speakers": "1",
        "sample_rate": str(card["sample_rate"]),
    }


def list_tokens(card: Mapping[str, Any]) -> str:
    """Return the lines of `tokens.txt`, which sherpa-onnx asks for, from the card of the voice."""
    return "".join(f"{symbol} {number}\n" for symbol, number in card["symbols"]["ids"].items())
