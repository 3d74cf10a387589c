"""A Piper voice's graph, cut in two so that its durations are seen and its noise is given from outside.

The published graph draws its noise from generators inside onnxruntime that cannot be seeded for one utterance, and
keeps its durations to itself. Cut where the durations are rounded up, it becomes two functions without any state:

    durations = f(ids, noise of the durations)          wav = g(ids, durations, noise of the latents)

Every place is found by what it is, not by its number: the one `Ceil`, the `RandomNormalLike` above it and the one below
it, and the first convolution of the decoder, whose input channels are those of the latents.
"""

from dataclasses import dataclass
from typing import Any

from ttsd.data.piper_voice import HALF
from ttsd.errors import TeacherError
from ttsd.utils.extras import require

_DECODERS = "/dec/", "/waveform_decoder/"
"""Scope of the decoder in Piper's own voices and in exported students."""
DURATION_NOISE_CHANNELS = 2
"""Channels of the stochastic duration predictor's flow. Source: Kim et al., VITS (2021), section 2.2.2."""


@dataclass(frozen=True)
class PiperGraph:
    """The two halves as serialized ONNX models, and the names and sizes needed to run them."""

    duration_model: bytes
    """Gives `durations`; takes the voice's own inputs and `duration_noise`."""
    speech_model: bytes
    """Gives the waveform; takes the voice's own inputs, `durations` and `latent_noise`."""
    durations: str
    """Name of the durations: float32 [1, 1, n_ids], whole numbers of frames."""
    duration_noise: str
    """float32 [1, 2, n_ids], standard normal."""
    latent_noise: str
    """float32 [1, n_latents, n_frames], standard normal."""
    n_latents: int


def cut_graph(model: Any, name: str) -> PiperGraph:
    """Cut a voice in two at its durations.

    Args:
        model: The voice, an `onnx.ModelProto`.
        name: Its file, for error messages.

    Raises:
        TeacherError: The graph is not that of a Piper voice.
    """
    nodes = list(model.graph.node)
    durations = [node.output[0] for node in nodes if node.op_type == "Ceil"]
    above = {node.output[0] for node in _ancestors(model, durations)}
    noises = [node.output[0] for node in nodes if node.op_type == "RandomNormalLike"]
    duration_noise = [noise for noise in noises if noise in above]
    latent_noise = [noise for noise in noises if noise not in above]
    if not len(durations) == len(duration_noise) == len(latent_noise) == 1:
        raise TeacherError(
            f"{name}: its graph is not a Piper voice's; name one exported by Piper, or a "
            "student with model.duration_predictor=stochastic and model.decoder=hifigan"
        )
    speech = model.graph.output[0].name
    return PiperGraph(
        duration_model=_cut(model, [*duration_noise], durations[0]),
        speech_model=_cut(model, [durations[0], *latent_noise], speech),
        durations=durations[0],
        duration_noise=duration_noise[0],
        latent_noise=latent_noise[0],
        n_latents=_count_latents(model, name),
    )


def _count_latents(model: Any, name: str) -> int:
    # Where `export` keeps weights in 16 bits, they have a suffix of their own.
    shapes = {weight.name.removesuffix(HALF): list(weight.dims) for weight in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and any(scope in node.name for scope in _DECODERS) and node.input[1] in shapes:
            return int(shapes[node.input[1]][1])
    raise TeacherError(f"{name}: has no decoder as Piper's voices have; name a voice exported by Piper")


def _ancestors(model: Any, outputs: list[str], given: frozenset[str] = frozenset()) -> list[Any]:
    producers = {output: node for node in model.graph.node for output in node.output}
    kept: dict[str, Any] = {}
    todo = list(outputs)
    while todo:
        name = todo.pop()
        node = producers.get(name)
        if node is None or name in given or node.output[0] in kept:
            continue
        kept[node.output[0]] = node
        todo += _reads(node)
    return [node for node in model.graph.node if node.output[0] in kept]


def _reads(node: Any) -> list[str]:
    names = list(node.input)
    for attribute in node.attribute:
        # The branches of an If read tensors of the graph around them.
        for inner in attribute.g.node:
            names += _reads(inner)
        names += [output.name for output in attribute.g.output]
    return names


def _cut(model: Any, given: list[str], output: str) -> bytes:
    onnx = require("local", "onnx")
    nodes = _ancestors(model, [output], frozenset(given))
    used = {name for node in nodes for name in _reads(node)}
    tensor = onnx.helper.make_tensor_value_info
    inputs = [entry for entry in model.graph.input if entry.name in used]
    graph = onnx.helper.make_graph(
        nodes,
        model.graph.name,
        inputs + [tensor(name, onnx.TensorProto.FLOAT, [None, None, None]) for name in given],
        [tensor(output, onnx.TensorProto.FLOAT, None)],
        [weight for weight in model.graph.initializer if weight.name in used],
    )
    cut = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(cut.SerializeToString())
