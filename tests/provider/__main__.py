"""The fake provider as a program that dies where it is told to: `python -m tests.provider --port 8123 --state DIR`."""

import argparse
import json
import os
import signal
import threading
from pathlib import Path
from typing import NoReturn

from tests.provider.faults import FAULTS
from tests.provider.options import Life
from tests.provider.rendering import Beeper
from tests.provider.server import Provider

DEATH = 17
"""Exit code of a death by fault."""


class _Mortal(Provider):
    def die(self, life: Life) -> NoReturn:
        del life
        os._exit(DEATH)


def main() -> None:
    """Serve until a signal ends the program."""
    listing = "\n".join(f"  {name:22} {text}" for name, text in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.provider",
        description=f"A fake ElevenLabs and Gemini. A `restart` fault ends it with exit code {DEATH}.",
        epilog=f"faults:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0 finds a free one")
    parser.add_argument("--state", type=Path, required=True, help="folder of the books")
    parser.add_argument("--cache", type=Path, help="folder of finished answers, in the state folder by default")
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--max-concurrent", type=int, default=5)
    parser.add_argument("--credits", type=int, default=10_000_000)
    parser.add_argument("--faults", type=Path, help="JSON file: probability of each fault")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--hang-s", type=float, default=3.0, help="how long a timeout hangs")
    parser.add_argument("--history-lag-s", type=float, default=1.0, help="delay of lost_history")
    parser.add_argument("--beeps", action="store_true", help="tones in place of speech")
    arguments = parser.parse_args()
    provider = _Mortal(
        arguments.state,
        port=arguments.port,
        latency_s=arguments.latency_s,
        max_concurrent=arguments.max_concurrent,
        credits=arguments.credits,
        faults=json.loads(arguments.faults.read_text(encoding="utf-8")) if arguments.faults else None,
        seed=arguments.seed,
        speaker=Beeper() if arguments.beeps else None,
        cache=arguments.cache,
        hang_s=arguments.hang_s,
        history_lag_s=arguments.history_lag_s,
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with provider:
        print(provider.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
