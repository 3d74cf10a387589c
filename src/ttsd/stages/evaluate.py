"""`evaluate`: teacher, students and starting voice on the same held-out sentences."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import Corpus, Utterance, read_corpus
from ttsd.data.split import select_split
from ttsd.errors import ConfigError, EvaluationError, FigureError, TtsdError
from ttsd.metrics.catalogue import BY_KEY
from ttsd.metrics.cepstral import PRESET
from ttsd.metrics.comparison import LANE, STUDENT, add_similarity
from ttsd.metrics.evaluation import Evaluation, collect_figures, name_figures, read_earlier
from ttsd.metrics.formula import Formula
from ttsd.metrics.intelligibility import identify_recognizer
from ttsd.metrics.speaking import WAVS_NAME, measure_speakers
from ttsd.metrics.speed import SPEED_NAME, Speaker, read_speed, time_speakers
from ttsd.metrics.systems import System, describe_systems, find_systems, read_recordings
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, finish_stage, no_progress
from ttsd.training.speakers import load_speaker
from ttsd.utils.files import sha256_file, sha256_json, write_text
from ttsd.utils.parallel import clear_partial
from ttsd.utils.seeds import derive_seed
from ttsd.web.exports import JUNIT_NAME, MARKDOWN_NAME, METRICS_NAME, write_junit, write_markdown, write_metrics
from ttsd.web.report import write_report

NAME = "evaluate"
HTML_NAME = "report.html"
CSV_NAME = "utterances.csv"


@as_stage(HTML_NAME, CSV_NAME, METRICS_NAME, MARKDOWN_NAME, JUNIT_NAME, SPEED_NAME, f"{WAVS_NAME}/*/*.wav")
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Let the students speak the teacher's held-out sentences, and compare them with it.

    Writes `report.html`, `summary.md`, `metrics.csv`, `utterances.csv`, `junit.xml`, the clips in
    `wavs/<system>/<id>.wav`, and `speed.json`: the timing, the one figure that two runs do not share; beside that file
    it stands in `report.html` alone.

    Args:
        in_dir: A corpus of the teacher's clips.
        out_dir: Where the report goes.
        config: Reads `evaluate`, `asr`, `qc.silence_db`, `split`, `paths.cache`, `seed` and `n_workers`.
        progress: Told how many sentences are done.

    Raises:
        CheckpointError: No student is named, or one cannot be loaded.
        ConfigError: `evaluate.margins` names no metric.
        CorpusError: `in_dir` is no corpus.
        EvaluationError: No sentence can be evaluated, or a condition of `evaluate.fail_if` holds.
        UsageError: `evaluate.fail_if` or `evaluate.rank` is no formula.
        FigureError: One of them asks for a figure that is unknown or could not be measured.
    """
    settings = config.evaluate
    if unknown := sorted(set(settings.margins) - set(BY_KEY)):
        raise ConfigError(f"evaluate.margins.{unknown[0]}: no metric of this name; they are {', '.join(BY_KEY)}")
    conditions = [Formula(text, is_condition=True) for text in settings.fail_if]
    ranked = Formula(settings.rank, is_condition=False)
    earlier = None if settings.baseline is None else read_earlier(settings.baseline)
    systems = find_systems(in_dir, config, load_speaker, _LANES)
    _check_names([*conditions, ranked], systems, with_baseline=earlier is not None)
    corpus = read_corpus(in_dir)
    utterances = choose(corpus, config)
    described = describe_systems(systems)
    shown = {
        "evaluate": settings.model_dump(mode="json", exclude={"ckpt", "take2", "baseline", "fail_if"}),
        "asr": identify_recognizer(config.asr),
        "silence_db": config.qc.silence_db,
        "seed": config.seed,
    }
    inputs = {one["name"]: str(one["sha256"]) for one in described} | _hash_inputs(corpus, utterances)
    if settings.baseline is not None:
        inputs["baseline"] = sha256_file(settings.baseline)
    mark = fingerprint(NAME, shown, inputs)
    voices = [system for system in systems if system.is_voice]
    files = tuple(system.path for system in systems)
    report = begin_stage(NAME, in_dir, out_dir, mark, reads=files, check=lambda: [voice.loader() for voice in voices])
    if report is None:
        evaluation = evaluate_systems(corpus, utterances, out_dir, systems, config, progress)
        details = evaluation.describe(config, earlier)
        details["provenance"] = {"recognizer": shown["asr"], "mcd_preset": PRESET}
        report = StageReport(
            stage=NAME,
            fingerprint=mark,
            n_in=len(utterances),
            n_out=len(evaluation.rows),
            dropped=evaluation.count_dropped(),
            unmeasured=evaluation.count_unmeasured(),
            duration_s=round(sum(row.systems[evaluation.students[0]].duration_s for row in evaluation.rows), 3),
            seed=config.seed,
            config=shown,
            details=details,
        )
        write_text(out_dir / CSV_NAME, evaluation.to_csv())
        write_metrics(out_dir, details)
        write_markdown(out_dir, details)
        write_report(out_dir / HTML_NAME, report, WAVS_NAME, evaluation.speed)
        verdict = _hold(conditions, details, out_dir)
        clear_partial(out_dir)
        finish_stage(out_dir, report)
    else:
        verdict = _hold(conditions, report.details, out_dir)
    if verdict is not None:
        raise verdict
    return report


def choose(corpus: Corpus, config: Config) -> list[Utterance]:
    """Return the utterances to evaluate, in the order of the corpus.

    Raises:
        EvaluationError: The split is empty.
    """
    wanted = config.evaluate.split
    utterances = select_split(corpus.utterances, wanted, config.split)
    if not utterances:
        raise EvaluationError(
            f"{corpus.root}: none of its {len(corpus.utterances)} utterances is in the split {wanted}; "
            "set evaluate.split=all, or raise split.test_fraction before training"
        )
    if config.evaluate.max_utterances is not None:
        # By a hash of the id: a sample of every guide, and new data hardly changes it.
        kept = sorted(utterances, key=lambda u: derive_seed(0, NAME, u.id))[: config.evaluate.max_utterances]
        utterances = [u for u in utterances if u in kept]
    return utterances


def evaluate_systems(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    out_dir: Path,
    systems: Sequence[System],
    config: Config,
    progress: Progress = no_progress,
) -> Evaluation:
    """Let voices speak the teacher's sentences, measure and time them all; resumes where it stopped.

    Args:
        corpus: The teacher's clips.
        utterances: The sentences.
        out_dir: Where the clips go.
        systems: Those compared with the teacher.
        config: Reads `evaluate`, `asr`, `qc.silence_db`, `paths.cache`, `seed` and `n_workers`.
        progress: Told how many sentences are done.

    Raises:
        EvaluationError: No sentence can be evaluated.
    """
    seed = derive_seed(config.seed, NAME)
    loaders = {system.name: system.loader for system in systems if system.is_voice}
    sentences, dropped = measure_speakers(
        corpus, utterances, out_dir, loaders, config, recordings=read_recordings(systems), seed=seed, progress=progress
    )
    if not sentences:
        name, reason, value = dropped[0]
        # Nothing was made, so the directory is free for the mended command.
        clear_partial(out_dir)
        raise EvaluationError(f"{corpus.root}: no utterance can be evaluated; the first is {name}: {reason} ({value})")
    texts = [sentence.transcript for sentence in sentences[: config.evaluate.speed_sentences]]
    loaders = {system.name: system.loader for system in systems if system.is_voice and system.role != LANE}
    speed = time_speakers(loaders, texts, out_dir, seed=seed, n_workers=config.n_workers, progress=progress)
    return Evaluation(add_similarity(sentences), dropped, describe_systems(systems), speed)


def _load_lane(name: str, path: Path) -> Speaker:
    from ttsd.training.lanes import load_lane

    return load_lane(name, path)


_LANES = {name: functools.partial(_load_lane, name) for name in ("teacher_latents", "student_latents")}


def _hash_inputs(corpus: Corpus, utterances: Sequence[Utterance]) -> dict[str, str]:
    hashes = {}
    for utterance in utterances:
        clip = corpus.clip_path(utterance)
        hashes[f"text/{utterance.id}"] = sha256_json(utterance.spoken)
        hashes[f"clip/{utterance.id}"] = sha256_file(clip) if clip.is_file() else "missing"
    return hashes


def _hold(conditions: Sequence[Formula], details: dict[str, Any], out_dir: Path) -> TtsdError | None:
    """Hold the conditions against every student and write `junit.xml`; return what is to be raised, if anything."""
    speed = read_speed(out_dir) if (out_dir / SPEED_NAME).is_file() else {}
    students = [one["name"] for one in details["systems"] if one["role"] == "student"]
    outcomes: list[tuple[str, str, bool]] = []
    unknown: FigureError | None = None
    for name in students:
        figures = collect_figures(details, name, speed)
        for condition in conditions:
            try:
                outcomes.append((name, condition.text, condition.holds(figures)))
            except FigureError as error:
                unknown = unknown or error
    write_junit(out_dir, details, outcomes)
    if unknown is not None:
        return unknown
    held = [f"{text} holds for {name}" for name, text, holds in outcomes if holds]
    if not held:
        return None
    return EvaluationError(f"{out_dir / HTML_NAME}: {', '.join(held)}; listen to it there, or train on")


def _check_names(formulas: Sequence[Formula], systems: Sequence[System], *, with_baseline: bool) -> None:
    # Before hours of measuring.
    names = [system.name for system in systems]
    for student in (system.name for system in systems if system.role == STUDENT):
        known = name_figures(names, student, with_baseline=with_baseline)
        for formula in formulas:
            formula.check_names(known)
