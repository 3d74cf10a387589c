import pickle
from pathlib import Path

import pytest

from ttsd.errors import ConfigError
from ttsd.utils.secrets import Secret, read_secret, redact


@pytest.fixture(autouse=True)
def _no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST_KEY", "SECOND_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("s3cret-value")
    assert secret.reveal() == "s3cret-value"
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {secret.__class__}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_the_environment_wins_over_the_file_and_the_first_name_over_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("# keys\nexport FIRST_KEY='one'\nSECOND_KEY=two # mine\n")
    assert read_secret("FIRST_KEY", "SECOND_KEY").reveal() == "one"
    assert read_secret("SECOND_KEY").reveal() == "two"
    monkeypatch.setenv("SECOND_KEY", " three\n")
    assert read_secret("FIRST_KEY", "SECOND_KEY").reveal() == "three"
    monkeypatch.setenv("FIRST_KEY", "four")
    assert read_secret("FIRST_KEY", "SECOND_KEY").reveal() == "four"


def test_a_missing_key_is_one_line_that_names_it_and_the_cure() -> None:
    with pytest.raises(
        ConfigError, match=r"FIRST_KEY \(or SECOND_KEY\) is not set; export it, or write .* \.env"
    ) as info:
        read_secret("FIRST_KEY", "SECOND_KEY")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("value", ["s3cret value", "s3cret\tvalue", "s3cret–value"])
def test_a_value_that_no_header_can_carry_is_refused_without_showing_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST_KEY", value)
    with pytest.raises(ConfigError, match="FIRST_KEY in the environment holds spaces or") as info:
        read_secret("FIRST_KEY")
    assert "s3cret" not in str(info.value)


@pytest.mark.parametrize("data", [b"FIRST_KEY='s3cret\nA=1\n", b"\xff\xfes3cret"])
def test_a_file_that_cannot_be_parsed_stops_without_echoing_it(
    tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/\.env:") as info:
        read_secret("FIRST_KEY")
    shown = [str(info.value), str(info.value.__context__), caplog.text, *capfd.readouterr()]
    assert not any("s3cret" in text for text in shown)


def test_where_the_file_is_looked_for_is_named_and_a_folder_of_its_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"into a file \.env in {tmp_path}, the working directory$"):
        read_secret("FIRST_KEY")
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError, match=rf"is not set; export it; {tmp_path}/\.env is a folder and holds no key$"):
        read_secret("FIRST_KEY")


def test_secrets_are_taken_out_of_other_peoples_messages() -> None:
    assert redact("key=abc, again abc; xyz", Secret("abc"), Secret("xyz"), Secret("")) == "key=***, again ***; ***"
