"""A listening test from the first play to the analysis: in a real browser, by the keyboard, over a lost server."""

import http.client
import json
import re
import shutil
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tests.evaluations import make_measurement, make_report, make_sentence
from tests.web.browser import open_browser
from ttsd.config import parse_config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.hearing_test import MAX_ANSWER_BYTES, read_answers, read_key
from ttsd.data.loudness import measure_loudness
from ttsd.errors import ConfigError, CorpusError, StageError
from ttsd.report import finish_stage
from ttsd.stages.listen import run, tell
from ttsd.web import hearing_server
from ttsd.web.hearing_server import HearingServer

RATE = 16000
SETTINGS = {"listen": {"n_comparisons": 3, "n_checks": 2, "n_speaker": 2, "n_quality": 1, "loudness_lufs": -23.0}}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    """What `evaluate` leaves, with short tones in place of speech: the teacher's an octave below the student's."""
    folder = tmp_path_factory.mktemp("evaluation")
    sentences = [make_sentence(f"s{i}", student=make_measurement(0, 4.0)) for i in range(8)]
    # A sentence that the teacher itself gets wrong is not asked about.
    sentences.append(make_sentence("bad", teacher=make_measurement(2, 0.0, failures=["early_stop"])))
    report, _ = make_report(sentences)
    for number, sentence in enumerate(sentences):
        for system, hz in (("teacher", 200), ("student", 400), ("start", 300)):
            rate = RATE if system != "student" else 22050
            t = np.arange(round((0.35 + 0.01 * number) * rate)) / rate
            tone = 0.02 * (1 + number) * np.sin(2 * np.pi * hz * t) + 0.005 * np.sin(2 * np.pi * 3000 * t)
            wav = np.pad(tone, round(0.3 * rate)).astype(np.float32)
            write_wav(folder / "wavs" / system / f"{sentence.id}.wav", wav, rate)
    finish_stage(folder, report)
    return folder


@pytest.fixture
def folder(evaluation, tmp_path):
    run(evaluation, tmp_path / "test", parse_config(SETTINGS, "test"))
    return tmp_path / "test"


@contextmanager
def serving(folder, port=0):
    server = HearingServer(folder, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    # A path is sent as it stands, dots and all.
    connection.putrequest(method, path, skip_host="Host" in headers)
    if body is not None and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(body))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply.status, data


def an_answer(key, **changes):
    trial = key.test.trials[0]
    answer = {
        "test": key.test.id, "listener": "00ff00ff00ff00ff", "trial": trial.id, "clips": list(trial.clips), "rating": 1,
        "plays": [1] * len(trial.clips), "dwell_ms": 4000, "number": 0, "answered": "2026-01-01T10:00:00.000Z",
    }  # fmt: skip
    return answer | changes


def post(server, answer, **headers):
    return ask(
        server, "POST", "/answers", json.dumps(answer).encode(), **{"Content_Type": "application/json"} | headers
    )


def test_what_listeners_see_gives_nothing_away(folder):
    key = read_key(folder)
    page = (folder / "public/index.html").read_text(encoding="utf-8")
    known = page.split("<script>")[1].split("const ASK")[0]
    assert not re.search(r"teacher|student|degraded|s\d\.wav|bad", known)
    clips = sorted(path.stem for path in (folder / "public/clips").iterdir())
    assert clips == sorted(key.samples)
    assert {sample.utterance for sample in key.samples.values()} <= {f"s{i}" for i in range(8)}
    assert {trial.kind for trial in key.test.trials} == {"compare", "speaker", "quality"}
    systems = [key.samples[name].system for trial in key.test.trials for name in trial.clips]
    assert {"teacher", "student", "degraded", "start"} >= set(systems) >= {"teacher", "student", "degraded"}
    # Neither the place in a question nor the container tells a system.
    compared = [trial.clips for trial in key.test.trials if trial.kind == "compare"]
    assert all(list(clips) == sorted(clips) for clips in compared)
    read = [read_wav(folder / "public/clips" / f"{name}.wav") for name in clips]
    assert {rate for _, rate in read} == {22050}
    for wav, rate in read:
        assert measure_loudness(wav, rate) == pytest.approx(-23, abs=0.6)
        assert wav[0] == wav[-1] == 0
        # 100 ms of silence is left at each end.
        assert not np.abs(wav[: rate // 20]).max() > 1e-3


def test_the_same_evaluation_makes_the_same_test_and_another_seed_another(evaluation, folder, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    run(evaluation, again, parse_config(SETTINGS, "test"))
    run(evaluation, other, parse_config(SETTINGS | {"seed": 1}, "test"))
    assert (again / "key.json").read_bytes() == (folder / "key.json").read_bytes()
    assert not set(read_key(other).samples) & set(read_key(folder).samples)


def test_a_test_needs_sentences(evaluation, tmp_path):
    with pytest.raises(ConfigError, match=r"8 sentences .* needs 23"):
        run(evaluation, tmp_path / "out", parse_config({"listen": {"n_comparisons": 20, "n_checks": 2}}, "test"))


def test_only_the_page_and_the_clips_are_served(folder):
    (folder / "public/secret.txt").write_text("x")
    with serving(folder) as server:
        status, page = ask(server, "GET", "/")
        assert (status, page) == (200, (folder / "public/index.html").read_bytes())
        name = next(iter(server.key.samples))
        assert ask(server, "GET", f"/clips/{name}.wav")[1] == (folder / f"public/clips/{name}.wav").read_bytes()
        assert ask(server, "HEAD", "/")[1] == b""
        for path in (
            "/key.json", "/../key.json", "/clips/../../key.json", "/%2e%2e/key.json", "/clips/%2e%2e/%2e%2e/key.json",
            "//etc/passwd", "/answers", "/answers.jsonl", "/secret.txt", "/clips/", "/clips", "/clips/nothing.wav",
        ):  # fmt: skip
            assert ask(server, "GET", path)[0] == 404, path
        assert ask(server, "GET", "/", Host="evil.example:80")[0] == 421
        assert server.server_address[0] == "127.0.0.1"


def test_only_well_formed_answers_of_this_test_are_kept(folder):
    with serving(folder) as server:
        good = an_answer(server.key)
        assert post(server, good)[0] == 204
        for wrong in (
            {"rating": 4}, {"rating": "1"}, {"rating": None}, {"test": "00000000"}, {"trial": "00000000"},
            {"clips": []},
            {"clips": ["00000000", "00000001"]}, {"plays": [1]}, {"plays": [1, -1]}, {"plays": [1, 0]}, {"extra": 1},
            {"listener": "<b>"},
            {"dwell_ms": 10**12}, {"answered": "x" * 30}, {"listener": "a" * 65},
        ):  # fmt: skip
            assert post(server, an_answer(server.key, **wrong))[0] == 400, wrong
        assert ask(server, "POST", "/answers", b"{", Content_Type="application/json")[0] == 400
        assert ask(server, "POST", "/answers", b"[" * 4000, Content_Type="application/json")[0] == 400
        assert post(server, an_answer(server.key, answered="1" * MAX_ANSWER_BYTES))[0] == 413
        assert ask(server, "POST", "/answers", b"", Content_Type="application/json", Content_Length="1e3")[0] == 411
        assert post(server, good, Content_Type="text/plain")[0] == 415
        assert post(server, good, Origin="http://evil.example")[0] == 403
        assert post(server, good, Origin=server.address.rstrip("/"))[0] == 204
        assert post(server, good, Host="evil.example")[0] == 421
        assert ask(server, "POST", "/key.json", b"{}", Content_Type="application/json")[0] == 404
        assert ask(server, "PUT", "/answers", b"{}")[0] == 501
        # Sent twice is answered once.
        assert len(read_answers([folder / "answers.jsonl"], server.key)) == 1


def test_answers_are_bounded_in_number(folder, monkeypatch):
    monkeypatch.setattr(hearing_server, "MAX_PER_LISTENER", 2)
    with serving(folder) as server:
        assert [post(server, an_answer(server.key, number=i))[0] for i in range(3)] == [204, 204, 429]
        assert post(server, an_answer(server.key, listener="11ff11ff"))[0] == 204
    # They are counted on after a new start.
    with serving(folder) as server:
        assert post(server, an_answer(server.key))[0] == 429


def test_a_half_written_answer_swallows_no_other(folder):
    with serving(folder) as server:
        post(server, an_answer(server.key))
    with (folder / "answers.jsonl").open("a") as file:
        file.write('{"test": "00')
    (folder / "other.jsonl").write_text('{"b"\n{"c": 2}\n')
    with pytest.raises(CorpusError, match=r"other\.jsonl"):
        read_answers([folder / "other.jsonl"], read_key(folder))
    with pytest.raises(CorpusError, match=r"other\.jsonl: .*line 1 is broken off"):
        read_answers([folder / "other.jsonl"], read_key(folder))
    with serving(folder) as server:
        assert len(read_answers([folder / "answers.jsonl"], server.key)) == 1
        post(server, an_answer(server.key, listener="11ff11ff"))
    # The beginning that was never confirmed is gone, and does not spoil what came after it.
    assert len(read_answers([folder / "answers.jsonl"], read_key(folder))) == 2
    whole = (folder / "answers.jsonl").read_text()
    (folder / "answers.jsonl").write_text(whole.rstrip())
    with serving(folder) as server:
        post(server, an_answer(server.key, listener="22ff22ff"))
    assert len(read_answers([folder / "answers.jsonl"], read_key(folder))) == 3


def test_a_taken_port_and_a_folder_without_a_test_are_one_line(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    with serving(folder) as server:
        with pytest.raises(StageError, match=r"--port"):
            HearingServer(tmp_path / "copy", server.server_port)
        with pytest.raises(StageError, match="another ttsd"):
            HearingServer(folder)
    with pytest.raises(CorpusError, match="ttsd listen build"):
        HearingServer(tmp_path)
    with pytest.raises(CorpusError, match="no answers yet"):
        tell(folder, [])


def test_a_test_that_was_answered_is_not_replaced(evaluation, folder):
    with serving(folder) as server:
        post(server, an_answer(server.key))
    before = (folder / "key.json").read_bytes()
    with pytest.raises(StageError, match=r"answers\.jsonl: answers to the test"):
        run(evaluation, folder, parse_config(SETTINGS | {"seed": 7}, "test"), overwrite=True)
    assert (folder / "key.json").read_bytes() == before


def until(page, expression):
    """Wait until an expression is true in the page, whose policy forbids the browser's own way to wait."""
    deadline_s = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(20)


def listen_by_keyboard(page, n_clips):
    """Play every clip of the question to its end, then answer the middle of the scale one step to the right."""
    assert page.evaluate("document.querySelector('fieldset').disabled")
    for number in range(1, n_clips + 1):
        page.keyboard.press(str(number))
        until(page, f"question.heard.size >= {number}")
    until(page, "!document.querySelector('fieldset').disabled")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def test_a_whole_test_by_the_keyboard_and_over_a_lost_server(folder, tmp_path):
    key = read_key(folder)
    with open_browser() as browser:
        page = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
        with serving(folder) as server:
            port = server.server_port
            page.goto(server.address)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.keyboard.press("Enter")
            # Nothing can be answered before all is heard.
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            assert page.evaluate("state.at") == 0
            listen_by_keyboard(page, page.locator(".clip").count())
            until(page, "state.unsent.length === 0")
            until(page, "trials.slice(1, 3).flatMap(trial => trial.clips).every(name => ready.get(name))")
        # The server is gone: answers stay, also over a reload that finds the page again.
        listen_by_keyboard(page, page.locator(".clip").count())
        until(page, "document.getElementById('state').textContent.includes('kept here')")
        assert page.evaluate("state.unsent.length") == 1
        with serving(folder, port) as server:
            page.reload()
            until(page, "state.at === 2 && state.unsent.length === 0")
            for at in range(2, len(key.test.trials)):
                until(page, f"state.at === {at}")
                listen_by_keyboard(page, page.locator(".clip").count())
            page.wait_for_selector("text=Thank you!")
            until(page, "state.unsent.length === 0")
            # An answer can be changed: the last one counts.
            page.get_by_role("button", name="Back").click()
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("ArrowLeft")
            page.keyboard.press("Enter")
            page.wait_for_selector("text=Thank you!")
            until(page, "state.unsent.length === 0")
            with page.expect_download() as download:
                page.click("text=Save my answers")
            download.value.save_as(tmp_path / "answers.json")
    kept, saved = (read_answers([path], key) for path in (folder / "answers.jsonl", tmp_path / "answers.json"))
    assert sorted(kept, key=lambda one: one.trial) == sorted(saved, key=lambda one: one.trial)
    assert len(kept) == len(key.test.trials)
    assert all(min(answer.plays) >= 1 for answer in kept if answer.number < len(kept) - 1)
    found = tell(folder, [tmp_path / "answers.json"])
    assert found["kept"]["students"]["student"]["comparison"]["n"] + len(found["listeners"]["left_out"]) >= 1
    assert json.loads((folder / "analysis.json").read_text()) == found


def test_from_a_static_host_the_answers_come_as_a_file(folder, tmp_path):
    with open_browser() as browser:
        page = browser.new_context().new_page()
        page.goto((folder / "public/index.html").as_uri())
        page.get_by_role("button", name="Start").click()
        n_trials = page.evaluate("trials.length")
        for at in range(n_trials):
            until(page, f"state.at === {at}")
            listen_by_keyboard(page, page.locator(".clip").count())
        page.wait_for_selector("text=send it to whoever asked you")
        with page.expect_download() as download:
            page.click("text=Save my answers")
        download.value.save_as(tmp_path / "answers.json")
    assert len(read_answers([tmp_path / "answers.json"], read_key(folder))) == n_trials
