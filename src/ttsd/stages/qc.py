"""`qc`: every clip measured, the bad ones dropped with their reason, the others copied as they are."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import CORPUS_FILES, Corpus, Rejection, Utterance, copy_clip, hash_corpus, read_corpus
from ttsd.data.decisions import read_decisions
from ttsd.data.finish import finish_corpus
from ttsd.data.limits import thresholds
from ttsd.metrics.costs import Costs, tell_costs
from ttsd.metrics.intelligibility import identify_recognizer
from ttsd.metrics.judging import Score, judge_corpus, unmeasured_counts
from ttsd.metrics.measured import find_sample_rate, has_dnsmos, measure_corpus
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.utils.cache import find_cache
from ttsd.utils.files import sha256_file, write_text
from ttsd.web.curation import write_page

NAME = "qc"
SCORES_NAME = "scores.jsonl"
PAGE_NAME = "report.html"


@as_stage(*CORPUS_FILES, SCORES_NAME, PAGE_NAME)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a processed corpus and write the clips that pass every check.

    What was measured is kept in `paths.cache`: with other thresholds no model is asked again.

    Args:
        in_dir: A corpus, mono PCM-16; its most frequent sample rate is the one that is kept.
        out_dir: The curated corpus; a clip in it has the same bytes as in `in_dir`. `scores.jsonl` has the figures and
            the verdict of every clip, kept or not.
        config: Reads `qc`, `asr`, `audio`, `paths.cache`, `paths.decisions` and `n_workers`.
        progress: Told how many clips are measured.

    Raises:
        CorpusError: `in_dir` is no corpus, or the file of decisions is malformed.
        ConfigError: The recogniser's model is missing.
        StageError: `out_dir` holds something else.
    """
    corpus = read_corpus(in_dir)
    decided = _find_decisions(config, out_dir)
    decisions = read_decisions(decided, corpus.clips)
    settings: dict[str, Any] = {"qc": config.qc.model_dump(mode="json"), "hop_length": config.audio.hop_length}
    if config.qc.hears:
        settings["asr"] = identify_recognizer(config.asr)
    inputs = hash_corpus(corpus)
    if decisions:
        inputs |= {"decisions": sha256_file(decided)}
    mark = fingerprint(NAME, settings | {"dnsmos": has_dnsmos(config)}, inputs)
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    sample_rate = find_sample_rate(corpus)
    measured = measure_corpus(corpus, config, find_cache(config.paths.cache, out_dir), sample_rate, inputs, progress)
    scores = judge_corpus(corpus.utterances, measured, config.qc, decisions)
    kept, rejections = _sort(corpus, scores, out_dir)
    rows = [_describe(corpus, score) for score in scores]
    write_text(out_dir / SCORES_NAME, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    unmeasured = unmeasured_counts(scores)
    write_page(
        out_dir / PAGE_NAME,
        rows,
        thresholds(config.qc),
        corpus.root,
        config.audio,
        unmeasured=unmeasured,
        link_root=_link(out_dir, corpus.root),
    )
    report = StageReport(
        stage=NAME,
        fingerprint=mark,
        config=settings,
        unmeasured=unmeasured,
        details={"sample_rate": sample_rate, "overruled": dict(Counter(s.overruled for s in scores if s.overruled))},
    )
    return finish_corpus(out_dir, report, kept, rejections)


def tell(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> Costs:
    """Measure a corpus and tell what each threshold costs; nothing is written but the cache.

    Args:
        in_dir: A corpus, as `run` reads it.
        out_dir: Where `run` would write; tells where the cache and the decisions lie.
        config: As `run` reads it.
        progress: Told how many clips are measured.

    Raises:
        CorpusError: `in_dir` is no corpus, or the file of decisions is malformed.
        ConfigError: The recogniser's model is missing.
    """
    corpus = read_corpus(in_dir)
    decisions = read_decisions(_find_decisions(config, out_dir), corpus.clips)
    cache_dir, sample_rate = find_cache(config.paths.cache, out_dir), find_sample_rate(corpus)
    measured = measure_corpus(corpus, config, cache_dir, sample_rate, hash_corpus(corpus), progress)
    return tell_costs(judge_corpus(corpus.utterances, measured, config.qc, decisions), config.qc)


def _find_decisions(config: Config, out_dir: Path) -> Path:
    return config.paths.decisions or out_dir.parent / "decisions.txt"


def _sort(corpus: Corpus, scores: list[Score], out_dir: Path) -> tuple[list[Utterance], list[Rejection]]:
    kept: list[Utterance] = []
    rejections: list[Rejection] = []
    for score in scores:
        utterance = score.utterance
        if not score.is_kept:
            rejections.append(Rejection(utterance.id, score.reason or "", score.value or ""))
            continue
        copy_clip(corpus.clip_path(utterance), out_dir, utterance.id)
        heard = {} if score.heard is None else {"heard": score.heard}
        duration_s = score.figures["duration_s"]
        qc = utterance.qc | {name: value for name, value in score.figures.items() if name != "duration_s"} | heard
        kept.append(utterance.model_copy(update={"duration_s": duration_s, "qc": qc}))
    return kept, rejections


def _link(out_dir: Path, in_dir: Path) -> str:
    return Path(os.path.relpath(in_dir.resolve(), out_dir.resolve())).as_posix()


def _describe(corpus: Corpus, score: Score) -> dict[str, Any]:
    return {
        "id": score.utterance.id,
        "verdict": "keep" if score.is_kept else "drop",
        "reason": score.reason,
        "value": score.value,
        "overruled": score.overruled,
        "text": score.utterance.spoken,
        "transcript": score.utterance.transcript,
        "duration_s": score.figures.get("duration_s"),
        "clip": corpus.clips[score.utterance.id],
        "figures": score.figures,
        "heard": score.heard,
        "results": score.results,
    }
