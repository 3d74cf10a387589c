"""Compact voices: their sizes, the place of every frame, and their graph."""

import numpy as np
import onnxruntime
import pytest
import torch

from ttsd.config import AudioConfig
from ttsd.errors import ConfigError
from ttsd.model.compact import GEOMETRIES, CompactVoice, locate_frames
from ttsd.model.convnext import ConvNeXtBlock
from ttsd.model.onnx_graph import write_graph

AUDIO = AudioConfig()
LARGEST = {"compact": 6.5e6, "nano": 2.5e6, "micro": 0.6e6}


def build(preset="micro", seed=0, decoder="spectral"):
    torch.manual_seed(seed)
    return CompactVoice(GEOMETRIES[preset], AUDIO, 256, decoder).eval()


def speak(voice, symbol_ids, length_scale=1.0):
    return voice.synthesize(symbol_ids, noise_scale=0.0, noise_scale_duration=0.0, length_scale=length_scale)


@pytest.mark.parametrize("decoder", ["spectral", "source_filter"])
@pytest.mark.parametrize("preset", LARGEST)
def test_a_voice_is_no_larger_than_its_preset_says(preset, decoder):
    voice = build(preset, decoder=decoder)
    assert 0.8 * LARGEST[preset] < sum(p.numel() for p in voice.parameters()) <= LARGEST[preset]
    symbol_ids = torch.randint(1, 100, (30,))
    spoken = speak(voice, symbol_ids)
    assert spoken.z.shape == (192, int(spoken.durations.sum()))
    assert spoken.wav.shape == (spoken.z.shape[1] * AUDIO.hop_length,)
    assert torch.isfinite(spoken.wav).all()


def test_every_frame_knows_its_symbol_and_its_place_within():
    symbols, place = locate_frames(torch.tensor([[1, 3, 0, 2], [2, 0, 0, 0]]))
    assert symbols[0].tolist() == [0, 1, 1, 1, 3, 3]
    assert symbols[1, :2].tolist() == [0, 0]
    since, left, length = place[0]
    assert since.tolist() == pytest.approx([0.5, 1 / 6, 0.5, 5 / 6, 0.25, 0.75])
    assert (since + left).tolist() == pytest.approx([1] * 6)
    assert torch.exp(length).tolist() == pytest.approx([1, 3, 3, 3, 2, 2])


def test_the_length_scale_stretches_the_speech():
    voice = build()
    voice.front_end.duration_predictor.proj.bias.data.fill_(2.0)
    symbol_ids = torch.randint(1, 100, (40,))
    plain, slow = (speak(voice, symbol_ids, scale).durations.sum() for scale in (1.0, 2.0))
    assert float(slow / plain) == pytest.approx(2, abs=0.1)


def test_padding_changes_nothing():
    voice = build()
    one, two = torch.randint(1, 100, (1, 12)), torch.randint(1, 100, (1, 20))
    both = torch.cat([torch.nn.functional.pad(one, (0, 8)), two])
    lengths, durations = torch.tensor([12, 20]), torch.full((2, 20), 3)
    durations[0, 12:] = 0
    with torch.no_grad():
        hidden, mask = voice.front_end.encode(both, lengths)
        alone, _ = voice.front_end.encode(one, lengths[:1])
        together = voice.front_end.predict_log_durations(hidden, mask)[0, :12]
        by_itself = voice.front_end.predict_log_durations(alone, mask[:1, :, :12])[0]
        assert torch.allclose(together, by_itself, atol=1e-5)
        z, own = voice.front_end.speak(hidden, durations), voice.front_end.speak(alone, durations[:1, :12])
    # Behind the end lies what another sentence may be padded with, so the last frames feel it.
    assert torch.allclose(z[0, :, :25], own[0, :, :25], atol=1e-4)


@pytest.mark.parametrize("decoder", ["spectral", "source_filter"])
def test_the_graph_speaks_as_long_and_as_loud_as_the_voice(decoder, tmp_path):
    voice = build(decoder=decoder)
    voice.front_end.duration_predictor.proj.bias.data.fill_(1.0)
    write_graph(voice, tmp_path / "voice.onnx", "piper", duration_scale=1.5, metadata={"comment": "piper"})
    session = onnxruntime.InferenceSession(str(tmp_path / "voice.onnx"), providers=["CPUExecutionProvider"])
    for n_symbols in (3, 40, 170):
        symbol_ids = torch.randint(1, 100, (n_symbols,))
        feed = {
            "input": symbol_ids.unsqueeze(0).numpy(),
            "input_lengths": np.array([n_symbols]),
            "scales": np.array([0, 1, 0], np.float32),
        }
        (output,) = session.run(None, feed)
        own = speak(voice, symbol_ids, 1.5).wav.numpy()
        assert output.shape == (1, 1, 1, own.size)
        # Its noise is drawn anew every time.
        assert np.std(output) == pytest.approx(np.std(own), rel=0.15)


def test_a_block_whose_scale_is_multiplied_in_gives_the_same():
    torch.manual_seed(0)
    block, x = ConvNeXtBlock(8, 0.3), torch.randn(2, 8, 20)
    before = block(x)
    block.fold_scale()
    assert block.scale is None
    torch.testing.assert_close(block(x), before)


def test_frames_that_the_decoder_cannot_make_are_an_error():
    with pytest.raises(ConfigError, match=r"audio\.n_fft"):
        CompactVoice(GEOMETRIES["micro"], AudioConfig(n_fft=1100), 256)
