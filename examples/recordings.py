"""Let a local voice read study guides aloud as one long recording each, the way a narrator would leave them.

    python examples/recordings.py [--out output] [--guides 2] [--sentences 30]

Writes a folder for each guide with its text and a recording beside it, in turn as MP3, M4A, FLAC and Opus. As in
life, the narrator passes over one sentence of each guide and says another one twice: `ttsd ingest` finds both.
"""

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ttsd.config import load_config
from ttsd.data.audio import Waveform
from ttsd.data.corpus import Utterance
from ttsd.teachers.base import Teacher
from ttsd.teachers.load import load_teacher
from ttsd.transcripts.markdown import find_guides
from ttsd.transcripts.write import write_all

GUIDES = Path(__file__).with_name("study_guides")
PAUSE_S = 0.45
SECTION_PAUSE_S = 1.0
# Suffix, codec and sample format, as FFmpeg names them.
FORMATS = (
    (".mp3", "libmp3lame", "s16p"),
    (".m4a", "aac", "fltp"),
    (".flac", "flac", "s16"),
    (".ogg", "libopus", "s16"),
)


def read_aloud(utterances: Sequence[Utterance], teacher: Teacher) -> tuple[Waveform, int]:
    """Speak the sentences of a guide, but for the second one, and the fourth twice.

    Returns:
        The recording, float32 [n_samples], and its sample rate in Hz.
    """
    parts: list[Waveform] = []
    section, sample_rate = None, 0
    for number, utterance in enumerate(utterances):
        if number == 1:
            continue
        speech = teacher.speak(utterance.spoken, number)
        sample_rate = speech.sample_rate
        pause_s = PAUSE_S if utterance.source.get("section") == section else SECTION_PAUSE_S
        section = utterance.source.get("section")
        for _ in range(2 if number == 3 else 1):
            parts += [np.zeros(round(pause_s * sample_rate), np.float32), speech.wav]
    return np.concatenate([*parts, np.zeros(round(SECTION_PAUSE_S * sample_rate), np.float32)]), sample_rate


def write_text(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write what the narrator had before him, a paragraph of the guide a paragraph."""
    groups = groupby(utterances, key=lambda utterance: (utterance.source["section"], utterance.source["paragraph"]))
    path.write_text("\n\n".join(" ".join(u.transcript for u in group) for _, group in groups) + "\n", encoding="utf-8")


def write_recording(path: Path, wav: Waveform, sample_rate: int, codec: str, sample_format: str) -> None:
    """Encode a waveform, float32 [n_samples], with FFmpeg."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate, layout="mono", format=sample_format)
        frame = av.AudioFrame.from_ndarray(np.round(32767 * wav.clip(-1, 1)).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(sample_format, "mono", sample_rate, frame_size=stream.frame_size)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the recordings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("output"))
    parser.add_argument("--guides", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=30)
    options = parser.parse_args()
    if options.guides < 1 or options.sentences < 3:
        parser.error("take one guide or more, and three sentences or more")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{options.out}: cannot be written ({error.strerror}); name another folder with --out")
    config = load_config(None, ["generate.teacher=pico", "n_workers=1"])
    teacher = load_teacher(config)
    for number, guide in enumerate(find_guides(GUIDES)[: options.guides]):
        suffix, codec, sample_format = FORMATS[number % len(FORMATS)]
        folder = options.out / guide.stem
        folder.mkdir(parents=True, exist_ok=True)
        utterances = write_all([guide], guide.parent, config).utterances[: options.sentences]
        write_text(folder / f"{guide.stem}.txt", utterances)
        wav, sample_rate = read_aloud(utterances, teacher)
        write_recording(folder / f"{guide.stem}{suffix}", wav, sample_rate, codec, sample_format)
        print(f"{folder / guide.stem}{suffix}: {wav.size / sample_rate / 60:.1f} min")


if __name__ == "__main__":
    main()
