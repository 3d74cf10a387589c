"""`ingest`: long recordings of transcripts, cut into a corpus of the sentences that were read as they are written."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ttsd.config import Config
from ttsd.data.audio import Waveform
from ttsd.data.corpus import CORPUS_FILES, DEFAULT_SPEAKER, WAVS_NAME, Rejection
from ttsd.data.decoding import Damage, cut_clips, decode_recording, probe_recording, resample_chunks
from ttsd.data.finish import finish_corpus
from ttsd.data.pairing import Pairing, pair_files
from ttsd.data.pauses import Pauses, find_pauses, measure_power, plan_windows
from ttsd.data.phonemes import phonemize
from ttsd.data.readings import Candidate, Reading, read_recording
from ttsd.data.wording import TimedWord, normalize_heard, split_words, write_words
from ttsd.errors import CorpusError, MissingExtraError, StageError, TranscriptError
from ttsd.metrics.hearing import hear_window
from ttsd.metrics.intelligibility import ASR_SAMPLE_RATE, Recognizer, identify_recognizer
from ttsd.metrics.phonetics import SoundMatcher
from ttsd.metrics.verification import check_sound, verify_clip
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.transcripts.account import Account, account_for, line_ids, reject_all
from ttsd.transcripts.manuscript import Line, Manuscript, read_manuscript
from ttsd.transcripts.markdown import printable
from ttsd.transcripts.spoken import slug
from ttsd.utils.extras import require
from ttsd.utils.files import atomic_path, sha256_file
from ttsd.utils.parallel import PARTIAL_NAME, map_resumable

NAME = "ingest"
_SOUND_NAME = "sound"
_CONTEXT_LINES = 3
"""Sentences before and behind a doubtful one that the recogniser is shown."""


@dataclass(frozen=True)
class _Pair:
    """A transcript and its recording."""

    id: str
    text: str
    audio: str
    manuscript: Manuscript


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Read a folder of transcripts and recordings, and write the sentences that were read as they are written.

    Args:
        in_dir: Folder with a recording beside each transcript, nested or not.
        out_dir: The raw corpus: at the recordings' own sample rate where they share one, else at `audio.sample_rate`.
        config: Reads `speaker`, `n_workers`, `ingest`, `asr`, `audio.sample_rate` and `generate.verbatim.scripts`.
        progress: Told how many recordings are decoded, windows heard, takes looked at again, and recordings cut.

    Raises:
        StageError: There is no such folder, it holds no transcript or no recording, or `out_dir` holds something else.
        ConfigError: The mapping file is wrong, or the recogniser's model is missing.
        MissingExtraError: PyAV, rapidfuzz or the recogniser is not installed.
    """
    if out_dir.resolve() != in_dir.resolve() and out_dir.resolve().is_relative_to(in_dir.resolve()):
        raise StageError(
            f"{out_dir}: lies in the folder that is read, where its clips would be recordings; name another"
        )
    require("curate", "av")
    require("curate", "rapidfuzz")
    if config.asr.language == "en":
        require("curate", "pocketsphinx")
    pairing = pair_files(in_dir, config.ingest.map)
    settings = {
        "speaker": config.speaker,
        "sample_rate": config.audio.sample_rate,
        "scripts": list(config.generate.verbatim.scripts),
        "ingest": config.ingest.model_dump(mode="json", exclude={"map"}),
        "asr": identify_recognizer(config.asr),
        "voice": _find_voice(config.language),
    }
    names = sorted({*pairing.texts, *pairing.lone_recordings, *(audio for _, audio in pairing.pairs)})
    inputs = {printable(name): _hash(in_dir / name) for name in names}
    mark = fingerprint(NAME, settings | {"pairs": [list(map(printable, pair)) for pair in pairing.pairs]}, inputs)
    done = begin_stage(NAME, in_dir, out_dir, mark)
    if done is not None:
        return done
    (out_dir / WAVS_NAME).mkdir(exist_ok=True)
    texts, rejections = _read_texts(in_dir, pairing, config)
    pairs = [_Pair(texts[text][0], text, audio, texts[text][1]) for text, audio in pairing.pairs if text in texts]
    sounds = _map(
        _decode, [(p.id, (p, in_dir, out_dir, config)) for p in pairs], "recordings", out_dir, config, progress
    )
    usable = [(pair, sound) for pair, sound in zip(pairs, sounds, strict=True) if "reason" not in sound]
    heard = _hear_all(usable, out_dir, config, progress)
    readings = [_read(pair, heard[pair.id], not sound["problem"], out_dir, config) for pair, sound in usable]
    verdicts = _look_again([pair for pair, _ in usable], readings, out_dir, config, progress)
    accounts = {
        pair.text: account_for(
            pair.id, pair.manuscript.lines, printable(pair.audio), reading, verdict, config.speaker or DEFAULT_SPEAKER
        )
        for (pair, _), reading, verdict in zip(usable, readings, verdicts, strict=True)
    }
    rates = {sound["sample_rate"] for pair, sound in usable if accounts[pair.text].clips}
    sample_rate = rates.pop() if len(rates) == 1 else config.audio.sample_rate
    cuts = [
        (pair.id, (in_dir / pair.audio, sound["sample_rate"], sample_rate, accounts[pair.text], out_dir, config))
        for pair, sound in usable
    ]
    durations = dict(itertools.chain.from_iterable(_map(_cut, cuts, "cuts", out_dir, config, progress)))
    for pair, sound in zip(pairs, sounds, strict=True):
        if "reason" in sound:
            lines = pair.manuscript.lines
            accounts[pair.text] = reject_all(
                pair.id, lines, sound["reason"], f"{printable(pair.audio)}: {sound['value']}"
            )
    for text, why in pairing.lone_texts.items():
        if text in texts:
            accounts[text] = reject_all(texts[text][0], texts[text][1].lines, "no_recording", printable(why))
    for number, (name, why) in enumerate(pairing.lone_recordings.items(), start=1):
        rejections.append(Rejection(f"r{number:04d}_{slug(Path(name).stem)}", "no_transcript", printable(why)))
    ordered = [accounts[text] for text in pairing.texts if text in accounts]
    kept = [
        utterance.model_copy(update={"duration_s": durations[utterance.id]})
        for account in ordered
        for utterance, _ in account.clips
    ]
    rejections += [rejection for account in ordered for rejection in account.rejections]
    details = _describe(pairing, pairs, sounds, accounts) | {"sample_rate": sample_rate}
    report = StageReport(stage=NAME, fingerprint=mark, config=settings, details=details)
    return finish_corpus(out_dir, report, kept, rejections)


def _find_voice(language: str) -> str | None:
    """Return the espeak-ng voice that tells how words sound, or none where it is not installed."""
    try:
        phonemize("a", language)
    except MissingExtraError:
        return None
    return language


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""


def _map(
    work: Any,
    items: Sequence[tuple[str, Any]],
    note: str,
    out_dir: Path,
    config: Config,
    progress: Progress,
    **more: Any,
) -> list[Any]:
    return map_resumable(work, items, out_dir, n_workers=config.n_workers, progress=progress, note=note, **more)


def _read_texts(
    in_dir: Path, pairing: Pairing, config: Config
) -> tuple[dict[str, tuple[str, Manuscript]], list[Rejection]]:
    """Return id and contents of every transcript that can be read, and the others' rejections."""
    texts: dict[str, tuple[str, Manuscript]] = {}
    rejections: list[Rejection] = []
    audios = dict(pairing.pairs)
    for number, text in enumerate(pairing.texts, start=1):
        name = f"{number:04d}_{slug(Path(text).stem)}"
        beside = f"; {printable(audios[text])} is not used" if text in audios else ""
        try:
            manuscript = read_manuscript(
                in_dir / text, printable(text), config.asr.language, config.generate.verbatim.scripts
            )
        except TranscriptError as error:
            rejections.append(Rejection(name, "unreadable_transcript", f"{error}{beside}"))
            continue
        if manuscript.lines:
            texts[text] = name, manuscript
        else:
            rejections.append(Rejection(name, "empty_transcript", f"{printable(text)}: holds no sentence{beside}"))
    return texts, rejections


def _decode(item: tuple[_Pair, Path, Path, Config]) -> dict[str, Any]:
    """Decode a recording once: keep it as the recogniser hears it, and find its pauses."""
    pair, in_dir, out_dir, config = item
    damage = Damage()
    path, sound = in_dir / pair.audio, _sound_path(out_dir, pair.id)
    try:
        info = probe_recording(path)
        chunks = resample_chunks(decode_recording(path, damage), info.sample_rate, ASR_SAMPLE_RATE)
        with (
            atomic_path(sound) as temporary,
            soundfile.SoundFile(temporary, "w", ASR_SAMPLE_RATE, 1, "PCM_16", format="WAV") as file,
        ):
            power = measure_power(_written(chunks, file), ASR_SAMPLE_RATE)
            file.flush()
    except CorpusError as error:
        return {"reason": "unreadable_recording", "value": f"{error}; replace the file"}
    with atomic_path(sound.with_suffix(".npy")) as temporary:
        np.save(temporary, power)
    if power.size == 0:
        return {"reason": "empty_recording", "value": damage.problem or "holds no sound"}
    pauses = find_pauses(power, config.ingest.min_pause_ms, config.ingest.silence_db)
    windows = plan_windows(pauses, config.ingest.window_s)
    if not windows:
        return {"reason": "silent_recording", "value": f"{pauses.duration_s:.1f} s of silence"}
    facts = {"sample_rate": info.sample_rate, "n_channels": info.n_channels, "codec": info.codec}
    return facts | {"duration_s": round(pauses.duration_s, 2), "problem": damage.problem, "windows": windows}


def _written(chunks: Iterable[Waveform], file: soundfile.SoundFile) -> Iterator[Waveform]:
    for chunk in chunks:
        file.write(chunk)
        yield chunk


def _sound_path(out_dir: Path, name: str) -> Path:
    return out_dir / PARTIAL_NAME / _SOUND_NAME / f"{name}.wav"


@functools.lru_cache(maxsize=2)
def _load_pauses(path: Path, min_pause_ms: float, silence_db: float) -> Pauses:
    return find_pauses(np.load(path), min_pause_ms, silence_db)


def _pauses_of(out_dir: Path, name: str, config: Config) -> Pauses:
    path = _sound_path(out_dir, name).with_suffix(".npy")
    return _load_pauses(path, config.ingest.min_pause_ms, config.ingest.silence_db)


def _slice(path: Path, start_s: float, end_s: float) -> Waveform:
    start, stop = (max(round(time_s * ASR_SAMPLE_RATE), 0) for time_s in (start_s, end_s))
    wav, _ = soundfile.read(path, start=start, stop=min(stop, soundfile.info(path).frames), dtype="float32")
    return np.asarray(wav, dtype=np.float32)


_recognizer: Recognizer | None = None
_matcher: SoundMatcher | None = None


def _load(config: Config) -> None:
    global _recognizer
    _recognizer = Recognizer(config.asr)


def _load_judges(config: Config) -> None:
    global _matcher
    _load(config)
    _matcher = SoundMatcher(_find_voice(config.language)) if config.asr.language == "en" else None


def _hear_all(
    usable: Sequence[tuple[_Pair, dict[str, Any]]], out_dir: Path, config: Config, progress: Progress
) -> dict[str, list[TimedWord]]:
    items = [
        (f"{pair.id}_{number:04d}", (pair.id, start_s, end_s, out_dir, config))
        for pair, sound in usable
        for number, (start_s, end_s) in enumerate(sound["windows"])
    ]
    results = _map(_hear, items, "windows", out_dir, config, progress, initializer=_load, initargs=(config,))
    heard: dict[str, list[TimedWord]] = {pair.id: [] for pair, _ in usable}
    for (_, (name, *_)), words in zip(items, results, strict=True):
        heard[name] += normalize_heard([TimedWord(*word) for word in words], config.asr.language)
    return heard


def _hear(item: tuple[str, float, float, Path, Config]) -> list[tuple[str, float, float]]:
    name, start_s, end_s, out_dir, config = item
    if _recognizer is None:
        raise RuntimeError("_load runs before _hear in every worker")
    read = functools.partial(_slice, _sound_path(out_dir, name))
    pauses = _pauses_of(out_dir, name, config)
    words = hear_window(_recognizer, read, ASR_SAMPLE_RATE, pauses, start_s, end_s)
    return [(word.text, word.start_s, word.end_s) for word in words]


def _is_read(line: Line) -> bool:
    return line.reason in (None, "heading")


def _words_of(lines: Sequence[Line], language: str) -> list[list[str]]:
    """Return the words of every sentence that may have been read aloud."""
    return [split_words(line.text, language) if _is_read(line) else [] for line in lines]


def _read(pair: _Pair, heard: Sequence[TimedWord], ends_whole: bool, out_dir: Path, config: Config) -> Reading:
    return read_recording(
        _words_of(pair.manuscript.lines, config.asr.language),
        heard,
        _pauses_of(out_dir, pair.id, config),
        min_pause_s=config.ingest.min_pause_ms / 1000,
        max_duration_s=config.ingest.max_duration_s,
        ends_whole=ends_whole,
    )


def _look_again(
    pairs: Sequence[_Pair], readings: Sequence[Reading], out_dir: Path, config: Config, progress: Progress
) -> list[dict[int, tuple[str, str]]]:
    """Look again at every take that can be used; return reason and value of those that do not say their sentence."""
    items = []
    voice = _find_voice(config.language)
    for number, (pair, reading) in enumerate(zip(pairs, readings, strict=True)):
        lines, language = pair.manuscript.lines, config.asr.language
        ids = line_ids(pair.id, pair.manuscript.lines)
        for place, candidate in enumerate(reading.candidates):
            if candidate.reason is None and (candidate.in_doubt or config.asr.language == "en"):
                near = range(candidate.sentence - _CONTEXT_LINES, candidate.sentence + _CONTEXT_LINES + 1)
                own = lines[candidate.sentence].text
                context = [lines[i].text for i in near if 0 <= i < len(lines) and _is_read(lines[i])]
                told = " ".join(text for text in context if text != own)
                work = (pair.id, candidate, write_words(own, language), told, voice, out_dir, config)
                items.append((f"{ids[candidate.sentence]}_{place:05d}", (number, place, work)))
    results = _map(_verify, items, "takes", out_dir, config, progress, initializer=_load_judges, initargs=(config,))
    verdicts: list[dict[int, tuple[str, str]]] = [{} for _ in pairs]
    for (_, (number, place, _)), (reason, value) in zip(items, results, strict=True):
        if reason is not None:
            verdicts[number][place] = reason, value
    return verdicts


def _verify(
    item: tuple[int, int, tuple[str, Candidate, list[TimedWord], str, str | None, Path, Config]],
) -> tuple[str | None, str]:
    name, candidate, written, context, voice, out_dir, config = item[2]
    if _recognizer is None:
        raise RuntimeError("_load_judges runs before _verify in every worker")
    wav = _slice(_sound_path(out_dir, name), *_edges_s(candidate, config.ingest.margin_ms))
    if candidate.in_doubt:
        verdict = verify_clip(
            _recognizer, _matcher, wav, ASR_SAMPLE_RATE, written, candidate.heard, context, config.asr.language, voice
        )
        if verdict.reason is not None:
            return verdict.reason, verdict.value
    if _matcher is None:
        return None, ""
    verdict = check_sound(_matcher, wav, ASR_SAMPLE_RATE, written)
    return verdict.reason, verdict.value


def _edges_s(candidate: Candidate, margin_ms: float) -> tuple[float, float]:
    """Return start and end of a clip: no margin reaches beyond the middle of its pause."""
    margin_s = margin_ms / 1000
    return (
        candidate.start_s - min(margin_s, candidate.before_s / 2),
        candidate.end_s + min(margin_s, candidate.after_s / 2),
    )


def _cut(item: tuple[Path, int, int, Account, Path, Config]) -> list[tuple[str, float]]:
    path, own_rate, sample_rate, account, out_dir, config = item
    margin_ms = config.ingest.margin_ms
    spans = [(utterance.id, *_edges_s(candidate, margin_ms)) for utterance, candidate in account.clips]
    return cut_clips(path, own_rate, sample_rate, spans, out_dir / WAVS_NAME)


def _describe(
    pairing: Pairing, pairs: Sequence[_Pair], sounds: Sequence[dict[str, Any]], accounts: dict[str, Account]
) -> dict[str, Any]:
    recordings: dict[str, dict[str, Any]] = {}
    unused: dict[str, list[dict[str, Any]]] = {}
    for pair, sound in zip(pairs, sounds, strict=True):
        account, audio = accounts[pair.text], printable(pair.audio)
        problem = f"{sound['reason']}: {sound['value']}" if "reason" in sound else sound["problem"]
        recordings[audio] = {
            "text": printable(pair.text),
            "encoding": pair.manuscript.encoding,
            "duration_s": sound.get("duration_s", 0.0),
            "sample_rate": sound.get("sample_rate", 0),
            "n_channels": sound.get("n_channels", 0),
            "codec": sound.get("codec", ""),
            "sentences": len(pair.manuscript.lines),
            "kept": len(account.clips),
            "rejected": ", ".join(f"{count} {reason}" for reason, count in account.counts.items()),
            "problem": problem,
        }
        unused[audio] = list(account.stretches)
    unpaired = sorted(map(printable, (*pairing.lone_texts, *pairing.lone_recordings)))
    return {"recordings": recordings, "unused_speech": unused, "unpaired": unpaired}
