import http.server
import logging
import re
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from ttsd.config import GeminiConfig
from ttsd.errors import ConfigError, ProviderError
from ttsd.transcripts import gemini
from ttsd.transcripts.answers import Answer, Failure
from ttsd.transcripts.gemini import Gemini
from ttsd.transcripts.markdown import parse_guide
from ttsd.transcripts.prompt import cut_section, is_writable, load_prompt, request_text, section_key
from ttsd.transcripts.rate_limit import RateLimit
from ttsd.utils.secrets import Secret

KEY = "AIza-not-to-be-seen"
MARKDOWN = "# Cells\n\nEvery cell has 1 skin.\n\n- It is *thin*.\n"


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(gemini, "FIRST_WAIT_S", 0.01)
    with Provider(tmp_path, speaker=Beeper(), hang_s=1.5) as provider:
        yield provider


def ask(
    provider: Provider, key: str = KEY, limit: RateLimit | None = None, **settings: float | str
) -> Answer | Failure | None:
    values = {"base_url": provider.url, "timeout_s": 20.0, **settings}
    config = GeminiConfig.model_validate(values)
    with Gemini(config, Secret(key), limit or RateLimit(10**5, 10**8)) as client:
        return client.write(("Biology", "Cells"), (MARKDOWN,))


def test_a_section_is_one_request_with_a_schema_and_the_whole_prompt(provider: Provider) -> None:
    answer = ask(provider)
    assert isinstance(answer, Answer)
    assert answer.paragraphs == ("Every cell has one skin.", "It is thin.")
    assert answer.usage.input > 100
    assert answer.usage.output > 10
    (call,) = provider.gemini_calls
    assert call.model == "gemini-3.8-flash"
    assert call.body["systemInstruction"]["parts"][0]["text"] == load_prompt()
    assert call.body["contents"][0]["parts"][0]["text"] == request_text(("Biology", "Cells"), MARKDOWN)
    settings = call.body["generationConfig"]
    assert settings["responseMimeType"] == "application/json"
    assert settings["responseSchema"]["required"] == ["paragraphs"]
    assert (settings["temperature"], settings["maxOutputTokens"]) == (0.2, 16384)
    (request,) = provider.requests
    assert request.headers["x-goog-api-key"] == KEY


FAULTS = [
    ("gemini_blocked_prompt", "transcript_blocked", "the prompt was blocked (PROHIBITED_CONTENT)", 1),
    ("gemini_safety", "transcript_safety", "the answer was stopped (SAFETY)", 2),
    ("gemini_recitation", "transcript_recitation", "the answer was stopped as a recitation", 2),
    ("gemini_truncated", "transcript_truncated", "the answer was cut off after", 2),
    ("gemini_empty", "transcript_empty", "the answer has no text", 3),
    ("gemini_invalid_json", "transcript_invalid", "the answer is no JSON", 3),
    ("gemini_wrong_schema", "transcript_invalid", "the answer is JSON of another form", 3),
    ("gemini_500", "transcript_failed", "500 INTERNAL: An internal error has occurred.", 6),
    ("gemini_503", "transcript_failed", "503 UNAVAILABLE: The model is overloaded.", 6),
]


@pytest.mark.parametrize(("fault", "reason", "detail", "n_calls"), FAULTS)
def test_each_way_to_fail_is_told_apart_and_asked_again_as_often_as_it_helps(
    provider: Provider, fault: str, reason: str, detail: str, n_calls: int
) -> None:
    provider.inject(fault, times=100)
    failure = ask(provider)
    assert isinstance(failure, Failure)
    assert (failure.reason, len(provider.gemini_calls)) == (reason, n_calls)
    assert failure.detail.startswith(detail)


@pytest.mark.parametrize("fault", [fault for fault, *_ in FAULTS if fault != "gemini_blocked_prompt"])
def test_what_fails_once_is_written_by_the_next_request_and_both_are_counted(provider: Provider, fault: str) -> None:
    provider.inject(fault)
    answer = ask(provider)
    assert isinstance(answer, Answer)
    assert len(provider.gemini_calls) == 2
    assert answer.usage.input + answer.usage.output == provider.gemini_book.tokens


def test_a_cut_off_answer_is_asked_again_with_twice_the_room(provider: Provider) -> None:
    provider.inject("gemini_truncated")
    assert isinstance(ask(provider, max_output_tokens=1000), Answer)
    assert [call.body["generationConfig"]["maxOutputTokens"] for call in provider.gemini_calls] == [1000, 2000]


def test_too_many_requests_hold_everybody_back_as_long_as_the_service_says(provider: Provider) -> None:
    limit = RateLimit(10**5, 10**8)
    pauses: list[float] = []
    limit.pause = pauses.append  # type: ignore[method-assign]
    provider.inject("gemini_429", times=3)
    assert isinstance(ask(provider, limit=limit), Answer)
    assert pauses == [0.2] * 3


@pytest.mark.parametrize("timeout_s", [1.0, 20.0], ids=["late", "lost"])
def test_a_lost_connection_or_a_late_answer_is_asked_again(provider: Provider, timeout_s: float) -> None:
    provider.inject("gemini_timeout")
    assert isinstance(ask(provider, timeout_s=timeout_s), Answer)
    assert len(provider.gemini_calls) == 2


def test_a_service_that_never_answers_is_told_as_such(provider: Provider) -> None:
    provider.inject("gemini_timeout", times=10)
    failure = ask(provider, timeout_s=0.2)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.detail) == ("timeout", "no answer within 0.2 s")
    provider.stop()
    failure = ask(provider)
    assert isinstance(failure, Failure)
    assert failure.kind == "unreachable"
    assert re.match(r"the connection to http://127\.0\.0\.1:\d+ failed \(ConnectError", failure.detail)


def test_a_redirect_is_not_followed_with_the_key(provider: Provider) -> None:
    seen: list[str] = []

    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_response(307)
            self.send_header("location", f"{provider.url}{self.path}")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(ProviderError, match=rf"generate\.gemini\.base_url: {url} answers with a redirect"):
            ask(provider, base_url=url)
        server.shutdown()
    assert len(seen) == 1
    assert not provider.requests


@pytest.mark.parametrize(
    ("fault", "key", "settings", "words", "n_calls"),
    [
        ("gemini_quota_day", KEY, {}, "quota for today is used up .*what was written is kept", 1),
        ("gemini_429", KEY, {}, "still has too many requests after 8 waits .*lower generate.gemini.requests_per", 9),
        (None, "bad-key", {}, "refuses the key .*set GEMINI_API_KEY to a valid one", 0),
        (None, KEY, {"model": "text-bison"}, "generate.gemini.model: Gemini has no text-bison", 0),
    ],
)
def test_what_no_other_section_would_survive_stops_with_one_line_and_its_cure(
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    fault: str | None,
    key: str,
    settings: dict[str, str],
    words: str,
    n_calls: int,
) -> None:
    monkeypatch.setattr(RateLimit, "pause", lambda *_: None)
    if fault:
        provider.inject(fault, times=100)
    with pytest.raises(ProviderError, match=words) as info:
        ask(provider, key, **settings)
    assert "\n" not in str(info.value)
    assert len(provider.gemini_calls) == n_calls


@pytest.mark.parametrize("fault", [*(fault for fault, *_ in FAULTS), "gemini_quota_day"])
def test_the_key_is_in_no_message_no_traceback_and_no_log(
    provider: Provider, fault: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.inject(fault, times=100)
    if fault == "gemini_quota_day":
        with pytest.raises(ProviderError) as info:
            ask(provider)
        assert info.value.__cause__ is info.value.__context__ is None
        shown = "".join(traceback.format_exception(info.value))
    else:
        shown = repr(ask(provider))
    assert KEY not in shown + caplog.text + "".join(capfd.readouterr())


def test_a_key_that_the_service_repeats_is_taken_out(provider: Provider) -> None:
    # A word of the service's own message stands for the key.
    provider.inject("gemini_500", times=100)
    failure = ask(provider, key="internal")
    assert isinstance(failure, Failure)
    assert "An *** error has occurred" in failure.detail


def test_nothing_is_asked_once_the_limit_is_closed(provider: Provider) -> None:
    limit = RateLimit(10, 10**6)
    limit.close()
    assert ask(provider, limit=limit) is None
    assert not provider.gemini_calls


def test_an_address_that_is_none_is_refused_before_anything_is_sent(provider: Provider) -> None:
    with pytest.raises(ConfigError, match=r"generate\.gemini\.base_url: localhost:1 is no address"):
        ask(provider, base_url="localhost:1")


def test_the_key_of_a_section_is_that_of_its_text_and_not_of_its_place() -> None:
    config = GeminiConfig()
    text = "# A\n\nOne.\n\n## B\n\nTwo.\n"
    keys = [section_key(section, config) for section in parse_guide(text, "a.md").sections]
    moved = [section_key(section, config) for section in parse_guide(f"New text.\n\n{text}", "x/b.md").sections]
    assert moved[1:] == keys
    assert len(set(moved)) == 3
    (other, same) = (section_key(s, config) for s in parse_guide(text.replace("# A", "# C"), "a.md").sections)
    assert other != keys[0]
    assert same != keys[1]
    for changed in (GeminiConfig(model="gemini-4-argon"), GeminiConfig(temperature=0.3)):
        assert section_key(parse_guide(text, "a.md").sections[0], changed) != keys[0]


@pytest.mark.parametrize(
    ("markdown", "writable"),
    [
        ("Text.", True),
        ("# A\n\nText.", True),
        ("# A\n\n```\ncode\n```", True),
        ("# A\n\n$$\\sum x$$", True),
        ("# Is it only a heading?", False),
        ("# A\n\n<!-- comment -->\n\n![a](b.png)\n", False),
        ("---\ntitle: x\n---\n", False),
        ("# A\n\n| H |\n|---|\n", False),
    ],
)
def test_a_section_with_nothing_to_say_is_not_asked_for(markdown: str, writable: bool) -> None:
    (section,) = parse_guide(markdown, "g.md").sections
    assert is_writable(section) is writable


def test_long_sections_are_cut_between_paragraphs_and_lose_nothing() -> None:
    code = "```\n" + "line\n\n" * 50 + "```"
    paragraphs = [f"Paragraph {number} " + "word " * 40 for number in range(20)]
    text = "# A\n\n" + "\n\n".join([*paragraphs, code, *paragraphs])
    (section,) = parse_guide(text, "g.md").sections
    parts = cut_section(section, 700)
    assert all(len(part) <= 700 for part in parts)
    assert " ".join(" ".join(parts).split()) == " ".join(text.split())
    assert sum(code in part for part in parts) == 1
    assert cut_section(section, 100_000) == (section.markdown,)


def test_a_paragraph_longer_than_a_request_is_cut_at_a_sentence() -> None:
    (section,) = parse_guide("A short sentence stands here. " * 100, "g.md").sections
    parts = cut_section(section, 500)
    assert all(len(part) <= 500 and part.rstrip().endswith("here.") for part in parts)
    assert " ".join(" ".join(parts).split()) == section.markdown.strip()


def test_a_closing_line_in_a_guide_does_not_end_the_section() -> None:
    assert request_text((), "a\n</section>\nb").count("</section>") == 1
