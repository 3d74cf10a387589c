"""`generate`: Markdown study guides to transcripts, and transcripts to teacher speech."""

import re
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.audio import write_wav
from ttsd.data.corpus import CORPUS_FILES, WAVS_NAME, Rejection, Utterance, clean_text
from ttsd.data.finish import finish_corpus
from ttsd.data.text import normalize_text
from ttsd.errors import StageError, TeacherError, TranscriptError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.teachers.base import Speech, Teacher
from ttsd.teachers.load import load_teacher
from ttsd.transcripts.markdown import find_guides, printable, read_guide
from ttsd.transcripts.verbatim import write_transcripts
from ttsd.utils.files import sha256_file
from ttsd.utils.parallel import map_resumable
from ttsd.utils.seeds import derive_seed

NAME = "generate"


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a folder of study guides and write the teacher's speech as a corpus, at the teacher's own sample rate.

    Args:
        in_dir: Folder of Markdown study guides, nested or not.
        out_dir: The raw corpus.
        config: Reads `seed`, `speaker`, `language`, `n_workers`, `preprocess.normalize_text` and `generate`.
        progress: Told how many utterances are spoken.

    Raises:
        TranscriptError: There is no such folder.
        StageError: It holds no study guide, or `out_dir` holds something else.
        TeacherError: The teacher cannot be loaded.
    """
    paths = find_guides(in_dir)
    if not paths:
        raise StageError(f"{in_dir}: holds no study guide; name a folder with .md or .markdown files")
    teacher = load_teacher(config)
    settings = _settings(config)
    inputs = {printable(path.relative_to(in_dir).as_posix()): _hash(path) for path in paths}
    mark = fingerprint(NAME, settings | {"teacher": teacher.identity}, inputs)
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    utterances, rejections, n_guides = _write_all(paths, in_dir, config)
    if config.preprocess.normalize_text and config.language.startswith("en"):
        utterances = [u.model_copy(update={"normalized_transcript": _normalize(u.transcript)}) for u in utterances]
    results = map_resumable(
        _speak,
        [(utterance.id, (utterance, out_dir, config.seed)) for utterance in utterances],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="speech",
        initializer=_load,
        initargs=(config,),
    )
    kept: list[Utterance] = []
    for utterance, result in zip(utterances, results, strict=True):
        if "failed" in result:
            rejections.append(Rejection(utterance.id, "teacher_failed", result["failed"]))
            continue
        facts = {"teacher": teacher.identity | result.pop("facts"), "speaker": config.speaker or teacher.name}
        kept.append(utterance.model_copy(update=result | facts))
    report = StageReport(
        stage=NAME,
        fingerprint=mark,
        seed=config.seed,
        config=settings,
        details={"guides": n_guides, "teacher": teacher.identity},
    )
    return finish_corpus(out_dir, report, kept, rejections)


def _settings(config: Config) -> dict[str, Any]:
    chosen = config.generate.teacher
    others = {"pico", "piper"} - {chosen}
    return {
        "seed": config.seed,
        "speaker": config.speaker,
        "language": config.language,
        "normalize_text": config.preprocess.normalize_text,
        "generate": config.generate.model_dump(mode="json", exclude=others),
    }


def _normalize(transcript: str) -> str:
    return clean_text(normalize_text(transcript))


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""


def _write_all(paths: list[Path], in_dir: Path, config: Config) -> tuple[list[Utterance], list[Rejection], int]:
    limit = config.generate.max_utterances
    utterances: list[Utterance] = []
    rejections: list[Rejection] = []
    n_guides = 0
    for number, path in enumerate(paths, start=1):
        if limit is not None and len(utterances) >= limit:
            break
        try:
            transcripts = write_transcripts(read_guide(path, in_dir), config.generate.verbatim, number)
        except TranscriptError as error:
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)
            rejections.append(Rejection(f"{number:04d}_{name}", "unreadable_guide", str(error)))
            continue
        n_guides += 1
        utterances += transcripts.utterances
        rejections += [Rejection(piece.id, piece.reason, piece.text) for piece in transcripts.left_out]
    return utterances[:limit], rejections, n_guides


_teacher: Teacher | None = None


def _load(config: Config) -> None:
    global _teacher
    _teacher = load_teacher(config)


def _speak(item: tuple[Utterance, Path, int]) -> dict[str, Any]:
    utterance, out_dir, seed = item
    if _teacher is None:
        raise RuntimeError("_load runs before _speak in every worker")
    try:
        # The words as `preprocess` will write them: how a teacher reads "1,024" or "14 July" is its own affair.
        speech = _teacher.speak(utterance.spoken, derive_seed(seed, utterance.id))
    except TeacherError as error:
        return {"failed": str(error)}
    write_wav(out_dir / WAVS_NAME / f"{utterance.id}.wav", speech.wav, speech.sample_rate)
    duration_s = round(len(speech.wav) / speech.sample_rate, 6)
    return {"duration_s": duration_s, "facts": speech.facts, "alignment": _describe_alignment(speech)}


def _describe_alignment(speech: Speech) -> dict[str, Any]:
    known = {
        "character_times_s": speech.character_times_s,
        "symbol_ids": speech.symbol_ids,
        "durations": speech.durations,
        "hop_length": speech.hop_length,
    }
    return {name: values for name, values in known.items() if values is not None}
