"""How many clips of each known defect `qc` drops, and how many clean ones, as a table.

python benchmarks/qc_recall.py [--clean 300] [--each 40] [--teacher pico] [--set qc.min_dnsmos=null ...]

The teacher reads the example study guides; copies of some clips are spoilt in every way that tests/defects.py knows,
and each kind is judged among the clean clips.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.recall import CLEAN, as_markdown, measure_recall  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clean", type=int, default=300)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--teacher", choices=("pico", "piper"), default="pico")
    parser.add_argument("--work", type=Path, help="Keep the corpora here, and what was measured.")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recalls = measure_recall(
            ROOT / "examples/study_guides",
            options.work or Path(folder),
            options.clean,
            options.each,
            f"generate.teacher={options.teacher}",
            *options.settings,
        )
    print(as_markdown(recalls))
    defects = {kind: recall for kind, recall in recalls.items() if kind != CLEAN}
    lowest = min(recall.n_dropped / recall.n for recall in defects.values())
    clean = recalls[CLEAN]
    print(f"\n{len(defects)} kinds, the lowest recall {lowest:.2f} (bar 0.95)")
    print(f"clean clips dropped {clean.n_dropped / clean.n:.4f} (bar 0.02)")
    for kind, recall in recalls.items():
        if kind != CLEAN and recall.survivors:
            print(f"kept of {kind}: {', '.join(recall.survivors)}")


if __name__ == "__main__":
    main()
