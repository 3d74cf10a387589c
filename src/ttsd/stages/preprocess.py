"""`preprocess`: any corpus to one sample rate, one loudness, clean edges, and text as it is spoken."""

import functools
from pathlib import Path
from typing import Any

from ttsd.config import Config
from ttsd.data import audio
from ttsd.data.corpus import CORPUS_FILES, WAVS_NAME, Corpus, Rejection, Utterance, clean_text, hash_corpus, read_corpus
from ttsd.data.finish import finish_corpus
from ttsd.data.levels import count_clipped_samples, measure_rms_db
from ttsd.data.phonemes import phonemize
from ttsd.data.split import split_of
from ttsd.data.text import normalize_text
from ttsd.data.wav_header import missing_bytes
from ttsd.errors import ConfigError, CorpusError, MissingExtraError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.utils.parallel import map_resumable

NAME = "preprocess"


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a corpus of any sample rate and write the one that is trained on.

    Phonemes need the extra `local`; without it they are `unmeasured`, and training asks for it.

    Args:
        in_dir: A corpus: ours, LJSpeech-1.1 as published, or its two-column form.
        out_dir: The processed corpus.
        config: Reads `audio.sample_rate`, `language`, `n_workers`, `preprocess` and `split`.
        progress: Told how many clips are done.

    Raises:
        CorpusError: `in_dir` is no corpus.
        ConfigError: The language cannot be normalized or spoken.
        StageError: `out_dir` holds something else.
    """
    corpus = read_corpus(in_dir)
    if config.preprocess.normalize_text and not config.language.startswith("en"):
        raise ConfigError(
            f"language {config.language}: text normalisation knows English alone; set preprocess.normalize_text=false"
        )
    with_phonemes = _has_phonemes(config.language)
    settings = {
        "sample_rate": config.audio.sample_rate,
        "language": config.language,
        "preprocess": config.preprocess.model_dump(mode="json"),
        "split": config.split.model_dump(mode="json"),
    }
    mark = fingerprint(NAME, settings | {"phonemes": with_phonemes}, hash_corpus(corpus))
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    results = map_resumable(
        functools.partial(_process, corpus=corpus.root, out_dir=out_dir, config=config, with_phonemes=with_phonemes),
        [(utterance.id, (utterance, corpus.clips[utterance.id])) for utterance in corpus.utterances],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="clips",
    )
    kept, rejections = _collect(corpus, results)
    report = StageReport(
        stage=NAME,
        fingerprint=mark,
        config=settings,
        unmeasured={} if with_phonemes else {"phonemes": len(kept)},
        details={"layout": corpus.layout, "sample_rate": config.audio.sample_rate},
    )
    return finish_corpus(out_dir, report, kept, rejections)


def _has_phonemes(language: str) -> bool:
    try:
        phonemize("a", language)
    except MissingExtraError:
        return False
    return True


def _collect(corpus: Corpus, results: list[dict[str, Any]]) -> tuple[list[Utterance], list[Rejection]]:
    kept: list[Utterance] = []
    rejections: list[Rejection] = []
    for utterance, result in zip(corpus.utterances, results, strict=True):
        if "reason" in result:
            rejections.append(Rejection(utterance.id, result["reason"], result["value"]))
            continue
        alignment, trimmed_s = dict(utterance.alignment), result.pop("trimmed_start_s")
        if alignment:
            # Trimming moves every time the teacher told; with this they stay usable.
            alignment["trimmed_start_s"] = round(alignment.get("trimmed_start_s", 0.0) + trimmed_s, 6)
        merged = {"qc": utterance.qc | result.pop("qc"), "alignment": alignment}
        kept.append(utterance.model_copy(update=result | merged))
    return kept, rejections


def _reject(reason: str, value: str = "") -> dict[str, Any]:
    return {"reason": reason, "value": value}


def _process(
    item: tuple[Utterance, str], corpus: Path, out_dir: Path, config: Config, with_phonemes: bool
) -> dict[str, Any]:
    utterance, clip = item
    text = _process_text(utterance, config, with_phonemes)
    if "reason" in text:
        return text
    return text | _process_clip(utterance.id, corpus, clip, out_dir, config)


def _process_text(utterance: Utterance, config: Config, with_phonemes: bool) -> dict[str, Any]:
    known: dict[str, Any] = {"split": split_of(utterance, config.split)}
    spoken = utterance.spoken
    if utterance.normalized_transcript is None and config.preprocess.normalize_text:
        spoken = clean_text(normalize_text(utterance.transcript))
        known["normalized_transcript"] = spoken
    if not any(character.isalnum() for character in spoken):
        return _reject("nothing_to_say", utterance.transcript)
    if with_phonemes:
        known["phonemes"] = phonemize(spoken, config.language)
        if not known["phonemes"].strip():
            return _reject("no_phonemes", spoken)
    return known


def _process_clip(utterance_id: str, corpus: Path, clip: str, out_dir: Path, config: Config) -> dict[str, Any]:
    if not (corpus / clip).is_file():
        return _reject("missing_clip", clip)
    try:
        source, source_rate = audio.read_wav(corpus / clip)
    except CorpusError:
        if missing := missing_bytes(corpus / clip):
            return _reject("truncated_clip", f"{clip}: {missing} bytes are missing")
        return _reject("unreadable_clip", clip)
    if source.size == 0:
        return _reject("empty_clip", clip)
    sample_rate, wanted = config.audio.sample_rate, config.preprocess
    wav = audio.resample(audio.remove_dc(source), source_rate, sample_rate)
    sound = audio.find_sound(wav, sample_rate, wanted.trim_db)
    if sound is None:
        return _reject("silent_clip", clip)
    start, end = audio.add_margins(sound, wav.size, sample_rate, wanted.trim_margin_ms)
    wav = wav[start:end]
    try:
        gain_db = audio.compute_gain_db(wav, sample_rate, wanted.loudness_lufs, wanted.peak_ceiling_db)
    except CorpusError:
        return _reject("silent_clip", clip)
    audio.write_wav(out_dir / WAVS_NAME / f"{utterance_id}.wav", audio.apply_gain(wav, gain_db), sample_rate)
    return {
        "duration_s": round(wav.size / sample_rate, 6),
        "trimmed_start_s": round(start / sample_rate, 6),
        "qc": {
            # Asked of the source, because resampling and gain hide both.
            "source_clipped_samples": count_clipped_samples(source),
            "source_rms_db": round(measure_rms_db(source), 2),
            "gain_db": round(gain_db, 3),
        },
    }
