"""How many clips of each known defect `qc` drops, and how many clean ones: real speech, real defects, real judging."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.defects import CLIP, FILE, SOURCE
from ttsd.config import Config, load_config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import Corpus, Utterance, hash_corpus, read_corpus, read_rejections, write_corpus
from ttsd.metrics.judging import judge_corpus
from ttsd.metrics.measured import find_sample_rate, measure_corpus
from ttsd.report import no_progress
from ttsd.stages import generate, preprocess
from ttsd.teachers.load import load_teacher

TEXT = ("wrong_text", "unsayable", "duplicate_text", "duplicate_audio")
KINDS = (*SOURCE, "other_voice", *CLIP, *FILE, *TEXT)
"""Every kind of defect."""
CLEAN = "clean"
Victims = dict[str, list[Utterance]]


@dataclass(frozen=True)
class Recall:
    """What became of the clips of one kind."""

    n: int
    n_dropped: int
    reasons: tuple[str, ...]
    """Of the clips that were dropped, the most frequent first."""
    survivors: tuple[str, ...]


def measure_recall(guides: Path, work: Path, n_clean: int, n_each: int, *settings: str) -> dict[str, Recall]:
    """Let a teacher speak, spoil copies of some clips in every known way, and judge each kind among the clean ones.

    Args:
        guides: Folder of study guides.
        work: Folder for the corpora.
        n_clean: Clean clips.
        n_each: Clips of each kind; the corpus that they are judged in is otherwise clean.
        settings: Beside `generate.teacher` whatever differs from the defaults.

    Returns:
        What became of each kind, and of the clean clips under `clean`.
    """
    config = load_config(None, [f"generate.max_utterances={n_clean}", *settings])
    generate.run(guides, work / "raw", config)
    preprocess.run(work / "raw", work / "clean", config)
    clean, raw = read_corpus(work / "clean"), read_corpus(work / "raw")
    rng = np.random.default_rng(0)
    victims = {
        kind: [clean.utterances[i] for i in sorted(rng.choice(len(clean.utterances), n_each, replace=False))]
        for kind in KINDS
    }
    spoilt = _spoil(raw, clean, victims, work, config, rng)
    measured = _measure(clean, work, config)
    measured_spoilt = _measure(spoilt, work, config)
    by_id = {utterance.id: utterance for utterance in spoilt.utterances}
    dropped_before = {rejection.id: rejection.reason for rejection in read_rejections(work / "preprocessed")}
    recalls = {CLEAN: _judge(clean.utterances, measured, config, {u.id for u in clean.utterances}, {})}
    for kind in KINDS:
        names = {f"{kind}-{utterance.id}": utterance.id for utterance in victims[kind]}
        replaced = {} if kind.startswith("duplicate") else {old: new for new, old in names.items()}
        utterances = [u for u in clean.utterances if u.id not in replaced]
        utterances += [by_id[name] for name in names if name in by_id]
        gone = {name: dropped_before[name] for name in names if name not in by_id}
        recalls[kind] = _judge(utterances, measured | measured_spoilt, config, set(names), gone)
    return recalls


def as_markdown(recalls: dict[str, Recall]) -> str:
    """Write the table of recall per kind."""
    lines = ["| kind | clips | dropped | by |", "|---|---|---|---|"]
    for kind, recall in recalls.items():
        share = f"{100 * recall.n_dropped / recall.n:.0f} %"
        lines.append(f"| {kind.replace('_', ' ')} | {recall.n} | {share} | {', '.join(recall.reasons[:3])} |")
    return "\n".join(lines)


def _spoil(
    raw: Corpus,
    clean: Corpus,
    victims: dict[str, list[Utterance]],
    work: Path,
    config: Config,
    rng: np.random.Generator,
) -> Corpus:
    by_id = {utterance.id: utterance for utterance in raw.utterances}
    other = "pico" if config.generate.teacher == "piper" else "piper"
    teacher = load_teacher(load_config(None, [f"generate.teacher={other}"]))
    sources: list[Utterance] = []
    for kind in (*SOURCE, "other_voice"):
        for victim in victims[kind]:
            utterance = by_id[victim.id].model_copy(update={"id": f"{kind}-{victim.id}"})
            path = work / "sources" / "wavs" / f"{utterance.id}.wav"
            if kind == "other_voice":
                speech = teacher.speak(victim.spoken, 0)
                write_wav(path, speech.wav, speech.sample_rate)
            else:
                wav, rate = read_wav(raw.clip_path(victim))
                write_wav(path, np.clip(SOURCE[kind](wav, rate, rng), -1, 1), rate)
            sources.append(utterance)
    write_corpus(work / "sources", sources)
    preprocess.run(work / "sources", work / "preprocessed", config)
    spoilt = list(read_corpus(work / "preprocessed").utterances)
    for utterance in spoilt:
        source = work / "preprocessed" / "wavs" / f"{utterance.id}.wav"
        _copy(source, work / "spoilt" / "wavs" / source.name)
    for kind in (*CLIP, *FILE, *TEXT):
        for number, victim in enumerate(victims[kind]):
            path = work / "spoilt" / "wavs" / f"{kind}-{victim.id}.wav"
            _copy(clean.clip_path(victim), path)
            changes: dict[str, str] = {"id": path.stem}
            if kind in CLIP:
                wav, rate = read_wav(path)
                write_wav(path, CLIP[kind](wav, rate, rng), rate)
            elif kind in FILE:
                FILE[kind](path)
            elif kind == "wrong_text":
                text = victims[kind][number - 1].spoken
                changes |= {"transcript": text, "normalized_transcript": text}
            elif kind == "unsayable":
                changes["phonemes"] = f"{victim.phonemes}\u0bb4"
            elif kind == "duplicate_text":
                # The same words once more, by a teacher that never says them twice alike.
                wav, rate = read_wav(path)
                write_wav(path, wav[: wav.size - 7] * np.float32(0.97), rate)
            spoilt.append(victim.model_copy(update=changes))
    write_corpus(work / "spoilt", spoilt)
    return read_corpus(work / "spoilt")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def _measure(corpus: Corpus, work: Path, config: Config) -> dict[str, dict]:
    rate = find_sample_rate(corpus)
    results = measure_corpus(corpus, config, work / "cache", rate, hash_corpus(corpus), no_progress)
    return dict(zip([u.id for u in corpus.utterances], results, strict=True))


def _judge(
    utterances: Iterable[Utterance], measured: dict[str, dict], config: Config, names: set[str], gone: dict[str, str]
) -> Recall:
    utterances = list(utterances)
    scores = judge_corpus(utterances, [measured[u.id] for u in utterances], config.qc, {})
    own = [score for score in scores if score.utterance.id in names]
    reasons = [score.reason for score in own if score.reason] + list(gone.values())
    ordered = sorted(set(reasons), key=lambda reason: (-reasons.count(reason), reason))
    survivors = tuple(score.utterance.id for score in own if score.is_kept)
    return Recall(len(own) + len(gone), len(reasons), tuple(ordered), survivors)
