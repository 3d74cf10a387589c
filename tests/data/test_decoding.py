"""Recordings decoded chunk by chunk."""

import tracemalloc

import av
import numpy as np
import pytest
import soundfile

from ttsd.data.decoding import CHUNK_S, Damage, decode_recording, probe_recording, resample_chunks
from ttsd.errors import CorpusError

RATE = 16000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE * 25) / RATE)).astype(np.float32)


def decode(path):
    damage = Damage()
    return list(decode_recording(path, damage)), damage.problem


def test_chunks_of_a_wav_are_the_wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    chunks, problem = decode(tmp_path / "a.wav")
    assert [chunk.size for chunk in chunks] == [round(CHUNK_S * RATE)] * 2 + [5 * RATE]
    np.testing.assert_allclose(np.concatenate(chunks), TONE, atol=1 / 32768)
    assert problem == ""


def test_channels_are_mixed_by_their_mean(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.stack([TONE, np.zeros_like(TONE)], axis=1), 44100)
    chunks, _ = decode(tmp_path / "a.flac")
    np.testing.assert_allclose(np.concatenate(chunks), TONE / 2, atol=1 / 32768)
    info = probe_recording(tmp_path / "a.flac")
    assert (info.sample_rate, info.n_channels, info.codec) == (44100, 2, "flac")


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_lossy_formats_keep_their_length_and_place(tmp_path, suffix):
    wav = TONE * (np.arange(TONE.size) > 3 * RATE)
    soundfile.write(tmp_path / f"a.{suffix}", wav, RATE)
    decoded = np.concatenate(decode(tmp_path / f"a.{suffix}")[0])
    start = np.flatnonzero(np.abs(decoded) > 0.2)[0]
    # Encoders delay the sound and say by how much: half a word would be lost or gained otherwise.
    assert start == pytest.approx(3 * RATE, abs=0.03 * RATE)
    assert decoded.size == pytest.approx(TONE.size, abs=0.05 * RATE)


def test_what_comes_before_damage_is_given_and_the_damage_told(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 20), RATE)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    (tmp_path / "half.flac").write_bytes(data[: len(data) // 2])
    chunks, problem = decode(tmp_path / "half.flac")
    assert sum(chunk.size for chunk in chunks) / RATE == pytest.approx(10, abs=1.5)
    assert problem


def test_a_wav_that_was_cut_off_is_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    (tmp_path / "half.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:200_000])
    _, problem = decode(tmp_path / "half.wav")
    assert "bytes of sound are missing" in problem or "ends at" in problem


@pytest.mark.parametrize(("data", "message"), [(b"", "empty"), (b"no sound " * 99, "nvalid"), (None, "No such file")])
def test_what_holds_no_sound_is_refused(tmp_path, data, message):
    if data is not None:
        (tmp_path / "a.mp3").write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        decode(tmp_path / "a.mp3")


def test_a_picture_is_no_recording(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            container.mux(packet)
        container.mux(stream.encode())
    with pytest.raises(CorpusError, match="no sound"):
        probe_recording(tmp_path / "a.mp4")


def test_chunks_are_resampled_as_one_waveform():
    import soxr

    whole = soxr.resample(TONE, RATE, 22050, quality="VHQ")
    parts = np.concatenate(list(resample_chunks(iter(np.split(TONE, 5)), RATE, 22050)))
    assert parts.size == whole.size
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_memory_does_not_grow_with_the_recording(tmp_path):
    def peak(seconds):
        path = tmp_path / f"{seconds}.flac"
        soundfile.write(path, np.tile(TONE[:RATE], seconds), RATE)
        tracemalloc.start()
        n_samples = sum(chunk.size for chunk in resample_chunks(decode_recording(path, Damage()), RATE, 22050))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert n_samples == pytest.approx(seconds * 22050, abs=10)
        return most

    peak(30)
    assert peak(600) < 1.2 * peak(60)
