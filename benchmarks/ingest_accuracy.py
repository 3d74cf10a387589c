"""How many sentences `ttsd ingest` recovers from long recordings whose every boundary is known, and how exactly.

Two local voices read the example guides, each in one long recording, with mistakes among them: sentences skipped, said
twice, begun and begun again, said in part, said with another word or number, and sentences that no transcript holds.

python benchmarks/ingest_accuracy.py [--guides 4] [--skip 0] [--seed 0] [--cache DIR] [--work DIR]
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.narration import Narration, Narrator, Read, sentences_of
from ttsd.config import Config
from ttsd.data.corpus import read_corpus, read_rejections
from ttsd.data.wording import is_number
from ttsd.stages import ingest
from ttsd.transcripts.markdown import find_guides

GUIDES = Path(__file__).resolve().parents[1] / "examples" / "study_guides"
FORMATS = {"pico": "mp3", "joe": "flac"}
SHARES = {  # Of the sentences.
    "skip": 0.04, "repeat": 0.04, "restart": 0.03, "add": 0.04, "part": 0.02, "word": 0.03, "drop": 0.02,
    "insert": 0.02,
}  # fmt: skip
NUMBER_SHARE = 0.3
"""Of the sentences with a number, so many are said with another one."""
TOLERANCE_S = 0.3
"""A clip that starts or ends further from its sentence holds something else, or not all of it."""
OTHER_NUMBERS = {"two": "ten", "three": "thirty", "four": "five", "five": "nine", "six": "sixty", "one": "seven"}
EXTRAS = (
    "Let me just find the right page.", "I will say that again more slowly.", "Sorry, the phone is ringing next door.",
    "As you can see in the picture on the left, nothing happens.", "This part will not be in the exam.",
)  # fmt: skip


@dataclass(frozen=True)
class Script:
    """What a narrator says of a transcript."""

    reads: list[Read]
    mistakes: Counter[str]


def write_script(sentences: list[str], rng: np.random.Generator) -> Script:
    """Let the narrator make mistakes; a sentence's whole takes carry its number."""
    reads: list[Read] = []
    mistakes: Counter[str] = Counter()
    words = sorted({word for sentence in sentences for word in sentence.split() if word.isalpha() and len(word) > 4})
    for number, sentence in enumerate(sentences):
        spoken, place = sentence.split(), rng.uniform()
        kind = "whole"
        for name, share in SHARES.items():
            place -= share
            if place < 0:
                kind = name
                break
        at = int(rng.integers(0, len(spoken)))
        numbers = [i for i, word in enumerate(spoken) if word.lower() in OTHER_NUMBERS and is_number(word.lower())]
        if numbers and rng.uniform() < NUMBER_SHARE:
            kind = "number"
            spoken[numbers[0]] = OTHER_NUMBERS[spoken[numbers[0]].lower()]
        if kind in ("part", "restart", "drop", "insert") and len(spoken) < 6:
            kind = "whole"
        mistakes[kind] += 1
        whole = Read(sentence, number)
        if kind == "word":
            spoken[at] = str(rng.choice([word for word in words if word[:2] != spoken[at][:2]]))
        elif kind == "drop":
            at = max(range(len(spoken)), key=lambda i: len(spoken[i]))
            del spoken[at]
        elif kind == "insert":
            spoken.insert(max(at, 1), str(rng.choice(words)))
        if kind in ("word", "number", "drop", "insert"):
            reads.append(Read(" ".join(spoken)))
        elif kind == "part":
            reads.append(Read(" ".join(spoken[: len(spoken) // 2])))
        elif kind == "restart":
            reads += [Read(" ".join(spoken[: len(spoken) // 3 + 1])), whole]
        elif kind == "repeat":
            reads += [whole, whole]
        elif kind == "add":
            reads += [whole, Read(str(rng.choice(EXTRAS)))]
        elif kind == "whole":
            reads.append(whole)
    return Script(reads, mistakes)


@dataclass
class Outcome:
    """What became of one recording."""

    n_true: int = 0
    n_recovered: int = 0
    n_earlier: int = 0
    errors_s: list[float] | None = None
    wrong: list[str] | None = None
    lost: list[str] | None = None


def compare(out_dir: Path, name: str, sentences: list[str], script: Script, narration: Narration) -> Outcome:
    """Compare a corpus with what was read."""
    takes: dict[str, list[tuple[float, float]]] = {}
    for read, sound in zip(script.reads, narration.sounds_s, strict=True):
        if read.sentence is not None:
            takes.setdefault(sentences[read.sentence], []).append(sound)
    outcome = Outcome(n_true=len(takes), errors_s=[], wrong=[], lost=[])
    found: set[str] = set()
    for utterance in read_corpus(out_dir).utterances:
        if utterance.source["file"] != name:
            continue
        start_s, end_s = utterance.source["start_s"], utterance.source["end_s"]
        errors = [(abs(start_s - start), abs(end_s - end)) for start, end in takes.get(utterance.transcript, [])]
        best = min(errors, key=max, default=None)
        if best is None or max(best) > TOLERANCE_S:
            outcome.wrong.append(f"{utterance.id}: {start_s} to {end_s} s, off by {best}: {utterance.transcript}")
            continue
        found.add(utterance.transcript)
        outcome.n_recovered += 1
        outcome.n_earlier += best != errors[-1]
        outcome.errors_s += best
    reasons = {rejection.id: rejection for rejection in read_rejections(out_dir)}
    outcome.lost = [text for text in takes if text not in found]
    prefix = next((u.id[:4] for u in read_corpus(out_dir).utterances if u.source["file"] == name), "")
    told = [f"{r.id}: {r.reason}: {r.value}" for r in reasons.values() if r.id.startswith(prefix)]
    outcome.lost = [next((line for line in told if text[:60] in line), text) for text in outcome.lost]
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guides", type=int, default=9, help="how many study guides are read")
    parser.add_argument("--skip", type=int, default=0, help="how many come before the first of them")
    parser.add_argument("--seed", type=int, default=0, help="of the narrators' mistakes")
    parser.add_argument("--cache", type=Path, help="keeps the voices' clips from run to run")
    parser.add_argument("--work", type=Path, help="keeps recordings and corpus")
    args = parser.parse_args()
    paths = find_guides(GUIDES)[args.skip :][: args.guides]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    text = "\n\n".join(re.sub(r"\A---\n.*?\n---\n", "", guide, flags=re.DOTALL) for guide in texts)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        folder, out_dir = Path(work, "in"), Path(work, "out")
        scripts: dict[str, tuple[list[str], Script, Narration]] = {}
        for seed, (voice, suffix) in enumerate(FORMATS.items(), start=args.seed):
            (folder / voice).mkdir(parents=True)
            path = folder / voice / "guides.md"
            path.write_text(text, encoding="utf-8")
            sentences = list(dict.fromkeys(sentences_of(path)))
            script = write_script(sentences, np.random.default_rng(seed))
            narration = Narrator(voice, args.cache).narrate(script.reads, seed)
            soundfile.write(folder / voice / f"Guides_narration.{suffix}", narration.wav, narration.sample_rate)
            scripts[f"{voice}/guides.md"] = sentences, script, narration
        begin = time.perf_counter()
        ingest.run(folder, out_dir, Config())
        elapsed_s = time.perf_counter() - begin
        total, outcomes = 0.0, []
        for name, (sentences, script, narration) in scripts.items():
            outcome = compare(out_dir, name, sentences, script, narration)
            outcomes.append(outcome)
            total += narration.wav.size / narration.sample_rate
            print(f"{name}, {narration.wav.size / narration.sample_rate / 60:.1f} min")
            print("  read: " + ", ".join(f"{count} {kind}" for kind, count in script.mistakes.most_common()))
            print(f"  true sentences recovered      {outcome.n_recovered} of {outcome.n_true}", end="")
            print(f" ({100 * outcome.n_recovered / outcome.n_true:.1f} %)")
            print(f"  boundary error                median {1000 * np.median(outcome.errors_s):.0f} ms, ", end="")
            print(f"95 % below {1000 * np.percentile(outcome.errors_s, 95):.0f} ms")
            print(f"  kept under a wrong label      {len(outcome.wrong)}")
            print(f"  an earlier take was kept      {outcome.n_earlier}")
            for line in [f"wrong: {line}" for line in outcome.wrong] + [f"lost: {line}" for line in outcome.lost]:
                print(f"    {line}")
        n_found, n_true = (sum(getattr(o, name) for o in outcomes) for name in ("n_recovered", "n_true"))
        errors_s = [error_s for outcome in outcomes for error_s in outcome.errors_s]
        print(
            f"together: {n_found} of {n_true} recovered ({100 * n_found / n_true:.1f} %, bar 98), boundary error ",
            end="",
        )
        print(
            f"{1000 * np.median(errors_s):.0f} ms (bar 80), {sum(len(o.wrong) for o in outcomes)} wrong labels (bar 0)"
        )
        print(f"real-time factor                {elapsed_s / total:.3f}")


if __name__ == "__main__":
    main()
