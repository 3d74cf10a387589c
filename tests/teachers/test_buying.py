"""Buying through the real SDK, against a provider on this machine that keeps its own book and fails on demand."""

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.provider.faults import DEFECTS, HISTORY_FAULTS, SPEECH_FAULTS
from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from ttsd.config import load_config
from ttsd.data.corpus import Utterance, read_corpus, read_rejections, validate_corpus
from ttsd.errors import ConfigError, LedgerError, ProviderError
from ttsd.report import load_report, no_progress
from ttsd.stages import generate
from ttsd.teachers.buying import buy_speech
from ttsd.teachers.clips import cut_clips
from ttsd.teachers.elevenlabs import ElevenLabsClient
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.recovery import HOLDERS_NAME
from ttsd.utils.locks import hold_file

KEY = "sk-test-0123456789abcdef"
SENTENCES = (
    ("Rivers run to the sea.", "They carry sand with them."),
    ("Ice floats on water.", "It is lighter.", "Fish live below it."),
    ("Clouds form where warm air rises.",),
    ("Snow melts in spring.", "The river rises for days."),
)
NOT_BILLED_STOPS = {"quota": "quota is used up", "bad_key": "not valid", "not_found": "no such voice"}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)


@pytest.fixture
def provider(tmp_path):
    with Provider(tmp_path / "provider", speaker=Beeper(), hang_s=1.2, slow_s=0.2, history_lag_s=0.3) as provider:
        yield provider


def utterances(paragraphs=SENTENCES):
    return [
        Utterance(
            id=f"u{number}{place}",
            transcript=text,
            source={"file": "a.md", "section": f"a.md#{number // 2}", "paragraph": number + 1},
        )
        for number, texts in enumerate(paragraphs)
        for place, text in enumerate(texts)
    ]


def config(provider, *settings):
    given = [f"generate.elevenlabs.base_url={provider.url}", "generate.elevenlabs.voice=joe", *settings]
    return load_config(None, ["generate.elevenlabs.timeout_s=0.8", *given]).generate.elevenlabs


def buy(provider, tmp_path, *settings, paragraphs=SENTENCES):
    return buy_speech(utterances(paragraphs), tmp_path / "takes", config(provider, *settings), no_progress)


def check_books(provider, tmp_path, n_allowed=0):
    """See that nothing was billed twice, and that what was billed is on the disk."""
    ledger = Ledger(tmp_path / "takes")
    paid = ledger.purchases("paid")
    ledger.close()
    assert sum(count - 1 for count in provider.book.duplicates().values()) <= n_allowed
    for purchase in paid:
        assert (tmp_path / "takes" / purchase.take[:2] / f"{purchase.take}.wav").is_file()
    if not n_allowed:
        assert {purchase.history_id for purchase in paid} == {e.history_item_id for e in provider.book.entries}


def test_a_paragraph_is_one_request_and_its_sentences_are_found_in_it(provider, tmp_path):
    bought = buy(provider, tmp_path)
    assert bought.stop is None
    assert [entry.text for entry in sorted(provider.book.entries, key=lambda entry: entry.text)] == sorted(
        " ".join(texts) for texts in SENTENCES
    )
    assert {name: place.index for name, place in bought.places.items()} == {u.id: int(u.id[-1]) for u in utterances()}
    assert bought.credits == provider.book.credits == sum(len(" ".join(texts)) for texts in SENTENCES)
    check_books(provider, tmp_path)


def test_the_last_thing_that_is_told_is_that_all_is_bought_also_where_a_sentence_is_said_twice(provider, tmp_path):
    told = []
    twice = (*SENTENCES, SENTENCES[2])
    for _ in range(2):
        buy_speech(utterances(twice), tmp_path / "takes", config(provider), lambda *a: told.append(a))
        assert told[-1] == (9, 9, "speech", f"{provider.book.credits} credits")
        told.clear()


def test_the_second_run_makes_no_request_even_without_a_key(provider, tmp_path, monkeypatch):
    first = buy(provider, tmp_path)
    n_requests = len(provider.requests)
    monkeypatch.delenv("ELEVENLABS_API_KEY")
    assert buy(provider, tmp_path).places == first.places
    assert len(provider.requests) == n_requests


def test_the_text_around_is_sent_along_where_the_model_takes_it(provider, tmp_path):
    buy(provider, tmp_path)
    by_text = {entry.text: entry.body for entry in provider.book.entries}
    assert by_text["Ice floats on water. It is lighter. Fish live below it."]["previous_text"] == " ".join(SENTENCES[0])
    assert "previous_text" not in by_text["Clouds form where warm air rises."], "another section"
    assert buy(provider, tmp_path, "generate.elevenlabs.model=eleven_v3").stop is None


def test_an_edited_sentence_buys_itself_and_nothing_else(provider, tmp_path):
    buy(provider, tmp_path)
    n_before = len(provider.book.entries)
    edited = [list(texts) for texts in SENTENCES]
    edited[1][1] = "It weighs less."
    assert buy(provider, tmp_path, paragraphs=edited[::-1]).stop is None
    assert [entry.text for entry in provider.book.entries[n_before:]] == ["It weighs less."]


@pytest.mark.parametrize("fault", sorted({**SPEECH_FAULTS, **HISTORY_FAULTS}))
def test_after_any_fault_what_was_billed_is_on_the_disk_and_nothing_was_billed_twice(fault, provider, tmp_path):
    if fault in HISTORY_FAULTS:
        provider.inject("error_after")
    provider.inject(fault)
    said = []
    for _ in range(4):
        provider.wait_until_up()
        bought = buy(provider, tmp_path)
        said.append(str(bought.stop))
        if bought.stop is None:
            break
        if fault == "lost_history":
            time.sleep(0.4)
    if bought.stop is not None:
        # What was never billed cannot be found: the user decides.
        assert fault in ("error_before", "timeout_before") or fault.startswith("restart"), said
        # A server that dies takes with it what else was in flight.
        told = re.search(r"outcome of (\d) requests? \(\d+ credits\).*--rebuy-unknown", str(bought.stop))
        assert told is not None
        assert {reason for reason, _ in bought.missing.values()} == {"outcome_unknown"}
        n_before = len(provider.book.entries)
        bought = buy(provider, tmp_path, "generate.elevenlabs.rebuy_unknown=true")
        assert bought.stop is None
        assert len(provider.book.entries) == n_before + int(told[1])
    if fault in NOT_BILLED_STOPS:
        assert NOT_BILLED_STOPS[fault] in said[0]
    assert len(bought.places) == len(utterances())
    check_books(provider, tmp_path)
    n_requests = len(provider.requests)
    assert buy(provider, tmp_path).stop is None
    assert len(provider.requests) == n_requests
    results = cut_clips(
        utterances(), bought.places, tmp_path / "takes", tmp_path / "raw", load_config().generate.cut, 1, no_progress
    )
    reasons = {result.get("reason") for result in results.values()} - {None}
    expected = {"missing_times": {"missing_times"}, "truncated_speech": {"truncated_end"}}
    assert reasons <= expected.get(fault, {"unspoken_tail"} if fault in DEFECTS else set())
    assert reasons or fault not in DEFECTS


def test_a_take_that_is_gone_or_damaged_is_fetched_from_the_history_for_nothing(provider, tmp_path):
    first = buy(provider, tmp_path)
    gone, damaged = sorted((tmp_path / "takes").glob("??/*.wav"))[:2]
    gone.unlink()
    data = bytearray(damaged.read_bytes())
    data[-100:] = b"\1" * 100
    damaged.write_bytes(data)
    again = buy(provider, tmp_path)
    assert again.stop is None
    assert again.places == first.places
    check_books(provider, tmp_path)


def test_a_lost_ledger_is_entered_anew_from_the_takes(provider, tmp_path):
    first = buy(provider, tmp_path)
    for path in (tmp_path / "takes").glob("ledger.sqlite*"):
        path.unlink()
    again = buy(provider, tmp_path)
    assert again.places == first.places
    check_books(provider, tmp_path)


def lose_ledger(tmp_path):
    for path in (tmp_path / "takes").glob("ledger.sqlite*"):
        path.unlink()


def test_what_is_in_doubt_is_not_bought_again_when_the_ledger_is_lost(provider, tmp_path):
    provider.inject("error_before")
    first = buy(provider, tmp_path)
    assert "nobody knows the outcome of 1 request " in str(first.stop)
    n_before = len(provider.book.entries)
    lose_ledger(tmp_path)
    again = buy(provider, tmp_path)
    assert again.missing.keys() == first.missing.keys()
    assert {reason for reason, _ in again.missing.values()} == {"outcome_unknown"}
    assert len(provider.book.entries) == n_before
    assert buy(provider, tmp_path, "generate.elevenlabs.rebuy_unknown=true").stop is None
    assert len(provider.book.entries) == n_before + 1
    check_books(provider, tmp_path)


def test_what_was_billed_and_lost_is_fetched_from_the_history_though_the_ledger_is_lost_too(provider, tmp_path):
    provider.inject("error_after")
    provider.inject("history_error", times=4)
    assert "the account cannot be read" in str(buy(provider, tmp_path).stop)
    lose_ledger(tmp_path)
    assert buy(provider, tmp_path).stop is None
    check_books(provider, tmp_path)


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_take_whose_audio_and_ledger_are_lost_is_fetched_from_the_history(harm, provider, tmp_path):
    first = buy(provider, tmp_path)
    victim = sorted((tmp_path / "takes").glob("??/*.wav"))[0]
    victim.unlink() if harm == "gone" else victim.write_bytes(victim.read_bytes()[:-20])
    lose_ledger(tmp_path)
    again = buy(provider, tmp_path)
    assert (again.stop, again.places) == (None, first.places)
    check_books(provider, tmp_path)


def test_what_was_not_billed_leaves_no_record_that_a_new_ledger_would_take_for_a_doubt(provider, tmp_path):
    for fault in ("bad_request", "too_many", "quota"):
        provider.inject(fault)
    buy(provider, tmp_path)
    records, takes = ({p.stem for p in (tmp_path / "takes").glob(f"??/*.{kind}")} for kind in ("json", "wav"))
    assert records == takes


def test_settings_of_a_voice_that_changed_at_the_service_buy_nothing_again_though_the_ledger_is_lost(
    provider, tmp_path, monkeypatch
):
    first = buy(provider, tmp_path)
    lose_ledger(tmp_path)
    monkeypatch.setattr(ElevenLabsClient, "read_voice", lambda _: pytest.fail("the voice is asked for again"))
    again = buy(provider, tmp_path)
    assert again.places == first.places
    assert again.voice_facts == first.voice_facts
    check_books(provider, tmp_path)


def test_a_damaged_record_of_a_voice_stops_the_run_before_anything_is_bought(provider, tmp_path):
    buy(provider, tmp_path)
    n_before = len(provider.requests)
    (record,) = (tmp_path / "takes").glob("voice-*.json")
    record.write_text(record.read_text()[:20])
    with pytest.raises(LedgerError, match=r"voice-joe\.json: what is kept of this voice is damaged .*from a copy"):
        buy(provider, tmp_path)
    assert len(provider.requests) == n_before


def test_files_that_killed_writes_left_are_swept_and_those_of_a_living_run_are_not(provider, tmp_path):
    takes = tmp_path / "takes"
    (takes / "ab").mkdir(parents=True)
    left = [takes / "ab" / ".abcd.x1.tmp.wav", takes / "ab" / ".abcd.x2.tmp.json", takes / ".voice-joe.x3.tmp.json"]
    for path in left:
        path.write_bytes(b"RI")
    with hold_file(takes / HOLDERS_NAME / "alive"):
        assert buy(provider, tmp_path).stop is None
        assert all(path.exists() for path in left)
    assert buy(provider, tmp_path).stop is None
    assert not any(path.exists() for path in left)
    check_books(provider, tmp_path)


def test_a_redirect_is_not_followed_with_the_key(provider, tmp_path):
    asked = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(dict(self.headers))

    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(307)
            self.send_header("location", f"http://127.0.0.1:{elsewhere.server_port}/")
            self.end_headers()

        def log_message(self, *_):
            pass

    elsewhere, first = (http.server.HTTPServer(("127.0.0.1", 0), kind) for kind in (Elsewhere, Redirect))
    with elsewhere, first:
        for server in (elsewhere, first):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{first.server_port}"
        with pytest.raises(
            ProviderError, match=rf"generate\.elevenlabs\.base_url: {url} answers with a redirect \(307"
        ):
            buy(provider, tmp_path, f"generate.elevenlabs.base_url={url}")
        for server in (elsewhere, first):
            server.shutdown()
    assert asked == []


def test_speech_of_another_rate_than_was_asked_for_stops_the_run_and_is_not_bought_again(
    provider, tmp_path, monkeypatch
):
    speak = ElevenLabsClient.speak

    def other_rate(self, request):
        return speak(self, {**request, "output_format": "wav_22050"})

    monkeypatch.setattr(ElevenLabsClient, "speak", other_rate)
    one = "generate.elevenlabs.max_concurrent=1"
    first = buy(provider, tmp_path, one)
    assert "wav_24000 was asked for and 22,050 Hz came" in str(first.stop)
    assert "set generate.elevenlabs.output_format" in str(first.stop)
    assert len(provider.book.entries) == 1
    assert ("wrong_sample_rate", "22050 Hz for wav_24000") in first.missing.values()
    assert first.places == {}
    again = buy(provider, tmp_path, one, "generate.elevenlabs.rebuy_unknown=true")
    assert str(again.stop) == str(first.stop)
    assert len(provider.book.entries) == 1
    check_books(provider, tmp_path)
    assert buy(provider, tmp_path, "generate.elevenlabs.output_format=wav_22050").stop is None
    assert len(provider.book.entries) == 1 + len(SENTENCES)


def test_a_cap_stops_the_run_before_it_is_passed_and_a_higher_one_goes_on(provider, tmp_path):
    bought = buy(provider, tmp_path, "generate.elevenlabs.max_credits=100")
    assert re.search(r"above the cap of 100; raise --max-credits", str(bought.stop))
    assert 0 < provider.book.credits <= 100
    assert {reason for reason, _ in bought.missing.values()} == {"not_bought"}
    again = buy(provider, tmp_path, "generate.elevenlabs.max_credits=100")
    assert provider.book.credits <= 100
    assert again.stop is not None
    assert buy(provider, tmp_path, "generate.elevenlabs.max_credits=1000").stop is None
    check_books(provider, tmp_path)


def test_an_account_that_runs_out_stops_the_run_with_what_to_do(tmp_path):
    with Provider(tmp_path / "provider", speaker=Beeper(), credits=70) as provider:
        bought = buy(provider, tmp_path)
        assert "the quota is used up; wait for its renewal or raise it" in str(bought.stop)
        assert bought.places
        check_books(provider, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("generate.elevenlabs.voice=nobody", "no such voice"),
        ("generate.elevenlabs.model=eleven_v9", "has no model eleven_v9"),
        ("generate.elevenlabs.base_url=http://127.0.0.1:9", "cannot be reached"),
        ("generate.elevenlabs.base_url=nonsense", "is no address"),
    ],
)
def test_what_no_request_can_mend_is_told_at_once(settings, message, provider, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    try:
        told = str(buy(provider, tmp_path, settings).stop)
    except (ProviderError, ConfigError) as error:
        told = str(error)
    assert message in told
    assert "\n" not in told
    assert provider.book.entries == []


def test_a_missing_key_is_told_before_anything_is_asked(provider, tmp_path, monkeypatch):
    monkeypatch.delenv("ELEVENLABS_API_KEY")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="ELEVENLABS_API_KEY"):
        buy(provider, tmp_path)
    assert list(provider.requests) == []


def test_a_bug_in_a_thread_comes_out_with_its_traceback(provider, tmp_path, monkeypatch):
    from ttsd.teachers import sending

    monkeypatch.setattr(sending, "keep_answer", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        buy(provider, tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    assert buy(provider, tmp_path).stop is None
    check_books(provider, tmp_path)


def test_a_full_disk_loses_no_take(provider, tmp_path, monkeypatch):
    from ttsd.errors import StageError
    from ttsd.teachers import takes

    write = takes.atomic_path

    def refuse(path):
        if path.suffix != ".wav":
            return write(path)
        raise StageError(f"{path}: cannot be written (no space left); free some")

    monkeypatch.setattr(takes, "atomic_path", refuse)
    bought = buy(provider, tmp_path)
    assert "no space left" in str(bought.stop)
    monkeypatch.undo()
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    assert buy(provider, tmp_path).stop is None
    check_books(provider, tmp_path)


GUIDE = "# Water\n\n" + "\n\n".join(" ".join(texts) for texts in SENTENCES) + "\n"


def command(provider, tmp_path, out, *more):
    settings = {
        "generate.elevenlabs.voice": "joe",
        "generate.elevenlabs.base_url": provider.url,
        "generate.terms_acknowledged": "true",
        "generate.rights": "a voice of my own",
        "paths.takes": tmp_path / "takes",
        "n_workers": 1,
    }
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    (tmp_path / "guides").mkdir(exist_ok=True)
    (tmp_path / "guides" / "water.md").write_text(GUIDE)
    places = [str(tmp_path / "guides"), str(tmp_path / out), "--teacher", "elevenlabs"]
    return [sys.executable, "-m", "ttsd", "generate", *places, *given, *more]


def run(*arguments, **environment):
    env = {**os.environ, "ELEVENLABS_API_KEY": KEY, **environment}
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("n_signals", [1, 2])
def test_ctrl_c_ends_in_one_line_and_what_was_in_flight_is_not_lost(n_signals, tmp_path):
    with Provider(tmp_path / "provider", speaker=Beeper(), latency_s=1.0) as provider:
        process = subprocess.Popen(
            command(provider, tmp_path, "raw"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A shell's background job ignores the signal, and hands that down.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while not any(request.method == "POST" for request in provider.requests):
            assert process.poll() is None
            time.sleep(0.05)
        for _ in range(n_signals):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130
        assert told.strip().splitlines()[-1] == "ttsd: interrupted; run the same command again to go on"
        assert "Traceback" not in told
        if n_signals == 1:
            assert 0 < len(provider.book.entries) < len(SENTENCES), "no more was sent"
            check_books(provider, tmp_path)
        assert run(provider, tmp_path, "raw").returncode == 0
        check_books(provider, tmp_path)


def test_two_runs_at_once_on_one_folder_of_takes_buy_each_sentence_once(tmp_path):
    with Provider(tmp_path / "provider", speaker=Beeper(), latency_s=0.2) as provider:
        processes = [
            subprocess.Popen(
                command(provider, tmp_path, out), stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE
            )
            for out in ("one", "two")
        ]
        told = [process.communicate(timeout=60)[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], told
        check_books(provider, tmp_path)
        assert (tmp_path / "one" / "metadata.csv").read_bytes() == (tmp_path / "two" / "metadata.csv").read_bytes()


def test_a_stopped_run_leaves_a_valid_corpus_and_the_record_of_every_clip(provider, tmp_path):
    stopped = run(provider, tmp_path, "raw", "--max-credits", "120")
    assert stopped.returncode == 1
    assert re.search(r"raise --max-credits .* utterances stand in .*raw so far$", stopped.stderr.strip())
    corpus = read_corpus(tmp_path / "raw")
    assert 0 < len(corpus.utterances) < len(utterances())
    assert validate_corpus(corpus) == 24000
    assert {rejection.reason for rejection in read_rejections(tmp_path / "raw")} == {"heading", "not_bought"}
    assert not (tmp_path / "raw" / "report.json").exists()
    assert run(provider, tmp_path, "raw").returncode == 0
    report = load_report(tmp_path / "raw")
    assert report.details["rights"]["notes"] == "a voice of my own"
    assert report.details["rights"]["terms_acknowledged"] is True
    assert report.details["rights"]["voice"]["name"] == "Joe"
    assert report.details["bought"] == {"takes": len(SENTENCES), "credits": provider.book.credits}
    billed = {entry.history_item_id: entry for entry in provider.book.entries}
    for utterance in read_corpus(tmp_path / "raw").utterances:
        entry = billed[utterance.teacher["history_id"]]
        assert utterance.teacher["request_id"] == entry.request_id
        assert utterance.transcript in entry.text
        assert utterance.teacher["credits"] > 0
        assert len(utterance.alignment["character_times_s"]) == len(utterance.transcript)
    check_books(provider, tmp_path)


def test_nothing_is_asked_before_the_terms_are_acknowledged(provider, tmp_path):
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "water.md").write_text(GUIDE)
    settings = load_config(None, ["generate.teacher=elevenlabs", f"generate.elevenlabs.base_url={provider.url}"])
    with pytest.raises(ConfigError, match=r"generate\.terms_acknowledged: must be true .*docs/providers\.md"):
        generate.run(tmp_path / "guides", tmp_path / "raw", settings)
    assert list(provider.requests) == []


@pytest.mark.parametrize(("voice", "given"), [("nobody", KEY), ("joe", "")])
def test_gemini_is_not_paid_for_what_no_voice_can_say(voice, given, provider, tmp_path):
    settings = ("--set", "generate.transcripts=gemini", "--set", f"generate.gemini.base_url={provider.url}",
                "--set", f"generate.elevenlabs.voice={voice}", "--set", f"paths.transcripts={tmp_path}/t")  # fmt: skip
    done = run(provider, tmp_path, "raw", *settings, GEMINI_API_KEY="g", ELEVENLABS_API_KEY=given)
    assert done.returncode == 1
    assert ("no such voice" if given else "ELEVENLABS_API_KEY is not set") in done.stderr
    assert provider.gemini_calls == []


def test_the_key_is_found_in_no_file_and_in_nothing_that_is_said(tmp_path):
    with Provider(tmp_path / "provider", speaker=Beeper(), hang_s=1.0) as provider:
        gemini = ("--set", "generate.transcripts=gemini", "--set", f"generate.gemini.base_url={provider.url}",
                  "--set", f"paths.transcripts={tmp_path}/transcripts")  # fmt: skip
        keys = {"ELEVENLABS_API_KEY": "sk-very-secret-1", "GEMINI_API_KEY": "g-very-secret-2"}
        said = []
        for fault in ("bad_key", "quota", "error_after", "malformed_json", "gemini_invalid_json", "gemini_500", None):
            if fault:
                provider.inject(fault)
            done = run(provider, tmp_path, f"raw-{fault}", *gemini, **keys)
            said.append(done.stdout + done.stderr)
        said.append(run(provider, tmp_path, "raw-plan", *gemini, "--plan", "--json", **keys).stdout)
        # No server: the exceptions of the transports hold the request with its headers.
        url = ("--set", "generate.elevenlabs.base_url=http://127.0.0.1:9", "--set", "generate.elevenlabs.seed=7")
        said.append(run(provider, tmp_path, "raw-none", *gemini, *url, **keys).stderr)
        assert done.returncode == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "provider" not in path.parts]
    assert len(written) > 20
    for secret in keys.values():
        assert not any(secret in text for text in said)
        assert [path for path in written if secret.encode() in path.read_bytes()] == []
