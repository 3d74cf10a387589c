"""How a stage that writes a corpus ends: its files in order, its counts added up."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ttsd.data.corpus import Rejection, Utterance, remove_strays, write_corpus, write_rejections
from ttsd.errors import StageError
from ttsd.report import StageReport, finish_stage
from ttsd.utils.parallel import clear_partial


def finish_corpus(
    out_dir: Path, report: StageReport, utterances: Sequence[Utterance], rejections: Sequence[Rejection]
) -> StageReport:
    """Write the corpus, remove what an interrupted run left, and write the report last.

    Args:
        out_dir: The stage's output; the clips lie in it already.
        report: What the stage says beside the counts, which are filled in here.
        utterances: The utterances kept, in their order.
        rejections: The ones dropped; together with those kept they are all that came in.

    Returns:
        The report as it was written.

    Raises:
        StageError: No utterance is kept; `rejected.csv` is written all the same, and blocks no later try.
    """
    if not utterances:
        _refuse_nothing(out_dir, report.stage, rejections)
    dropped = Counter(rejection.reason for rejection in rejections)
    counted = report.model_copy(
        update={
            "n_in": len(utterances) + len(rejections),
            "n_out": len(utterances),
            "dropped": dict(sorted(dropped.items())),
            "duration_s": round(sum(utterance.duration_s or 0.0 for utterance in utterances), 3),
        }
    )
    write_corpus(out_dir, utterances, rejections)
    remove_strays(out_dir, utterances)
    clear_partial(out_dir)
    return finish_stage(out_dir, counted)


def _refuse_nothing(out_dir: Path, stage: str, rejections: Sequence[Rejection]) -> NoReturn:
    remove_strays(out_dir, ())
    clear_partial(out_dir)
    if not rejections:
        raise StageError(f"{out_dir}: {stage} found no utterance in its input; give it text to speak")
    path = write_rejections(out_dir, rejections)
    counts = Counter(rejection.reason for rejection in rejections).most_common(3)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts)
    raise StageError(
        f"{path}: {stage} dropped every one of {len(rejections)} utterances ({reasons}), and this file has the reason "
        "of each; mend the input or the settings and run it again"
    )
