"""Starting from coqui's VITS: the same speech from the same weights, with its symbols in our order."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from TTS.tts.configs.shared_configs import CharactersConfig
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.models.vits import Vits, VitsCharacters
from TTS.tts.utils.text.characters import IPAPhonemes

from ttsd.config import load_config
from ttsd.errors import CheckpointError, ConfigError
from ttsd.model.coqui_weights import find_coqui_voice, read_coqui_voice
from ttsd.training.start import load_start

PHONEMES = "hɛlˈoʊ wˈɜːld."


def write_coqui(folder: Path, *, discriminator: bool = True, **changes: Any) -> tuple[Vits, Any, Path]:
    """Write a checkpoint as coqui's trainer does."""
    ipa = IPAPhonemes()
    characters = CharactersConfig(
        characters_class="TTS.tts.utils.text.characters.IPAPhonemes", characters=ipa.characters,
        punctuations=ipa.punctuations, pad=ipa.pad, eos=ipa.eos, bos=ipa.bos, blank=ipa.blank, is_unique=False,
    )  # fmt: skip
    args = VitsArgs(num_chars=ipa.num_chars, init_discriminator=discriminator)
    config = VitsConfig(model_args=args, characters=characters, use_phonemes=True, languages=["en"])
    torch.manual_seed(1)

    class Plain(Vits):  # type: ignore[misc]
        tokenizer = None

    model = Plain(config).eval()
    folder.mkdir(parents=True, exist_ok=True)
    told = config.to_dict()
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (told[section] if section else told)[key] = value
    path = folder / "model_file.pth"
    torch.save({"model": model.state_dict(), "config": told, "step": 1, "epoch": 0}, path)
    (folder / "config.json").write_text(json.dumps(told))
    return model, ipa, path


SETTINGS = ["model.preset=high", "model.duration_predictor=stochastic", "train.adversarial_start_step=0"]


@pytest.mark.parametrize("discriminator", [True, False])
def test_a_student_says_what_coquis_own_voice_says(tmp_path: Path, discriminator: bool) -> None:
    model, ipa, path = write_coqui(tmp_path, discriminator=discriminator)
    start = load_start(load_config(None, [*SETTINGS, f"train.init_from={path}"]))
    theirs = [ipa.char_to_id(symbol) for symbol in PHONEMES]
    ours = [start.symbols.ids[symbol] for symbol in PHONEMES]
    blank = ipa.char_to_id(ipa.blank)
    ids = [torch.tensor([[b, *(x for i in row for x in (i, b))]]) for row, b in ((theirs, blank), (ours, 0))]
    assert start.voice is not None
    spoken = []
    for voice, row in zip((model, start.voice), ids, strict=True):
        voice.inference_noise_scale = voice.inference_noise_scale_dp = 0.0
        spoken.append(voice.inference(row)["model_outputs"][0, 0])
    torch.testing.assert_close(spoken[1], spoken[0], atol=1e-5, rtol=0)
    parts = {part.part: part for part in start.parts}
    assert parts["waveform_decoder"].n_new == parts["posterior_encoder"].n_new == 0
    assert (parts["disc"].n_new == 0) == discriminator
    assert "symbols are new to the voice" in parts["text_encoder"].why
    assert not start.lacks_posterior_encoder


def test_the_characters_of_coquis_published_voices_are_in_their_order(tmp_path: Path) -> None:
    theirs = VitsCharacters()
    lists = {
        "characters_class": "TTS.tts.models.vits.VitsCharacters", "characters": "ABCabc", "phonemes": "ɑɐ",
        "punctuations": ";:,.", "pad": "_", "blank": "<BLNK>", "eos": None, "bos": None,
    }  # fmt: skip
    theirs = VitsCharacters(graphemes="ABCabc", punctuations=";:,.", pad="_", ipa_characters="ɑɐ")
    _, _, path = write_coqui(tmp_path, characters=lists)
    rows = read_coqui_voice(path).rows
    assert all(rows[symbol] == theirs.char_to_id(symbol) for symbol in ";:,.ABCabcɑɐ")
    assert rows["_"] == theirs.char_to_id("<BLNK>")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "glow_tts"}, "glow_tts"),
        ({"use_phonemes": False}, "letters"),
        ({"model_args__num_speakers": 4}, "several speakers"),
        ({"audio__sample_rate": 16000}, r"audio\.sample_rate=16000"),
    ],
)
def test_what_cannot_be_started_from_is_told_with_the_way_out(tmp_path: Path, changes: Any, told: str) -> None:
    _, _, path = write_coqui(tmp_path, **changes)
    with pytest.raises((CheckpointError, ConfigError), match=told):
        load_start(load_config(None, [*SETTINGS, f"train.init_from={path}"]))


def test_another_geometry_and_missing_files_are_told(tmp_path: Path) -> None:
    _, _, path = write_coqui(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.preset"):
        load_start(load_config(None, [f"train.init_from={path}"]))
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config\.json: no such file"):
        read_coqui_voice(path)
    with pytest.raises(CheckpointError, match=r"nowhere\.pth: no such file"):
        read_coqui_voice(tmp_path / "nowhere.pth")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="JSON"):
        read_coqui_voice(path)


def test_a_published_model_is_found_by_its_name_where_coqui_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_HOME", str(tmp_path))
    _, _, path = write_coqui(tmp_path / "tts" / "tts_models--en--ljspeech--vits")
    assert find_coqui_voice("tts_models/en/ljspeech/vits") == path
    assert find_coqui_voice("some/file.pth") == Path("some/file.pth")
    with pytest.raises(CheckpointError, match="tts_models/en/nobody/vits"):
        find_coqui_voice("tts_models/en/nobody/vits")
