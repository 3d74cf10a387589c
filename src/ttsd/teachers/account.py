"""What is asked of the account, as late and as rarely as can be: a run with nothing to buy asks nothing."""

import threading
from typing import Any

from ttsd.config import ElevenLabsConfig
from ttsd.errors import ConfigError
from ttsd.teachers.elevenlabs import VOICE_SETTINGS, ElevenLabsClient, ModelFacts
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.passages import BoughtVoice
from ttsd.teachers.recovery import voice_pin
from ttsd.teachers.takes import TakeStore
from ttsd.utils.secrets import read_secret

KEY_NAME = "ELEVENLABS_API_KEY"


class Account:
    """The account behind the key, and what the ledger keeps of it."""

    def __init__(self, config: ElevenLabsConfig, ledger: Ledger, store: TakeStore | None = None) -> None:
        """Name the account; nothing is asked yet.

        Args:
            config: Voice, model, address.
            ledger: Keeps what the account says of the voice.
            store: Keeps it as well, lest it be lost with the ledger; none leaves nothing on the disk.

        Raises:
            ConfigError: No voice is chosen.
        """
        if config.voice is None:
            raise ConfigError("generate.elevenlabs.voice: missing; set it to the id of a voice of the account")
        self._config = config
        self._ledger = ledger
        self._voice_id = config.voice
        self._pin = voice_pin(config.voice)
        self._store = store
        self._lock = threading.Lock()
        self._client: ElevenLabsClient | None = None
        self._model: ModelFacts | None = None

    def of_take(self, take: int) -> "Account":
        """Return the same account for another take."""
        return Account(self._config.of_take(take), self._ledger, self._store)

    def client(self) -> ElevenLabsClient:
        """Return the service's client.

        Raises:
            ConfigError: There is no key.
        """
        with self._lock:
            if self._client is None:
                self._client = ElevenLabsClient(self._config, read_secret(KEY_NAME))
            return self._client

    def close(self) -> None:
        """Close the client's connections, if there are any."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def model(self) -> ModelFacts:
        """Return the model's limit and price; asked once a run.

        Raises:
            ProviderError: The account cannot be asked, or has no such model.
        """
        client = self.client()
        with self._lock:
            if self._model is None:
                self._model = client.read_model()
            return self._model

    def voice_facts(self) -> dict[str, Any]:
        """Return the voice's name, category, labels and stored settings; asked once and kept, with the takes as well.

        The stored settings can change on the service's side, and with them every key: they are kept for good.

        Raises:
            ProviderError: There is no such voice, or the account cannot be asked.
            StageError: They cannot be kept.
        """
        kept = self._ledger.read_pin(self._pin)
        facts = dict(self._ledger.pin(self._pin, self.client().read_voice()) if kept is None else kept)
        if self._store is not None:
            # Before anything is bought by them.
            self._store.write_voice(self._voice_id, facts)
        return facts

    def voice(self) -> BoughtVoice:
        """Return what shapes the audio: the voice's stored settings under those of the configuration.

        Raises:
            ProviderError: There is no such voice, or the account cannot be asked.
        """
        return BoughtVoice.from_config(self._config, self.voice_facts()["settings"] | self._chosen())

    def kept_voice(self) -> BoughtVoice:
        """Return the voice as far as the ledger knows it, without asking; what was bought in it is found by it."""
        stored = self._ledger.read_pin(self._pin) or {"settings": {}}
        return BoughtVoice.from_config(self._config, stored["settings"] | self._chosen())

    def _chosen(self) -> dict[str, Any]:
        own = {name: getattr(self._config, name) for name in VOICE_SETTINGS}
        return {name: value for name, value in own.items() if value is not None}
