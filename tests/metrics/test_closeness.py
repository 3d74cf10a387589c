"""The score of a student in training: the teacher's own clips are the best there is, and each flaw moves its figure."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from ttsd.config import AsrConfig, AudioConfig
from ttsd.data.audio import read_wav
from ttsd.data.corpus import read_corpus
from ttsd.metrics.closeness import Judge, Reference


@pytest.fixture(scope="module")
def references(processed_corpus: Path) -> list[Reference]:
    corpus = read_corpus(processed_corpus)
    clips = [u for u in corpus.utterances if (u.duration_s or 0) > 2][:5]
    return [Reference(u.spoken, read_wav(corpus.clip_path(u))[0]) for u in clips]


@pytest.fixture(scope="module")
def judge(references: list[Reference]) -> Judge:
    return Judge(references, AudioConfig(), AsrConfig())


@pytest.fixture(scope="module")
def own(judge: Judge, references: list[Reference]) -> dict[str, float]:
    return judge.judge([reference.wav for reference in references])


def test_the_teacher_scores_only_how_its_voice_varies(own: dict[str, float]) -> None:
    assert own["mel"] == 0
    assert own["duration"] == 0
    assert own["cer"] == own["teacher_cer"] < 0.1
    assert own["score"] == pytest.approx(100 * (1 - own["similarity"]), abs=1e-3)
    assert own["score"] < 25


@pytest.mark.parametrize("flaw", ["noise", "slow", "words", "silence", "nothing"])
def test_each_flaw_moves_its_figure(
    judge: Judge, references: list[Reference], own: dict[str, float], flaw: str
) -> None:
    rng = np.random.default_rng(0)
    wavs = [reference.wav for reference in references]
    if flaw == "noise":
        wavs = [(wav + 0.01 * rng.standard_normal(wav.size)).astype(np.float32) for wav in wavs]
    elif flaw == "slow":
        wavs = [librosa.effects.time_stretch(wav, rate=1 / 1.3) for wav in wavs]
    elif flaw == "words":
        wavs = wavs[1:] + wavs[:1]
    elif flaw == "silence":
        wavs = [np.zeros_like(wav) for wav in wavs]
    else:
        wavs = [np.zeros(0, np.float32) for _ in wavs]
    told = judge.judge(wavs)
    assert np.isfinite(list(told.values())).all()
    assert told["score"] > own["score"] + 3
    if flaw == "slow":
        assert told["duration"] == pytest.approx(np.log(1.3), abs=0.02)
        assert told["cer"] < 0.15
    if flaw == "noise":
        assert told["mel"] > 0.3
        assert told["duration"] == 0
    if flaw == "words":
        assert told["cer"] > 0.6
        assert told["similarity"] > 0.8
    if flaw in ("silence", "nothing"):
        assert told["cer"] > 0.9
        assert told["similarity"] == 0


def test_scores_repeat(judge: Judge, references: list[Reference], own: dict[str, float]) -> None:
    assert judge.judge([reference.wav for reference in references]) == own


def test_a_judge_leaves_the_training_its_threads(references: list[Reference]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        # The recogniser's library would set those of the whole process to one.
        Judge(references, AudioConfig(), AsrConfig()).judge([reference.wav for reference in references])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
