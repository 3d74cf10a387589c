"""`listen build`: a blind listening test from the clips of an evaluation."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsd.config import Config
from ttsd.data.audio import Waveform, read_wav, resample, write_wav
from ttsd.data.hearing_test import (
    ANSWERS_NAME,
    CLIPS_NAME,
    KEY_NAME,
    PAGE_NAME,
    PUBLIC_NAME,
    Key,
    Kind,
    Sample,
    Test,
    Trial,
    read_answers,
    read_key,
)
from ttsd.data.levels import measure_silence
from ttsd.data.loudness import normalize_loudness
from ttsd.errors import ConfigError, CorpusError, StageError
from ttsd.metrics.hearing_analysis import analyse
from ttsd.report import (
    Progress,
    StageReport,
    as_stage,
    begin_stage,
    fingerprint,
    finish_stage,
    load_report,
    no_progress,
)
from ttsd.utils.files import sha256_file, write_json, write_text
from ttsd.utils.parallel import clear_partial, map_resumable
from ttsd.utils.seeds import derive_seed
from ttsd.web.hearing_page import write_page

NAME = "listen"
ANALYSIS_NAME = "analysis.json"
TEACHER, START, DEGRADED = "teacher", "start", "degraded"
EDGE_S = 0.1
"""Silence that every clip keeps at its ends."""
FADE_S = 0.01
PEAK_CEILING_DB = -1.0
DEGRADED_HZ = 1200.0
"""Nobody prefers speech that ends here."""


@as_stage(KEY_NAME, ANALYSIS_NAME, f"{PUBLIC_NAME}/{PAGE_NAME}", f"{PUBLIC_NAME}/{CLIPS_NAME}/*.wav")
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Make a blind test of the teacher and its students.

    Clips are brought to one rate, loudness and edge, and named by a hash that needs the seed; the key stays outside of
    the folder that listeners see.

    Args:
        in_dir: What `evaluate` wrote.
        out_dir: Where the test goes.
        config: Reads `listen`, `seed` and `n_workers`.
        progress: Told how many clips are made.

    Raises:
        CorpusError: `in_dir` holds no evaluation, or a clip of it is gone.
        ConfigError: The evaluation has fewer sentences than the test asks for.
        StageError: `out_dir` holds something else, or a test that was answered.
    """
    settings = config.listen
    evaluation = load_report(in_dir)
    if evaluation.stage != "evaluate":
        raise CorpusError(f"{in_dir}: holds the work of {evaluation.stage}, not of evaluate; name its directory")
    roles = {one["name"]: one["role"] for one in evaluation.details["systems"]}
    students = [name for name, role in roles.items() if role == "student"]
    # Without failures of the teacher: they would be judged, not the voices.
    rows = [row for row in evaluation.details["utterances"] if not row["systems"][TEACHER]["failures"]]
    ids = [row["id"] for row in rows if all(row["systems"][name]["duration_s"] > 0 for name in students)]
    n_needed = settings.n_comparisons + settings.n_checks
    if len(ids) < n_needed + 1:
        raise ConfigError(
            f"listen.n_comparisons: {len(ids)} sentences of {in_dir} can be heard, and the test needs {n_needed + 1}; "
            "evaluate more, or ask fewer questions"
        )
    shown = {"listen": settings.model_dump(mode="json"), "seed": config.seed}
    chosen = random.Random(derive_seed(config.seed, NAME, "sentences")).sample(sorted(ids), len(ids))
    plan = _plan(chosen, students, START in roles, config)
    wavs = {
        key: in_dir / "wavs" / _folder(sample.system) / f"{sample.utterance}.wav"
        for key, sample in plan.samples.items()
    }
    for path in wavs.values():
        if not path.is_file():
            raise CorpusError(f"{path}: no such clip; evaluate again with --overwrite")
    mark = fingerprint(NAME, shown, {key: sha256_file(path) for key, path in wavs.items()})
    report = begin_stage(NAME, in_dir, out_dir, mark, check=lambda: _refuse_answers(out_dir))
    if report is not None:
        return report
    rate = max(read_wav(path)[1] for path in wavs.values())
    folder = out_dir / PUBLIC_NAME / CLIPS_NAME
    to_make = [
        (key, _Clip(path, folder / f"{key}.wav", rate, settings.loudness_lufs, plan.samples[key].system == DEGRADED))
        for key, path in wavs.items()
    ]
    map_resumable(_prepare, to_make, out_dir, n_workers=config.n_workers, progress=progress, note="clips")
    test = Test(id=_hash("test", mark), title=settings.title, trials=plan.trials)
    sealed = Key(
        test=test,
        samples=plan.samples,
        students=tuple(students),
        margin=settings.margin,
        max_failed_checks=settings.max_failed_checks,
    )
    write_page(out_dir / PUBLIC_NAME / PAGE_NAME, test)
    write_text(out_dir / KEY_NAME, json.dumps(sealed.model_dump(mode="json"), indent=1) + "\n")
    clear_partial(out_dir)
    kinds = [trial.kind for trial in plan.trials]
    details = {"questions": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}, "clips": len(wavs)}
    return finish_stage(
        out_dir,
        StageReport(
            stage=NAME,
            fingerprint=mark,
            n_in=len(kinds),
            n_out=len(kinds),
            seed=config.seed,
            config=shown,
            details=details,
        ),
    )


def tell(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Return what the answers to a test say, and keep it in `analysis.json`.

    Args:
        folder: The test.
        files: Answers that listeners saved and sent, besides those that the server kept.

    Raises:
        CorpusError: There is no test, there are no answers, or some do not belong to it.
    """
    key = read_key(folder)
    kept = folder / ANSWERS_NAME
    paths = [*([kept] if kept.is_file() else []), *files]
    answers = read_answers(paths, key)
    if not answers:
        raise CorpusError(f"{kept}: no answers yet; ttsd listen serve {folder}, or name files that listeners sent")
    found = analyse(answers, key)
    write_json(folder / ANALYSIS_NAME, found)
    return found


def _refuse_answers(out_dir: Path) -> None:
    answers = out_dir / ANSWERS_NAME
    if answers.is_file():
        raise StageError(f"{answers}: answers to the test that is there; move them away, or name another output")


@dataclass
class _Plan:
    trials: tuple[Trial, ...]
    samples: dict[str, Sample]


def _plan(ids: list[str], students: list[str], has_start: bool, config: Config) -> _Plan:
    settings, samples, trials = config.listen, {}, []

    def clip(system: str, utterance: str, twin: int = 0) -> str:
        # A clip that is heard against itself has two names.
        key = _hash("clip", str(config.seed), system, utterance, str(twin))
        samples[key] = Sample(system=system, utterance=utterance)
        return key

    def ask(kind: Kind, *clips: str) -> None:
        if kind == "compare":
            # The order of making would tell which is the teacher.
            clips = tuple(sorted(clips))
        trials.append(Trial(id=_hash("trial", kind, *clips), kind=kind, clips=clips))

    for number, name in enumerate(ids[: settings.n_comparisons]):
        ask("compare", clip(TEACHER, name), clip(students[number % len(students)], name))
    for number, name in enumerate(ids[settings.n_comparisons : settings.n_comparisons + settings.n_checks]):
        other = clip(TEACHER, name, 1) if number % 2 else clip(DEGRADED, name)
        ask("compare", clip(TEACHER, name), other)
    # Students, the teacher itself, and another voice where there is one: nobody knows how alike the same speaker is.
    voices = [*students, TEACHER, *([START] if has_start else [])]
    for number in range(settings.n_speaker):
        of, like = ids[number % len(ids)], ids[(number + 1) % len(ids)]
        ask("speaker", clip(TEACHER, like), clip(voices[number % len(voices)], of))
    heard = [TEACHER, *students]
    for number in range(settings.n_quality):
        ask("quality", clip(heard[number % len(heard)], ids[-1 - number // len(heard) % len(ids)]))
    return _Plan(tuple(sorted(trials, key=lambda trial: trial.id)), dict(sorted(samples.items())))


@dataclass(frozen=True)
class _Clip:
    source: Path
    target: Path
    rate: int
    loudness_lufs: float
    degraded: bool


def _prepare(clip: _Clip) -> None:
    wav, sample_rate = read_wav(clip.source)
    silence = measure_silence(wav, sample_rate, -40.0)
    first = max(round((silence.leading_s - EDGE_S) * sample_rate), 0)
    last = wav.size - max(round((silence.trailing_s - EDGE_S) * sample_rate), 0)
    wav = wav[first:last]
    if clip.degraded:
        wav = _muffle(wav, sample_rate)
    heard = np.clip(resample(wav, sample_rate, clip.rate), -1, 1)
    wav = normalize_loudness(heard, clip.rate, clip.loudness_lufs, PEAK_CEILING_DB)
    ramp = np.linspace(0, 1, round(FADE_S * clip.rate), dtype=np.float32)
    wav[: ramp.size] *= ramp
    wav[-ramp.size :] *= ramp[::-1]
    write_wav(clip.target, wav, clip.rate)


def _muffle(wav: Waveform, sample_rate: int) -> Waveform:
    spectrum = np.fft.rfft(wav)
    hz = np.fft.rfftfreq(wav.size, 1 / sample_rate)
    return np.asarray(np.fft.irfft(spectrum / (1 + (hz / DEGRADED_HZ) ** 8), wav.size), dtype=np.float32)


def _folder(system: str) -> str:
    return TEACHER if system == DEGRADED else system


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
