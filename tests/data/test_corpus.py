import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsd.data.corpus import (
    Corpus,
    Rejection,
    Utterance,
    clean_text,
    hash_corpus,
    read_corpus,
    read_rejections,
    remove_strays,
    validate_corpus,
    write_corpus,
)
from ttsd.errors import CorpusError


def make_clip(path: Path, sample_rate=16000, n_channels=1, n_samples=160):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros((n_samples, n_channels), dtype=np.int16), sample_rate, subtype="PCM_16")


def make_corpus(root: Path, metadata: str | bytes, ids=("a", "b"), **clip) -> Path:
    for name in ids:
        make_clip(root / "wavs" / f"{name}.wav", **clip)
    data = metadata.encode() if isinstance(metadata, str) else metadata
    (root / "metadata.csv").write_bytes(data)
    return root


OURS = "wavs/a.wav|One.|joe\nwavs/b.wav|Two.|joe\n"


def test_our_own_form_is_read(tmp_path):
    corpus = read_corpus(make_corpus(tmp_path, OURS))
    assert corpus.layout == "ttsd"
    assert [(u.id, u.transcript, u.speaker) for u in corpus.utterances] == [("a", "One.", "joe"), ("b", "Two.", "joe")]
    assert corpus.clip_path(corpus.utterances[1]) == tmp_path / "wavs/b.wav"
    assert validate_corpus(corpus) == 16000


def test_ljspeech_as_published_is_read(tmp_path):
    metadata = (
        'LJ001-0001|Printing, in the only sense with which we are at "present" concerned,|Printing, in words\n'
        "LJ001-0002|in being comparatively modern, 1455.|in being comparatively modern, fourteen fifty-five.\n"
    )
    corpus = read_corpus(make_corpus(tmp_path, metadata, ids=("LJ001-0001", "LJ001-0002")))
    assert corpus.layout == "ljspeech"
    assert corpus.utterances[1].transcript == "in being comparatively modern, 1455."
    assert corpus.utterances[1].spoken == "in being comparatively modern, fourteen fifty-five."
    assert validate_corpus(corpus) == 16000


def test_the_two_column_form_is_read(tmp_path):
    corpus = read_corpus(make_corpus(tmp_path, "a|One.\nb|Two.\n"))
    assert corpus.layout == "two-column"
    assert [u.spoken for u in corpus.utterances] == ["One.", "Two."]


def test_lone_quotes_swallow_no_row(tmp_path):
    corpus = read_corpus(make_corpus(tmp_path, 'wavs/a.wav|"One.|joe\nwavs/b.wav|Tw"o.|joe\n'))
    assert [u.transcript for u in corpus.utterances] == ['"One.', 'Tw"o.']


def test_a_missing_last_line_end_is_no_mistake(tmp_path):
    assert len(read_corpus(make_corpus(tmp_path, OURS.rstrip("\n"))).utterances) == 2


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"\xef\xbb\xbf" + OURS.encode(), "byte order mark"),
        (OURS.replace("\n", "\r\n"), "Windows line ends"),
        (b"", "is empty"),
        ("wavs/a.wav|Caf\xe9.|joe\n".encode("latin-1"), r"metadata.csv:1: is not UTF-8"),
        ("wavs/a.wav|One | two.|joe\n", r"metadata.csv:1: has 4 columns"),
        ("wavs/a.wav|One.|joe\nwavs/b.wav|Two.\n", r"metadata.csv:2: has 2 columns"),
        ("wavs/a.wav|One.|joe\n\nwavs/b.wav|Two.|joe\n", r"metadata.csv:2: has 1 columns"),
        ("wavs/a.wav|One.|joe\nwavs/a.wav|Two.|joe\n", r"metadata.csv:2: the id a appears twice"),
        ("wavs/a.wav|One.|joe\nwavs/sub/a.wav|Two.|joe\n", r"metadata.csv:2: the id a appears twice"),
        ("wavs/../../a.wav|One.|joe\n", "leaves the corpus"),
        ("/etc/a.wav|One.|joe\n", "leaves the corpus"),
        ("../a|One.\n", "cannot be an id|leaves the corpus|columns"),
        ("wavs/a.wav||joe\n", "text of wavs/a.wav is empty"),
        ("wavs/a.wav|  |joe\n", "is empty"),
        ("wavs/a.wav|One\tand two.|joe\n", "control characters"),
        ("wavs/a.wav|One.|j o e\n", "cannot be an id or speaker"),
        ("wavs/a.wav|One.|\n", "cannot be an id or speaker"),
        ("wavs/ä.wav|One.|joe\n", "cannot be an id or speaker"),
        ("wavs/.wav|One.|joe\n", "cannot be an id or speaker"),
        ("..|One.\n", "cannot be an id or speaker"),
        ("wavs/a.wav|One.\x00|joe\n", "control characters"),
    ],
)
def test_malformed_metadata_is_one_clear_error(tmp_path, metadata, message):
    make_corpus(tmp_path, metadata)
    with pytest.raises(CorpusError, match=message) as caught:
        read_corpus(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_metadata_is_no_corpus(tmp_path):
    with pytest.raises(CorpusError, match="no such file; a corpus is a directory"):
        read_corpus(tmp_path / "nowhere")
    (tmp_path / "metadata.csv").mkdir()
    with pytest.raises(CorpusError, match="cannot be read"):
        read_corpus(tmp_path)


def test_a_symlink_out_of_the_corpus_is_refused(tmp_path):
    make_clip(tmp_path / "secret.wav")
    root = tmp_path / "corpus"
    (root / "wavs").mkdir(parents=True)
    (root / "wavs" / "a.wav").symlink_to(tmp_path / "secret.wav")
    (root / "metadata.csv").write_text("wavs/a.wav|One.|joe\n")
    with pytest.raises(CorpusError, match="leaves the corpus"):
        read_corpus(root)


def test_a_symlink_inside_the_corpus_is_read(tmp_path):
    make_corpus(tmp_path, OURS, ids=("b",))
    (tmp_path / "wavs" / "a.wav").symlink_to("b.wav")
    assert validate_corpus(read_corpus(tmp_path)) == 16000


def _remove(path):
    path.unlink()


def _spoil(path):
    path.write_bytes(b"not a wav")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove, "clip of b is missing"),
        (_spoil, "not a readable WAV"),
        (lambda path: path.write_bytes(b""), "not a readable WAV"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "clip of b is cut off, 8 bytes"),
        (lambda path: make_clip(path, n_samples=0), "clip of b is empty"),
        (lambda path: make_clip(path, n_channels=2), "b has 2 channels"),
        (lambda path: make_clip(path, sample_rate=44100), "44100 Hz where 16000 Hz is expected"),
    ],
)
def test_a_bad_clip_is_one_clear_error(tmp_path, damage, message):
    make_corpus(tmp_path, OURS)
    damage(tmp_path / "wavs" / "b.wav")
    with pytest.raises(CorpusError, match=message):
        validate_corpus(read_corpus(tmp_path))


def test_the_sample_rate_asked_for_is_the_one_checked(tmp_path):
    corpus = read_corpus(make_corpus(tmp_path, OURS))
    with pytest.raises(CorpusError, match="16000 Hz where 22050 Hz is expected; run `ttsd preprocess`"):
        validate_corpus(corpus, 22050)


def test_an_edited_text_clears_what_was_derived_from_the_old_one(tmp_path):
    known = Utterance(
        id="a",
        transcript="One.",
        normalized_transcript="One.",
        phonemes="wˈʌn.",
        duration_s=1.0,
        qc={"cer": 0.1},
        alignment={"durations": [1]},
        source={"file": "x.md"},
        split="test",
        speaker="joe",
    )
    make_clip(tmp_path / "wavs/a.wav")
    write_corpus(tmp_path, [known])
    assert read_corpus(tmp_path).utterances == (known,)
    (tmp_path / "metadata.csv").write_text("wavs/a.wav|Another.|joe\n")
    (edited,) = read_corpus(tmp_path).utterances
    assert edited.transcript == edited.spoken == "Another."
    assert (edited.phonemes, edited.qc, edited.alignment) == (None, {}, {})
    assert (edited.duration_s, edited.source, edited.split) == (1.0, {"file": "x.md"}, "test")


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "a"}', '{"id": "a", "transcript": "One.", "colour": 1}'])
def test_damaged_details_are_one_clear_error(tmp_path, line):
    make_corpus(tmp_path, OURS)
    (tmp_path / "utterances.jsonl").write_text(line + "\n")
    with pytest.raises(CorpusError, match=r"utterances.jsonl:1: .* restore the line or delete it"):
        read_corpus(tmp_path)


def test_details_that_are_not_utf8_are_one_clear_error(tmp_path):
    make_corpus(tmp_path, OURS)
    (tmp_path / "utterances.jsonl").write_bytes(b'{"id": "a", "transcript": "\xff"}\n')
    with pytest.raises(CorpusError, match=r"utterances.jsonl:?\d*: is not UTF-8"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("text", ["", " ", "a|b", "a\nb", "a\rb", "a\u2028b", "a  b", "e\u0301", "\ufeffa", "a\x85b"])
def test_what_a_row_cannot_hold_is_never_written(tmp_path, text):
    with pytest.raises(CorpusError, match="clean it first"):
        write_corpus(tmp_path, [Utterance(id="a", transcript=text)])
    assert not (tmp_path / "metadata.csv").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a|b", "a\n"])
def test_an_id_that_is_no_file_name_is_never_written(tmp_path, name):
    with pytest.raises(CorpusError, match="cannot be an id"):
        write_corpus(tmp_path, [Utterance(id=name, transcript="x")])


def test_two_utterances_of_one_id_are_never_written(tmp_path):
    with pytest.raises(CorpusError, match="appears twice"):
        write_corpus(tmp_path, [Utterance(id="a", transcript="x"), Utterance(id="a", transcript="y")])


def test_rejections_are_read_as_written(tmp_path):
    dropped = (Rejection("a", "too_short", "0.3 s"), Rejection("b", "left_out", 'a "b" c'), Rejection("c", "empty"))
    write_corpus(tmp_path, [], dropped)
    assert read_rejections(tmp_path) == dropped
    assert read_rejections(tmp_path / "elsewhere") == ()


def test_a_rejection_keeps_to_its_line_whatever_its_value(tmp_path):
    write_corpus(tmp_path, [], [Rejection("a", "table", "x | y\nz\u2028w"), Rejection("b", "c", "d")])
    assert [rejection.id for rejection in read_rejections(tmp_path)] == ["a", "b"]


IDS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,12}", fullmatch=True)
SURROGATE_FREE = st.characters(exclude_categories=["Cs"])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.dictionaries(
    st.text(SURROGATE_FREE, max_size=5), st.none() | st.booleans() | NUMBERS | st.text(SURROGATE_FREE), max_size=3
)
UTTERANCES = st.builds(
    Utterance,
    id=IDS,
    transcript=st.text(SURROGATE_FREE, min_size=1).map(clean_text).filter(bool),
    speaker=IDS,
    normalized_transcript=st.none() | st.text(SURROGATE_FREE),
    phonemes=st.none() | st.text(SURROGATE_FREE),
    duration_s=st.none() | st.floats(0, 100),
    source=JSON,
    qc=JSON,
    split=st.sampled_from([None, "train", "val", "test"]),
)


@settings(max_examples=80, deadline=None)
@given(utterances=st.lists(UTTERANCES, min_size=1, max_size=5, unique_by=lambda u: u.id))
def test_what_is_written_is_read_back(tmp_path_factory, utterances):
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, utterances)
    assert read_corpus(root).utterances == tuple(utterances)
    before = [(root / name).read_bytes() for name in ("metadata.csv", "utterances.jsonl")]
    write_corpus(root, read_corpus(root).utterances)
    assert [(root / name).read_bytes() for name in ("metadata.csv", "utterances.jsonl")] == before


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_clean_text_is_one_nfc_line_and_clean_already(text):
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert unicodedata.normalize("NFC", cleaned) == cleaned
    assert "|" not in cleaned
    assert len(cleaned.splitlines()) <= 1


def test_metadata_is_plain_utf8_without_quoting(tmp_path):
    write_corpus(tmp_path, [Utterance(id="a", transcript='"Café" –', speaker="x")])
    assert (tmp_path / "metadata.csv").read_bytes() == 'wavs/a.wav|"Café" –|x\n'.encode()
    assert json.loads((tmp_path / "utterances.jsonl").read_text(encoding="utf-8"))["id"] == "a"


def test_strays_of_an_interrupted_run_are_removed_and_nothing_else(tmp_path):
    make_corpus(tmp_path, OURS)
    (tmp_path / "wavs" / ".a.x1.tmp.wav").touch()
    make_clip(tmp_path / "wavs" / "c.wav")
    (tmp_path / ".metadata.x1.tmp.csv").touch()
    remove_strays(tmp_path, read_corpus(tmp_path).utterances)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == [
        "metadata.csv", "wavs", "wavs/a.wav", "wavs/b.wav",
    ]  # fmt: skip


def test_the_hash_of_a_corpus_tells_every_change_and_survives_a_missing_clip(tmp_path):
    corpus = read_corpus(make_corpus(tmp_path, OURS))
    assert isinstance(corpus, Corpus)
    first = hash_corpus(corpus)
    make_clip(tmp_path / "wavs/a.wav", n_samples=99)
    second = hash_corpus(corpus)
    assert first["wavs/a.wav"] != second["wavs/a.wav"]
    assert first["wavs/b.wav"] == second["wavs/b.wav"]
    (tmp_path / "wavs/a.wav").unlink()
    assert hash_corpus(corpus)["wavs/a.wav"] == ""


def test_a_file_in_the_place_of_a_corpus_is_told_as_such(tmp_path):
    (tmp_path / "corpus").touch()
    with pytest.raises(CorpusError, match="corpus: a file; a corpus is a directory"):
        read_corpus(tmp_path / "corpus")
