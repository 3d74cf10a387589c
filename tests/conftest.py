"""A tiny real corpus, built once by the stages themselves: Pico speaks, no key and no GPU."""

from pathlib import Path

import pytest

from ttsd.config import Config, load_config
from ttsd.stages import generate, preprocess, qc

GUIDES = {
    "cells.md": (
        "# Cells\n\n"
        "Every living thing is made of cells. A cell keeps its inside apart from the world.\n\n"
        "## Energy\n\n"
        "Plants turn the light of the sun into sugar. Animals eat that sugar to stay alive.\n\n"
        "## Growth\n\n"
        "A cell divides in two when it has grown enough. Both halves carry the same instructions.\n"
    ),
    "nested/water.md": (
        "# Water\n\n"
        "Water boils at one hundred degrees on the coast. High in the mountains it boils much sooner.\n\n"
        "## Ice\n\n"
        "Ice floats because it is lighter than water. Rivers therefore freeze from the top down.\n\n"
        "## Rain\n\n"
        "Warm air carries more water than cold air does. Clouds form where the warm air rises and cools.\n"
    ),
}


@pytest.fixture(scope="session")
def corpus_config() -> Config:
    """The settings of the tiny corpus: Pico, one process, no DNSMOS."""
    return load_config(
        None,
        [
            "generate.teacher=pico",
            "n_workers=1",
            "qc.min_dnsmos=null",
            "split.test_fraction=0.157",
            "split.val_fraction=0.05",
        ],
    )


@pytest.fixture(scope="session")
def guides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two study guides: six sections, twelve sentences."""
    folder = tmp_path_factory.mktemp("guides")
    for name, text in GUIDES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same two guides, each with the recording of a narrator who skips its last sentence."""
    import soundfile

    from tests.narration import Narrator, Read, sentences_of

    folder = tmp_path_factory.mktemp("recordings")
    for name, text in GUIDES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        sentences = sentences_of(folder / name)[:-1]
        narration = Narrator("pico").narrate([Read(sentence) for sentence in sentences])
        soundfile.write((folder / name).with_suffix(".flac"), narration.wav, narration.sample_rate)
    return folder


@pytest.fixture(scope="session")
def raw_corpus(tmp_path_factory: pytest.TempPathFactory, guides: Path, corpus_config: Config) -> Path:
    """What `generate` wrote: 16 kHz; tests read it and never write there."""
    folder = tmp_path_factory.mktemp("corpus") / "raw"
    generate.run(guides, folder, corpus_config)
    return folder


@pytest.fixture(scope="session")
def processed_corpus(raw_corpus: Path, corpus_config: Config) -> Path:
    """What `preprocess` wrote: 22050 Hz, phonemes, splits."""
    folder = raw_corpus.parent / "processed"
    preprocess.run(raw_corpus, folder, corpus_config)
    return folder


@pytest.fixture(scope="session")
def curated_corpus(processed_corpus: Path, corpus_config: Config) -> Path:
    """What `qc` wrote; all three splits hold an utterance."""
    folder = processed_corpus.parent / "curated"
    qc.run(processed_corpus, folder, corpus_config)
    return folder


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that speaks as joe does."""
    from ttsd.training.checkpoint import save_checkpoint
    from ttsd.training.start import load_start

    start = load_start(Config())
    assert start.voice is not None
    path = tmp_path_factory.mktemp("voice") / "joe.ckpt"
    save_checkpoint(path, start.voice_config, start.symbols, start.voice.state_dict())
    return path


@pytest.fixture(scope="session")
def evaluation(processed_corpus: Path, voice: Path, corpus_config: Config) -> Path:
    """What `evaluate` wrote of six sentences and one student."""
    from ttsd.stages import evaluate

    settings = {"ckpt": (voice,), "split": "all", "max_utterances": 6, "n_bootstrap": 100, "speed_sentences": 1}
    told = corpus_config.evaluate.model_copy(update=settings)
    folder = processed_corpus.parent / "evaluation"
    evaluate.run(processed_corpus, folder, corpus_config.model_copy(update={"evaluate": told}))
    return folder


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file of four lines, one of them with nothing to say."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("Rain falls.\n\nIt costs $5 or so.\n***\nRivers carry it back.\n", encoding="utf-8")
    return path
