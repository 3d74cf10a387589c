import shutil

import numpy as np
import pytest
import soundfile

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.errors import ConfigError, StageError
from ttsd.stages import qc


def config(*settings):
    return load_config(None, ["n_workers=1", *settings])


@pytest.fixture
def copied(processed_corpus, tmp_path):
    """Four utterances of the processed corpus, to be damaged."""
    root = tmp_path / "processed"
    (root / "wavs").mkdir(parents=True)
    for name in ("metadata.csv", "utterances.jsonl"):
        lines = (processed_corpus / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (root / name).write_text("".join(lines[:4]), encoding="utf-8")
    for utterance in read_corpus(root).utterances:
        shutil.copy(processed_corpus / "wavs" / f"{utterance.id}.wav", root / "wavs")
    return root


def clip_of(root, number):
    return root / "wavs" / f"{read_corpus(root).utterances[number].id}.wav"


def test_kept_clips_are_copied_byte_for_byte_with_their_scores(curated_corpus, processed_corpus):
    curated = read_corpus(curated_corpus)
    assert len(curated.utterances) == 12
    before = {utterance.id: utterance for utterance in read_corpus(processed_corpus).utterances}
    for utterance in curated.utterances:
        name = f"wavs/{utterance.id}.wav"
        assert (curated_corpus / name).read_bytes() == (processed_corpus / name).read_bytes()
        assert set(before[utterance.id].qc) < set(utterance.qc)
        assert 5 < utterance.qc["chars_per_s"] < 25
        assert utterance.qc["clipped_samples"] == 0
        assert "cer" not in utterance.qc
        assert utterance.model_copy(update={"qc": {}}) == before[utterance.id].model_copy(update={"qc": {}})


def test_the_recogniser_drops_a_clip_that_says_something_else(copied, tmp_path):
    said, other = clip_of(copied, 1), clip_of(copied, 2)
    shutil.copy(other, said)
    report = qc.run(copied, tmp_path / "out", config("qc.min_chars_per_s=1", "qc.max_chars_per_s=90"))
    assert report.dropped == {"high_cer": 1}
    (rejection,) = read_rejections(tmp_path / "out")
    assert rejection.id == said.stem
    assert float(rejection.value) > 0.25
    for utterance in read_corpus(tmp_path / "out").utterances:
        assert 0 <= utterance.qc["cer"] <= 0.25
        assert utterance.qc["heard"]
    assert report.config["asr"]["model"] == "tiny.en"


def test_a_rate_that_cannot_be_told_is_unmeasured_and_the_clip_is_kept(copied, tmp_path):
    lines = (copied / "metadata.csv").read_text().splitlines()
    name, _, speaker = lines[0].split("|")
    # Whisper's normaliser leaves nothing of a text in brackets.
    (copied / "metadata.csv").write_text(f"{name}|(laughing out loud in the dark)|{speaker}\n")
    report = qc.run(copied, tmp_path / "out", config())
    assert report.unmeasured == {"cer": 1}
    assert report.n_out == 1
    assert read_corpus(tmp_path / "out").utterances[0].qc["cer"] == "unmeasured"


def _stereo(path):
    wav, rate = soundfile.read(path)
    soundfile.write(path, np.stack([wav, wav], axis=1), rate, subtype="PCM_16")


def _other_rate(path):
    wav, _ = soundfile.read(path)
    soundfile.write(path, wav, 16000, subtype="PCM_16")


def _float(path):
    wav, rate = soundfile.read(path)
    soundfile.write(path, wav, rate, subtype="FLOAT")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "missing_clip"),
        (lambda path: path.write_bytes(b"RIFF"), "unreadable_clip"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4000]), "truncated_clip"),
        (lambda path: soundfile.write(path, np.zeros(0, dtype=np.int16), 22050), "empty_clip"),
        (lambda path: soundfile.write(path, np.zeros(22050, dtype=np.int16), 22050), "too_quiet"),
        (_stereo, "wrong_format"),
        (_other_rate, "wrong_format"),
        (_float, "wrong_format"),
    ],
)
def test_a_bad_clip_is_dropped_with_its_reason_and_the_rest_goes_on(copied, tmp_path, damage, reason):
    bad = clip_of(copied, 1)
    damage(bad)
    report = qc.run(copied, tmp_path / "out", config("qc.max_cer=null"))
    assert report.dropped == {reason: 1}
    assert [(r.id, r.reason) for r in read_rejections(tmp_path / "out")] == [(bad.stem, reason)]
    assert report.n_out == 3


def test_clipping_of_the_source_is_not_hidden_by_the_gain(copied, tmp_path):
    text = (copied / "utterances.jsonl").read_text()
    (copied / "utterances.jsonl").write_text(
        text.replace('"source_clipped_samples": 0', '"source_clipped_samples": 40', 1)
    )
    report = qc.run(copied, tmp_path / "out", config("qc.max_cer=null"))
    assert report.dropped == {"clipped": 1}


def test_every_split_is_judged_alike(copied, tmp_path):
    text = (copied / "utterances.jsonl").read_text()
    for split in ("train", "val", "test"):
        for known in ("train", "val", "test"):
            text = text.replace(f'"split": "{known}"', f'"split": "{split}"')
        (copied / "utterances.jsonl").write_text(text)
        report = qc.run(copied, tmp_path / split, config("qc.max_cer=null", "qc.max_chars_per_s=13.5"))
        dropped = [(r.id, r.reason) for r in read_rejections(tmp_path / split)]
        assert 0 < report.n_dropped < 4
        assert {u.split for u in read_corpus(tmp_path / split).utterances} == {split}
        assert dropped == [(r.id, r.reason) for r in read_rejections(tmp_path / "train")]


def test_a_model_that_is_not_here_is_a_setting_to_mend(copied, tmp_path):
    with pytest.raises(ConfigError, match=r"asr.model"):
        qc.run(copied, tmp_path / "out", config("asr.model=nowhere-at-all"))
    assert not (tmp_path / "out").exists()


def test_settings_that_no_clip_meets_end_in_one_line_and_block_nothing(copied, tmp_path):
    with pytest.raises(StageError, match=r"rejected\.csv: qc dropped every one of 4 utterances \(4 too_short\)"):
        qc.run(copied, tmp_path / "out", config("qc.max_cer=null", "qc.min_duration_s=14"))
    assert len(read_rejections(tmp_path / "out")) == 4
    assert qc.run(copied, tmp_path / "out", config("qc.max_cer=null")).n_out == 4
