"""`evaluate`: teacher, student and starting voice on the same held-out sentences."""

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.corpus import Corpus, Utterance, read_corpus
from ttsd.data.split import split_of
from ttsd.errors import CheckpointError, EvaluationError
from ttsd.metrics.cepstral import PRESET
from ttsd.metrics.comparison import MIN_SENTENCES, START, STUDENT, Row, add_similarity, compare
from ttsd.metrics.intelligibility import identify_recognizer
from ttsd.metrics.speaking import WAVS_NAME, Loader, measure_speakers
from ttsd.metrics.speed import SPEED_NAME, Speaker, time_speakers
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, finish_stage, no_progress
from ttsd.utils.files import sha256_file, sha256_json, write_text
from ttsd.utils.parallel import clear_partial
from ttsd.utils.seeds import derive_seed
from ttsd.web.report import write_report

NAME = "evaluate"
START_CHECKPOINT = "start.ckpt"
HTML_NAME = "report.html"
CSV_NAME = "utterances.csv"


@as_stage(HTML_NAME, CSV_NAME, SPEED_NAME, f"{WAVS_NAME}/*/*.wav")
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Let the student speak the teacher's held-out sentences, and compare the two.

    Writes `report.html`, `utterances.csv`, the clips in `wavs/<system>/<id>.wav`, and `speed.json`: the timing, the one
    figure that two runs do not share; beside that file it stands in `report.html` alone.

    Args:
        in_dir: A corpus of the teacher's clips.
        out_dir: Where the report goes.
        config: Reads `evaluate`, `asr`, `split`, `seed` and `n_workers`.
        progress: Told how many sentences are done.

    Raises:
        CheckpointError: No student is named, or it cannot be loaded.
        CorpusError: `in_dir` is no corpus.
        EvaluationError: No sentence can be evaluated, or the student's WER is above `evaluate.max_wer_delta`.
    """
    ckpt = _check_checkpoint(config.evaluate.ckpt)
    checkpoints = {STUDENT: ckpt}
    start = ckpt.with_name(START_CHECKPOINT)
    if config.evaluate.baseline and start.is_file():
        checkpoints[START] = start
    corpus = read_corpus(in_dir)
    utterances = choose(corpus, config)
    voices = {name: {"sha256": sha256_file(path)} for name, path in checkpoints.items()}
    settings = {
        "evaluate": config.evaluate.model_dump(mode="json", exclude={"ckpt", "max_wer_delta"}),
        "asr": identify_recognizer(config.asr),
        "seed": config.seed,
    }
    inputs = {name: str(voice["sha256"]) for name, voice in voices.items()} | _hash_inputs(corpus, utterances)
    mark = fingerprint(NAME, settings, inputs)
    loaders: dict[str, Loader] = {name: functools.partial(_load, path) for name, path in checkpoints.items()}
    files = tuple(checkpoints.values())
    report = begin_stage(NAME, in_dir, out_dir, mark, reads=files, check=lambda: [load() for load in loaders.values()])
    if report is None:
        result = evaluate_speakers(corpus, utterances, out_dir, loaders, config, progress)
        report = StageReport(
            stage=NAME,
            fingerprint=mark,
            n_in=len(utterances),
            n_out=len(result.rows),
            dropped=result.count_dropped(),
            unmeasured=result.count_unmeasured(),
            duration_s=round(sum(row.systems[STUDENT].duration_s for row in result.rows), 3),
            seed=config.seed,
            config=settings,
            details=result.describe(voices, settings, config),
        )
        write_text(out_dir / CSV_NAME, result.to_csv())
        write_report(out_dir / HTML_NAME, report, WAVS_NAME, result.speed)
        clear_partial(out_dir)
        finish_stage(out_dir, report)
    _check_bound(report, out_dir, config)
    return report


def choose(corpus: Corpus, config: Config) -> list[Utterance]:
    """Return the utterances to evaluate, in the order of the corpus.

    Raises:
        EvaluationError: The split is empty.
    """
    wanted = config.evaluate.split
    utterances = [u for u in corpus.utterances if wanted == "all" or split_of(u, config.split) == wanted]
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


def evaluate_speakers(
    corpus: Corpus,
    utterances: Sequence[Utterance],
    out_dir: Path,
    loaders: Mapping[str, Loader],
    config: Config,
    progress: Progress = no_progress,
) -> "Result":
    """Let voices speak the teacher's sentences, measure and time them all; resumes where it stopped.

    Args:
        corpus: The teacher's clips.
        utterances: The sentences.
        out_dir: Where the clips go.
        loaders: How every voice is loaded, by name; `student` is among them.
        config: Reads `evaluate`, `asr`, `seed` and `n_workers`.
        progress: Told how many sentences are done.

    Raises:
        EvaluationError: No sentence can be evaluated.
    """
    seed = derive_seed(config.seed, NAME)
    sentences, dropped = measure_speakers(
        corpus, utterances, out_dir, loaders, config.asr, seed=seed, n_workers=config.n_workers, progress=progress
    )
    if not sentences:
        name, reason, value = dropped[0]
        # Nothing was made, so the directory is free for the mended command.
        clear_partial(out_dir)
        raise EvaluationError(f"{corpus.root}: no utterance can be evaluated; the first is {name}: {reason} ({value})")
    speakers = {name: load() for name, load in loaders.items()}
    texts = [sentence.transcript for sentence in sentences[: config.evaluate.speed_sentences]]
    speed = time_speakers(speakers, texts, out_dir, seed=seed, n_workers=config.n_workers, progress=progress)
    n_parameters = {name: speaker.n_parameters for name, speaker in speakers.items()}
    return Result(add_similarity(sentences), dropped, speed, n_parameters)


@dataclass(frozen=True)
class Result:
    """All that was measured."""

    rows: list[Row]
    dropped: list[tuple[str, str, str]]
    """Id, reason and value of every utterance that could not be evaluated."""
    speed: dict[str, Any]
    n_parameters: dict[str, int]

    def count_dropped(self) -> dict[str, int]:
        """Return the utterances dropped, by reason."""
        reasons = [reason for _, reason, _ in self.dropped]
        return {reason: reasons.count(reason) for reason in sorted(set(reasons))}

    def count_unmeasured(self) -> dict[str, int]:
        """Return the figures that could not be measured, as `<metric>.<system>`."""
        counts: dict[str, int] = {}
        for row in self.rows:
            for name, one in row.systems.items():
                for metric, value in (("mcd_db", one.mcd_db), ("similarity", row.similarity.get(name))):
                    if value is None:
                        counts[f"{metric}.{name}"] = counts.get(f"{metric}.{name}", 0) + 1
        return counts

    def describe(self, voices: Mapping[str, Any], settings: Mapping[str, Any], config: Config) -> dict[str, Any]:
        """Return the `details` of the report."""
        metrics = compare(
            self.rows, n_resamples=config.evaluate.n_bootstrap, seed=derive_seed(config.seed, NAME, "bootstrap")
        )
        for name, figures in (
            ("parameters", self.n_parameters),
            # Of the voice in 32 bits; a checkpoint's file also holds what only training needs.
            ("size_bytes", {system: 4 * n for system, n in self.n_parameters.items()}),
        ):
            metrics[name] = {"teacher": None, "student": figures[STUDENT], "start": figures.get(START)}
        notes = []
        if len(self.rows) < MIN_SENTENCES:
            notes.append(f"too few sentences for a verdict: {len(self.rows)} of at least {MIN_SENTENCES}")
        if config.evaluate.baseline and START not in voices:
            notes.append(f"no starting voice: there is no {START_CHECKPOINT} beside the student's checkpoint")
        for name in (STUDENT, START):
            silent = sum(row.systems[name].duration_s == 0 for row in self.rows if name in row.systems)
            if silent:
                notes.append(f"the {name} gave no sound for {silent} sentences; every word of them counts as missed")
        return {
            "metrics": metrics,
            "notes": notes,
            "utterances": [_describe_row(row) for row in self.rows],
            "dropped": [dict(zip(("id", "reason", "value"), entry, strict=True)) for entry in self.dropped],
            "provenance": {"checkpoints": dict(voices), "recognizer": settings["asr"], "mcd_preset": PRESET},
        }

    def to_csv(self) -> str:
        """Return one line for every utterance and system."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        header = ["id", "system", "transcript", "heard", "word_errors", "n_words", "char_errors", "n_chars"]
        writer.writerow([*header, "mcd_db", "similarity", "duration_s"])
        for row in self.rows:
            for name, one in row.systems.items():
                counts = [one.word_errors, one.n_words, one.char_errors, one.n_chars]
                figures = [one.mcd_db, row.similarity.get(name), round(one.duration_s, 3)]
                writer.writerow([row.id, name, row.transcript, one.heard, *counts, *figures])
        return text.getvalue()


def _load(path: Path) -> Speaker:
    from ttsd.training.checkpoint import load_student

    return load_student(path)


def _check_checkpoint(path: Path | None) -> Path:
    if path is None:
        raise CheckpointError("evaluate.ckpt: no student is named; add --ckpt checkpoints/<run>/last.ckpt")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; `ttsd train` writes last.ckpt into its run directory")
    return path


def _hash_inputs(corpus: Corpus, utterances: Sequence[Utterance]) -> dict[str, str]:
    hashes = {}
    for utterance in utterances:
        clip = corpus.clip_path(utterance)
        hashes[f"text/{utterance.id}"] = sha256_json(utterance.spoken)
        hashes[f"clip/{utterance.id}"] = sha256_file(clip) if clip.is_file() else "missing"
    return hashes


def _describe_row(row: Row) -> dict[str, Any]:
    systems = {}
    for name, one in row.systems.items():
        figures = {key: value for key, value in asdict(one).items() if key != "embedding"}
        figures["duration_s"] = round(one.duration_s, 3)
        systems[name] = figures | {"similarity": row.similarity.get(name)}
    return {"id": row.id, "transcript": row.transcript, "systems": systems}


def _check_bound(report: StageReport, out_dir: Path, config: Config) -> None:
    bound = config.evaluate.max_wer_delta
    wer = report.details["metrics"]["wer"]
    if bound is not None and wer["delta"] > bound:
        raise EvaluationError(
            f"{out_dir / HTML_NAME}: the student's WER is {wer['student']:.1%}, the teacher's {wer['teacher']:.1%}, "
            f"and evaluate.max_wer_delta allows {bound:.1%} more; train longer (train.max_steps) or raise the bound"
        )
