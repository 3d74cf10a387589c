"""The promise put to the proof: kill `ttsd generate` at random moments, with every fault of the provider mixed in.

    python -m tests.soak --kills 300

Each round is a folder of guides bought from a provider of its own until it is whole: by one process or by two at once
that share the takes. Then the books of both sides are compared. Ends in exit code 1 and the first broken promise.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.provider.faults import DEFECTS, HISTORY_FAULTS, SPEECH_FAULTS
from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.teachers.ledger import Ledger

KEY = "sk-soak-0123456789abcdef"
SPEECH_FAULT_RATE = 0.35
"""Share of the requests for speech that fail, in one way or another."""
HISTORY_FAULT_RATE = 0.2
LATENCY_S = 0.25
MAX_RUNS = 60
"""Runs without a kill after which a round must be whole."""


class BrokenPromiseError(AssertionError):
    """Money or audio was lost."""


@dataclass
class Tally:
    """What happened in all rounds."""

    rounds: int = 0
    kills: int = 0
    runs: int = 0
    billed: int = 0
    recovered: int = 0
    given_up: int = 0
    """Requests that the user chose to buy again."""
    faults: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"rounds {self.rounds}, runs {self.runs}, kills {self.kills}, requests billed {self.billed}, "
            f"recovered {self.recovered}, bought again by choice {self.given_up}\nfaults: {faults}"
        )


def soak(n_kills: int, folder: Path, guides: Path, seed: int = 0, speak: bool = True) -> Tally:
    """Run rounds until there were as many kills.

    Args:
        n_kills: SIGKILLs in all.
        folder: An empty folder to work in.
        guides: Folder of Markdown.
        seed: Of kills and faults.
        speak: Real speech; else beeps, which cost nothing.

    Raises:
        BrokenPromiseError: A clip was lost or paid twice.
    """
    draw = random.Random(seed)
    speaker = None if speak else Beeper()
    cache = folder / "cache"
    with Provider(folder / "calm", cache=cache, speaker=speaker) as provider:
        # Here every answer is rendered, and kept for the rounds.
        calm = Round(folder / "calm", guides, provider, draw, 1, timeout_s=120)
        done = calm.run_once(calm.outs[0])
        if done.returncode != 0:
            raise BrokenPromiseError(f"the undisturbed run fails: {done.stderr.strip()}")
    undisturbed = (calm.outs[0] / "metadata.csv").read_text()
    tally = Tally()
    while tally.kills < n_kills:
        # What is wrong in the bought audio itself is paid for and rejected; only without it every clip must be there.
        faults = rates(with_defects=tally.rounds % 3 == 2)
        work = folder / f"round{tally.rounds:03d}"
        options = {"faults": faults, "seed": draw.randrange(10**6), "cache": cache, "speaker": speaker}
        with Provider(work, latency_s=LATENCY_S, max_concurrent=4, hang_s=2.5, **options) as provider:
            one = Round(work, guides, provider, draw, 1 + tally.rounds % 2)
            one.kill(n_kills - tally.kills)
            one.finish()
            one.check(undisturbed)
        one.count(tally)
        print(f"{tally.rounds}: {tally}", file=sys.stderr, flush=True)
        shutil.rmtree(work)
    return tally


def rates(with_defects: bool) -> dict[str, float]:
    """Return a probability for every fault of the speech side and of the history."""
    speech = [name for name in SPEECH_FAULTS if with_defects or name not in DEFECTS]
    return dict.fromkeys(speech, SPEECH_FAULT_RATE / len(speech)) | dict.fromkeys(
        HISTORY_FAULTS, HISTORY_FAULT_RATE / len(HISTORY_FAULTS)
    )


class Round:
    """One folder of guides, bought until it is whole."""

    def __init__(
        self, work: Path, guides: Path, provider: Provider, draw: random.Random, n_outs: int, timeout_s: float = 1.5
    ) -> None:
        self.guides, self.provider, self.draw, self.timeout_s = guides, provider, draw, timeout_s
        self.takes = work / "takes"
        self.outs = [work / f"raw{number}" for number in range(n_outs)]
        self.n_kills = self.n_runs = self.n_recovered = 0
        self.log: list[str] = []

    def command(self, out: Path, *more: str) -> list[str]:
        settings = {
            "generate.elevenlabs.voice": "joe",
            "generate.elevenlabs.base_url": self.provider.url,
            "generate.elevenlabs.timeout_s": self.timeout_s,
            "generate.terms_acknowledged": "true",
            "paths.takes": self.takes,
            "n_workers": 1,
        }
        options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        places = [str(self.guides), str(out), "--teacher", "elevenlabs"]
        return [sys.executable, "-m", "ttsd", "generate", *places, *options, *more]

    def start(self, out: Path, *more: str) -> subprocess.Popen[str]:
        self.n_runs += 1
        environment = {**os.environ, "ELEVENLABS_API_KEY": KEY}
        return subprocess.Popen(
            self.command(out, *more), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def run_once(self, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(out, *more)
        _, told = process.communicate(timeout=300)
        if "Traceback" in told:
            raise BrokenPromiseError(f"a traceback: {told}")
        if KEY in told:
            raise BrokenPromiseError("the key is in what the command says")
        return subprocess.CompletedProcess(process.args, process.returncode, "", told)

    def kill(self, most: int) -> None:
        """Start and kill until there is nothing left to buy, or there were enough kills."""
        n_ended = 0
        # Several that ended by themselves, one after the other, have nothing more to do than to ask.
        while self.n_kills < most and n_ended < 3:
            n_before = self.n_kills
            processes = [self.start(out) for out in self.outs]
            start = time.monotonic()
            for process in processes:
                time.sleep(max(0.0, start + self.draw.uniform(0.1, 4.5) - time.monotonic()))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    self.n_kills += 1
            for process in processes:
                process.communicate()
            n_ended = n_ended + 1 if self.n_kills == n_before else 0

    def finish(self) -> None:
        """Run until every corpus is whole, deciding for the user where it is asked."""
        for out in self.outs:
            n_asked = 0
            for _ in range(MAX_RUNS):
                # What shows up late in the history must be found, not bought again.
                more = ("--rebuy-unknown",) if n_asked > 2 else ()
                done = self.run_once(out, *more)
                self.log.append(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
                if done.returncode == 0:
                    break
                n_asked += "--rebuy-unknown" in done.stderr
            else:
                raise BrokenPromiseError(f"not whole after {MAX_RUNS} runs: {self.log[-5:]}")

    def check(self, undisturbed: str) -> None:
        """Compare the books.

        Raises:
            BrokenPromiseError: A clip was lost or paid twice, or the corpus is another one.
        """
        ledger = Ledger(self.takes)
        paid, given_up = ledger.purchases("paid"), ledger.purchases("given_up")
        open_ones = ledger.purchases("reserved", "unknown")
        ledger.close()
        if open_ones:
            raise BrokenPromiseError(f"{len(open_ones)} purchases are still open")
        chosen = Counter(purchase.request["request"]["text"] for purchase in given_up)
        billed = Counter(entry.text for entry in self.provider.book.entries)
        for text, count in billed.items():
            if count > 1 + chosen[text]:
                raise BrokenPromiseError(f"billed {count} times, bought again {chosen[text]} times: {text}")
        known = {purchase.history_id for purchase in paid}
        for entry in self.provider.book.entries:
            if entry.history_item_id not in known and not chosen[entry.text]:
                raise BrokenPromiseError(f"billed and lost: {entry.text}")
        for purchase in paid:
            path = self.takes / purchase.take[:2] / f"{purchase.take}.wav"
            if not path.is_file():
                raise BrokenPromiseError(f"paid and not on the disk: {purchase.take}")
            self.n_recovered += '"is_recovered": true' in path.with_suffix(".json").read_text()
        self.given_up, self.billed = len(given_up), len(self.provider.book.entries)
        self.check_corpora(undisturbed)

    def check_corpora(self, undisturbed: str) -> None:
        """Compare the corpora with that of the undisturbed run, and see that nothing more is asked for."""
        n_requests = len(self.provider.requests)
        again = self.outs[0].with_name("again")
        for out in (*self.outs, again):
            if self.run_once(out).returncode != 0:
                raise BrokenPromiseError("the last run fails")
            metadata = (out / "metadata.csv").read_text()
            if metadata != undisturbed:
                missing = set(undisturbed.splitlines()) - set(metadata.splitlines())
                more = set(metadata.splitlines()) - set(undisturbed.splitlines())
                reasons = {rejection.id: rejection.reason for rejection in read_rejections(out)}
                names = {line.split("|")[0].removeprefix("wavs/").removesuffix(".wav") for line in missing}
                told = {reasons.get(name) for name in names}
                if more or not told <= {"missing_times", "truncated_end", "unspoken_tail"}:
                    raise BrokenPromiseError(f"another corpus: {sorted(told, key=str)}, {sorted(more)[:3]}")
            read_corpus(out)
        if len(self.provider.requests) != n_requests:
            raise BrokenPromiseError("the last run makes requests")

    def count(self, tally: Tally) -> None:
        """Add this round to the tally."""
        tally.rounds += 1
        tally.kills += self.n_kills
        tally.runs += self.n_runs
        tally.billed += self.billed
        tally.recovered += self.n_recovered
        tally.given_up += self.given_up
        tally.faults += self.provider.fired


def main() -> None:
    """Run the proof from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beeps", action="store_true", help="no real speech")
    options = parser.parse_args()
    root = Path(__file__).parents[1] / "examples" / "study_guides"
    with tempfile.TemporaryDirectory() as folder:
        guides = Path(folder) / "guides"
        guides.mkdir()
        for name in ("photosynthesis.md", "statistics_basics.md"):
            shutil.copy(root / name, guides)
        try:
            tally = soak(options.kills, Path(folder), guides, options.seed, not options.beeps)
        except BrokenPromiseError as error:
            sys.exit(f"broken promise: {error}")
    print(tally)
    print("no clip lost, none paid twice")


if __name__ == "__main__":
    main()
