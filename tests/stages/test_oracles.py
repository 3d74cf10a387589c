"""Students of which the truth is known: each moves the figure that it should, and leaves the others alone."""

import numpy as np
import pytest
import scipy.signal

from ttsd.config import PiperConfig, parse_config
from ttsd.data.audio import read_wav, write_wav
from ttsd.data.corpus import Utterance, read_corpus, write_corpus
from ttsd.metrics.catalogue import BY_KEY
from ttsd.stages.evaluate import run
from ttsd.teachers.piper import PiperTeacher

SENTENCES = (
    "The green plants turn the light of the sun into sugar.",
    "A river carries sand and small stones down to the sea.",
    "Warm water and a little yeast make the bread rise.",
    "My neighbour grows beans along her garden fence.",
    "The old farmer closed his gate before the first snow.",
    "We heard the rain on the roof of the wooden barn.",
    "The doctor speaks softly and listens to every word.",
    "Two black horses crossed the bridge at night.",
)


def low_pass(wav, rate):
    return scipy.signal.sosfiltfilt(scipy.signal.butter(10, 4000, fs=rate, output="sos"), wav)


def add_noise(wav, rate):
    del rate
    level = np.sqrt(np.mean(wav**2)) * 10 ** (-20 / 20)
    return wav + level * np.random.default_rng(0).standard_normal(wav.size)


CHANGES = {
    "same": lambda wav, _: wav,
    "louder": lambda wav, _: wav * 10 ** (3 / 20),
    "muffled": low_pass,
    "cut": lambda wav, _: wav[: round(0.55 * wav.size)],
    "noisy": add_noise,
}
"""What is done to the teacher's clips."""
MOVED = {
    "louder": {"loudness_lufs"},
    "muffled": {"bandwidth_hz"},
    "faster": {"duration_ratio"},
    "cut": {"wer", "cer", "failures", "duration_ratio", "pace_ratio"},
    "noisy": {"dnsmos", "distillmos"},
    "shuffled": {"wer", "cer"},
}
"""What must move by more than does not matter."""
STILL = {
    "louder": set(BY_KEY) - {"loudness_lufs", "f0_correlation"},
    "muffled": {"wer", "cer", "failures", "duration_ratio", "pace_ratio", "pause_s", "loudness_lufs"},
    "faster": {"wer", "cer", "failures", "similarity", "dnsmos", "loudness_lufs", "bandwidth_hz", "clipped"},
    "cut": {"clipped", "bandwidth_hz"},
    "noisy": {"duration_ratio", "failures", "clipped", "loudness_lufs"},
    "shuffled": {"similarity", "dnsmos", "distillmos", "loudness_lufs", "bandwidth_hz", "clipped"},
}  # fmt: skip
"""What must not."""


def write(root, clips):
    for name, (wav, rate) in clips.items():
        write_wav(root / "wavs" / f"{name}.wav", np.clip(wav, -1, 1).astype(np.float32), rate)
    texts = dict(zip(clips, SENTENCES, strict=True))
    write_corpus(root, [Utterance(id=name, transcript=text, speaker="joe") for name, text in texts.items()])


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    root, voice = tmp_path_factory.mktemp("oracles"), PiperTeacher(PiperConfig())
    # Another tempo is the voice's own: what stretches a clip damages it as well. Whole frames make it some 1.1 times.
    quick = PiperTeacher(PiperConfig(length_scale=0.85))
    for take, speaker, seed in (("teacher", voice, 0), ("teacher-take2", voice, 100), ("faster", quick, 0)):
        speech = [speaker.speak(text, seed + number) for number, text in enumerate(SENTENCES)]
        # Quiet enough for every change to stay below full scale.
        write(root / take, {f"s{i}": (0.3 * one.wav, one.sample_rate) for i, one in enumerate(speech)})
    corpus = read_corpus(root / "teacher")
    clips = {u.id: read_wav(corpus.clip_path(u)) for u in corpus.utterances}
    for name, change in CHANGES.items():
        write(root / name, {key: (change(wav, rate), rate) for key, (wav, rate) in clips.items()})
    names = list(clips)
    write(root / "shuffled", {name: clips[names[i - 3]] for i, name in enumerate(names)})
    # The second take once more, as a student.
    second = read_corpus(root / "teacher-take2")
    write(root / "again", {u.id: read_wav(second.clip_path(u)) for u in second.utterances})
    students = [str(root / name) for name in (*CHANGES, "faster", "shuffled", "again")]
    config = parse_config({"n_workers": 2, "evaluate": {"split": "all", "n_bootstrap": 2000, "ckpt": students}}, "test")
    return run(root / "teacher", root / "out", config).details["metrics"]


def has_moved(metrics, name, key):
    """Whether a difference is beyond what does not matter, with its whole interval."""
    entry = metrics[key]["systems"][name]
    return min(abs(entry["lo"]), abs(entry["hi"])) > BY_KEY[key].margin and entry["lo"] * entry["hi"] > 0


def is_still(metrics, name, key):
    entry = metrics[key]["systems"][name]
    nothing_shown = entry["lo"] <= 0 <= entry["hi"]
    # A distance is held against the second take's: whoever is nearer has not moved away.
    is_nearer = BY_KEY[key].kind == "distance" and entry["delta"] < 0
    return nothing_shown or abs(entry["delta"]) <= BY_KEY[key].margin or is_nearer


def test_the_teacher_itself_is_no_distance_away_and_differs_in_nothing(metrics):
    for key, metric in metrics.items():
        entry = metric["systems"]["same"]
        if BY_KEY[key].kind == "distance":
            assert entry["value"] == (1 if key == "f0_correlation" else 0), key
        else:
            assert (entry["delta"], entry["lo"], entry["hi"]) == (0, 0, 0), key


def test_a_copy_three_decibels_louder_is_three_units_louder_and_nothing_else(metrics):
    assert metrics["loudness_lufs"]["systems"]["louder"]["delta"] == pytest.approx(3, abs=0.01)
    # Of the rounding to 16 bits, where it makes a frame voiced or not, something is left.
    assert metrics["mcd_db"]["systems"]["louder"]["ratio"] < 0.05


@pytest.mark.parametrize("name", MOVED)
def test_each_change_moves_its_own_figures(metrics, name):
    assert {key: has_moved(metrics, name, key) for key in MOVED[name]} == dict.fromkeys(MOVED[name], True)


@pytest.mark.parametrize("name", STILL)
def test_each_change_leaves_the_others_alone(metrics, name):
    assert {key: is_still(metrics, name, key) for key in STILL[name]} == dict.fromkeys(STILL[name], True)


def test_a_second_take_is_as_far_as_the_second_take(metrics):
    for key in ("mcd_db", "f0_rmse_cents", "voicing_error"):
        assert metrics[key]["systems"]["again"]["ratio"] == 1
    assert 0.85 < metrics["duration_ratio"]["systems"]["faster"]["value"] < 0.95
    # What is done to a clip moves it away from itself, and other words are farther than another reading of the same.
    distances = {
        name: metrics["mcd_db"]["systems"][name]["ratio"] for name in ("louder", "faster", "noisy", "shuffled")
    }
    assert distances["louder"] < distances["faster"] < distances["shuffled"]
    assert distances["shuffled"] > 1.3
    assert distances["noisy"] > 0.5
