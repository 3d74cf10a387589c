import json
import shutil

import numpy as np
import pytest
import soundfile

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.errors import ConfigError, CorpusError, StageError
from ttsd.stages import qc

FAST = tuple(f"qc.{name}=null" for name in ("max_cer", "max_missing_words", "max_extra_words", "min_dnsmos"))


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
        assert utterance.qc["cer"] < 0.25
        same = {"qc": {}, "duration_s": None}
        assert utterance.model_copy(update=same) == before[utterance.id].model_copy(update=same)
        assert utterance.duration_s == pytest.approx(before[utterance.id].duration_s, abs=1e-3)


def test_the_recogniser_drops_a_clip_that_says_something_else(copied, tmp_path):
    said, other = clip_of(copied, 1), clip_of(copied, 2)
    shutil.copy(other, said)
    settings = ("qc.min_chars_per_s=1", "qc.max_chars_per_s=90", "qc.max_same_audio=null", "qc.min_dnsmos=null")
    report = qc.run(copied, tmp_path / "out", config(*settings))
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
    assert report.unmeasured["cer"] == 1
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
    report = qc.run(copied, tmp_path / "out", config(*FAST))
    assert report.dropped == {reason: 1}
    assert [(r.id, r.reason) for r in read_rejections(tmp_path / "out")] == [(bad.stem, reason)]
    assert report.n_out == 3


def test_clipping_of_the_source_is_not_hidden_by_the_gain(copied, tmp_path):
    text = (copied / "utterances.jsonl").read_text()
    (copied / "utterances.jsonl").write_text(
        text.replace('"source_clipped_samples": 0', '"source_clipped_samples": 40', 1)
    )
    report = qc.run(copied, tmp_path / "out", config(*FAST))
    assert report.dropped == {"clipped": 1}


def middle_rate(copied, tmp_path):
    """A speaking rate that half of the clips are above."""
    qc.run(copied, tmp_path / "all", config(*FAST))
    return np.median([utterance.qc["chars_per_s"] for utterance in read_corpus(tmp_path / "all").utterances])


def test_every_split_is_judged_alike(copied, tmp_path):
    limit = f"qc.max_chars_per_s={middle_rate(copied, tmp_path)}"
    text = (copied / "utterances.jsonl").read_text()
    for split in ("train", "val", "test"):
        for known in ("train", "val", "test"):
            text = text.replace(f'"split": "{known}"', f'"split": "{split}"')
        (copied / "utterances.jsonl").write_text(text)
        report = qc.run(copied, tmp_path / split, config(*FAST, limit))
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
        qc.run(copied, tmp_path / "out", config(*FAST, "qc.min_duration_s=14"))
    assert len(read_rejections(tmp_path / "out")) == 4
    assert qc.run(copied, tmp_path / "out", config(*FAST)).n_out == 4


def scores_of(root):
    return [json.loads(line) for line in (root / "scores.jsonl").read_text(encoding="utf-8").splitlines()]


def test_every_clip_has_its_figures_and_verdict_kept_or_not(copied, tmp_path):
    bad, unreadable = clip_of(copied, 1), clip_of(copied, 2)
    _shift(bad)
    unreadable.write_bytes(b"RIFF")
    report = qc.run(copied, tmp_path / "out", config(*FAST))
    scores = scores_of(tmp_path / "out")
    assert [score["id"] for score in scores] == [utterance.id for utterance in read_corpus(copied).utterances]
    assert [score["verdict"] for score in scores] == ["keep", "drop", "drop", "keep"]
    assert scores[1]["reason"] == "dc_offset"
    assert scores[1]["results"]["dc"] == "fail"
    assert scores[1]["figures"]["dc"] > 0.02
    assert scores[2]["reason"] == "unreadable_clip"
    assert scores[2]["figures"] == {}
    assert report.dropped == {"dc_offset": 1, "unreadable_clip": 1}


def _shift(path):
    wav, rate = soundfile.read(path)
    soundfile.write(path, wav * 0.9 + 0.03, rate, subtype="PCM_16")


def test_a_person_overrules_the_checks_and_it_survives_another_run(copied, tmp_path):
    first, second = (clip_of(copied, number).stem for number in (0, 1))
    _shift(clip_of(copied, 1))
    (tmp_path / "decisions.txt").write_text(f"drop {first}  # a chair creaks\nkeep {second}\n")
    for out in ("out", "again"):
        report = qc.run(copied, tmp_path / out, config(*FAST))
        assert report.dropped == {"by_hand": 1}
        assert report.details["overruled"] == {"drop": 1, "keep": 1}
        assert [score["overruled"] for score in scores_of(tmp_path / out)] == ["drop", "keep", None, None]
        assert second in {utterance.id for utterance in read_corpus(tmp_path / out).utterances}
    (tmp_path / "decisions.txt").write_text("keep nobody\n")
    with pytest.raises(CorpusError, match=r"decisions\.txt:1: the corpus has no utterance nobody"):
        qc.run(copied, tmp_path / "out", config(*FAST), overwrite=True)
    assert (tmp_path / "out" / "report.json").is_file()


def test_a_person_cannot_keep_what_cannot_be_read(copied, tmp_path):
    bad = clip_of(copied, 1)
    bad.write_bytes(b"RIFF")
    (tmp_path / "decisions.txt").write_text(f"keep {bad.stem}\n")
    assert qc.run(copied, tmp_path / "out", config(*FAST)).dropped == {"unreadable_clip": 1}


def test_another_threshold_asks_no_model_again(copied, tmp_path, monkeypatch):
    settings = ("qc.min_dnsmos=null",)
    qc.run(copied, tmp_path / "out", config(*settings))
    monkeypatch.setattr("ttsd.metrics.measured._load", lambda *_: pytest.fail("a model was loaded"))
    report = qc.run(copied, tmp_path / "out", config(*settings, "qc.min_duration_s=2.3"), overwrite=True)
    assert report.dropped["too_short"] > 0


def test_a_dry_run_tells_what_each_threshold_costs_and_writes_no_corpus(copied, tmp_path):
    settings = config(*FAST, f"qc.max_chars_per_s={middle_rate(copied, tmp_path)}")
    costs = qc.tell(copied, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
    assert qc.run(copied, tmp_path / "out", settings).n_out == costs.n_kept
    by_check = {cost.check: cost for cost in costs.checks}
    fast = by_check["fast"]
    assert fast.setting == "qc.max_chars_per_s"
    assert 0 < fast.n == fast.n_first == costs.n_in - costs.n_kept
    assert fast.hours == pytest.approx(costs.hours_in - costs.hours_kept, abs=2e-4)
    assert by_check["intelligibility"].threshold is None
    assert by_check["rate"].n_unmeasured == 4


def test_the_bytes_are_the_same_for_one_two_and_four_workers(copied, tmp_path):
    outputs = []
    for n_workers in (1, 2, 4):
        out = tmp_path / str(n_workers) / "out"
        qc.run(copied, out, load_config(None, [f"n_workers={n_workers}", *FAST]))
        outputs.append({path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()})
    assert outputs[0] == outputs[1] == outputs[2]
