"""Settings: what is laid over what, and how a mistake is answered."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ttsd.config import Config, load_config, setting_names
from ttsd.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def test_overrides_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train:\n  batch_size: 8\n  max_steps: 9\n")
    config = load_config(path, ["train.batch_size=16", "train.batch_size=32", "seed=3"])
    assert (config.train.batch_size, config.train.max_steps, config.seed) == (32, 9, 3)
    assert config.train.learning_rate == Config().train.learning_rate


def test_no_file_and_no_override_give_the_defaults() -> None:
    assert load_config() == Config()


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("train.learning_rate=1e-4", lambda config: config.train.learning_rate == 1e-4),
        ("train.betas=[0.5, 0.9]", lambda config: config.train.betas == (0.5, 0.9)),
        ("qc.max_cer=null", lambda config: config.qc.max_cer is None),
        ("qc.max_cer=", lambda config: config.qc.max_cer is None),
        ("paths.raw=a b/c", lambda config: config.paths.raw == Path("a b/c")),
        ("generate.piper.voice=voices/x.onnx", lambda config: config.generate.piper.voice == "voices/x.onnx"),
        ("preprocess.normalize_text=false", lambda config: config.preprocess.normalize_text is False),
    ],
)
def test_override_values_are_read_as_yaml(override: str, read: object) -> None:
    assert callable(read)
    assert read(load_config(overrides=[override]))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("qc.max_cre=0.1", "qc.max_cre: unknown setting; did you mean qc.max_cer?"),
        ("qc.sample_rate=16000", "did you mean audio.sample_rate?"),
        ("xyzzy=1", "configs/default.yaml lists them all"),
        ("qc.max_cer", "write it as section.key=value"),
        ("=1", "write it as section.key=value"),
        ("seed.x=1", "seed"),
        ("qc=1", "qc: "),
        ("audio.sample_rate=44100", "audio.sample_rate: "),
        ("train.batch_size=0", "train.batch_size: input should be greater than or equal to 1 (given: 0)"),
        ("train.batch_size=many", "train.batch_size: "),
        ("qc.max_cer=1.5", "qc.max_cer: input should be less than or equal to 1 (given: 1.5)"),
        ("audio.win_length=2048", "audio.win_length (2048) is above audio.n_fft (1024)"),
        ("split.test_fraction=0.99", "leave nothing to train on"),
        ("speaker=a|b", "speaker: "),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[override])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"qc\.max_cer: .*; train\.batch_size: "):
        load_config(overrides=["train.batch_size=0", "qc.max_cer=2"])


def test_a_value_is_no_section() -> None:
    with pytest.raises(ConfigError, match=r"qc\.max_cer is a value, not a section"):
        load_config(overrides=["qc.max_cer=0.1", "qc.max_cer.x=1"])


def test_settings_cannot_change_after_loading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_config().seed = 1  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    def missing(section: type, prefix: str = "") -> list[str]:
        names: list[str] = []
        for name, field in section.model_fields.items():  # type: ignore[attr-defined]
            if not field.description:
                names.append(prefix + name)
            if hasattr(field.annotation, "model_fields"):
                names += missing(field.annotation, f"{prefix}{name}.")
        return names

    assert missing(Config) == []
    assert "train.completion.max_steps" in setting_names()


def test_there_are_settings_files() -> None:
    assert {"default.yaml", "demo_cpu.yaml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_settings_file_loads(path: Path) -> None:
    config = load_config(path)
    assert (config == Config()) == (path.name == "default.yaml")


def test_a_mistake_is_blamed_on_whoever_made_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("train: {max_steps: 5}")
    with pytest.raises(ConfigError, match=r"^--set: train\.max_step: unknown setting"):
        load_config(path, ["train.max_step=3"])
    path.write_text("train: {max_step: 5}")
    with pytest.raises(ConfigError, match=r"mine\.yaml: train\.max_step: unknown setting"):
        load_config(path, ["train.batch_size=3"])
