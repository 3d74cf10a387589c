"""`generate` with a bought voice where the service, the disk, the ledger or another run misbehaves."""

import errno
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from tests.provider.wire import Refusal, Reply, refusal, unprocessable
from ttsd.config import load_config
from ttsd.data.corpus import read_corpus, read_rejections, validate_corpus
from ttsd.errors import TtsdError
from ttsd.report import load_report
from ttsd.stages import generate
from ttsd.teachers import sending
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.recovery import HOLDERS_NAME
from ttsd.utils.locks import hold_file

KEY = "sk-test-0123456789abcdef"
PARAGRAPHS = (
    "Rivers run to the sea. They carry sand with them.",
    "Ice floats on the water. It is lighter than that. Fish live below the ice. They wait for spring. Then it melts.",
    "Clouds form where warm air rises.",
    "Snow melts in the spring. The river rises for days.",
)
N_SENTENCES = 10
ONE = "generate.elevenlabs.max_concurrent=1"


class Rude(Provider):
    """A provider whose answers to requests for speech a test can change on their way."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.change = lambda _number, reply: reply
        self.n_speech = 0

    def answer(self, request, life):
        if not request.path.startswith("/v1/text-to-speech"):
            return super().answer(request, life)
        self.n_speech += 1
        return self.change(self.n_speech, super().answer(request, life))


pytestmark = pytest.mark.usefixtures("guides")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def provider(tmp_path):
    with Rude(tmp_path / "provider", speaker=Beeper(), hang_s=1.0) as provider:
        yield provider


@pytest.fixture
def guides(tmp_path):
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "water.md").write_text("# Water\n\n" + "\n\n".join(PARAGRAPHS) + "\n")
    return tmp_path / "guides"


def config(tmp_path, provider, *settings):
    return load_config(
        None,
        [
            "generate.teacher=elevenlabs",
            "generate.terms_acknowledged=true",
            "generate.elevenlabs.voice=joe",
            "generate.elevenlabs.timeout_s=5",
            f"generate.elevenlabs.base_url={provider.url}",
            f"paths.takes={tmp_path}/takes",
            "n_workers=1",
            *settings,
        ],
    )


def run(tmp_path, provider, *settings, progress=lambda *_: None):
    return generate.run(tmp_path / "guides", tmp_path / "raw", config(tmp_path, provider, *settings), progress)


def stop(tmp_path, provider, *settings, match):
    """Run, see that it stops in one line, and that what stands so far is a corpus."""
    with pytest.raises(TtsdError, match=match) as told:
        run(tmp_path, provider, *settings)
    assert "\n" not in str(told.value)
    assert KEY not in str(told.value)
    assert not (tmp_path / "raw" / "report.json").exists()
    if (tmp_path / "raw" / "metadata.csv").exists():
        validate_corpus(read_corpus(tmp_path / "raw"))
    return str(told.value)


def finish(tmp_path, provider, *settings):
    """Run to the end, and compare the books."""
    report = run(tmp_path, provider, *settings)
    assert report.n_out == N_SENTENCES
    check_books(tmp_path, provider)
    return report


def check_books(tmp_path, provider):
    assert provider.book.duplicates() == {}
    with_ids = {purchase.history_id: purchase for purchase in purchases(tmp_path, "paid")}
    assert set(with_ids) == {entry.history_item_id for entry in provider.book.entries}
    for purchase in with_ids.values():
        assert (tmp_path / "takes" / purchase.take[:2] / f"{purchase.take}.wav").is_file()
    assert purchases(tmp_path, "reserved", "unknown") == []


def purchases(tmp_path, *states):
    ledger = Ledger(tmp_path / "takes")
    found = ledger.purchases(*states)
    ledger.close()
    return found


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b'"text"', b"5", b"{}", b"", b"\xff\xfe\x00\x01", b'{"audio_base64": 5}',
        b'{"audio_base64": ""}', b'{"audio_base64": null}', '{"audio_base64": "é"}'.encode(), b'{"audio_base64": "A"}',
        b'{"audio_base64": "AAAA", "alignment": []}',
    ],
)  # fmt: skip
def test_whatever_a_paid_answer_holds_its_audio_is_found_in_the_history(body, tmp_path, provider):
    provider.change = lambda number, reply: replace(reply, body=body) if number == 1 else reply
    finish(tmp_path, provider)
    assert sum(u.teacher["recovered"] for u in read_corpus(tmp_path / "raw").utterances) > 0


@pytest.mark.parametrize("value", ["inf", "nan", "-3", "many", ""])
def test_figures_in_an_answers_headers_that_make_no_sense_are_passed_over(value, tmp_path, provider):
    odd = {"character-cost": value, "maximum-concurrent-requests": value}
    provider.change = lambda _, reply: replace(reply, headers={**reply.headers, **odd})
    finish(tmp_path, provider)
    assert sum(purchase.credits for purchase in purchases(tmp_path, "paid")) == sum(map(len, PARAGRAPHS))


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_time_to_come_back_that_is_no_number_of_seconds_holds_nobody_for_ever(value, tmp_path, provider):
    provider._elevenlabs._speak = refuse_first(provider._elevenlabs._speak, value)
    finish(tmp_path, provider)


def refuse_first(speak, value):
    numbers = iter(range(10**6))

    def refusing(*arguments, **options):
        if next(numbers) == 0:
            raise Refusal(refusal(429, "too_many_concurrent_requests", "Too many.", {"retry-after": value}))
        return speak(*arguments, **options)

    return refusing


def test_a_service_that_says_to_come_back_after_the_longest_wait_stops_the_run_at_once(tmp_path, provider):
    provider._elevenlabs._speak = refuse_first(provider._elevenlabs._speak, "900")
    start = time.monotonic()
    stop(tmp_path, provider, match=r"turns every request away as too many, for 900 s")
    assert time.monotonic() - start < 20
    finish(tmp_path, provider)


def test_a_long_paragraph_that_is_refused_is_dropped_and_the_rest_is_bought(tmp_path, provider, guides):
    speak = provider._elevenlabs._speak

    def refuse(voice, request, *arguments, **options):
        if "Ice floats" in request.json()["text"]:
            raise Refusal(unprocessable(["body", "text"], "cannot be processed", "value_error", None))
        return speak(voice, request, *arguments, **options)

    provider._elevenlabs._speak = refuse
    (guides / "water.md").write_text("# Water\n\n" + "\n\n".join([PARAGRAPHS[1], *PARAGRAPHS[::2]]) + "\n")
    report = run(tmp_path, provider, ONE)
    assert (report.n_out, report.dropped["teacher_failed"]) == (3, 5)
    reasons = [r.value for r in read_rejections(tmp_path / "raw") if r.reason == "teacher_failed"]
    assert all("text: cannot be processed" in reason for reason in reasons)
    assert purchases(tmp_path, "reserved", "unknown") == []


def test_settings_that_every_request_is_refused_for_stop_the_run(tmp_path, provider, guides):
    (guides / "water.md").write_text("# Water\n\n" + "\n\n".join(f"Sentence number {n} is here." for n in range(9)))
    provider.inject("bad_request", times=100)
    stop(tmp_path, provider, match=r"every request so far; check the settings generate\.elevenlabs")
    assert provider.n_speech < 12
    assert provider.book.entries == []


@pytest.mark.parametrize("n_before", range(150, 205, 9))
def test_a_key_that_the_service_quotes_is_not_shown_not_even_the_half_of_it(n_before, tmp_path, provider):
    said = "x" * n_before + KEY + " is bad"
    provider.change = lambda *_: refusal(401, "invalid_api_key", said)
    told = stop(tmp_path, provider, match="the key is not valid")
    assert KEY[:5] not in told


def test_a_key_in_the_reason_of_a_dropped_sentence_is_not_written(tmp_path, provider, guides):
    provider.change = lambda number, reply: refusal(400, "odd", f"for {KEY}") if number <= 3 else reply
    (guides / "water.md").write_text("# Water\n\n" + PARAGRAPHS[2] + "\n\n" + PARAGRAPHS[0] + "\n")
    run(tmp_path, provider, ONE)
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and "provider" not in path.parts):
        assert KEY.encode() not in path.read_bytes(), path


def test_a_service_that_goes_away_stops_the_run_and_a_restart_of_it_does_not(tmp_path, provider, monkeypatch):
    monkeypatch.setattr(sending, "_UNREACHED_S", 0.5)

    def leave(number, reply):
        if number == 1:
            threading.Thread(target=provider.stop).start()
            time.sleep(0.2)
        return reply

    provider.change = leave
    stop(tmp_path, provider, ONE, match=r"cannot be reached|cannot be read")
    provider.start()
    finish(tmp_path, provider)


def test_a_disk_that_is_full_stops_the_run_in_one_line_and_the_take_is_fetched_later(tmp_path, provider, monkeypatch):
    move = Path.replace

    def full(self, target):
        if Path(target).suffix == ".wav" and "takes" in Path(target).parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", full)
    stop(tmp_path, provider, match=r"No space left on device\); free some space")
    monkeypatch.setattr(Path, "replace", move)
    unknown = purchases(tmp_path, "unknown")
    assert {purchase.history_id for purchase in unknown} == {entry.history_item_id for entry in provider.book.entries}
    assert unknown
    assert purchases(tmp_path, "paid", "reserved") == []
    assert list((tmp_path / "takes").glob("??/*.wav")) == []
    finish(tmp_path, provider)


def test_a_write_that_fails_for_any_other_reason_is_one_line_too(tmp_path, provider, monkeypatch):
    def stale(*_):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("ttsd.teachers.takes.TakeStore.write", stale)
    stop(tmp_path, provider, match=r"takes: cannot be written \(Stale file handle\)")
    monkeypatch.undo()
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    finish(tmp_path, provider)


@pytest.mark.parametrize("step", ["reserve", "settle"])
def test_a_ledger_that_cannot_be_written_stops_the_run_and_nothing_is_bought_twice(
    step, tmp_path, provider, monkeypatch
):
    work, calls = getattr(Ledger, step), []

    def fail(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            self._file.db.execute("PRAGMA query_only = ON")
        return work(self, *arguments, **options)

    monkeypatch.setattr(Ledger, step, fail)
    stop(tmp_path, provider, ONE, match=r"ledger\.sqlite: the ledger of bought speech cannot be used .*writable")
    monkeypatch.setattr(Ledger, step, work)
    assert len(provider.book.entries) == (1 if step == "reserve" else 2), "no more was sent"
    finish(tmp_path, provider)


class SeenError(Exception):
    """The request that a run would have sent is known."""


def reserve_first(tmp_path, provider, monkeypatch):
    """Let another run reserve the first request; return its take, its price and the ledger."""
    seen = []

    def look(_, *arguments, **options):
        seen.append((arguments, options))
        raise SeenError

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "reserve", look)
        with pytest.raises(SeenError):
            run(tmp_path, provider, ONE)
    (arguments, options), ledger = seen[0], Ledger(tmp_path / "takes")
    assert ledger.reserve(*arguments, **{**options, "holder": "other"}) == "reserved"
    return arguments[0], options["estimate"], ledger


def test_what_another_run_gives_back_is_bought_here(tmp_path, provider, monkeypatch):
    with hold_file(tmp_path / "takes" / HOLDERS_NAME / "other"):
        take, _, ledger = reserve_first(tmp_path, provider, monkeypatch)
        timer = threading.Timer(1.0, ledger.release, [take])
        timer.start()
        finish(tmp_path, provider)
        timer.join()
    ledger.close()


def test_when_a_run_dies_that_another_waits_for_its_requests_are_in_doubt(tmp_path, provider, monkeypatch):
    told = []
    with hold_file(tmp_path / "takes" / HOLDERS_NAME / "other"):
        take, _, ledger = reserve_first(tmp_path, provider, monkeypatch)
        thread = threading.Thread(
            target=lambda: told.append(stop(tmp_path, provider, match="nobody knows the outcome of 1 request "))
        )
        thread.start()
        while sum(purchase.state == "paid" for purchase in ledger.purchases("paid")) < len(PARAGRAPHS) - 1:
            time.sleep(0.05)
    thread.join()
    assert told
    assert [purchase.take for purchase in ledger.purchases("unknown")] == [take]
    ledger.close()
    finish(tmp_path, provider, "generate.elevenlabs.rebuy_unknown=true")


def test_a_run_does_not_wait_for_ever_for_another_that_does_nothing(tmp_path, provider, monkeypatch):
    with hold_file(tmp_path / "takes" / HOLDERS_NAME / "other"):
        take, price, ledger = reserve_first(tmp_path, provider, monkeypatch)
        start = time.monotonic()
        told = stop(tmp_path, provider, "generate.elevenlabs.timeout_s=0.7", match="another ttsd has had 1 of these")
        assert time.monotonic() - start < 15
        assert f"{N_SENTENCES - 2} of {N_SENTENCES} utterances stand" in told
        reasons = {(r.reason, r.value) for r in read_rejections(tmp_path / "raw") if r.reason != "heading"}
        assert reasons == {("outcome_unknown", f"in flight when this run ended; {price} credits")}
        ledger.release(take)
    ledger.close()
    finish(tmp_path, provider)


def test_two_runs_that_recover_the_same_takes_at_once_both_end_well(tmp_path, provider, guides):
    provider.inject("error_after", times=4)
    provider.inject("history_error", times=4)
    stop(tmp_path, provider, match="the account cannot be read")
    assert len(purchases(tmp_path, "unknown")) == 4
    ends = []

    def recover(out):
        settings = config(tmp_path, provider)
        ends.append(generate.run(guides, tmp_path / out, settings).n_out)

    threads = [threading.Thread(target=recover, args=(out,)) for out in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [N_SENTENCES, N_SENTENCES]
    assert len(provider.book.entries) == 4
    check_books(tmp_path, provider)


def test_an_item_whose_audio_the_history_has_lost_can_be_bought_again(tmp_path, provider):
    provider.inject("error_after")
    answer = provider._elevenlabs._history._audio
    provider._elevenlabs._history._audio = lambda _: gone()
    told = stop(tmp_path, provider, match="--rebuy-unknown")
    assert "nobody knows the outcome of 1 request (" in told
    (unknown,) = purchases(tmp_path, "unknown")
    assert unknown.reason == "in the history, but there is no audio"
    assert run(tmp_path, provider, "generate.elevenlabs.rebuy_unknown=true").n_out == N_SENTENCES
    assert sum(count - 1 for count in provider.book.duplicates().values()) == 1
    provider._elevenlabs._history._audio = answer


def gone():
    raise Refusal(Reply(404, json.dumps({"detail": "gone"}).encode(), {"content-type": "application/json"}))


@pytest.mark.parametrize("harm", ["wav", "json", "ledger"])
def test_a_finished_corpus_made_anew_after_harm_to_the_takes_costs_nothing(harm, tmp_path, provider, guides):
    first = finish(tmp_path, provider)
    clips = {path.name: path.read_bytes() for path in (tmp_path / "raw" / "wavs").iterdir()}
    n_billed = len(provider.book.entries)
    if harm == "ledger":
        for path in (tmp_path / "takes").glob("ledger.sqlite*"):
            path.unlink()
    else:
        victim = sorted((tmp_path / "takes").glob(f"??/*.{harm}"))[0]
        victim.write_bytes(victim.read_bytes()[:-50])
    again = generate.run(guides, tmp_path / "again", config(tmp_path, provider))
    assert len(provider.book.entries) == n_billed
    assert again == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "again" / "wavs").iterdir()} == clips
    check_books(tmp_path, provider)


@pytest.mark.parametrize("output_format", ["pcm_16000", "wav_44100"])
def test_a_corpus_is_at_the_rate_that_was_asked_for_in_either_container(output_format, tmp_path, provider):
    finish(tmp_path, provider, f"generate.elevenlabs.output_format={output_format}")
    assert validate_corpus(read_corpus(tmp_path / "raw")) == int(output_format[4:])
    assert load_report(tmp_path / "raw").details["teacher"]["settings"]["output_format"] == output_format
