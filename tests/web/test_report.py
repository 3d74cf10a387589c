"""The page of an evaluation: whole in itself, escaped, the worst first."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from tests.evaluations import make_measurement, make_report, make_sentence
from ttsd.data.audio import read_wav, write_wav
from ttsd.web.clips import make_players, outline
from ttsd.web.figures import write_figure
from ttsd.web.report import sort_worst_first, write_report

RATE = 16000
HOSTILE = 'He said "x < y" & <script>alert(1)</script> {{ 7 * 7 }} </li>.'


@pytest.fixture
def page(tmp_path):
    """Write a page and return its text."""

    def write(sentences, silent=(), **settings):
        rng = np.random.default_rng(0)
        for sentence in sentences:
            for system in sentence.systems:
                n_samples = 0 if (system, sentence.id) in silent else RATE // 2
                wav = rng.normal(0, 0.1, n_samples).clip(-1, 1).astype(np.float32)
                write_wav(tmp_path / "wavs" / system / f"{sentence.id}.wav", wav, RATE)
        report, evaluation = make_report(sentences)
        write_report(tmp_path / "report.html", report, "wavs", evaluation.speed, **settings)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


class Elements(HTMLParser):
    """The elements of a page, and that every one that is opened is closed in its turn."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text):
        super().__init__()
        self.found, self.stack, self.text = [], [], []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def with_class(self, name):
        return [attributes for _, attributes in self.found if name in attributes.get("class", "").split()]


def test_the_page_needs_nothing_but_itself(page):
    text = page([make_sentence("a", 1, 5.0)])
    for tag, attributes in Elements(text).found:
        for name in ("src", "href", "data-src"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, name)
    assert not re.search(r"https?://|@import|url\(", text)


def test_the_worst_sentences_come_first(page):
    rows = [
        make_sentence("fine", 0, 9.0),
        make_sentence("far", 1, 7.0),
        make_sentence("near", 1, 4.0),
        make_sentence("mute", 2, None),
    ]
    elements = Elements(page(rows))
    assert [row["data-id"] for row in elements.with_class("row")] == ["mute", "far", "near", "fine"]
    report, _ = make_report(rows)
    ids = [row["id"] for row in sort_worst_first(report.details["utterances"], "student")]
    assert ids == ["mute", "far", "near", "fine"]


def test_what_was_said_and_heard_is_text_never_markup(page):
    heard = make_measurement(1, 5.0, heard="green <img/src=x>")
    row = make_sentence("a", transcript=HOSTILE, student=heard)
    elements = Elements(page([row]))
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert "uh" not in tags
    shown = "".join(elements.text)
    assert HOSTILE in shown
    assert "Um <uh>." in shown
    assert "1 sentences: with fewer than 50" in shown


def test_the_sound_in_the_page_is_the_clip_bit_for_bit(page, tmp_path):
    elements = Elements(page([make_sentence("a", 1, 5.0)]))
    sources = [attributes["data-src"] for attributes in elements.with_class("player")]
    assert len(sources) == 3
    for system, source in zip(("teacher", "student", "start"), sources, strict=True):
        head, _, data = source.partition(",")
        assert head == "data:audio/flac;base64"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
        wav, _ = read_wav(tmp_path / "wavs" / system / "a.wav")
        assert rate == RATE
        assert np.array_equal(samples, wav)


def test_a_page_too_large_for_lossless_sound_takes_mp3_for_all(page):
    rows = [make_sentence(f"r{i}", 1, 5.0) for i in range(4)]
    full = sum(len(a["data-src"]) for a in Elements(page(rows)).with_class("player"))
    elements = Elements(page(rows, budget_bytes=full // 2))
    sources = [a["data-src"] for a in elements.with_class("player")]
    assert all(source.startswith("data:audio/mpeg;base64,") for source in sources)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sources[0].partition(",")[2])))
    assert (rate, len(samples) / rate) == (RATE, pytest.approx(0.5, abs=0.1))


def test_clips_beyond_the_budget_are_played_from_their_files(page, tmp_path):
    rows = [make_sentence("bad", 2, 5.0), make_sentence("good", 0, 5.0)]
    text = page(rows, budget_bytes=20_000)
    sources = [a["data-src"] for a in Elements(text).with_class("player")]
    assert sources[0].startswith("data:audio/mpeg")
    assert sources[-1] == "wavs/start/good.wav"
    assert (tmp_path / sources[-1]).is_file()
    assert "from their files beside this page" in text


def test_every_player_can_be_told_apart_by_its_name(page):
    elements = Elements(page([make_sentence("a", 1, 5.0), make_sentence("b", 0, 5.0)]))
    labels = [
        attributes["aria-label"]
        for tag, attributes in elements.found
        if tag in ("button", "input") and "aria-label" in attributes
    ]
    assert len(labels) == len(set(labels)) == 12


def test_differences_are_marked_by_more_than_colour(page):
    text = page([make_sentence("a", 1, 5.0)])
    assert '<del title="meant, not heard">plants</del>' in text
    assert '<ins title="heard, not meant">planets</ins>' in text


def test_a_page_without_a_starting_voice_has_two_players(page):
    elements = Elements(page([make_sentence("a", 1, 5.0, start=False)]))
    assert len(elements.with_class("player")) == 2
    assert elements.with_class("of-start") == []


def test_a_clip_without_sound_has_no_player(page):
    text = page([make_sentence("a", 2, None)], silent={("student", "a")})
    assert len(Elements(text).with_class("player")) == 2
    assert "no sound" in text


def test_the_same_evaluation_gives_the_same_page(page):
    rows = [make_sentence("a", 1, 5.0), make_sentence("b", 0, 4.0)]
    assert page(rows) == page(rows)


@pytest.mark.parametrize(
    ("value", "kind", "signed", "text"),
    [
        (0.0949, "percent", False, "9.5 %"),
        (-0.021, "percent", True, "−2.1 points"),
        (0.9561, "cosine", False, "0.956"),
        (4.2, "db", True, "+4.20 dB"),
        (1.0, "ratio", False, "1.00"),
        (-0.001, "db", True, "0.00 dB"),
        (-2.5, "lufs", True, "−2.5 LU"),
        (164.6, "cents", False, "165 cents"),
        (None, "percent", False, "–"),
    ],
)
def test_figures_are_written_for_a_reader(value, kind, signed, text):
    assert write_figure(value, kind, signed).replace("\u00a0", " ") == text


def test_an_outline_is_as_high_where_the_clip_is_loudest():
    path = outline(np.concatenate([np.full(720, 0.1), np.full(720, 0.5)]).astype(np.float32))
    halves = [float(half) for half in re.findall(r"V([\d.]+)", path)]
    assert halves[0] == 3
    assert halves[-1] == 15
    assert len(halves) == 72


def test_players_of_nothing_are_none(tmp_path):
    assert make_players(tmp_path, []).by_name == {}


def test_the_answer_comes_first_with_its_reasons(page):
    bad = [make_sentence(f"s{i:02}", errors=2) for i in range(60)]
    text = page(bad)
    assert text.index("Not yet.") < text.index("Word error rate")
    good = [make_sentence(f"s{i:02}", student=make_measurement(0, 4.0)) for i in range(60)]
    assert "Yes, by these figures." in page(good)
    assert "These figures cannot tell." in page(good[:5])


def test_failures_and_kinds_are_shown_at_their_sentences(page):
    lost = make_measurement(2, 5.0, failures=["early_stop"])
    text = page([make_sentence("a", transcript="Did Marie ask?", student=lost), make_sentence("b", 0)])
    elements = Elements(text)
    rows = {row["data-id"]: row for row in elements.with_class("row")}
    assert (rows["a"]["data-failures"], rows["b"]["data-failures"]) == ("1", "0")
    assert rows["a"]["data-kinds"].split() == ["names", "questions", "short"]
    assert any(attributes.get("href") == "#u-a" for _, attributes in elements.found)


def test_several_students_can_be_chosen_between(page):
    other = make_measurement(2, 7.0, 1)
    elements = Elements(page([make_sentence(f"s{i}", other=other) for i in range(3)]))
    shown = [one for one in elements.with_class("of-one") if "hidden" not in one]
    assert {one["data-of"] for one in shown} == {"student"}
    assert len(elements.with_class("player")) == 12
