"""The store of decoded clips: the clips' own samples, kept by their contents."""

import pickle
from pathlib import Path

import numpy as np
import soundfile
import torch

from ttsd.config import Config
from ttsd.model.source_filter_decoder import make_pulses
from ttsd.training.pitch import measure_pitch
from ttsd.training.store import AudioStore, open_store


def write_clips(folder: Path, subtype: str) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    clips = {name: folder / f"{name}.wav" for name in ("a", "b", "c")}
    for number, path in enumerate(clips.values()):
        soundfile.write(path, rng.uniform(-1, 1, 1000 + 77 * number), 22050, subtype=subtype)
    return clips


def filled(folder: Path, clips: dict[str, Path], told: list[tuple[int, int, str]] | None = None) -> AudioStore:
    store = open_store(folder, clips)
    store.fill(lambda *said: told.append(said) if told is not None else None)
    return store


def test_a_store_gives_the_samples_of_the_files(tmp_path: Path) -> None:
    for subtype in ("PCM_16", "FLOAT", "PCM_24"):
        clips = write_clips(tmp_path, subtype)
        store = filled(tmp_path / "cache", clips)
        for name, path in clips.items():
            assert np.array_equal(store.read(name), soundfile.read(path, dtype="float32")[0]), subtype
            assert np.array_equal(store.read(name, 10), store.read(name)[:10])
        assert store.read("a", 10**9).size == 1000
        assert store.read("a").dtype == np.float32


def test_clips_are_decoded_once_and_again_when_they_change(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, "PCM_16")
    told: list[tuple[int, int, str]] = []
    first = filled(tmp_path / "cache", clips, told)
    assert told == [(n, 3, "decoding") for n in (1, 2, 3)]
    again = filled(tmp_path / "cache", clips, told)
    assert len(told) == 3
    assert again.path == first.path
    soundfile.write(clips["b"], np.zeros(1077), 22050, subtype="PCM_16")
    changed = filled(tmp_path / "cache", clips, told)
    assert len(told) == 6
    assert not changed.read("b").any()
    assert first.read("b").any()


def test_a_store_goes_to_another_process_as_a_name(tmp_path: Path) -> None:
    clips = write_clips(tmp_path, "PCM_16")
    store = filled(tmp_path / "cache", clips)
    whole = store.read("c")
    copy = pickle.dumps(store)
    assert len(copy) < 1000
    assert np.array_equal(pickle.loads(copy).read("c"), whole)


def test_the_pitch_of_the_clips_is_measured_once(tmp_path: Path) -> None:
    audio = Config().audio
    clips = {}
    for name, f0_hz in (("low", 110.0), ("high", 220.0)):
        clips[name] = tmp_path / f"{name}.wav"
        wav = make_pulses(torch.full((1, 60), f0_hz), audio.sample_rate, audio.hop_length)[0].numpy() * 0.1
        soundfile.write(clips[name], wav, audio.sample_rate)
    told: list[tuple[int, int, str]] = []
    for _ in range(2):
        store = open_store(tmp_path / "cache", clips, audio)
        store.fill(lambda *said: told.append(said))
        for name, f0_hz in (("low", 110.0), ("high", 220.0)):
            np.testing.assert_allclose(store.read_pitch(name, 60)[5:-5], f0_hz, rtol=0.01)
    assert store.read_pitch("low", 7).shape == (7,)
    # Decoded once, and measured once.
    assert told == [(n, 2, what) for what in ("decoding", "pitch") for n in (1, 2)]
    assert not open_store(tmp_path / "cache", clips).read_pitch("low", 60).any()


def test_a_clip_without_voice_has_a_pitch_all_the_same() -> None:
    audio = Config().audio
    silence = np.zeros(30 * audio.hop_length, dtype=np.float32)
    assert np.array_equal(measure_pitch(silence, audio), np.full(30, 150, dtype=np.float32))
