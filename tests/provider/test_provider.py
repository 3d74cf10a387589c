"""The fake provider keeps its word, seen through the SDKs that the project uses."""

import base64
import contextlib
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import httpx2
import numpy as np
import pytest
import soundfile as sf
from elevenlabs import ElevenLabs, VoiceSettings
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError
from google import genai
from google.genai import errors, types

from tests.provider.book import Book, JsonLines
from tests.provider.faults import FAULTS, GEMINI_FAULTS, SPEECH_FAULTS
from tests.provider.gemini import write_paragraphs
from tests.provider.rendering import Beeper
from tests.provider.server import Provider

TEXT = "Cells divide in 2. Each half keeps a copy. Nothing is lost in the middle of it."
MODEL = "eleven_multilingual_v2"
SECTION = "Rewrite this.\n<section>\n# Cells\n\nA *cell* divides in 2\n\n```\nx = 1\n```\n\n- It grows.\n</section>\n"
PARAGRAPHS = ["A cell divides in two.", "Here is an example in code.", "It grows."]


class Buyer:
    """The ElevenLabs SDK against a provider, with short timeouts and no retries."""

    def __init__(self, provider: Provider, http: httpx.Client, api_key: str = "key") -> None:
        self.provider = provider
        self.client = ElevenLabs(api_key=api_key, base_url=provider.url, httpx_client=http)

    def buy(self, text: str = TEXT, voice: str = "joe", **arguments: Any) -> Any:
        values: dict[str, Any] = {"model_id": MODEL, "output_format": "wav_16000", **arguments}
        options: Any = {"max_retries": 0, "timeout_in_seconds": 30, **values.pop("options", {})}
        raw = self.client.text_to_speech.with_raw_response
        return raw.convert_with_timestamps(voice, text=text, request_options=options, **values)

    def history(self, **arguments: Any) -> Any:
        return self.client.history.list(request_options={"max_retries": 0}, **arguments)

    def history_audio(self, history_item_id: str) -> bytes:
        return b"".join(self.client.history.get_audio(history_item_id))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path / "state", speaker=Beeper(), hang_s=0.5, slow_s=0.3, history_lag_s=0.5) as provider:
        yield provider


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    # Certificates are not needed on 127.0.0.1, and loading them is the slowest part of a client.
    with httpx.Client(timeout=30, verify=False, trust_env=False) as http:
        yield http


@pytest.fixture
def buyer(provider: Provider, http: httpx.Client) -> Buyer:
    return Buyer(provider, http)


@pytest.fixture
def writer(provider: Provider) -> Iterator[genai.Client]:
    with gemini_client(provider) as client:
        yield client


def gemini_client(provider: Provider, key: str = "key", timeout_ms: int = 30_000) -> genai.Client:
    return genai.Client(
        api_key=key,
        http_options=types.HttpOptions(
            base_url=provider.url, timeout=timeout_ms, client_args={"verify": False, "trust_env": False}
        ),
    )


def read_wav(data: bytes) -> tuple[np.ndarray, int]:
    wav, rate = sf.read(io.BytesIO(data), dtype="int16")
    return wav, rate


def audio_of(answer: Any) -> bytes:
    return base64.b64decode(answer.data.audio_base_64)


def refused(action: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        action()
    return caught.value


def write(client: genai.Client, contents: str = SECTION, model: str = "gemini-3.8-flash") -> Any:
    schema = {
        "type": "object",
        "properties": {"paragraphs": {"type": "array", "items": {"type": "string"}}},
        "required": ["paragraphs"],
    }
    config = types.GenerateContentConfig(
        system_instruction="You are a teacher.",
        response_mime_type="application/json",
        response_json_schema=schema,
        automatic_continuation=False,
    )
    return client.models.generate_content(model=model, contents=contents, config=config)


# Speech


def test_speech_comes_with_audio_times_and_headers(buyer: Buyer) -> None:
    answer = buyer.buy()
    wav, rate = read_wav(audio_of(answer))
    alignment, said = answer.data.alignment, answer.data.normalized_alignment
    assert rate == 16000
    assert "".join(alignment.characters) == TEXT
    assert "".join(said.characters) == TEXT.replace("2", "two")
    for times in (alignment, said):
        starts, ends = times.character_start_times_seconds, times.character_end_times_seconds
        assert len(starts) == len(ends) == len(times.characters)
        assert starts == sorted(starts)
        assert ends == sorted(ends)
        assert ends[-1] <= wav.size / rate
    # The sentence behind the number is where it is in both.
    assert said.character_start_times_seconds[said.characters.index("E")] == pytest.approx(
        alignment.character_start_times_seconds[alignment.characters.index("E")]
    )
    entry = buyer.provider.book.entries[0]
    assert answer.headers["request-id"] == entry.request_id
    assert answer.headers["history-item-id"] == entry.history_item_id
    assert int(answer.headers["character-cost"]) == entry.credits == len(TEXT)
    assert answer.headers["current-concurrent-requests"] == "1"
    assert answer.headers["maximum-concurrent-requests"] == "5"


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_wav_and_pcm_hold_the_same_samples_at_every_rate(buyer: Buyer, rate: int) -> None:
    wav, wav_rate = read_wav(audio_of(buyer.buy(output_format=f"wav_{rate}")))
    pcm = np.frombuffer(audio_of(buyer.buy(output_format=f"pcm_{rate}")), "<i2")
    assert wav_rate == rate
    assert np.array_equal(wav, pcm)


def test_the_plain_endpoint_answers_bytes(buyer: Buyer) -> None:
    audio = b"".join(
        buyer.client.text_to_speech.convert("anna", text="Hello.", model_id=MODEL, output_format="wav_24000")
    )
    assert read_wav(audio)[1] == 24000
    assert buyer.provider.book.credits == 6


def test_joe_speaks_what_he_is_sent(tmp_path: Path, http: httpx.Client) -> None:
    with Provider(tmp_path / "state") as provider:
        answer = Buyer(provider, http).buy("Cells divide.")
    wav, rate = read_wav(audio_of(answer))
    assert 0.5 < wav.size / rate < 2.5
    assert np.abs(wav.astype(int)).max() > 3000


def test_a_model_costs_its_rate_rounded_up(buyer: Buyer) -> None:
    answer = buyer.buy("Hello there", model_id="eleven_flash_v2_5")
    assert answer.headers["character-cost"] == "6"


def test_models_say_their_prices_and_limits(buyer: Buyer) -> None:
    models = {model.model_id: model for model in buyer.client.models.list()}
    assert models["eleven_flash_v2_5"].model_rates.character_cost_multiplier == 0.5
    assert models[MODEL].maximum_text_length_per_request == 10_000
    assert models[MODEL].concurrency_group
    assert not all(model.can_do_text_to_speech for model in models.values())


def test_the_subscription_counts_what_was_billed(buyer: Buyer) -> None:
    buyer.buy()
    subscription = buyer.client.user.subscription.get()
    assert subscription.character_count == len(TEXT)
    assert subscription.character_limit == 10_000_000


def test_a_voice_says_its_name_and_its_settings(buyer: Buyer) -> None:
    voice = buyer.client.voices.get("joe")
    settings = buyer.client.voices.settings.get("joe")
    assert (voice.name, voice.category) == ("Joe", "premade")
    assert voice.settings == settings
    assert settings.stability == 0.5


@pytest.mark.parametrize(
    ("arguments", "status", "name"),
    [
        ({"voice": "nobody"}, 404, "voice_not_found"),
        ({"model_id": "eleven_v9"}, 400, "model_not_found"),
        ({"model_id": "eleven_v3", "previous_text": "Before."}, 400, "unsupported_model"),
        ({"model_id": "eleven_v3", "text": "a" * 5001}, 400, "max_character_limit_exceeded"),
        ({"text": " "}, 400, "input_text_empty"),
    ],
)
def test_a_wrong_request_is_refused_and_not_billed(
    buyer: Buyer, arguments: dict[str, Any], status: int, name: str
) -> None:
    error = refused(lambda: buyer.buy(**arguments))
    assert (error.status_code, error.body["detail"]["status"]) == (status, name)
    assert buyer.provider.book.entries == []


@pytest.mark.parametrize(
    "arguments", [{"output_format": "wav_12345"}, {"seed": -1}, {"voice_settings": VoiceSettings(speed=3.0)}]
)
def test_an_impossible_value_is_a_422_with_a_list(buyer: Buyer, arguments: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableEntityError) as caught:
        buyer.buy(**arguments)
    assert caught.value.body["detail"][0]["loc"]


def test_a_bad_key_is_refused_everywhere(provider: Provider, http: httpx.Client) -> None:
    buyer = Buyer(provider, http, api_key="bad-key")
    for action in (buyer.buy, buyer.history, buyer.client.models.list):
        error = refused(action)
        assert (error.status_code, error.body["detail"]["status"]) == (401, "invalid_api_key")


def test_credits_end_where_the_account_ends(tmp_path: Path, http: httpx.Client) -> None:
    with Provider(tmp_path, speaker=Beeper(), credits=10) as provider:
        buyer = Buyer(provider, http)
        buyer.buy("123456.")
        error = refused(lambda: buyer.buy("1234."))
        assert (error.status_code, error.body["detail"]["status"]) == (401, "quota_exceeded")
        buyer.buy("12.")
        assert provider.book.credits == 10


def test_more_requests_at_once_than_allowed_get_a_429(tmp_path: Path) -> None:
    with (
        Provider(tmp_path, speaker=Beeper(), latency_s=0.3, max_concurrent=2) as provider,
        httpx.Client(timeout=30, verify=False, trust_env=False) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        buyer = Buyer(provider, http)

        def attempt(number: int) -> str:
            try:
                buyer.buy(f"Number {number}.")
            except ApiError as error:
                return str(error.body["detail"]["status"])
            return "bought"

        results = sorted(pool.map(attempt, range(4)))
        assert results == ["bought", "bought", "too_many_concurrent_requests", "too_many_concurrent_requests"]
        assert len(provider.book.entries) == provider.most_active == 2
        assert attempt(5) == "bought"


# The book and the history


def test_the_same_clip_bought_twice_is_a_duplicate(buyer: Buyer) -> None:
    buyer.buy()
    buyer.buy(seed=1)
    buyer.buy(previous_text="Before.")
    buyer.buy(voice="anna")
    assert buyer.provider.book.duplicates() == {}
    buyer.buy(seed=1)
    book = buyer.provider.book
    assert book.duplicates() == {book.entries[1].key: 2}


def test_the_sdk_buys_again_by_itself_where_its_retries_are_left_on(buyer: Buyer) -> None:
    buyer.provider.inject("error_after")
    buyer.buy(options={"max_retries": 1})
    assert list(buyer.provider.book.duplicates().values()) == [2]


def test_the_history_is_paged_and_filtered(buyer: Buyer) -> None:
    for number in range(5):
        buyer.buy(f"Number {number}.", voice="anna" if number == 2 else "joe")
    first = buyer.history(page_size=2, voice_id="joe")
    second = buyer.history(page_size=2, voice_id="joe", start_after_history_item_id=first.last_history_item_id)
    assert [item.text for item in first.history] == ["Number 4.", "Number 3."]
    assert [item.text for item in second.history] == ["Number 1.", "Number 0."]
    assert (first.has_more, second.has_more) == (True, False)
    assert buyer.history(sort_direction="asc").history[0].text == "Number 0."
    assert [item.text for item in buyer.history(search="number 3", source="TTS").history] == ["Number 3."]
    now = int(time.time())
    assert len(buyer.history(date_after_unix=now - 60).history) == 5
    assert buyer.history(date_before_unix=now - 60).history == []
    assert refused(lambda: buyer.history(model_id=MODEL)).status_code == 422


def test_a_history_item_tells_what_was_bought(buyer: Buyer) -> None:
    bought = buyer.buy(voice_settings=VoiceSettings(stability=0.4))
    (item,) = buyer.history().history
    entry = buyer.provider.book.entries[0]
    assert (item.history_item_id, item.request_id) == (entry.history_item_id, entry.request_id)
    assert (item.text, item.voice_id, item.model_id, item.source) == (TEXT, "joe", MODEL, "TTS")
    assert item.character_count_change_to - item.character_count_change_from == len(TEXT)
    assert (item.output_format, item.content_type, item.state) == ("wav_16000", "audio/wav", "created")
    assert item.settings == {"stability": 0.4}
    assert item.alignments.alignment.characters == bought.data.alignment.characters
    assert abs(item.date_unix - time.time()) < 5
    assert buyer.history_audio(item.history_item_id) == audio_of(bought)


def test_clips_of_the_history_are_downloaded_alone_or_as_a_zip(buyer: Buyer) -> None:
    bought = [audio_of(buyer.buy(text)) for text in ("One.", "Two.")]
    ids = [entry.history_item_id for entry in buyer.provider.book.entries]
    download = buyer.client.history.download
    assert b"".join(download(history_item_ids=ids[:1])) == bought[0]
    with zipfile.ZipFile(io.BytesIO(b"".join(download(history_item_ids=ids, output_format="wav")))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == bought


def test_a_request_without_logging_is_billed_and_never_in_the_history(buyer: Buyer) -> None:
    buyer.buy(enable_logging=False)
    assert len(buyer.provider.book.entries) == 1
    assert buyer.history().history == []


def test_the_book_and_the_audio_outlive_a_restart(tmp_path: Path, http: httpx.Client) -> None:
    with Provider(tmp_path, speaker=Beeper()) as provider:
        bought = audio_of(Buyer(provider, http).buy())
        entries = provider.book.entries
    with (tmp_path / "book.jsonl").open("a") as file:
        file.write('{"id": 2, "cut by a ki')
    with Provider(tmp_path, speaker=Beeper()) as provider:
        assert provider.book.entries == entries
        buyer = Buyer(provider, http)
        assert buyer.history_audio(entries[0].history_item_id) == bought == provider.audio(entries[0])
        buyer.buy("More.")
    assert [entry.id for entry in Book(tmp_path / "book.jsonl", 10).entries] == [1, 2]


def test_a_request_is_rendered_once(tmp_path: Path, http: httpx.Client) -> None:
    spoken = []

    class Counting(Beeper):
        def speak(self, text: str, **arguments: Any) -> Any:
            spoken.append(text)
            return super().speak(text, **arguments)

    with Provider(tmp_path, speaker=Counting()) as provider:
        provider.warm([{"text": TEXT, "model_id": MODEL}], output_format="wav_16000")
        for _ in range(3):
            Buyer(provider, http).buy()
    assert spoken == [TEXT]


def test_every_request_is_seen(buyer: Buyer) -> None:
    buyer.buy()
    buyer.history()
    seen = [(request.method, request.path) for request in buyer.provider.requests]
    assert seen == [("POST", "/v1/text-to-speech/joe/with-timestamps"), ("GET", "/v1/history")]


# Faults of speech


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("quota", 401, "quota_exceeded"),
        ("bad_key", 401, "invalid_api_key"),
        ("bad_request", 400, "invalid_parameters"),
        ("not_found", 404, "voice_not_found"),
        ("too_many", 429, "too_many_concurrent_requests"),
        ("busy", 429, "system_busy"),
        ("error_before", 500, "internal_server_error"),
    ],
)
def test_a_refusing_fault_bills_nothing(buyer: Buyer, fault: str, status: int, name: str) -> None:
    buyer.provider.inject(fault)
    error = refused(buyer.buy)
    assert type(error) is ApiError
    assert (error.status_code, error.body["detail"]["status"]) == (status, name)
    assert ("retry-after" in (error.headers or {})) == (fault == "too_many")
    assert buyer.provider.book.entries == []
    buyer.buy()
    assert buyer.provider.fired == {fault: 1}


def test_unprocessable_is_an_error_of_its_own_with_a_list(buyer: Buyer) -> None:
    buyer.provider.inject("unprocessable")
    with pytest.raises(UnprocessableEntityError) as caught:
        buyer.buy()
    assert isinstance(caught.value.body["detail"], list)
    assert buyer.provider.book.entries == []


LOST = {
    "error_after": (ApiError, 500),
    "timeout_after": (httpx.ReadTimeout, None),
    "short_length": (httpx.RemoteProtocolError, None),
    "short_chunked": (httpx.RemoteProtocolError, None),
    # The SDK finds no JSON in it, and tells so with the status of a success.
    "short_close": (ApiError, 200),
    "malformed_json": (ApiError, 200),
    "restart_after": (httpx.RemoteProtocolError, None),
}


@pytest.mark.parametrize("fault", LOST)
def test_a_clip_that_was_billed_and_lost_is_in_the_history(buyer: Buyer, fault: str) -> None:
    kind, status = LOST[fault]
    good = audio_of(buyer.buy())
    buyer.provider.inject(fault)
    with pytest.raises(kind) as caught:
        buyer.buy(options={"timeout_in_seconds": 0.2} if fault.startswith("timeout") else {})
    assert getattr(caught.value, "status_code", None) == status
    buyer.provider.wait_until_up()
    assert len(buyer.provider.book.entries) == 2
    lost = buyer.history().history[0]
    assert lost.history_item_id == buyer.provider.book.entries[1].history_item_id
    assert lost.alignments.alignment.characters == list(TEXT)
    assert buyer.history_audio(lost.history_item_id) == good


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
def test_a_patient_client_sees_a_hung_connection_dropped(buyer: Buyer, fault: str) -> None:
    buyer.provider.inject(fault)
    with pytest.raises(httpx.RemoteProtocolError):
        buyer.buy()
    assert len(buyer.provider.book.entries) == (fault == "timeout_after")


def test_a_short_body_of_the_plain_endpoint_looks_whole_where_it_has_no_length(buyer: Buyer) -> None:
    arguments: dict[str, Any] = {"text": TEXT, "model_id": MODEL, "output_format": "pcm_16000"}
    convert = buyer.client.text_to_speech.convert
    whole = b"".join(convert("joe", **arguments))
    buyer.provider.inject("short_close")
    assert len(b"".join(convert("joe", **arguments))) == len(whole) // 2
    for fault in ("short_length", "short_chunked"):
        buyer.provider.inject(fault)
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(convert("joe", **arguments))


def test_a_slow_body_is_whole_in_the_end(buyer: Buyer) -> None:
    whole = audio_of(buyer.buy())
    buyer.provider.inject("slow_body")
    started = time.monotonic()
    assert audio_of(buyer.buy()) == whole
    assert time.monotonic() - started >= 0.25


def test_wrong_samples_are_a_lying_header_or_half_a_sample(buyer: Buyer) -> None:
    buyer.provider.inject("wrong_samples", times=2)
    wav = audio_of(buyer.buy())
    assert int.from_bytes(wav[40:44], "little") > len(wav) - 44
    pcm = audio_of(buyer.buy(output_format="pcm_16000"))
    assert len(pcm) % 2 == 1
    for entry in buyer.provider.book.entries:
        assert len(buyer.history_audio(entry.history_item_id)) > len(wav)


def test_short_audio_is_well_formed_and_ends_before_its_last_character(buyer: Buyer) -> None:
    buyer.provider.inject("short_audio")
    answer = buyer.buy()
    wav, rate = read_wav(audio_of(answer))
    assert int.from_bytes(audio_of(answer)[40:44], "little") == 2 * wav.size
    assert wav.size / rate < 0.6 * answer.data.alignment.character_end_times_seconds[-1]


def test_missing_times_are_missing_in_the_history_too(buyer: Buyer) -> None:
    buyer.provider.inject("missing_times")
    answer = buyer.buy()
    assert answer.data.alignment is None
    assert answer.data.normalized_alignment is None
    (item,) = buyer.history().history
    assert item.alignments is None
    assert buyer.history_audio(item.history_item_id) == audio_of(answer)


def test_truncated_speech_ends_in_mid_text_in_the_history_too(buyer: Buyer) -> None:
    whole = buyer.buy()
    buyer.provider.inject("truncated_speech")
    answer = buyer.buy()
    said = "".join(answer.data.alignment.characters)
    assert TEXT.startswith(said)
    assert 0.4 < len(said) / len(TEXT) < 0.8
    assert TEXT.replace("2", "two").startswith("".join(answer.data.normalized_alignment.characters))
    wav, rate = read_wav(audio_of(answer))
    assert wav.size / rate == pytest.approx(answer.data.alignment.character_end_times_seconds[-1], abs=0.01)
    assert len(audio_of(answer)) < len(audio_of(whole))
    item = buyer.history().history[0]
    assert "".join(item.alignments.alignment.characters) == said
    assert buyer.history_audio(item.history_item_id) == audio_of(answer)


def test_an_unspoken_tail_has_times_and_no_sound(buyer: Buyer) -> None:
    buyer.provider.inject("unspoken_tail")
    answer = buyer.buy()
    alignment = answer.data.alignment
    wav, rate = read_wav(audio_of(answer))
    assert "".join(alignment.characters) == TEXT
    start = round(alignment.character_start_times_seconds[TEXT.index("Nothing")] * rate)
    assert np.abs(wav[:start]).max() > 0
    assert np.abs(wav[start:]).max() == 0
    assert wav.size / rate > alignment.character_end_times_seconds[-1]
    assert buyer.history_audio(buyer.provider.book.entries[0].history_item_id) == audio_of(answer)


def test_lost_history_comes_back_after_a_while(buyer: Buyer) -> None:
    buyer.provider.inject("lost_history")
    assert refused(buyer.buy).status_code == 500
    assert len(buyer.provider.book.entries) == 1
    assert buyer.history().history == []
    time.sleep(0.6)
    assert len(buyer.history().history) == 1


def test_a_restart_before_the_bill_sells_nothing(buyer: Buyer) -> None:
    buyer.provider.inject("restart_before")
    with pytest.raises(httpx.RemoteProtocolError):
        buyer.buy()
    buyer.provider.wait_until_up()
    assert buyer.provider.book.entries == []
    buyer.buy()


def test_a_closed_port_refuses_the_connection(buyer: Buyer) -> None:
    buyer.provider.stop()
    with pytest.raises(httpx.ConnectError):
        buyer.buy()
    buyer.provider.start()
    buyer.buy()


def test_a_restart_drops_every_request_and_keeps_the_port(tmp_path: Path) -> None:
    with (
        Provider(tmp_path, speaker=Beeper(), latency_s=0.2) as provider,
        httpx.Client(timeout=30, verify=False, trust_env=False) as http,
    ):
        buyer, url, lost = Buyer(provider, http), provider.url, []
        provider.inject("restart_after")

        def attempt(number: int) -> None:
            try:
                buyer.buy(f"Number {number}.")
            except httpx.TransportError as error:
                lost.append(error)

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(2)]
        threads[0].start()
        time.sleep(0.1)
        threads[1].start()
        for thread in threads:
            thread.join()
        assert len(lost) == 2
        assert [entry.text for entry in provider.book.entries] == ["Number 0."]
        provider.wait_until_up()
        assert provider.url == url
        buyer.buy("Number 1.")
        assert len(provider.book.entries) == 2


def test_the_history_fails_where_it_is_told_to(buyer: Buyer) -> None:
    buyer.buy()
    name = buyer.provider.book.entries[0].history_item_id
    for fault, status in (("history_error", 500), ("history_busy", 429)):
        buyer.provider.inject(fault)
        assert refused(buyer.history).status_code == status
    for fault in ("history_short", "history_timeout"):
        buyer.provider.inject(fault)
        with pytest.raises(httpx.RemoteProtocolError):
            buyer.history_audio(name)
    assert buyer.history().history


def test_faults_come_in_order_after_untouched_requests(buyer: Buyer) -> None:
    buyer.provider.inject("busy", times=2, after=1)
    buyer.provider.inject("gemini_500")
    buyer.buy()
    for _ in range(2):
        assert refused(buyer.buy).status_code == 429
    buyer.buy()
    with pytest.raises(ValueError, match="no fault is called bussy"):
        buyer.provider.inject("bussy")


def test_drawn_faults_repeat_with_the_seed_and_go_on_over_a_restart(tmp_path: Path, http: httpx.Client) -> None:
    def attempts(state: str, count: int) -> list[bool]:
        with Provider(tmp_path / state, speaker=Beeper(), faults={"busy": 0.5}, seed=7) as provider:
            buyer, results = Buyer(provider, http), []
            for _ in range(count):
                try:
                    buyer.buy("Hello.")
                except ApiError:
                    results.append(False)
                else:
                    results.append(True)
            return results

    whole = attempts("whole", 20)
    assert 4 < sum(whole) < 16
    assert attempts("halves", 10) + attempts("halves", 10) == whole


def test_every_fault_of_speech_leaves_a_server_that_goes_on(buyer: Buyer) -> None:
    for fault in SPEECH_FAULTS:
        buyer.provider.inject(fault)
        with contextlib.suppress(ApiError, httpx.TransportError):
            buyer.buy(f"The fault is {fault}.", options={"timeout_in_seconds": 0.4})
        buyer.provider.wait_until_up()
        buyer.buy(f"After {fault}.")
    assert set(buyer.provider.fired) == set(SPEECH_FAULTS)
    assert buyer.provider.book.duplicates() == {}


# Transcripts


def test_gemini_writes_a_paragraph_for_each_block(provider: Provider, writer: genai.Client) -> None:
    answer = write(writer)
    assert answer.parsed == {"paragraphs": PARAGRAPHS}
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == "gemini-3.8-flash"
    assert answer.response_id
    usage = answer.usage_metadata
    (call,) = provider.gemini_calls
    assert call.prompt_tokens == usage.prompt_token_count > 0
    assert call.output_tokens == usage.candidates_token_count + usage.thoughts_token_count
    assert provider.gemini_book.tokens == usage.total_token_count
    assert call.billed


def test_gemini_fills_a_typed_schema(writer: genai.Client) -> None:
    import pydantic

    class Transcript(pydantic.BaseModel):
        paragraphs: list[str]

    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Transcript)
    answer = writer.models.generate_content(model="gemini-3.8-flash", contents=SECTION, config=config)
    assert answer.parsed == Transcript(paragraphs=PARAGRAPHS)


def test_gemini_leaves_out_what_cannot_be_said() -> None:
    markdown = "# Heading\n\nSee https://example.org for 3 more.\n\n![](a.png)\n\n| A | B |\n|---|---|\n| x | y |\n"
    assert write_paragraphs(markdown) == ["See for three more.", "A: x, B: y."]


def test_gemini_counts_tokens_without_a_bill(provider: Provider, writer: genai.Client) -> None:
    assert writer.models.count_tokens(model="gemini-3.8-flash", contents="Hello there").total_tokens == 3
    assert provider.gemini_calls == []


def test_gemini_calls_outlive_a_restart_and_show_what_was_paid_twice(provider: Provider, writer: genai.Client) -> None:
    write(writer)
    provider.restart()
    write(writer, SECTION.replace("grows", "ends"))
    assert provider.gemini_book.duplicates() == {}
    write(writer)
    assert list(provider.gemini_book.duplicates().values()) == [2]
    assert len(provider.gemini_calls) == 3


@pytest.mark.parametrize(
    ("key", "model", "code", "status"),
    [
        ("bad-key", "gemini-3.8-flash", 400, "INVALID_ARGUMENT"),
        ("key", "no-such-model", 404, "NOT_FOUND"),
    ],
)
def test_gemini_refuses_a_bad_key_and_an_unknown_model(
    provider: Provider, key: str, model: str, code: int, status: str
) -> None:
    with (
        gemini_client(provider, key) as client,
        pytest.raises(errors.ClientError) as caught,
    ):
        write(client, model=model)
    assert (caught.value.code, caught.value.status) == (code, status)
    reasons = [detail.get("reason") for detail in caught.value.details["error"].get("details", [])]
    assert reasons == (["API_KEY_INVALID"] if key == "bad-key" else [])
    assert provider.gemini_calls == []


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("gemini_429", errors.ClientError, "RESOURCE_EXHAUSTED"),
        ("gemini_quota_day", errors.ClientError, "RESOURCE_EXHAUSTED"),
        ("gemini_500", errors.ServerError, "INTERNAL"),
        ("gemini_503", errors.ServerError, "UNAVAILABLE"),
    ],
)
def test_gemini_refuses_on_demand(
    provider: Provider, writer: genai.Client, fault: str, kind: type[errors.APIError], status: str
) -> None:
    provider.inject(fault)
    with pytest.raises(kind) as caught:
        write(writer)
    assert caught.value.status == status
    details = {detail["@type"].rsplit(".")[-1]: detail for detail in caught.value.details["error"].get("details", [])}
    if status == "RESOURCE_EXHAUSTED":
        assert details["RetryInfo"]["retryDelay"] == "0.2s"
        quota = details["QuotaFailure"]["violations"][0]["quotaId"]
        assert ("PerDay" in quota) == (fault == "gemini_quota_day")
    assert [call.billed for call in provider.gemini_calls] == [False]
    write(writer)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("gemini_invalid_json", "STOP"),
        ("gemini_truncated", "MAX_TOKENS"),
        ("gemini_safety", "SAFETY"),
        ("gemini_recitation", "RECITATION"),
        ("gemini_empty", "STOP"),
        ("gemini_blocked_prompt", None),
    ],
)
def test_gemini_answers_without_a_transcript_on_demand(
    provider: Provider, writer: genai.Client, fault: str, reason: str | None
) -> None:
    provider.inject(fault)
    answer = write(writer)
    assert answer.parsed is None
    assert [candidate.finish_reason for candidate in answer.candidates or []] == ([reason] if reason else [])
    assert bool(answer.text) == (fault in ("gemini_invalid_json", "gemini_truncated"))
    if reason is None:
        assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    (call,) = provider.gemini_calls
    assert call.billed
    assert call.prompt_tokens == answer.usage_metadata.prompt_token_count


def test_gemini_writes_another_schema_on_demand(provider: Provider, writer: genai.Client) -> None:
    provider.inject("gemini_wrong_schema")
    assert set(write(writer).parsed) == {"transcript"}


def test_gemini_hangs_on_demand_and_bills(provider: Provider) -> None:
    for timeout_ms, kind in ((200, httpx2.ReadTimeout), (30_000, httpx2.RemoteProtocolError)):
        provider.inject("gemini_timeout")
        with gemini_client(provider, timeout_ms=timeout_ms) as client, pytest.raises(kind):
            write(client)
    assert [call.billed for call in provider.gemini_calls] == [True, True]


def test_every_fault_is_tested_or_described() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [fault for fault in FAULTS if f'"{fault}"' not in text and fault != "restart"] == []
    assert all(fault.startswith("gemini_") for fault in GEMINI_FAULTS)


# The program


def test_the_program_dies_of_a_restart_and_goes_on_with_the_same_book(tmp_path: Path, http: httpx.Client) -> None:
    (tmp_path / "faults.json").write_text(json.dumps({"restart_after": 1.0}))
    command = [sys.executable, "-m", "tests.provider", "--state", str(tmp_path / "state"), "--beeps"]

    def run(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )

    with run("--faults", str(tmp_path / "faults.json")) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        client = ElevenLabs(api_key="key", base_url=url, httpx_client=http)
        with pytest.raises(httpx.RemoteProtocolError):
            client.text_to_speech.convert_with_timestamps("joe", text="Hello.", output_format="wav_16000")
        assert program.wait(timeout=5) == 17
    with run("--port", url.rpartition(":")[2]) as program:
        assert program.stdout is not None
        assert program.stdout.readline().strip() == url
        assert [item.text for item in client.history.list().history] == ["Hello."]
        program.terminate()
        assert program.wait(timeout=5) == 0
    assert len(JsonLines(tmp_path / "state" / "requests.jsonl", fsync=False).read()) == 2
