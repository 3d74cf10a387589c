"""Synth: text to speech with a student; a file of lines becomes a corpus, any other text one WAV."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ttsd.config import Config
from ttsd.data.audio import to_pcm, write_wav
from ttsd.data.corpus import CORPUS_FILES, WAVS_NAME, Rejection, Utterance, check_id, clean_text
from ttsd.data.finish import finish_corpus
from ttsd.data.onnx_voice import PACKAGED_VOICE
from ttsd.data.scripts import foreign_letter, script_of
from ttsd.data.sentences import MAX_CHARS, cut_clauses, split_sentences
from ttsd.data.text import normalize_text
from ttsd.data.wav_header import endless_header
from ttsd.errors import CheckpointError, StageError, TtsdError
from ttsd.report import Progress, StageReport, as_stage, begin_stage, fingerprint, no_progress
from ttsd.training.speakers import load_speaker
from ttsd.utils.files import sha256_file
from ttsd.utils.parallel import map_resumable
from ttsd.utils.seeds import derive_seed

if TYPE_CHECKING:
    from ttsd.data.onnx_voice import OnnxVoice
    from ttsd.training.checkpoint import Student

NAME = "synth"
_MANY = 20
"""Sentences and clauses; a text of fewer is spoken before anybody would ask how far it is."""
_NOISE = ("noise_scale", "noise_scale_duration")


@as_stage(*CORPUS_FILES)
def run(in_dir: Path, out_dir: Path, config: Config, progress: Progress = no_progress) -> StageReport:
    """Speak a file of lines as a corpus, one utterance a line.

    Args:
        in_dir: A UTF-8 text file; blank lines are passed over.
        out_dir: The corpus.
        config: Reads `seed`, `speaker`, `n_workers`, `generate.verbatim.scripts` and `synth`.
        progress: Told how many lines are spoken.

    Raises:
        StageError: There is no such file, it is not text, or `out_dir` holds something else.
        CheckpointError: The checkpoint is missing or not one of ours.
    """
    lines = _read_lines(in_dir)
    ckpt = find_voice(config)
    settings = config.model_dump(mode="json", include={"seed", "speaker", "synth"})
    settings["synth"].pop("ckpt")
    for name in set(_NOISE) - config.synth.model_fields_set:
        settings["synth"].pop(name)
    settings["scripts"] = list(config.generate.verbatim.scripts)
    ckpt_sha256 = sha256_file(ckpt)
    mark = fingerprint(NAME, settings, {"lines": sha256_file(in_dir), "checkpoint": ckpt_sha256})
    speaker = check_id(config.speaker or "student", "speaker")
    done = begin_stage(NAME, in_dir, out_dir, mark, reads=(in_dir, ckpt), check=lambda: _load(ckpt))
    if done is not None:
        return done
    utterances = [Utterance(id=f"{n:04d}", transcript=line, speaker=speaker) for n, line in enumerate(lines, start=1)]
    results = map_resumable(
        _speak,
        [(utterance.id, (utterance, out_dir, config)) for utterance in utterances],
        out_dir,
        n_workers=config.n_workers,
        progress=progress,
        note="speech",
    )
    kept, rejections = [], []
    for utterance, result in zip(utterances, results, strict=True):
        if "rejected" in result:
            rejections.append(Rejection(utterance.id, *result["rejected"]))
        else:
            teacher = {"provider": "ttsd", "checkpoint_sha256": ckpt_sha256}
            kept.append(utterance.model_copy(update={"teacher": teacher, **result}))
    report = StageReport(stage=NAME, fingerprint=mark, seed=config.seed, config=settings)
    return finish_corpus(out_dir, report, kept, rejections)


def speak_to_file(text: str, out_path: Path, config: Config, progress: Progress = no_progress) -> float:
    """Speak a text of any length into one mono WAV file.

    Args:
        text: What to say; it is split into sentences with `synth.pause_ms` of silence between them.
        out_path: The WAV file to write.
        config: Reads `seed`, `generate.verbatim.scripts` and `synth`.
        progress: Told how much of a long text is spoken.

    Returns:
        The length of the speech in seconds.

    Raises:
        StageError: There is nothing to say in the text, or a letter of a script that the student does not read.
        CheckpointError: The checkpoint is missing or not one of ours.
    """
    clips = list(speak_sentences(text, config, progress))
    sample_rate = clips[0][1]
    wav = _join([wav for wav, _ in clips], sample_rate, config)
    write_wav(out_path, wav, sample_rate)
    return len(wav) / sample_rate


def speak_to_pipe(text: str, pipe: BinaryIO, config: Config) -> None:
    """Write what `speak_to_file` writes, sentence by sentence, each as soon as it is spoken.

    Args:
        text: What to say.
        pipe: Takes a WAV whose header leaves its length open.
        config: As for `speak_to_file`.

    Raises:
        StageError: There is nothing to say in the text, or a letter of a script that the student does not read.
        CheckpointError: The checkpoint is missing or not one of ours.
    """
    for n, (wav, sample_rate) in enumerate(speak_sentences(text, config)):
        before = _pause(sample_rate, config) if n else wav[:0]
        pipe.write((b"" if n else endless_header(sample_rate)) + to_pcm(np.concatenate([before, wav])).tobytes())
        pipe.flush()


def speak_sentences(
    text: str, config: Config, progress: Progress = no_progress
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the clips of a text one after the other, each as soon as it is spoken, with their sample rate in Hz.

    Args:
        text: What to say.
        config: As for `speak_to_file`.
        progress: Likewise.

    Raises:
        StageError: There is nothing to say in the text, or a letter of a script that the student does not read.
        CheckpointError: The checkpoint is missing or not one of ours.
    """
    pieces = _pieces(text)
    if not pieces:
        raise StageError("the text holds nothing to say; give a text with words")
    voice = _load(find_voice(config))
    scripts = _scripts(voice, config)
    if letter := foreign_letter(" ".join(pieces), scripts):
        known = ", ".join(scripts)
        raise StageError(
            f"the text holds the letter {letter} of the script {script_of(letter)}, and the student reads {known}; "
            f"write it in those, or name the script: --set 'generate.verbatim.scripts=[{known}, {script_of(letter)}]'"
        )
    for n, piece in enumerate(pieces):
        yield _speak_piece(voice, piece, config, n), voice.sample_rate
        if len(pieces) > _MANY:
            progress(n + 1, len(pieces), "speech")


def find_voice(config: Config) -> Path:
    """Return the file of the voice that speaks: `synth.ckpt`, or that of the package where none is named.

    Raises:
        CheckpointError: There is no such file.
    """
    path = config.synth.ckpt or PACKAGED_VOICE
    if not path.is_file():
        raise CheckpointError(f"{path}: no such voice; give a .ckpt of `ttsd train`, or an exported .onnx")
    return path


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StageError(f"{path}: cannot be read as a text file ({reason}); give a UTF-8 file of lines") from None
    lines = [clean_text(line) for line in text.splitlines()]
    if not any(lines):
        raise StageError(f"{path}: holds no line to speak; write one utterance a line")
    return [line for line in lines if line]


def _pieces(text: str) -> list[str]:
    sentences = split_sentences(normalize_text(clean_text(text)))
    pieces = [piece for sentence in sentences for piece in cut_clauses(sentence, MAX_CHARS)]
    return [piece for piece in pieces if any(character.isalnum() for character in piece)]


def _speak(item: tuple[Utterance, Path, Config]) -> dict[str, Any]:
    utterance, out_dir, config = item
    voice = _load(find_voice(config))
    pieces = _pieces(utterance.transcript)
    if not pieces:
        return {"rejected": ["nothing_to_say", utterance.transcript]}
    if letter := foreign_letter(" ".join(pieces), _scripts(voice, config)):
        return {"rejected": ["foreign_script", f"{letter} is {script_of(letter)}"]}
    try:
        clips = [_speak_piece(voice, piece, config, utterance.id, n) for n, piece in enumerate(pieces)]
    except TtsdError as error:
        return {"rejected": ["unspeakable", str(error)]}
    wav = _join(clips, voice.sample_rate, config)
    write_wav(out_dir / WAVS_NAME / f"{utterance.id}.wav", wav, voice.sample_rate)
    return {"normalized_transcript": " ".join(pieces), "duration_s": len(wav) / voice.sample_rate}


def _scripts(voice: "OnnxVoice | Student", config: Config) -> tuple[str, ...]:
    # Those it was trained with, and those that the caller says it reads besides.
    return tuple(dict.fromkeys((*voice.scripts, *config.generate.verbatim.scripts)))


def _speak_piece(voice: "OnnxVoice | Student", piece: str, config: Config, *place: str | int) -> NDArray[np.float32]:
    synth = config.synth
    # A voice has learnt with some noise or none, and knows it better than a default does.
    noise = {name: getattr(synth, name) for name in _NOISE if name in synth.model_fields_set}
    return voice.speak(piece, seed=derive_seed(config.seed, "synth", *place), speed=synth.speed, **noise)


def _join(clips: list[NDArray[np.float32]], sample_rate: int, config: Config) -> NDArray[np.float32]:
    joined = [part for clip in clips for part in (clip, _pause(sample_rate, config))]
    return np.concatenate(joined[:-1])


def _pause(sample_rate: int, config: Config) -> NDArray[np.float32]:
    return np.zeros(round(config.synth.pause_ms / 1000 * sample_rate), dtype=np.float32)


def _load(path: Path) -> "OnnxVoice | Student":
    return _load_as_it_was(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _load_as_it_was(path: Path, _mtime_ns: int) -> "OnnxVoice | Student":
    # A checkpoint of a run that goes on is written anew under the same name.
    return load_speaker(path)
