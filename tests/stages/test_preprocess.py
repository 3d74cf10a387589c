import json
import shutil

import numpy as np
import pytest
import soundfile

from ttsd.config import load_config
from ttsd.data.audio import find_sound, read_wav
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.data.loudness import measure_loudness
from ttsd.data.phonemes import phonemize
from ttsd.data.split import split_of
from ttsd.errors import ConfigError, CorpusError, StageError
from ttsd.stages import preprocess


def config(*settings):
    return load_config(None, ["n_workers=1", *settings])


@pytest.fixture
def copied(raw_corpus, tmp_path):
    """Three utterances of the raw corpus, to be damaged."""
    root = tmp_path / "raw"
    (root / "wavs").mkdir(parents=True)
    for name in ("metadata.csv", "utterances.jsonl"):
        lines = (raw_corpus / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (root / name).write_text("".join(lines[:3]), encoding="utf-8")
    for utterance in read_corpus(root).utterances:
        shutil.copy(raw_corpus / "wavs" / f"{utterance.id}.wav", root / "wavs")
    return root


def test_every_clip_has_one_rate_one_loudness_and_clean_edges(processed_corpus):
    corpus = read_corpus(processed_corpus)
    assert len(corpus.utterances) == 12
    for utterance in corpus.utterances:
        path = corpus.clip_path(utterance)
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        wav, sample_rate = read_wav(path)
        assert measure_loudness(wav, sample_rate) == pytest.approx(-23, abs=0.1)
        assert np.abs(wav).max() <= 10 ** (-1 / 20)
        start, end = find_sound(wav, sample_rate, -45)
        assert start / sample_rate <= 0.1
        assert (len(wav) - end) / sample_rate <= 0.1
        assert utterance.duration_s == pytest.approx(len(wav) / sample_rate, abs=1e-5)


def test_text_phonemes_and_split_are_kept_with_the_utterance(processed_corpus, raw_corpus, corpus_config):
    raw = {utterance.id: utterance for utterance in read_corpus(raw_corpus).utterances}
    splits = set()
    for utterance in read_corpus(processed_corpus).utterances:
        assert utterance.transcript == raw[utterance.id].transcript
        assert utterance.normalized_transcript
        assert utterance.phonemes == phonemize(utterance.normalized_transcript, "en-us")
        assert utterance.split == split_of(raw[utterance.id], corpus_config.split)
        assert (utterance.teacher, utterance.source) == (raw[utterance.id].teacher, raw[utterance.id].source)
        splits.add(utterance.split)
    assert splits == {"train", "val", "test"}


def _remove(path):
    path.unlink()


def _truncate(path):
    path.write_bytes(b"RIFF")


def _cut_off(path):
    path.write_bytes(path.read_bytes()[:-4000])


def _empty(path):
    soundfile.write(path, np.zeros(0, dtype=np.int16), 16000)


def _silence(path):
    soundfile.write(path, np.zeros(16000, dtype=np.int16), 16000)


def _offset(path):
    soundfile.write(path, np.full(16000, 9000, dtype=np.int16), 16000)


def _no_numbers(path):
    soundfile.write(path, np.full(16000, np.nan, dtype=np.float32), 16000, subtype="FLOAT", format="WAV")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_remove, "missing_clip"),
        (_truncate, "unreadable_clip"),
        (_cut_off, "truncated_clip"),
        (_no_numbers, "unreadable_clip"),
        (_empty, "empty_clip"),
        (_silence, "silent_clip"),
        (_offset, "silent_clip"),
    ],
)
def test_a_bad_clip_is_dropped_with_its_reason_and_the_rest_goes_on(copied, tmp_path, damage, reason):
    bad = read_corpus(copied).utterances[1].id
    damage(copied / "wavs" / f"{bad}.wav")
    report = preprocess.run(copied, tmp_path / "out", config())
    assert report.dropped == {reason: 1}
    assert (report.n_in, report.n_out) == (3, 2)
    assert [(r.id, r.reason) for r in read_rejections(tmp_path / "out")] == [(bad, reason)]
    assert bad not in {utterance.id for utterance in read_corpus(tmp_path / "out").utterances}


def test_stereo_and_other_rates_come_out_like_the_rest(copied, tmp_path):
    path = copied / "wavs" / f"{read_corpus(copied).utterances[0].id}.wav"
    wav, _ = soundfile.read(path)
    soundfile.write(path, np.stack([wav, wav], axis=1).repeat(3, axis=0), 48000, subtype="PCM_24", format="WAV")
    preprocess.run(copied, tmp_path / "out", config())
    info = soundfile.info(tmp_path / "out" / "wavs" / path.name)
    assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")


def test_clipping_and_level_of_the_source_are_told_though_the_gain_hides_them(copied, tmp_path):
    path = copied / "wavs" / f"{read_corpus(copied).utterances[0].id}.wav"
    wav, rate = soundfile.read(path)
    soundfile.write(path, np.clip(wav * 8, -1, 1), rate, subtype="PCM_16")
    preprocess.run(copied, tmp_path / "out", config())
    clipped, clean, _ = read_corpus(tmp_path / "out").utterances
    assert clipped.qc["source_clipped_samples"] > 3 > clean.qc["source_clipped_samples"]
    assert clipped.qc["source_rms_db"] > clean.qc["source_rms_db"] + 6
    assert clipped.qc["gain_db"] < clean.qc["gain_db"] - 6


def test_a_text_with_nothing_to_say_is_dropped(copied, tmp_path):
    lines = (copied / "metadata.csv").read_text().splitlines()
    name, _, speaker = lines[2].split("|")
    (copied / "metadata.csv").write_text("\n".join([*lines[:2], f"{name}|— … —|{speaker}"]) + "\n")
    assert preprocess.run(copied, tmp_path / "out", config()).dropped == {"nothing_to_say": 1}


def test_a_normalized_transcript_that_a_person_wrote_is_kept(tmp_path, raw_corpus):
    root = tmp_path / "lj"
    clip = next((raw_corpus / "wavs").iterdir())
    (root / "wavs").mkdir(parents=True)
    shutil.copy(clip, root / "wavs" / "LJ001-0001.wav")
    (root / "metadata.csv").write_text("LJ001-0001|In 1455.|In the year fourteen fifty-five.\n")
    report = preprocess.run(root, tmp_path / "out", config())
    (utterance,) = read_corpus(tmp_path / "out").utterances
    assert utterance.normalized_transcript == "In the year fourteen fifty-five."
    assert utterance.phonemes == phonemize("In the year fourteen fifty-five.")
    assert report.details["layout"] == "ljspeech"


def test_numbers_are_spelt_out_before_they_become_phonemes(copied, tmp_path):
    lines = (copied / "metadata.csv").read_text().splitlines()
    name, _, speaker = lines[0].split("|")
    (copied / "metadata.csv").write_text("\n".join([f"{name}|It has 3 parts.|{speaker}", *lines[1:]]) + "\n")
    preprocess.run(copied, tmp_path / "out", config())
    assert read_corpus(tmp_path / "out").utterances[0].normalized_transcript == "It has three parts."
    preprocess.run(copied, tmp_path / "plain", config("preprocess.normalize_text=false"))
    assert read_corpus(tmp_path / "plain").utterances[0].normalized_transcript is None


def test_trimming_is_told_beside_the_times_of_the_teacher(copied, tmp_path):
    details = [json.loads(line) for line in (copied / "utterances.jsonl").read_text().splitlines()]
    details[0]["alignment"] = {"durations": [3, 4]}
    (copied / "utterances.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in details))
    preprocess.run(copied, tmp_path / "out", config())
    first, second, _ = read_corpus(tmp_path / "out").utterances
    assert first.alignment["durations"] == [3, 4]
    assert 0 <= first.alignment["trimmed_start_s"] < 0.5
    assert second.alignment == {}


def test_wrong_input_is_one_clear_error(copied, tmp_path):
    with pytest.raises(CorpusError, match="no such file"):
        preprocess.run(tmp_path / "nowhere", tmp_path / "out", config())
    with pytest.raises(ConfigError, match="normalize_text=false"):
        preprocess.run(copied, tmp_path / "out", config("language=de"))
    with pytest.raises(ConfigError, match="espeak-ng cannot use the voice"):
        preprocess.run(copied, tmp_path / "out", config("language=en-xx"))
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_one_usable_clip_ends_in_one_line_and_blocks_nothing(copied, raw_corpus, tmp_path):
    clips = sorted((copied / "wavs").iterdir())
    for clip in clips:
        clip.unlink()
    for _ in range(2):
        with pytest.raises(StageError, match=r"rejected\.csv: preprocess dropped every one of 3 .*3 missing_clip"):
            preprocess.run(copied, tmp_path / "out", config())
        assert [r.reason for r in read_rejections(tmp_path / "out")] == ["missing_clip"] * 3
        assert not (tmp_path / "out" / "report.json").exists()
    for clip in clips:
        shutil.copy(raw_corpus / "wavs" / clip.name, clip)
    assert preprocess.run(copied, tmp_path / "out", config()).n_out == 3
    assert not (tmp_path / "out" / "rejected.csv").exists()
