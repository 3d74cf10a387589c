"""`ingest` on a folder as people leave it: mixed formats and names, lost files, damage, mistakes of the speaker."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.narration import Narrator, Read
from ttsd.config import Config, load_config
from ttsd.data.corpus import read_corpus, read_rejections, validate_corpus
from ttsd.errors import ConfigError, StageError
from ttsd.report import load_report
from ttsd.stages import ingest

WATER = [
    "Warm air carries more water than cold air does.",
    "Clouds form where the warm air rises and cools.",
    "Rivers freeze from the top down.",
    "Ice floats because it is lighter than water.",
]
READ = [
    "Plants turn the light of the sun into sugar.",
    "The experiment was repeated 14 times in 1969.",
    "Animals eat that sugar to stay alive.",
    "Every living thing is made of cells.",
    "A cell keeps its inside apart from the world.",
    "A forest stores carbon while it grows in the spring.",
    "Sound travels faster in water than it does in air.",
    "The old bridge was closed after the storm.",
]
SPOKEN = [
    Read(READ[0]),
    Read("The experiment was repeated 40 times in 1969."),
    # The third sentence is skipped, the fourth said twice.
    Read(READ[3]),
    Read("Let me say that once more."),
    Read(READ[3]),
    Read(READ[4]),
    Read("A forest stores carbon"),
    Read("Sound travels slower in water than it does in air."),
    Read(READ[7]),
]


def write_recording(path: Path, wav: np.ndarray, sample_rate: int, codec: str) -> None:
    """Write a recording with FFmpeg's own codecs."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate, layout="mono")
        pcm = np.round(wav * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(stream.format, "mono", sample_rate, frame_size=stream.frame_size or 960)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messy")
    narrator = Narrator("pico")

    def record(name, reads, codec=None, seed=0):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        narration = narrator.narrate([read if isinstance(read, Read) else Read(read) for read in reads], seed)
        if codec:
            write_recording(path, narration.wav, narration.sample_rate, codec)
        else:
            soundfile.write(path, narration.wav, narration.sample_rate)
        return narration

    def write(name, data):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    write("01 Read/Read_Transcript.md", ("# Read aloud\n\n" + " ".join(READ)).replace("\n", "\r\n").encode("utf-8-sig"))
    record("01 Read/read-NARRATION.mp3", SPOKEN, "libmp3lame", seed=1)
    # Half of what was said is missing.
    write("02 Water/water.txt", "\r\n\r\n".join(WATER[:2]).encode("utf-16"))
    record("02 Water/water.m4a", WATER, "aac", seed=2)
    write("03 Привет/Привет.txt", "Вода замерзает. Лёд плавает.".encode())
    record("03 Привет/Привет.ogg", WATER[:1], seed=3)
    write("04 Alone/notes.md", b"Nobody ever read this sentence.\n")
    write("04 Alone/script.md", b"Nor this one.\n")
    record("05 Lost/lost.flac", WATER[:1], seed=4)
    write("06/broken.md", b"The file beside this is broken.\n")
    write("06/broken.mp3", b"no sound at all " * 50)
    write("07/silent.md", b"The file beside this is silent.\n")
    soundfile.write(folder / "07/silent.flac", np.zeros(32000), 16000)
    write("08/empty.md", b"The file beside this is empty.\n")
    write("08/empty.wav", b"")
    write("09/binary.txt", bytes(range(256)))
    record("09/binary.wav", WATER[:1], seed=5)
    # Latin-1, under a name that says nothing.
    write("10/intro.md", "It is naïve to expect rain in the desert.\n".encode("latin-1"))
    record("10/take 7.webm", ["It is naïve to expect rain in the desert."], "libopus", seed=6)
    write("10/other.md", b"# Nothing\n")
    record("10/take 8.wav", WATER[:1], seed=7)
    write("pairs.csv", b"text,audio\n10/intro.md,10/take 7.webm\n")
    return folder


@pytest.fixture(scope="module")
def ingested(messy, tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("ingested") / "raw"
    report = ingest.run(messy, out_dir, load_config(None, [f"ingest.map={messy / 'pairs.csv'}", "n_workers=1"]))
    return out_dir, report


def texts_of(out_dir: Path, file: str) -> list[str]:
    return [u.transcript for u in read_corpus(out_dir).utterances if u.source["file"] == file]


def rejected(out_dir: Path) -> dict[str, tuple[str, str]]:
    return {rejection.id: (rejection.reason, rejection.value) for rejection in read_rejections(out_dir)}


def test_only_what_was_read_as_written_is_kept(ingested):
    out_dir, report = ingested
    name = "01 Read/Read_Transcript.md"
    assert texts_of(out_dir, name) == [READ[0], READ[3], READ[4], READ[7]]
    reasons = {key: value for key, value in rejected(out_dir).items() if key.startswith("0001_")}
    numbered = {int(key.split("_")[-1]) - 2: value for key, value in reasons.items() if "take" not in key}
    assert numbered[1][0] == "wrong_number"
    assert numbered[2] == ("not_spoken", READ[2])
    assert numbered[5][0] == "partly_spoken"
    assert numbered[6][0] == "wrong_words"
    assert "slower" in numbered[6][1]
    (take,) = [value for key, value in reasons.items() if "take" in key]
    assert take[0] == "repeated"
    assert report.n_in == report.n_out + report.n_dropped


def test_of_two_takes_the_last_is_kept_and_the_first_is_told_with_its_times(ingested):
    out_dir, report = ingested
    (kept,) = [u for u in read_corpus(out_dir).utterances if u.transcript == READ[3]]
    (take,) = [
        part for part in report.details["unused_speech"]["01 Read/read-NARRATION.mp3"] if "take" in part.get("id", "")
    ]
    assert take["end_s"] < kept.source["start_s"]


def test_what_belongs_to_no_sentence_is_listed_with_its_times(ingested):
    _, report = ingested
    unused = report.details["unused_speech"]
    assert any("once more" in part["heard"] for part in unused["01 Read/read-NARRATION.mp3"])
    heard = " ".join(part["heard"] for part in unused["02 Water/water.m4a"])
    assert "rivers" in heard
    assert "floats" in heard
    assert all(0 <= part["start_s"] < part["end_s"] for parts in unused.values() for part in parts)


def test_every_sentence_is_an_utterance_or_a_rejection(ingested):
    out_dir, _ = ingested
    told = "\n".join(
        [*(u.transcript for u in read_corpus(out_dir).utterances), *(v for _, v in rejected(out_dir).values())]
    )
    for sentence in [
        *READ,
        *WATER[:2],
        "Вода замерзает.",
        "Лёд плавает.",
        "Nobody ever read this sentence.",
        "Nor this one.",
    ]:
        assert sentence in told
    for sentence in ("broken", "silent", "empty"):
        assert f"The file beside this is {sentence}." in told


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("06/broken.mp3", "unreadable_recording"),
        ("07/silent.flac", "silent_recording"),
        ("08/empty.wav", "unreadable_recording"),
        ("09/binary.txt", "unreadable_transcript"),
        ("04 Alone/notes.md", "no_recording"),
        ("05 Lost/lost.flac", "no_transcript"),
        ("Вода", "foreign_script"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(ingested, part, reason):
    out_dir, _ = ingested
    assert [value for value in rejected(out_dir).values() if value[0] == reason and part in value[1]]


def test_encodings_and_names_are_told_apart(ingested):
    out_dir, report = ingested
    assert texts_of(out_dir, "10/intro.md") == ["It is naïve to expect rain in the desert."]
    assert texts_of(out_dir, "02 Water/water.txt") == WATER[:2]
    encodings = {facts["text"]: facts["encoding"] for facts in report.details["recordings"].values()}
    assert encodings["10/intro.md"] == "cp1252"
    assert encodings["02 Water/water.txt"] == "utf-16"
    assert encodings["01 Read/Read_Transcript.md"] == "utf-8-sig"
    assert report.details["unpaired"] == [
        "04 Alone/notes.md",
        "04 Alone/script.md",
        "05 Lost/lost.flac",
        "10/other.md",
        "10/take 8.wav",
    ]


def test_the_clips_hold_their_sentences_and_little_more(ingested):
    out_dir, report = ingested
    corpus = read_corpus(out_dir)
    # Opus is decoded at 48 kHz, the others have 16 kHz.
    assert validate_corpus(corpus) == Config().audio.sample_rate == report.details["sample_rate"]
    narration = Narrator("pico").narrate(SPOKEN, 1)
    truth = {SPOKEN[i].text: narration.sounds_s[i] for i in (0, 4, 5, 8)}
    for utterance in corpus.utterances:
        if utterance.transcript in truth:
            start_s, end_s = truth[utterance.transcript]
            assert utterance.source["start_s"] == pytest.approx(start_s, abs=0.1)
            assert utterance.source["end_s"] == pytest.approx(end_s, abs=0.1)
            assert utterance.duration_s == pytest.approx(end_s - start_s + 0.12, abs=0.2)
    assert load_report(out_dir) == report


def test_a_mapping_file_that_names_nothing_is_refused(messy, tmp_path):
    path = tmp_path / "map.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "audio"), ("10/intro.md", "10/take 9.webm")])
    with pytest.raises(ConfigError, match=r"map\.csv:2: no recording 10/take 9\.webm"):
        ingest.run(messy, tmp_path / "out", load_config(None, [f"ingest.map={path}"]))


def test_a_folder_without_recordings_is_refused(tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "guide.md").write_text("A sentence.")
    with pytest.raises(StageError, match="holds no recording"):
        ingest.run(tmp_path / "output", tmp_path / "raw", Config())


def test_an_output_inside_the_folder_that_is_read_is_refused(messy):
    with pytest.raises(StageError, match="lies in the folder that is read"):
        ingest.run(messy, messy / "raw", Config())
    assert not (messy / "raw").exists()
