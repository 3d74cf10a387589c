"""`data.wav_header`: what a header declares against what the file holds."""

import numpy as np
import pytest
import soundfile

from ttsd.data.wav_header import missing_bytes

NOISE = np.random.default_rng(0).integers(-9999, 9999, 1000).astype(np.int16)


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_whole_wav_lacks_nothing_and_a_shortened_one_what_was_cut(tmp_path, endian, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 16000, subtype=subtype, endian=endian, format="WAV")
    whole = path.read_bytes()
    assert missing_bytes(path) == 0
    for cut in (1, 500):
        path.write_bytes(whole[:-cut])
        assert missing_bytes(path) == cut


def test_chunks_before_the_sound_are_stepped_over_also_those_of_odd_length(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 16000, subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[:36] + b"LIST\x03\0\0\0abc\0" + whole[36:])
    assert soundfile.info(path).frames == 1000
    assert missing_bytes(path) == 0
    path.write_bytes(path.read_bytes()[:-10])
    assert missing_bytes(path) == 10


@pytest.mark.parametrize("declared", [b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f", b"\0\0\0\0"])
def test_a_wav_written_into_a_pipe_declares_no_length(tmp_path, declared):
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 16000, subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + declared + whole[44:])
    assert missing_bytes(path) == 0


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\1", b"<html>" * 9])
def test_what_is_no_wav_is_left_to_its_reader(tmp_path, data):
    (tmp_path / "a.wav").write_bytes(data)
    assert missing_bytes(tmp_path / "a.wav") == 0


def test_flac_is_left_to_its_reader(tmp_path):
    soundfile.write(tmp_path / "a.flac", NOISE, 16000)
    assert missing_bytes(tmp_path / "a.flac") == 0
