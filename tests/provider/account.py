"""What the ElevenLabs side says of itself: models, voices, subscription."""

from typing import Any

from tests.provider.book import Book

DEFAULT_MODEL = "eleven_multilingual_v2"
VOICE_SETTINGS = {
    "stability": 0.5, "similarity_boost": 0.75, "style": 0.0, "use_speaker_boost": True, "speed": 1.0,
}  # fmt: skip
"""Stored with every voice."""
MODELS = {
    "eleven_multilingual_v2": ("Eleven Multilingual v2", 10_000, 1.0, "standard_eleven_multilingual_v2"),
    "eleven_flash_v2_5": ("Eleven Flash v2.5", 40_000, 0.5, "turbo"),
    "eleven_v3": ("Eleven v3", 5_000, 1.0, "standard_eleven_multilingual_v2"),
}
"""Of every model that speaks: its name, longest text, credits for a character, and concurrency group."""
_CONVERSION_MODEL = "eleven_multilingual_sts_v2"


def describe_models() -> list[dict[str, Any]]:
    """Return what GET /v1/models lists."""
    listed = [*MODELS.items(), (_CONVERSION_MODEL, ("Eleven Multilingual STS v2", 10_000, 1.0, "standard"))]
    return [
        {
            "model_id": model,
            "name": name,
            "can_be_finetuned": False,
            "can_do_text_to_speech": model in MODELS,
            "can_do_voice_conversion": model not in MODELS,
            "can_use_style": True,
            "can_use_speaker_boost": True,
            "serves_pro_voices": False,
            "token_cost_factor": 1.0,
            "description": name,
            "requires_alpha_access": False,
            "max_characters_request_free_user": 2500,
            "max_characters_request_subscribed_user": 5000,
            "maximum_text_length_per_request": longest,
            "languages": [{"language_id": "en", "name": "English"}, {"language_id": "de", "name": "German"}],
            "model_rates": {"character_cost_multiplier": rate, "cost_discount_multiplier": 1.0},
            "concurrency_group": group,
        }
        for model, (name, longest, rate, group) in listed
    ]


def describe_subscription(book: Book) -> dict[str, Any]:
    """Return what GET /v1/user/subscription says."""
    return {
        "tier": "pro",
        "character_count": book.credits,
        "character_limit": book.limit,
        "max_character_limit_extension": 0,
        "max_credit_limit_extension": 0,
        "can_extend_character_limit": False,
        "allowed_to_extend_character_limit": False,
        "next_character_count_reset_unix": 4102444800,
        "voice_slots_used": 2,
        "professional_voice_slots_used": 0,
        "professional_voice_slots_used_in_workspace": 0,
        "voice_limit": 160,
        "voice_add_edit_counter": 0,
        "professional_voice_limit": 1,
        "can_extend_voice_limit": False,
        "can_use_instant_voice_cloning": True,
        "can_use_professional_voice_cloning": True,
        "currency": "usd",
        "current_overage": {"amount": "0", "currency": "usd"},
        "status": "active",
        "billing_period": "monthly_period",
        "character_refresh_period": "monthly_period",
        "open_invoices": [],
        "has_open_invoices": False,
    }


def describe_voice(voice: str) -> dict[str, Any]:
    """Return what GET /v1/voices/{voice_id} says."""
    return {
        "voice_id": voice,
        "name": voice.capitalize(),
        "category": "premade",
        "labels": {"accent": "american", "gender": "male", "use_case": "narration"},
        "description": "A voice of the fake provider.",
        "available_for_tiers": [],
        "settings": VOICE_SETTINGS,
        "is_owner": False,
        "is_legacy": False,
        "is_mixed": False,
    }
