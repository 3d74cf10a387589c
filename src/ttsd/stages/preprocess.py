"""`preprocess`: any corpus to one sample rate, one loudness, clean edges, and text as it is spoken."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsd.config import Config, PreprocessConfig
from ttsd.data import audio
from ttsd.data.corpus import CORPUS_FILES, WAVS_NAME, Corpus, Rejection, Utterance, clean_text, hash_corpus, read_corpus
from ttsd.data.finish import finish_corpus
from ttsd.data.levels import count_clipped_samples, measure_rms_db
from ttsd.data.loudness import apply_gain, compute_gain_db
from ttsd.data.phonemes import has_phonemes, phonemize_many
from ttsd.data.speech import find_speech, hash_vad
from ttsd.data.split import split_of
from ttsd.data.text import normalize_text
from ttsd.errors import ConfigError, CorpusError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.utils.cache import find_cache
from ttsd.utils.parallel import map_resumable

NAME = "preprocess"


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a corpus of any sample rate and write the one that is trained on.

    Phonemes need the extra `local`; without it they are `unmeasured`, and training asks for it.

    Args:
        in_dir: A corpus: ours, LJSpeech-1.1 as published, or its two-column form.
        out_dir: The processed corpus.
        config: Reads `audio.sample_rate`, `language`, `n_workers`, `paths.cache`, `preprocess` and `split`.
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
    cache_dir = find_cache(config.paths.cache, out_dir)
    with_phonemes = has_phonemes(config.language)
    settings = {
        "sample_rate": config.audio.sample_rate,
        "language": config.language,
        "preprocess": config.preprocess.model_dump(mode="json"),
        "split": config.split.model_dump(mode="json"),
    }
    models = {"phonemes": with_phonemes, "vad": hash_vad() if config.preprocess.trim == "vad" else None}
    mark = fingerprint(NAME, settings | models, hash_corpus(corpus))
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    texts = _process_texts(corpus.utterances, config, cache_dir if with_phonemes else None)
    speakable = [utterance for utterance, text in zip(corpus.utterances, texts, strict=True) if "reason" not in text]
    clips = map_resumable(
        functools.partial(_process_clip, corpus=corpus.root, out_dir=out_dir, config=config),
        [(utterance.id, (utterance.id, corpus.clips[utterance.id])) for utterance in speakable],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="clips",
    )
    by_id = dict(zip([utterance.id for utterance in speakable], clips, strict=True))
    results = [text | by_id.get(u.id, {}) for u, text in zip(corpus.utterances, texts, strict=True)]
    kept, rejections = _collect(corpus, results)
    report = StageReport(
        stage=NAME,
        fingerprint=mark,
        config=settings,
        unmeasured={} if with_phonemes else {"phonemes": len(kept)},
        details={"layout": corpus.layout, "sample_rate": config.audio.sample_rate},
    )
    return finish_corpus(out_dir, report, kept, rejections)


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


def _process_texts(utterances: Sequence[Utterance], config: Config, cache_dir: Path | None) -> list[dict[str, Any]]:
    texts = [_process_text(utterance, config) for utterance in utterances]
    if cache_dir is not None:
        speakable = [text for text in texts if "reason" not in text]
        spoken = [text["spoken"] for text in speakable]
        # All in one process, before the others start: espeak-ng takes longer to load than to phonemize a corpus.
        for text, phonemes in zip(speakable, phonemize_many(spoken, config.language, cache_dir), strict=True):
            text["phonemes"] = phonemes
            if not phonemes.strip():
                text |= _reject("no_phonemes", text["spoken"])
    for text in texts:
        text.pop("spoken", None)
    return texts


def _process_text(utterance: Utterance, config: Config) -> dict[str, Any]:
    known: dict[str, Any] = {"split": split_of(utterance, config.split), "spoken": utterance.spoken}
    if utterance.normalized_transcript is None and config.preprocess.normalize_text:
        known["normalized_transcript"] = known["spoken"] = clean_text(normalize_text(utterance.transcript))
    if not any(character.isalnum() for character in known["spoken"]):
        return _reject("nothing_to_say", utterance.transcript)
    return known


def _process_clip(item: tuple[str, str], corpus: Path, out_dir: Path, config: Config) -> dict[str, Any]:
    utterance_id, name = item
    opened = audio.open_clip(corpus / name, name)
    if isinstance(opened[0], str):
        return _reject(*opened)
    source, source_rate = opened
    if source.size == 0:
        return _reject("empty_clip", name)
    sample_rate, wanted = config.audio.sample_rate, config.preprocess
    wav = audio.resample(audio.remove_dc(source), source_rate, sample_rate)
    sound, trimmed_by = _find_speech(wav, sample_rate, wanted)
    if sound is None:
        return _reject("silent_clip", name)
    start, end = audio.add_margins(sound, wav.size, sample_rate, wanted.trim_margin_ms)
    trimmed_end_s = (wav.size - end) / sample_rate
    wav = audio.fade_edges(wav[start:end], sample_rate, wanted.fade_ms, at_start=start > 0, at_end=trimmed_end_s > 0)
    try:
        gain_db = compute_gain_db(wav, sample_rate, wanted.loudness_lufs, wanted.peak_ceiling_db)
    except CorpusError:
        return _reject("silent_clip", name)
    audio.write_wav(out_dir / WAVS_NAME / f"{utterance_id}.wav", apply_gain(wav, gain_db), sample_rate)
    return {
        "duration_s": round(wav.size / sample_rate, 6),
        "trimmed_start_s": round(start / sample_rate, 6),
        "qc": {
            # Asked of the source, because resampling and gain hide it.
            "source_clipped_samples": count_clipped_samples(source),
            "source_rms_db": round(measure_rms_db(source), 2),
            "source_sample_rate": source_rate,
            "gain_db": round(gain_db, 3),
            "trimmed_end_s": round(trimmed_end_s, 6),
            "trimmed_by": trimmed_by,
        },
    }


def _find_speech(wav: audio.Waveform, sample_rate: int, wanted: PreprocessConfig) -> tuple[tuple[int, int] | None, str]:
    if wanted.trim == "vad":
        speech = find_speech(wav, sample_rate, wanted.trim_db)
        if speech is not None:
            return speech, "vad"
    # A word by itself, or a voice that is hardly one, escapes the detector: its sound is still there.
    return audio.find_sound(wav, sample_rate, wanted.trim_db), "energy"
