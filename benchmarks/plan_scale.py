"""Time and memory of `ttsd generate --plan` on 2,000 guides of 50 utterances each.

python benchmarks/plan_scale.py
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
N_GUIDES = 2000
UTTERANCES_PER_GUIDE = 50


def spell(number: int) -> str:
    """Return a word for a number, another one for each."""
    return "".join("bdfklmnrst"[int(digit)] + "a" for digit in f"{number:04d}")


def write_guides(folder: Path) -> None:
    """Write guides whose sentences are those of the examples, each made another by a word; one in five has a number."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples/study_guides").glob("*.md")))
    sentences: list[str] = re.findall(r"(?m)(?<=[.!?] )[A-Z][^.!?|`$*#\n]{50,120}\.", text)
    for guide in range(N_GUIDES):
        lines = [f"# Guide {guide}"]
        for number in range(UTTERANCES_PER_GUIDE):
            if number % 5 == 0:
                lines.append(f"\n## Section {number // 5}\n")
            sentence = sentences[(guide * 7 + number) % len(sentences)]
            place = f"{number}" if number % 5 == 0 else spell(number)
            lines.append(f"In case {spell(guide)} of {place}, {sentence[0].lower()}{sentence[1:]}")
        (folder / f"guide{guide:04d}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        guides = Path(name) / "guides"
        guides.mkdir()
        write_guides(guides)
        command = [
            str(Path(sys.executable).parent / "ttsd"), "generate", str(guides), "--plan", "--teacher", "elevenlabs",
            "--set", "generate.elevenlabs.voice=joe", "--set", f"paths.takes={name}/takes",
        ]  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if key != "ELEVENLABS_API_KEY"}
        start_s = time.perf_counter()
        done = subprocess.run(command, env=environment, cwd=name, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    total = next(line for line in done.stdout.splitlines() if line.startswith("total"))
    print(re.sub(" +", " ", total))
    print(f"time                     {seconds:.1f} s")
    print(f"memory, largest process  {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
