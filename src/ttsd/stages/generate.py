"""`generate`: Markdown study guides to transcripts, and transcripts to teacher speech."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data.audio import write_wav
from ttsd.data.corpus import CORPUS_FILES, WAVS_NAME, Rejection, Utterance, write_corpus
from ttsd.data.finish import finish_corpus
from ttsd.data.split import select_split
from ttsd.errors import ConfigError, ProviderError, TeacherError, TtsdError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.teachers.base import Speech, Teacher
from ttsd.teachers.buying import buy_speech, check_voice
from ttsd.teachers.clips import cut_clips
from ttsd.teachers.load import load_teacher
from ttsd.transcripts.markdown import find_guides, printable
from ttsd.transcripts.write import write_all
from ttsd.transcripts.written import hash_edits
from ttsd.utils.files import sha256_file
from ttsd.utils.parallel import map_resumable
from ttsd.utils.seeds import derive_seed

NAME = "generate"
_PAID = {"gemini", "elevenlabs"}
# What says how a service is asked, and not what it gives.
_HANDLING = {
    "gemini": {"requests_per_min", "tokens_per_min", "n_concurrent", "timeout_s", "base_url"},
    "elevenlabs": {"max_credits", "max_concurrent", "rebuy_unknown", "timeout_s", "max_wait_s", "base_url"},
}


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a folder of study guides and write the teacher's speech as a corpus, at the teacher's own sample rate.

    Args:
        in_dir: Folder of Markdown study guides, nested or not.
        out_dir: The raw corpus.
        config: Reads `seed`, `speaker`, `language`, `n_workers`, `preprocess.normalize_text`, `paths` and `generate`.
        progress: Told how many sections are written and utterances spoken.

    Raises:
        TranscriptError: There is no such folder.
        StageError: It holds no study guide, or `out_dir` holds something else.
        ConfigError: A paid service is asked for without `generate.terms_acknowledged`, a key or a voice.
        TeacherError: The teacher cannot be loaded.
        ProviderError: A paid service stopped the run, or the outcome of a request is unknown; what there is so far is a
            valid corpus, and the next run goes on from it.
    """
    paths = find_guides(in_dir)
    _check_terms(config)
    # A bought voice is asked for only when there is something to buy: a run that finds its work done asks nothing.
    teacher = None if config.generate.teacher == "elevenlabs" else load_teacher(config)
    settings = _settings(config)
    inputs = {printable(path.relative_to(in_dir).as_posix()): _hash(path) for path in paths}
    if config.generate.transcripts == "gemini":
        inputs |= {f"edited {name}": digest for name, digest in hash_edits(config.paths.transcripts).items()}
    if teacher is not None and config.generate.take > 1:
        _check_varies(teacher)
    mark = fingerprint(NAME, settings | {"teacher": teacher.identity if teacher else {}}, inputs)
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    if teacher is None:
        check_voice(config.paths.takes, config.generate.elevenlabs)
    written = write_all(paths, in_dir, config, progress)
    utterances, rejections = list(written.utterances), list(written.rejections)
    if config.generate.take > 1:
        wanted = config.evaluate.split
        utterances, rejections = select_split(utterances, wanted, config.split), []
        if not utterances:
            raise ConfigError(f"evaluate.split: no sentence of {in_dir} is in {wanted}, so none is said once more")
    if teacher is None:
        spoken = _buy_all(utterances, out_dir, config, progress)
    else:
        spoken = _speak_all(utterances, out_dir, config, teacher, progress)
    kept: list[Utterance] = []
    for utterance in utterances:
        result = spoken.results[utterance.id]
        if "reason" in result:
            rejections.append(Rejection(utterance.id, result["reason"], result["value"]))
            continue
        facts = {"teacher": spoken.identity | result.pop("facts"), "speaker": config.speaker or spoken.speaker}
        kept.append(utterance.model_copy(update=result | facts))
    if spoken.stop is not None:
        if kept:
            write_corpus(out_dir, kept, rejections)
        raise ProviderError(f"{spoken.stop}; {len(kept)} of {len(utterances)} utterances stand in {out_dir} so far")
    # The calls and tokens of this run are no part of what the corpus is: the same corpus gives the same report.
    writer = {"writer": written.details["writer"]}
    details = {"guides": written.n_guides, "teacher": spoken.identity, **writer, **spoken.details}
    report = StageReport(stage=NAME, fingerprint=mark, seed=config.seed, config=settings, details=details)
    return finish_corpus(out_dir, report, kept, rejections)


def check_takes(config: Config) -> None:
    """See that a teacher says a text in another way when it is asked again.

    Raises:
        ConfigError: It does not.
        TeacherError: It cannot be loaded.
    """
    if config.generate.teacher != "elevenlabs":
        _check_varies(load_teacher(config))


def _check_varies(teacher: Teacher) -> None:
    if not teacher.varies:
        raise ConfigError(
            f"generate.take: {teacher.name} says a text in one way alone, so its second take is the first; "
            "ttsd evaluate goes without one"
        )


def _check_terms(config: Config) -> None:
    chosen = [name for name in (config.generate.transcripts, config.generate.teacher) if name in _PAID]
    if chosen and not config.generate.terms_acknowledged:
        raise ConfigError(
            f"generate.terms_acknowledged: must be true before a paid service ({', '.join(chosen)}) is asked; "
            "its terms and the consent of the voice's owner decide whether a student may be trained on what it gives: "
            "read docs/providers.md, then set it"
        )


def _settings(config: Config) -> dict[str, Any]:
    generate = config.generate
    unused = {"pico", "piper", "elevenlabs", "gemini"} - {generate.teacher, generate.transcripts}
    exclude: dict[str, Any] = dict.fromkeys(unused, True)
    exclude |= {name: fields for name, fields in _HANDLING.items() if name not in unused}
    if generate.teacher != "elevenlabs":
        exclude["cut"] = True
    if generate.take == 1:
        exclude["take"] = True
    split = (
        {} if generate.take == 1 else {"split": config.split.model_dump(mode="json") | {"of": config.evaluate.split}}
    )
    return split | {
        "seed": config.seed,
        "speaker": config.speaker,
        "language": config.language,
        "normalize_text": config.preprocess.normalize_text,
        "generate": generate.model_dump(mode="json", exclude=exclude),
    }


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""


@dataclass(frozen=True)
class _Spoken:
    """What a teacher made of all utterances."""

    identity: dict[str, Any]
    speaker: str
    results: dict[str, dict[str, Any]]
    """By utterance id: `duration_s`, `facts`, `alignment`; or `reason` and `value` where there is no clip."""
    details: dict[str, Any] = field(default_factory=dict)
    stop: TtsdError | None = None
    """Why the run cannot finish now."""


def _buy_all(utterances: Sequence[Utterance], out_dir: Path, config: Config, progress: Progress) -> _Spoken:
    folder, settings = config.paths.takes, config.generate.elevenlabs.of_take(config.generate.take)
    bought = buy_speech(utterances, folder, settings, progress)
    cut = cut_clips(utterances, bought.places, folder, out_dir, config.generate.cut, config.n_workers, progress)
    missing = {name: {"reason": reason, "value": value} for name, (reason, value) in bought.missing.items()}
    rights = {
        "terms_acknowledged": config.generate.terms_acknowledged,
        "notes": config.generate.rights,
        "voice": bought.voice_facts,
    }
    n_takes = len({place.take for place in bought.places.values()})
    details = {"bought": {"takes": n_takes, "credits": bought.credits}, "rights": rights}
    return _Spoken(bought.identity, bought.speaker, cut | missing, details, bought.stop)


def _speak_all(
    utterances: Sequence[Utterance], out_dir: Path, config: Config, teacher: Teacher, progress: Progress
) -> _Spoken:
    take = config.generate.take
    seed = config.seed if take == 1 else derive_seed(config.seed, f"take {take}")
    results = map_resumable(
        _speak,
        [(utterance.id, (utterance, out_dir, seed)) for utterance in utterances],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="speech",
        initializer=_load,
        initargs=(config,),
    )
    by_id = {utterance.id: result for utterance, result in zip(utterances, results, strict=True)}
    return _Spoken(teacher.identity, teacher.name, by_id)


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
        return {"reason": "teacher_failed", "value": str(error)}
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
