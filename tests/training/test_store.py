"""The store of decoded clips: the clips' own samples, kept by their contents."""

import pickle
from pathlib import Path

import numpy as np
import soundfile

from ttsd.training.store import AudioStore, open_store


def write_clips(folder: Path, subtype: str) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    clips = {name: folder / f"{name}.wav" for name in ("a", "b", "c")}
    for number, path in enumerate(clips.values()):
        soundfile.write(path, rng.uniform(-1, 1, 1000 + 77 * number), 22050, subtype=subtype)
    return clips


def filled(folder: Path, clips: dict[str, Path], told: list[tuple[int, int]] | None = None) -> AudioStore:
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
    told: list[tuple[int, int]] = []
    first = filled(tmp_path / "cache", clips, told)
    assert told == [(1, 3), (2, 3), (3, 3)]
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
