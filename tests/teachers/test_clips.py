"""From takes to clips: every one is of its own take, whole, and carries what it cost."""

import numpy as np
import pytest
import soundfile

from tests.provider.rendering import Beeper, contain
from ttsd.config import CutConfig
from ttsd.data.corpus import Utterance
from ttsd.data.cutting import CharacterTimes
from ttsd.errors import LedgerError
from ttsd.report import no_progress
from ttsd.teachers.clips import cut_clips
from ttsd.teachers.ledger import Place
from ttsd.teachers.passages import take_key
from ttsd.teachers.takes import Take, TakeStore, hash_audio

RATE = 16000
TEXTS = ("Rivers run to the sea.", "They carry sand.", "Snow melts in the spring.")


def write_take(folder, *, is_lossy=False):
    text = " ".join(TEXTS)
    spoken = Beeper().speak(text, voice_id="joe", sample_rate=RATE, seed=0)
    audio = contain(spoken.wav.tobytes(), f"wav_{RATE}")
    asked = {"text": text, "output_format": f"wav_{RATE}"}
    times = CharacterTimes(tuple(text), tuple(spoken.starts_s), tuple(spoken.ends_s))
    key = take_key(asked)
    take = Take(key, asked, TEXTS, times, 100, "r1", "h1", 1.0, False, is_lossy, hash_audio(audio))
    TakeStore(folder).write(take, audio)
    return key, spoken.wav


def cut(key, tmp_path, wanted=(0, 1, 2)):
    utterances = [Utterance(id=f"u{place}", transcript=TEXTS[place]) for place in wanted]
    places = {f"u{place}": Place(key, place, "paid") for place in wanted}
    return cut_clips(utterances, places, tmp_path / "takes", tmp_path / "raw", CutConfig(), 1, no_progress)


def test_the_clips_of_a_take_are_its_samples_from_end_to_end_and_share_its_price(tmp_path):
    key, wav = write_take(tmp_path / "takes")
    results = cut(key, tmp_path)
    clips = [soundfile.read(tmp_path / "raw" / "wavs" / f"u{place}.wav", dtype="int16")[0] for place in range(3)]
    assert np.array_equal(np.concatenate(clips), wav)
    facts = [results[f"u{place}"]["facts"] for place in range(3)]
    assert sum(fact["credits"] for fact in facts) == pytest.approx(100, abs=0.02)
    assert {(fact["take"], fact["request_id"], fact["history_id"]) for fact in facts} == {(key, "r1", "h1")}
    starts = np.cumsum([0, *(clip.size for clip in clips[:-1])]) / RATE
    assert [fact["start_s"] for fact in facts] == pytest.approx(starts)
    for place, clip in enumerate(clips):
        times = results[f"u{place}"]["alignment"]["character_times_s"]
        assert len(times) == len(TEXTS[place])
        assert 0 <= times[0][0] <= times[-1][1] <= clip.size / RATE


def test_a_damaged_take_stops_the_cutting_and_is_not_remembered_once_it_is_whole_again(tmp_path):
    key, _ = write_take(tmp_path / "takes")
    (path,) = (tmp_path / "takes").glob("??/*.wav")
    audio = path.read_bytes()
    path.write_bytes(audio[:-1] + b"\1")
    with pytest.raises(LedgerError, match="run the same command again to fetch it anew"):
        cut(key, tmp_path)
    path.write_bytes(audio)
    assert all("duration_s" in result for result in cut(key, tmp_path).values())


def test_a_later_run_may_want_other_sentences_of_the_same_take(tmp_path):
    key, _ = write_take(tmp_path / "takes")
    assert set(cut(key, tmp_path, [1])) == {"u1"}
    assert not (tmp_path / "raw" / "wavs" / "u0.wav").exists()
    assert set(cut(key, tmp_path, [0, 1])) == {"u0", "u1"}
    assert (tmp_path / "raw" / "wavs" / "u0.wav").is_file()


def test_a_compressed_take_is_told_and_gives_no_clip(tmp_path):
    key, _ = write_take(tmp_path / "takes", is_lossy=True)
    assert {result["reason"] for result in cut(key, tmp_path).values()} == {"lossy_audio"}
    assert not (tmp_path / "raw" / "wavs").exists()
