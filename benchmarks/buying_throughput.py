"""How close buying comes to what the account's limit allows: 10 requests at once of 0.5 s each are 20 a second.

python benchmarks/buying_throughput.py

A provider on 127.0.0.1 answers with speech that it rendered beforehand. The run starts with two requests at once and
learns the ten from the answers; the ledger, the files and their flushes to the disk are part of the time.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.provider.server import Provider  # noqa: E402
from ttsd.config import load_config  # noqa: E402
from ttsd.data.corpus import Utterance  # noqa: E402
from ttsd.report import no_progress  # noqa: E402
from ttsd.teachers.account import Account  # noqa: E402
from ttsd.teachers.buying import buy_speech  # noqa: E402
from ttsd.teachers.ledger import Ledger  # noqa: E402
from ttsd.teachers.passages import find_sentence_keys, plan_passages  # noqa: E402

N_REQUESTS = 600
LATENCY_S = 0.5
N_CONCURRENT = 10
_VERBS = ("carries", "holds", "moves", "stores", "warms", "cools", "lifts", "turns", "fills", "marks")
_NOUNS = ("water", "light", "salt", "sugar", "air", "stone", "energy", "sound", "heat", "iron", "wood", "glass")


def make_utterances() -> list[Utterance]:
    """Return one short sentence for each request, each a paragraph of its own."""
    pairs = [(a, verb, b) for a in _NOUNS for verb in _VERBS for b in _NOUNS if a != b]
    return [
        Utterance(
            id=f"{number:04d}",
            transcript=f"{a.capitalize()} {verb} the {b} of the sea.",
            source={"file": "a.md", "section": f"a.md#{number}", "paragraph": 1},
        )
        for number, (a, verb, b) in enumerate(pairs[:N_REQUESTS])
    ]


def main() -> None:
    os.environ["ELEVENLABS_API_KEY"] = "sk-benchmark"
    utterances = make_utterances()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ["generate.teacher=elevenlabs", "generate.elevenlabs.voice=joe"]
        with Provider(folder / "render", cache=folder / "cache") as provider:
            config = load_config(None, [*settings, f"generate.elevenlabs.base_url={provider.url}"])
            ledger = Ledger(None)
            voice = Account(config.generate.elevenlabs, ledger).voice()
            keys = find_sentence_keys(utterances, voice)
            requests = [passage.request for passage in plan_passages(utterances, keys, voice, (), 2000)]
            outside = ("voice_id", "output_format")
            print(f"rendering {len(requests)} answers ...", flush=True)
            provider.warm([{k: v for k, v in request.items() if k not in outside} for request in requests])
        command = [
            sys.executable, "-m", "tests.provider", "--state", str(folder / "shop"), "--cache", str(folder / "cache"),
            "--latency-s", str(LATENCY_S), "--max-concurrent", str(N_CONCURRENT),
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            config = load_config(None, [*settings, f"generate.elevenlabs.base_url={url}"])
            start_s = time.perf_counter()
            bought = buy_speech(utterances, folder / "takes", config.generate.elevenlabs, no_progress)
            seconds = time.perf_counter() - start_s
            server.terminate()
        if len(bought.places) != N_REQUESTS:
            sys.exit(f"bought {len(bought.places)} of {N_REQUESTS}: {bought.stop}")
    limit = N_CONCURRENT / LATENCY_S
    print(f"requests                     {N_REQUESTS}")
    print(f"a second, by the limit       {limit:.1f}")
    print(f"a second, reached            {N_REQUESTS / seconds:.1f}")
    print(f"ratio                        {N_REQUESTS / seconds / limit:.2f}")


if __name__ == "__main__":
    main()
