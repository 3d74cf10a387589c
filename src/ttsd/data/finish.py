"""How a stage that writes a corpus ends: its files in order, its counts added up."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ttsd.data.corpus import Rejection, Utterance, remove_strays, write_corpus
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
    """
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
