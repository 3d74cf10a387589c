"""A VITS checkpoint of coqui's: its weights, and the symbols that it was trained on.

coqui keeps both beside each other: `model_file.pth` and `config.json`. Where its symbols lie in the embedding follows
from the lists of the configuration, as its own character classes put them in order.
"""

import json
import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttsd.data.symbols import BOS, EOS, PAD, SymbolTable
from ttsd.errors import CheckpointError

_EMBEDDING = "text_encoder.emb.weight"
MODEL_NAMES = "tts_models/"
"""How the names of coqui's published models begin."""


@dataclass(frozen=True)
class CoquiVoice:
    """What a checkpoint holds."""

    weights: dict[str, Tensor]
    rows: dict[str, int]
    """Row of the embedding of every symbol; `_`, `^` and `$` stand for what comes between, before and behind them."""
    sample_rate: int
    hop_length: int
    n_fft: int
    is_stochastic: bool


def find_coqui_voice(name: str) -> Path:
    """Return the file of a model by its path, or by coqui's name, which coqui downloads once where it is not there.

    Raises:
        CheckpointError: There is no such file or name, or it cannot be had.
    """
    if not name.startswith(MODEL_NAMES):
        return Path(name)
    from TTS.utils.manage import ModelManager

    # It prints the traceback of what it then raises.
    log = logging.getLogger("TTS.utils.manage")
    log.disabled = True
    try:
        path, *_ = ModelManager(progress_bar=False).download_model(name)
    except OSError as error:
        raise CheckpointError(
            f"{name}: coqui cannot download it ({type(error).__name__}); give the path of its .pth file, which has its "
            "config.json beside it"
        ) from None
    except (ValueError, LookupError, RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{name}: coqui cannot find it ({error}); give the path of its .pth file") from None
    finally:
        log.disabled = False
    return Path(path)


def read_coqui_voice(path: Path) -> CoquiVoice:
    """Read a checkpoint and the configuration beside it.

    Args:
        path: A `.pth` file with `config.json` in its folder.

    Raises:
        CheckpointError: Either is missing or damaged, or it is not a VITS of one speaker that was trained on phonemes.
    """
    config = _read_config(path)
    if config.get("model") != "vits":
        raise CheckpointError(f"{path}: a `{config.get('model')}` model; ttsd starts from coqui's vits")
    args, audio = config.get("model_args") or {}, config.get("audio") or {}
    if args.get("use_speaker_embedding") or args.get("use_d_vector_file") or (args.get("num_speakers") or 0) > 1:
        raise CheckpointError(f"{path}: a voice of several speakers; ttsd starts from voices of one speaker")
    if not config.get("use_phonemes"):
        raise CheckpointError(f"{path}: it was trained on letters, and ttsd speaks phonemes; choose one with phonemes")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = {str(key): value.float() for key, value in content["model"].items()}
        n_rows = weights[_EMBEDDING].shape[0]
        rows = {symbol: row for symbol, row in _symbol_rows(config).items() if row < n_rows}
        return CoquiVoice(
            weights,
            rows,
            int(audio["sample_rate"]),
            int(audio["hop_length"]),
            int(audio["fft_size"]),
            bool(args.get("use_sdp", True)),
        )
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint; give a .pth file of coqui's") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: not a VITS checkpoint of coqui's ({type(error).__name__}); give its .pth with config.json beside"
        ) from None


def remap_embedding(voice: CoquiVoice, symbols: SymbolTable) -> tuple[Tensor, tuple[str, ...]]:
    """Bring the embedding of a voice into the order of another table.

    Args:
        voice: The voice.
        symbols: The student's table.

    Returns:
        The embedding, float32 [n_symbols, hidden], and the symbols that the voice has none for: they start as the mean
        of all.
    """
    theirs = voice.weights[_EMBEDDING]
    mean = theirs.mean(dim=0)
    embedding = mean.repeat(symbols.n_symbols, 1)
    unknown = []
    for symbol, row in symbols.ids.items():
        if symbol in voice.rows:
            embedding[row] = theirs[voice.rows[symbol]]
        else:
            unknown.append(symbol)
    return embedding, tuple(unknown)


def _read_config(path: Path) -> dict[str, Any]:
    beside = path.parent / "config.json"
    try:
        config: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    except FileNotFoundError:
        missing = beside if path.is_file() else path
        raise CheckpointError(f"{missing}: no such file; coqui keeps a model's .pth and config.json together") from None
    except (OSError, ValueError):
        raise CheckpointError(f"{beside}: cannot be read as JSON; restore it") from None
    return config


def _symbol_rows(config: dict[str, Any]) -> dict[str, int]:
    lists = config.get("characters") or {}
    characters = str(lists.get("characters") or "")
    special = {name: lists.get(name) or "" for name in ("pad", "eos", "bos", "blank")}
    punctuation = list(lists.get("punctuations") or "")
    if str(lists.get("characters_class") or "").endswith("VitsCharacters"):
        blank = special["blank"] or "<BLNK>"
        order = [special["pad"], *punctuation, *characters, *(lists.get("phonemes") or ""), blank]
        special |= {"blank": blank, "bos": "", "eos": ""}
    else:
        middle = list(dict.fromkeys(characters)) if lists.get("is_unique") else list(characters)
        middle = sorted(middle) if lists.get("is_sorted", True) else middle
        heads = [special[name] for name in ("pad", "eos", "bos", "blank") if special[name]]
        order = [*heads, *middle, *punctuation]
    rows = {symbol: row for row, symbol in enumerate(order)}
    between = rows.get(special["blank"], rows[special["pad"]])
    named = {symbol: row for symbol, row in rows.items() if len(symbol) == 1}
    return named | {
        PAD: between,
        BOS: rows.get(special["bos"], between),
        EOS: rows.get(special["eos"], between),
    }
