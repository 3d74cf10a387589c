"""Keys of paid services: read from the environment or a `.env` file, never shown and never written."""

import os
from pathlib import Path

from ttsd.errors import ConfigError
from ttsd.utils.extras import require

DOTENV_NAME = ".env"
SECRETS_CURE = (
    f"keys are never settings: export ELEVENLABS_API_KEY or GEMINI_API_KEY, or write it into a file {DOTENV_NAME} in "
    "the working directory"
)


class Secret:
    """A value that no message, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself, to be handed on to whoever needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def read_secret(*names: str) -> Secret:
    """Return the first of some variables that is set, in the environment or else in `.env` in the working directory.

    Args:
        names: Names of the variables, the preferred one first.

    Raises:
        ConfigError: None is set, the value is not one line of printable ASCII, or `.env` cannot be read.
    """
    for name in names:
        if value := os.environ.get(name, "").strip():
            return Secret(_checked(value, name, "the environment"))
    values = _read_dotenv(Path(DOTENV_NAME).absolute())
    for name in names:
        if value := values.get(name, "").strip():
            return Secret(_checked(value, name, DOTENV_NAME))
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    place = Path(DOTENV_NAME).absolute()
    cure = "export it" if place.is_dir() else f"export it, or write {names[0]}=... into a file {DOTENV_NAME}"
    note = f"{place} is a folder and holds no key" if place.is_dir() else f"in {place.parent}, the working directory"
    raise ConfigError(f"{names[0]}{others} is not set; {cure}{'; ' if place.is_dir() else ' '}{note}")


def names_secret(name: str) -> bool:
    """Tell whether a name looks like that of a key, which is then nothing to be shown or set."""
    return any(word in name.lower() for word in ("api_key", "api-key", "apikey", "secret", "password"))


def redact(text: str, *secrets: Secret) -> str:
    """Return a text with every secret in it as `***`."""
    for secret in secrets:
        if secret.reveal():
            text = text.replace(secret.reveal(), "***")
    return text


def _checked(value: str, name: str, place: str) -> str:
    # A header cannot carry anything else, and the error for it would show the value.
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ConfigError(f"{name} in {place} holds spaces or characters that no key has; copy the key again")
    return value


def _read_dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    require("providers", "dotenv")
    from dotenv.parser import parse_stream

    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except (OSError, UnicodeDecodeError):
        bindings = None
    if bindings is None:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text; mend it or its permissions, or export the key")
    # The library's own reader logs what it cannot parse and goes on; a key may stand in just that line.
    for binding in bindings:
        if binding.error:
            raise ConfigError(f"{path}:{binding.original.line}: is not NAME=value; mend or delete the line")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value}
