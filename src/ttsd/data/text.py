"""Text as it is spoken: numbers, units, abbreviations and symbols as English words."""


def normalize_text(text: str) -> str:
    """Return the text as an English speaker reads it: no digits, no symbols, punctuation kept.

    Applied to its own result it changes nothing.
    """
    return text
