"""Where a student starts: from a Piper voice, a checkpoint of coqui's or of ours, or from random weights."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ttsd.config import AudioConfig, Config, ModelConfig, parse_config
from ttsd.data.piper_voice import PACKAGED_VOICE, piper_voice_path, read_piper_config
from ttsd.data.symbols import SymbolTable
from ttsd.errors import CheckpointError, ConfigError
from ttsd.model.compact import GEOMETRIES
from ttsd.model.coqui_weights import MODEL_NAMES, find_coqui_voice, read_coqui_voice, remap_embedding
from ttsd.model.piper_weights import LoadedPart, load_weights, read_piper_weights
from ttsd.model.vits import Vits, build_vits
from ttsd.training.checkpoint import read_checkpoint


@dataclass
class Start:
    """A student before its first step."""

    student: Vits
    symbols: SymbolTable
    voice: Vits | None
    """The starting voice as it speaks by itself, with its own duration predictor; none for random weights."""
    voice_config: Config
    """The settings that `voice` was built with."""
    parts: list[LoadedPart]
    """What was loaded, is new, and was skipped."""
    lacks_posterior_encoder: bool
    lacks_decoder: bool = False
    """The student has another kind of decoder than the voice."""
    lacks_discriminator: bool = False
    """The student has a discriminator, and the voice has none."""


def load_start(config: Config) -> Start:
    """Build the student and load what it starts from.

    Raises:
        CheckpointError: The file is missing, not a voice, or of another geometry.
        ConfigError: The starting voice has another sample rate or frame length than `audio`.
    """
    init_from = config.train.init_from
    if init_from is None:
        symbols = SymbolTable.default()
        return Start(_build(config, symbols), symbols, None, config, [], lacks_posterior_encoder=False)
    if init_from.endswith(".ckpt"):
        return _from_checkpoint(Path(init_from), config)
    if init_from.endswith(".pth") or init_from.startswith(MODEL_NAMES):
        return _from_coqui(find_coqui_voice(init_from), config)
    if init_from != PACKAGED_VOICE and not init_from.endswith(".onnx"):
        raise CheckpointError(
            f"train.init_from: `{init_from}` is no voice; name `{PACKAGED_VOICE}`, a Piper voice's .onnx file, a .ckpt "
            "file of ours, a .pth file or a model's name of coqui's, or null for random weights"
        )
    return _from_piper(piper_voice_path(init_from), config)


def _build(config: Config, symbols: SymbolTable) -> Vits:
    discriminator = config.train.adversarial_start_step is not None
    return build_vits(config.model, config.audio, symbols.n_symbols, discriminator=discriminator)


def _from_piper(path: Path, config: Config) -> Start:
    weights = read_piper_weights(path)
    description = read_piper_config(path)
    symbols = SymbolTable.from_piper_config(description)
    _check_audio(path, description["audio"]["sample_rate"], description.get("hop_length", 256), config.audio)
    n_rows = weights["text_encoder.emb.weight"].shape[0]
    symbols = SymbolTable(symbols.ids, n_rows)
    student = _build(config, symbols)
    parts = load_weights(student, weights, str(path))
    model = ModelConfig(preset=config.model.preset, duration_predictor="stochastic")
    voice = build_vits(model, config.audio, n_rows)
    load_weights(voice, weights, str(path))
    voice_config = config.model_copy(update={"model": model})
    return Start(
        student,
        symbols,
        voice.eval(),
        voice_config,
        parts,
        lacks_posterior_encoder=True,
        lacks_decoder=config.model.decoder != model.decoder,
        lacks_discriminator=hasattr(student, "disc"),
    )


def _from_coqui(path: Path, config: Config) -> Start:
    known = read_coqui_voice(path)
    _check_audio(path, known.sample_rate, known.hop_length, config.audio)
    symbols = SymbolTable.default()
    embedding, missing = remap_embedding(known, symbols)
    weights = known.weights | {"text_encoder.emb.weight": embedding}
    student = _build(config, symbols)
    other_durations = known.is_stochastic != (config.model.duration_predictor == "stochastic")
    other_posterior = _n_layers(known.weights) != config.model.posterior_layers or known.n_fft != config.audio.n_fft
    lacks_decoder = config.model.decoder != "hifigan"
    left_out = {
        "duration_predictor.": other_durations,
        "posterior_encoder.": other_posterior,
        "waveform_decoder.": lacks_decoder,
        "disc.": not hasattr(student, "disc") or config.model.discriminator != "vits",
    }
    prefixes = tuple(prefix for prefix, leave_out in left_out.items() if leave_out)
    given = {name: value for name, value in weights.items() if not name.startswith(prefixes)}
    _load(student, given, path)
    model = ModelConfig(
        preset=config.model.preset,
        duration_predictor="stochastic" if known.is_stochastic else "deterministic",
        posterior_layers=_n_layers(known.weights),
    )
    audio = config.audio.model_copy(update={"n_fft": known.n_fft, "win_length": known.n_fft})
    voice = build_vits(model, audio, symbols.n_symbols)
    _load(voice, {name: value for name, value in weights.items() if not name.startswith("disc.")}, path)
    parts = _count_parts(student, set(given))
    if missing:
        why = f"{len(missing)} symbols are new to the voice and start as the mean of its own"
        parts = [replace(part, why=why) if part.part == "text_encoder" else part for part in parts]
    voice_config = config.model_copy(update={"model": model, "audio": audio})
    return Start(
        student, symbols, voice.eval(), voice_config, parts,
        lacks_posterior_encoder=other_posterior, lacks_decoder=lacks_decoder,
        lacks_discriminator=hasattr(student, "disc") and not any(name.startswith("disc.") for name in given),
    )  # fmt: skip


def _load(student: Vits, weights: dict[str, Tensor], path: Path) -> None:
    try:
        student.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"{path}: its geometry is not that of model.preset ({first}); choose the preset of that voice"
        ) from None


def _n_layers(weights: dict[str, Tensor]) -> int:
    names = (name.removeprefix("posterior_encoder.enc.in_layers.") for name in weights)
    return 1 + max((int(name.split(".")[0]) for name in names if name[:1].isdigit()), default=-1)


def _from_checkpoint(path: Path, config: Config) -> Start:
    content = read_checkpoint(path)
    theirs = parse_config(content["config"], origin=str(path))
    _check_audio(path, theirs.audio.sample_rate, theirs.audio.hop_length, config.audio)
    if theirs.model.preset in GEOMETRIES:
        raise CheckpointError(
            f"{path}: a {theirs.model.preset} student, which no training starts from; name a VITS (medium or high)"
        )
    if theirs.model.preset != config.model.preset:
        raise CheckpointError(
            f"{path}: a {theirs.model.preset} student, and model.preset is {config.model.preset}; "
            f"set model.preset={theirs.model.preset}"
        )
    lacks_decoder = theirs.model.decoder != config.model.decoder
    if lacks_decoder and config.model.decoder == "hifigan":
        raise CheckpointError(
            f"{path}: a voice with the {theirs.model.decoder} decoder, and model.decoder is hifigan; "
            f"set model.decoder={theirs.model.decoder}"
        )
    lacks_posterior_encoder = bool(content.get("lacks_posterior_encoder"))
    if not lacks_posterior_encoder and theirs.audio.n_fft != config.audio.n_fft:
        raise ConfigError(
            f"{path}: hears spectrograms with audio.n_fft={theirs.audio.n_fft}, and the settings say "
            f"{config.audio.n_fft}; set audio.n_fft={theirs.audio.n_fft}"
        )
    if not lacks_posterior_encoder and theirs.model.posterior_layers != config.model.posterior_layers:
        raise CheckpointError(
            f"{path}: its posterior encoder has {theirs.model.posterior_layers} layers, and model.posterior_layers is "
            f"{config.model.posterior_layers}; set model.posterior_layers={theirs.model.posterior_layers}"
        )
    symbols = SymbolTable(**content["symbols"])
    student = _build(config, symbols)
    other_durations = theirs.model.duration_predictor != config.model.duration_predictor
    left_out = {
        "duration_predictor.": other_durations,
        "posterior_encoder.": lacks_posterior_encoder,
        "waveform_decoder.": lacks_decoder,
    }
    prefixes = tuple(prefix for prefix, leave_out in left_out.items() if leave_out)
    weights = {name: value for name, value in content["voice"].items() if not name.startswith(prefixes)}
    student.load_state_dict(weights, strict=False)
    voice = build_vits(theirs.model, theirs.audio, symbols.n_symbols)
    voice.load_state_dict(content["voice"])
    parts = _count_parts(student, set(weights))
    return Start(
        student, symbols, voice.eval(), theirs, parts, lacks_posterior_encoder, lacks_decoder,
        lacks_discriminator=hasattr(student, "disc"),
    )  # fmt: skip


def _count_parts(student: Vits, given: set[str]) -> list[LoadedPart]:
    rows = []
    names = set(student.state_dict())
    for part in dict.fromkeys(name.split(".")[0] for name in sorted(names | given)):
        mine = {name for name in names if name.split(".")[0] == part}
        theirs = {name for name in given if name.split(".")[0] == part}
        rows.append(LoadedPart(part, len(mine & theirs), len(mine - theirs), len(theirs - mine)))
    return rows


def _check_audio(path: Path, sample_rate: int, hop_length: int, audio: AudioConfig) -> None:
    if (sample_rate, hop_length) != (audio.sample_rate, audio.hop_length):
        raise ConfigError(
            f"{path}: speaks at {sample_rate} Hz with hop {hop_length}, and the settings say {audio.sample_rate} Hz "
            f"with hop {audio.hop_length}; set audio.sample_rate={sample_rate} audio.hop_length={hop_length} and run "
            "`ttsd preprocess` again, or choose another voice (train.init_from, or teacher.voice of a small one)"
        )
