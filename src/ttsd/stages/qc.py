"""`qc`: every clip measured, the bad ones dropped with their reason, the others copied as they are."""

import functools
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import soundfile

from ttsd.config import Config
from ttsd.data.audio import Waveform, read_wav
from ttsd.data.checks import Clip, judge_clip, measure_clip
from ttsd.data.corpus import CORPUS_FILES, Corpus, Rejection, Utterance, copy_clip, hash_corpus, read_corpus
from ttsd.data.finish import finish_corpus
from ttsd.data.wav_header import missing_bytes
from ttsd.errors import CorpusError
from ttsd.metrics.intelligibility import Recognizer, cer, identify_recognizer
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.utils.parallel import map_resumable

NAME = "qc"
UNMEASURED = "unmeasured"


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a processed corpus and write the clips that pass every check.

    Args:
        in_dir: A corpus, mono PCM-16; its most frequent sample rate is the one that is kept.
        out_dir: The curated corpus; a clip in it has the same bytes as in `in_dir`.
        config: Reads `qc`, `asr` and `n_workers`.
        progress: Told how many clips are done.

    Raises:
        CorpusError: `in_dir` is no corpus.
        ConfigError: The recogniser's model is missing.
        StageError: `out_dir` holds something else.
    """
    corpus = read_corpus(in_dir)
    settings: dict[str, Any] = {"qc": config.qc.model_dump(mode="json")}
    if config.qc.max_cer is not None:
        settings["asr"] = identify_recognizer(config.asr)
    mark = fingerprint(NAME, settings, hash_corpus(corpus))
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    sample_rate = _find_sample_rate(corpus)
    results = map_resumable(
        functools.partial(_check, corpus=corpus.root, out_dir=out_dir, config=config, sample_rate=sample_rate),
        [(utterance.id, (utterance, corpus.clips[utterance.id])) for utterance in corpus.utterances],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="checks",
        initializer=_load,
        initargs=(config,),
    )
    kept: list[Utterance] = []
    rejections: list[Rejection] = []
    for utterance, result in zip(corpus.utterances, results, strict=True):
        if "reason" in result:
            rejections.append(Rejection(utterance.id, result["reason"], result["value"]))
        else:
            qc = utterance.qc | result["qc"]
            kept.append(utterance.model_copy(update={"duration_s": result["duration_s"], "qc": qc}))
    unmeasured = sum(utterance.qc.get("cer") == UNMEASURED for utterance in kept)
    report = StageReport(
        stage=NAME,
        fingerprint=mark,
        config=settings,
        unmeasured={"cer": unmeasured} if unmeasured else {},
        details={"sample_rate": sample_rate},
    )
    return finish_corpus(out_dir, report, kept, rejections)


def _find_sample_rate(corpus: Corpus) -> int:
    rates: Counter[int] = Counter()
    for utterance in corpus.utterances:
        try:
            rates[soundfile.info(corpus.clip_path(utterance)).samplerate] += 1
        except (soundfile.SoundFileError, OSError):
            continue  # Rejected with its reason when its turn comes.
    return max(rates, key=lambda rate: (rates[rate], rate)) if rates else 0


_recognizer: Recognizer | None = None


def _load(config: Config) -> None:
    global _recognizer
    _recognizer = Recognizer(config.asr) if config.qc.max_cer is not None else None


def _reject(reason: str, value: str) -> dict[str, Any]:
    return {"reason": reason, "value": value}


def _check(
    item: tuple[Utterance, str], corpus: Path, out_dir: Path, config: Config, sample_rate: int
) -> dict[str, Any]:
    utterance, name = item
    path = corpus / name
    if not path.is_file():
        return _reject("missing_clip", name)
    try:
        info = soundfile.info(path)
        wav, _ = read_wav(path)
    except (CorpusError, soundfile.SoundFileError, OSError):
        if missing := missing_bytes(path):
            return _reject("truncated_clip", f"{name}: {missing} bytes are missing")
        return _reject("unreadable_clip", name)
    form = (info.samplerate, info.channels, info.format, info.subtype)
    if form != (sample_rate, 1, "WAV", "PCM_16"):
        return _reject("wrong_format", f"{info.samplerate} Hz, {info.channels} channels, {info.format} {info.subtype}")
    if wav.size == 0:
        return _reject("empty_clip", name)
    clip = _measure(utterance, wav, sample_rate, config)
    reason = judge_clip(clip, config.qc)
    heard = None
    if reason is None and _recognizer is not None:
        # The recogniser costs far more than the other checks, so it hears only what passed them.
        heard = _recognizer.transcribe(wav, sample_rate)
        clip = replace(clip, cer=_measure_cer(utterance.spoken, heard))
        reason = judge_clip(clip, config.qc)
    if reason is not None:
        return _reject(reason.code, reason.value)
    copy_clip(path, out_dir, utterance.id)
    return {"duration_s": round(clip.duration_s, 6), "qc": _describe(clip, heard)}


def _measure(utterance: Utterance, wav: Waveform, sample_rate: int, config: Config) -> Clip:
    clip = measure_clip(wav, sample_rate, utterance.spoken, config.qc.silence_db)
    # `preprocess` changes level and peaks; what it measured on the source tells more than the clip at hand.
    return replace(
        clip,
        clipped_samples=max(clip.clipped_samples, utterance.qc.get("source_clipped_samples", 0)),
        rms_db=min(clip.rms_db, utterance.qc.get("source_rms_db", clip.rms_db)),
    )


def _measure_cer(reference: str, heard: str) -> float | None:
    try:
        return cer(reference, heard)
    except CorpusError:
        return None  # Nothing is left of the reference: no rate can be told.


def _describe(clip: Clip, heard: str | None) -> dict[str, Any]:
    figures = {name: round(value, 4) for name, value in asdict(clip).items() if value is not None}
    del figures["duration_s"]
    if heard is None:
        return figures
    return figures | {"heard": heard, "cer": figures.get("cer", UNMEASURED)}
