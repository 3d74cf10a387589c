import os

import pytest
import soundfile

from ttsd.config import load_config
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.data.split import split_of
from ttsd.errors import ConfigError, StageError, TeacherError, TranscriptError
from ttsd.report import load_report
from ttsd.stages import generate

PICO = ("generate.teacher=pico", "n_workers=1")
TEXT = "# Heading\n\nThe cell is the smallest unit of life on earth.\n"


def config(*settings):
    return load_config(None, [*PICO, *settings])


def test_the_raw_corpus_is_at_the_teachers_own_rate_and_says_who_spoke(raw_corpus):
    corpus = read_corpus(raw_corpus)
    assert len(corpus.utterances) == 12
    for utterance in corpus.utterances:
        info = soundfile.info(corpus.clip_path(utterance))
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert utterance.duration_s == pytest.approx(info.frames / 16000, abs=1e-5)
        assert utterance.speaker == "pico-en-US"
        assert utterance.teacher["provider"] == "pico"
        assert utterance.teacher["voice"] == "en-US"
        assert utterance.source["file"] in {"cells.md", "nested/water.md"}
        assert utterance.source["section"]
        assert utterance.alignment == {}


def test_a_white_box_teacher_leaves_its_symbols_and_durations(tmp_path):
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "a.md").write_text(TEXT)
    settings = load_config(None, ["generate.teacher=piper", "n_workers=1", "speaker=anna"])
    generate.run(tmp_path / "guides", tmp_path / "raw", settings)
    (utterance,) = read_corpus(tmp_path / "raw").utterances
    assert utterance.speaker == "anna"
    assert utterance.teacher["provider"] == "piper"
    assert len(utterance.teacher["model"]) == 64
    frames = sum(utterance.alignment["durations"])
    info = soundfile.info(tmp_path / "raw" / "wavs" / f"{utterance.id}.wav")
    assert frames * utterance.alignment["hop_length"] == info.frames
    assert len(utterance.alignment["symbol_ids"]) == len(utterance.alignment["durations"])


def test_the_seed_decides_what_a_noisy_teacher_says(tmp_path):
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "a.md").write_text(TEXT)
    said = []
    for name, seed in (("x", 1), ("y", 2)):
        settings = load_config(None, ["generate.teacher=piper", "n_workers=1", f"seed={seed}"])
        generate.run(tmp_path / "guides", tmp_path / name, settings)
        said.append(next((tmp_path / name / "wavs").iterdir()).read_bytes())
    assert said[0] != said[1]


def test_unreadable_guides_and_what_is_left_out_are_listed_with_their_reason(tmp_path):
    guides = tmp_path / "guides"
    guides.mkdir()
    (guides / "a.md").write_text(TEXT + "\n```python\nprint('never read aloud')\n```\n")
    (guides / "binary.md").write_bytes(b"\x00\xff\xfe\x89PNG" * 20)
    (guides / "empty.md").write_bytes(b"")
    report = generate.run(guides, tmp_path / "raw", config())
    rejections = read_rejections(tmp_path / "raw")
    assert report.n_out == len(read_corpus(tmp_path / "raw").utterances) == 1
    assert report.dropped["unreadable_guide"] == 1
    assert report.dropped["code"] == 1
    assert {rejection.reason for rejection in rejections} == set(report.dropped)
    assert any("binary.md" in rejection.value for rejection in rejections)
    assert report.n_in == report.n_out + len(rejections)


def test_a_sentence_the_teacher_cannot_speak_is_dropped_and_the_rest_goes_on(tmp_path):
    guides = tmp_path / "guides"
    guides.mkdir()
    (guides / "a.md").write_text("日本語の文章はここにあります。これも日本語の文章です。\n\n" + TEXT)
    report = generate.run(guides, tmp_path / "raw", config("generate.verbatim.scripts=[LATIN, CJK, HIRAGANA]"))
    assert report.dropped["teacher_failed"] >= 1
    assert any("no sound" in rejection.value for rejection in read_rejections(tmp_path / "raw"))
    assert [u.transcript for u in read_corpus(tmp_path / "raw").utterances] == [
        "The cell is the smallest unit of life on earth."
    ]


def test_it_stops_after_the_number_of_utterances_asked_for(tmp_path, guides, raw_corpus):
    report = generate.run(guides, tmp_path / "raw", config("generate.max_utterances=3"))
    assert report.n_out == 3
    few, all_of_them = read_corpus(tmp_path / "raw").utterances, read_corpus(raw_corpus).utterances
    assert few == all_of_them[:3]


def test_settings_of_another_teacher_change_nothing(tmp_path, guides):
    first = generate.run(guides, tmp_path / "raw", config("generate.max_utterances=1"))
    again = generate.run(guides, tmp_path / "raw", config("generate.max_utterances=1", "generate.piper.length_scale=2"))
    assert again == first == load_report(tmp_path / "raw")


def test_a_changed_guide_is_refused_where_the_old_one_was_spoken(tmp_path):
    guides = tmp_path / "guides"
    guides.mkdir()
    (guides / "a.md").write_text(TEXT)
    generate.run(guides, tmp_path / "raw", config())
    (guides / "a.md").write_text(TEXT + "One more sentence stands at the very end.\n")
    with pytest.raises(StageError, match="other input or settings"):
        generate.run(guides, tmp_path / "raw", config())


def test_wrong_input_is_one_clear_error_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(TranscriptError, match="no such folder"):
        generate.run(tmp_path / "nowhere", tmp_path / "raw", config())
    (tmp_path / "guides").mkdir()
    with pytest.raises(StageError, match="holds no study guide"):
        generate.run(tmp_path / "guides", tmp_path / "raw", config())
    (tmp_path / "guides" / "a.md").write_text(TEXT)
    with pytest.raises(TeacherError, match="no such Piper voice"):
        generate.run(
            tmp_path / "guides",
            tmp_path / "raw",
            load_config(None, ["generate.teacher=piper", "generate.piper.voice=none.onnx"]),
        )
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```python\nprint(1)\n```\n", r"rejected\.csv: generate dropped every one of 1 utterances \(1 code\)"),
        ("", "generate found no utterance in its input"),
    ],
)
def test_guides_with_nothing_to_read_end_in_one_line_and_block_nothing(tmp_path, text, words):
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "a.md").write_text(text)
    with pytest.raises(StageError, match=words):
        generate.run(tmp_path / "guides", tmp_path / "raw", config())
    (tmp_path / "guides" / "a.md").write_text(TEXT)
    assert generate.run(tmp_path / "guides", tmp_path / "raw", config()).n_out == 1


def test_a_guide_whose_name_is_not_utf_8_is_listed_with_its_reason(tmp_path):
    guides = tmp_path / "guides"
    (guides / "folder.md").mkdir(parents=True)
    (guides / "a.md").write_text(TEXT)
    try:
        (guides / os.fsdecode(b"strange\xff.md")).write_text(TEXT)
    except OSError:  # Some file systems take no such name.
        pytest.skip("this file system has UTF-8 names alone")
    report = generate.run(guides, tmp_path / "raw", config())
    assert report.n_out == 1
    reasons = [r.value for r in read_rejections(tmp_path / "raw") if r.reason == "unreadable_guide"]
    assert reasons == ["strange\\udcff.md: its name is not UTF-8; rename it"]


def test_a_file_in_the_place_of_the_folder_is_told_as_such(tmp_path):
    (tmp_path / "a.md").write_text(TEXT)
    with pytest.raises(TranscriptError, match=r"a\.md: a file, where a folder .* is read"):
        generate.run(tmp_path / "a.md", tmp_path / "raw", config())


def test_the_second_take_is_another_reading_of_the_held_out_sentences(tmp_path):
    guides = tmp_path / "guides"
    guides.mkdir()
    for number in range(8):
        (guides / f"{number}.md").write_text(f"# Heading {number}\n\nThe cell number {number} is quite small.\n")
    told = ["generate.teacher=piper", "n_workers=1", "split.test_fraction=0.4"]
    generate.run(guides, tmp_path / "raw", load_config(None, told))
    generate.run(guides, tmp_path / "raw-take2", load_config(None, [*told, "generate.take=2"]))
    first, second = (read_corpus(tmp_path / name) for name in ("raw", "raw-take2"))
    held_out = [u.id for u in first.utterances if split_of(u, load_config(None, told).split) == "test"]
    assert 0 < len(held_out) < 8
    assert [u.id for u in second.utterances] == held_out
    for utterance in second.utterances:
        paths = [corpus.clip_path(utterance) for corpus in (first, second)]
        assert paths[0].read_bytes() != paths[1].read_bytes()
    whole = load_config(None, [*told, "generate.take=2", "evaluate.split=all"])
    assert generate.run(guides, tmp_path / "all", whole).n_out == 8


def test_a_teacher_with_one_way_to_say_it_has_no_second_take(guides, tmp_path):
    with pytest.raises(ConfigError, match=r"generate\.take: pico-en-US .* one way alone"):
        generate.run(guides, tmp_path / "raw", config("generate.take=2"))
    quiet = ["generate.teacher=piper", "generate.piper.noise_scale=0", "generate.piper.noise_scale_duration=0"]
    with pytest.raises(ConfigError, match="one way alone"):
        generate.run(guides, tmp_path / "raw", load_config(None, [*quiet, "generate.take=2"]))
