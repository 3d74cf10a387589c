import io

import numpy as np
import pytest
import soundfile

from ttsd.data.cutting import CharacterTimes
from ttsd.teachers.answers import Answer, WrongRateError, check_rate, check_times, decode_take, unpack_audio, wrap_pcm
from ttsd.teachers.takes import Take, TakeStore, hash_audio

PCM = np.arange(-2400, 2400, dtype="<i2")
TIMES = CharacterTimes(("H", "i", "."), (0.0, 0.05, 0.1), (0.05, 0.1, 0.15))


def answer(audio, times=TIMES):
    return Answer(audio, times, 3, "r", "h")


def mp3():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(4800, np.float32), 24000, format="MP3")
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("kind", ["wav", "pcm"])
def test_every_lossless_format_comes_out_with_the_very_samples(kind, rate):
    sent = PCM.tobytes() if kind == "pcm" else wrap_pcm(PCM.tobytes(), rate)
    audio, is_lossy = unpack_audio(answer(sent), f"{kind}_{rate}")
    wav, sample_rate = decode_take(audio, "k")
    assert (sample_rate, is_lossy) == (rate, False)
    assert np.array_equal(np.rint(wav * 32768).astype(np.int16), PCM)


def test_a_compressed_file_is_kept_as_it_is_and_known_as_lossy():
    sent = mp3()
    assert unpack_audio(answer(sent), "wav_24000") == (sent, True)


@pytest.mark.parametrize(
    ("sent", "output_format", "reason"),
    [
        (PCM.tobytes() + b"\1", "pcm_24000", "half a sample"),
        (wrap_pcm(PCM.tobytes(), 24000)[:-10], "wav_24000", "10 bytes of the audio are missing"),
        (wrap_pcm(b"", 24000), "wav_24000", "empty"),
        (b"", "pcm_24000", "no audio"),
        (b"{}", "wav_24000", "no WAV file"),
        (b"RIFF\0\0\0\0junk", "wav_24000", "cannot be decoded"),
    ],
)
def test_audio_that_is_not_whole_is_told_apart(sent, output_format, reason):
    with pytest.raises(ValueError, match=reason):
        unpack_audio(answer(sent), output_format)


def test_a_rate_that_was_not_asked_for_is_told():
    audio, _ = unpack_audio(answer(wrap_pcm(PCM.tobytes(), 16000)), "wav_24000")
    with pytest.raises(
        WrongRateError, match=r"wav_24000 was asked for and 16,000 Hz came \(take ab12, paid and kept\)"
    ):
        check_rate("ab12", audio, "wav_24000")
    check_rate("ab12", audio, "pcm_16000")
    check_rate("ab12", mp3(), "wav_44100")


@pytest.mark.parametrize(
    ("times", "text", "reason"),
    [
        (None, "Hi.", "no times"),
        (TIMES, "Hi you.", "not those of the text"),
        (CharacterTimes(("H", "i", "."), (0.0, 0.1, 0.2), (0.1, 0.2, 0.9)), "Hi.", "its times 0.90 s"),
    ],
)
def test_times_that_do_not_fit_are_told_apart(times, text, reason):
    audio = wrap_pcm(PCM.tobytes(), 24000)
    check_times(answer(audio), audio, "Hi.")
    with pytest.raises(ValueError, match=reason):
        check_times(answer(audio, times), audio, text)


def make_take(audio, times=TIMES):
    return Take("ab12", {"text": "Hi."}, ("Hi.",), times, 3, "r", "h", 1.5, False, False, hash_audio(audio))


@pytest.mark.parametrize("times", [TIMES, None])
def test_a_take_is_read_as_it_was_written(tmp_path, times):
    audio = wrap_pcm(PCM.tobytes(), 24000)
    store = TakeStore(tmp_path)
    store.write(make_take(audio, times), audio)
    assert store.read("ab12") == (make_take(audio, times), audio)
    assert list(store.keys()) == ["ab12"]


def test_a_take_that_is_gone_changed_or_has_no_record_is_missing(tmp_path):
    audio = wrap_pcm(PCM.tobytes(), 24000)
    store = TakeStore(tmp_path)
    assert store.read("ab12") is None
    store.write(make_take(audio), audio)
    wav = tmp_path / "ab" / "ab12.wav"
    wav.write_bytes(audio[:-1])
    assert store.read("ab12") is None
    wav.write_bytes(audio)
    record = wav.with_suffix(".json")
    kept = record.read_text()
    record.write_text(kept[:50])
    assert store.read("ab12") is None
    record.write_text(kept)
    assert store.read("ab12") is not None
    wav.unlink()
    assert store.read("ab12") is None
    assert store.read_record("ab12") == make_take(audio), "what is known of it stays"
