"""From bought takes to clips: every take is cut at its pauses, and the sentences that are wanted are written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttsd.config import CutConfig
from ttsd.data.audio import write_wav
from ttsd.data.corpus import WAVS_NAME, Utterance
from ttsd.data.cutting import cut_take
from ttsd.errors import LedgerError
from ttsd.report import Progress
from ttsd.teachers.answers import decode_take
from ttsd.teachers.ledger import Place
from ttsd.teachers.takes import TakeStore
from ttsd.utils.files import sha256_json
from ttsd.utils.parallel import map_resumable


def cut_clips(
    utterances: Sequence[Utterance],
    places: Mapping[str, Place],
    folder: Path,
    out_dir: Path,
    config: CutConfig,
    n_workers: int,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Write the clips of utterances whose takes are paid.

    Args:
        utterances: All of the corpus.
        places: Take and place in it of every paid utterance, by its id.
        folder: The folder of takes.
        out_dir: The corpus; clips go to its `wavs/<id>.wav`, at the rate of the take.
        config: How to cut.
        n_workers: Processes; 0 means one for each core.
        progress: Told how many takes are cut.

    Returns:
        By utterance id: `duration_s`, `facts` and `alignment` of its clip, or `reason` and `value` where it has none.

    Raises:
        LedgerError: A take was damaged since it was last looked at.
    """
    wanted: dict[str, dict[str, int]] = defaultdict(dict)
    for utterance in utterances:
        if utterance.id in places:
            place = places[utterance.id]
            wanted[place.take][utterance.id] = place.index
    # A resumed run may want other sentences of the same take than the one before it.
    items = [
        (f"{take[:32]}-{sha256_json(ids)[:16]}", (take, ids, folder, out_dir, config)) for take, ids in wanted.items()
    ]
    results = map_resumable(_cut, items, out_dir, n_workers=n_workers, progress=progress, note="cutting")
    return {utterance_id: result for part in results for utterance_id, result in part.items()}


def _cut(item: tuple[str, dict[str, int], Path, Path, CutConfig]) -> dict[str, dict[str, Any]]:
    key, ids, folder, out_dir, config = item
    found = TakeStore(folder).read(key)
    if found is None:
        # No reason to drop its utterances for good: the next run finds it damaged and fetches it from the history.
        raise LedgerError(f"{key}: this take was damaged at this moment; run the same command again to fetch it anew")
    take, audio = found
    if take.is_lossy:
        return {name: {"reason": "lossy_audio", "value": "the history gave a compressed file"} for name in ids}
    wav, sample_rate = decode_take(audio, key)
    cuts = cut_take(wav, sample_rate, take.texts, take.times, config)
    n_chars = sum(map(len, take.texts))
    results: dict[str, dict[str, Any]] = {}
    for utterance_id, index in ids.items():
        cut = cuts[index]
        if cut.reason is not None:
            results[utterance_id] = {"reason": cut.reason, "value": cut.value}
            continue
        clip = wav[cut.start : cut.end]
        write_wav(out_dir / WAVS_NAME / f"{utterance_id}.wav", clip, sample_rate)
        credits = round(take.credits * len(take.texts[index]) / n_chars, 2)
        results[utterance_id] = {
            "duration_s": round(len(clip) / sample_rate, 6),
            "facts": take.facts | {"credits": credits, "start_s": round(cut.start / sample_rate, 6)},
            "alignment": {"character_times_s": [[round(t, 4) for t in times] for times in cut.times_s]},
        }
    return results
