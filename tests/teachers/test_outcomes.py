import pytest

from ttsd.errors import ProviderError
from ttsd.teachers.elevenlabs import ModelFacts
from ttsd.teachers.outcomes import DoubtError, RefusedError, TurnedAwayError, explain_status


def told(status, code="", message="", headers=None):
    return explain_status(status, headers or {}, {"detail": {"status": code, "message": message}})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "quota_exceeded", ProviderError),
        (401, "invalid_api_key", ProviderError),
        (402, "", ProviderError),
        (403, "missing_permissions", ProviderError),
        (404, "voice_not_found", ProviderError),
        (400, "voice_not_found", ProviderError),
        (400, "max_character_limit_exceeded", RefusedError),
        (422, "", RefusedError),
        (429, "too_many_concurrent_requests", TurnedAwayError),
        (429, "system_busy", TurnedAwayError),
        (408, "", DoubtError),
        (409, "", DoubtError),
        (500, "", DoubtError),
        (503, "", DoubtError),
        (200, "", DoubtError),
        (None, "", DoubtError),
    ],
)
def test_an_answer_means_for_the_money_what_its_status_and_code_say(status, code, kind):
    assert type(told(status, code)) is kind


def test_the_message_decides_nothing():
    assert type(told(400, "other", "quota_exceeded voice_not_found 500")) is RefusedError


def test_a_service_that_is_full_is_told_from_one_that_is_busy_and_both_may_say_when():
    full = told(429, "concurrent_limit_exceeded", headers={"Retry-After": "1.5"})
    busy = told(429, "system_busy", headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert (full.is_full, full.retry_after_s) == (True, 1.5)
    assert (busy.is_full, busy.retry_after_s) == (False, None)


def test_what_may_be_billed_keeps_its_ids():
    error = told(500, headers={"Request-Id": "r", "history-item-id": "h"})
    assert (error.request_id, error.history_id) == ("r", "h")


@pytest.mark.parametrize("body", [None, "text", {}, {"detail": None}, {"detail": "no"}, {"detail": [{"msg": "x"}, 3]}])
@pytest.mark.parametrize("status", [400, 401, 422, 429, 500])
def test_any_body_is_understood(status, body):
    assert isinstance(explain_status(status, {}, body), Exception)


@pytest.mark.parametrize(
    ("n_chars", "per_char", "credits"), [(30, 0.1, 3), (31, 0.1, 4), (7, 0.5, 4), (100, 1.0, 100), (100, 0.85, 85)]
)
def test_a_price_is_rounded_up_to_whole_credits(n_chars, per_char, credits):
    assert ModelFacts(None, per_char).estimate("x" * n_chars) == credits
