import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from ttsd.config import Config, load_config
from ttsd.errors import ConfigError, ProviderError, TranscriptError
from ttsd.transcripts import asking, gemini, write
from ttsd.transcripts.markdown import find_guides
from ttsd.transcripts.write import Written, write_all

KEY = "AIza-not-to-be-seen"
GUIDES = {
    "cells.md": (
        "---\ntitle: Cells\n---\n\n# Cells\n\n"
        "Every living thing is made of 1 or more cells. A cell keeps its inside apart.\n\n"
        "## Energy\n\nPlants turn light into sugar. Animals eat that sugar.\n\n- It is sweet.\n- It is white.\n\n"
        "## Notes\n\n<!-- nothing here -->\n"
    ),
    "nested/water.md": (
        "# Water\n\nWater boils at 100 °C. High in the mountains it boils sooner.\n\n"
        "## Ice\n\nIce floats on the water. Rivers freeze from the top down.\n\n"
        "## Code\n\n```python\nprint(1)\n```\n"
    ),
}


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(gemini, "FIRST_WAIT_S", 0.01)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", "bad-key")
    with Provider(tmp_path / "provider", speaker=Beeper(), hang_s=0.3) as provider:
        yield provider


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in GUIDES.items():
        (tmp_path / "guides" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "guides" / name).write_text(text, encoding="utf-8")
    return tmp_path / "guides"


def settings(root: Path, provider: Provider | None = None, *others: str) -> Config:
    address = [f"generate.gemini.base_url={provider.url}"] if provider else []
    folder = f"paths.transcripts={root.parent / 'transcripts'}"
    return load_config(
        None, ["generate.transcripts=gemini", folder, "generate.gemini.requests_per_min=60000", *address, *others]
    )


def run(root: Path, provider: Provider | None = None, *others: str, **options: Any) -> Written:
    return write_all(find_guides(root), root, settings(root, provider, *others), **options)


def files(root: Path) -> list[Path]:
    return sorted((root.parent / "transcripts").rglob("*.txt"))


def test_every_section_becomes_utterances_that_say_where_they_come_from(root: Path, provider: Provider) -> None:
    told: list[tuple[int, int, str]] = []
    written = run(root, provider, progress=lambda *what: told.append(what))
    assert [(u.id, u.transcript) for u in written.utterances] == [
        ("0001_cells_001", "Every living thing is made of one or more cells."),
        ("0001_cells_002", "A cell keeps its inside apart."),
        ("0001_cells_003", "Plants turn light into sugar."),
        ("0001_cells_004", "Animals eat that sugar."),
        ("0001_cells_005", "It is sweet."),
        ("0001_cells_006", "It is white."),
        ("0002_water_001", "Water boils at one hundred degrees Celsius."),
        ("0002_water_002", "High in the mountains it boils sooner."),
        ("0002_water_003", "Ice floats on the water."),
        ("0002_water_004", "Rivers freeze from the top down."),
        ("0002_water_005", "Here is an example in code."),
    ]
    assert written.utterances[4].source == {
        "file": "cells.md",
        "heading": "Energy",
        "section": "cells.md#cells/energy",
        "span": [110, 205],
        "paragraph": 2,
        "transcript": {"writer": "gemini", "model": "gemini-3.8-flash", "prompt": "spoken_v1", "edited": False},
    }
    assert written.utterances[4].normalized_transcript == "It is sweet."
    assert written.n_guides == 2
    assert [(r.id, r.reason) for r in written.rejections] == [
        ("0001_cells_out001", "front_matter"),
        *((f"0001_cells_out{n:03d}", reason) for n, reason in ((2, "heading"), (3, "heading"), (4, "heading"))),
        ("0001_cells_out005", "html"),
        *((f"0002_water_out{n:03d}", "heading") for n in (1, 2, 3)),
    ]
    assert len(provider.gemini_calls) == len(files(root)) == 5
    assert [what for what in told if what[2] == "transcripts"][-1] == (5, 5, "transcripts")
    tokens = written.details.pop("tokens")
    assert tokens["input"] + tokens["output"] == provider.gemini_book.tokens
    assert written.details == {
        "writer": "gemini", "model": "gemini-3.8-flash", "prompt": "spoken_v1", "sections": 5, "from_cache": 0,
        "edited": 0, "failed": 0,
    }  # fmt: skip


def test_a_second_run_makes_no_call_and_gives_the_same_even_without_a_key(
    root: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(root, provider)
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("GOOGLE_API_KEY")
    again = run(root)
    assert (again.utterances, again.rejections) == (first.utterances, first.rejections)
    assert again.details["from_cache"] == 5
    assert again.details["tokens"] == first.details["tokens"]


def test_changing_one_section_makes_one_call_and_keeps_its_old_file(root: Path, provider: Provider) -> None:
    first = run(root, provider)
    path = root / "cells.md"
    path.write_text(path.read_text().replace("Animals eat that sugar.", "Animals need that sugar."))
    second = run(root, provider)
    assert len(provider.gemini_calls) == len(files(root)) == 6
    changed = [
        (old.transcript, new.transcript)
        for old, new in zip(first.utterances, second.utterances, strict=True)
        if old.transcript != new.transcript
    ]
    assert changed == [("Animals eat that sugar.", "Animals need that sugar.")]


def test_an_edited_file_changes_its_sentence_alone_and_makes_no_call(root: Path, provider: Provider) -> None:
    first = run(root, provider)
    (path,) = (path for path in files(root) if "energy" in path.name)
    path.write_text(path.read_text().replace("Animals eat that sugar.", "Animals live on 2 sugars."))
    second = run(root)
    changed = [u for old, u in zip(first.utterances, second.utterances, strict=True) if old != u]
    assert [(u.id, u.spoken, u.source["transcript"]["edited"]) for u in changed] == [
        ("0001_cells_004", "Animals live on two sugars.", True)
    ]
    assert second.details["edited"] == 1


def test_a_renamed_or_moved_guide_makes_no_call(root: Path, provider: Provider) -> None:
    first = run(root, provider)
    (root / "cells.md").rename(root / "nested" / "a.markdown")
    second = run(root)
    assert [u.transcript for u in second.utterances] == [u.transcript for u in first.utterances]
    assert second.utterances[0].source["file"] == "nested/a.markdown"


def test_sections_with_the_same_content_are_asked_for_once(root: Path, provider: Provider) -> None:
    shutil.copy(root / "cells.md", root / "copy.md")
    written = run(root, provider)
    assert len(provider.gemini_calls) == 5
    assert len(written.utterances) == 17
    assert written.details["sections"] == 7


def test_a_section_that_cannot_be_written_is_left_out_by_its_reason_and_asked_again_next_time(
    root: Path, provider: Provider
) -> None:
    provider.inject("gemini_safety", times=2, after=1)
    written = run(root, provider, "generate.gemini.n_concurrent=1")
    (left_out,) = (r for r in written.rejections if r.reason == "transcript_safety")
    assert left_out.value == "Energy: the answer was stopped (SAFETY)"
    assert written.details["failed"] == 1
    assert len(files(root)) == 4
    assert "Plants turn light into sugar." not in {u.transcript for u in written.utterances}
    n_calls = len(provider.gemini_calls)
    assert len(run(root, provider).utterances) == 11
    assert len(provider.gemini_calls) == n_calls + 1


def test_the_limit_on_utterances_is_a_limit_on_requests_and_the_cache_changes_nothing(
    root: Path, provider: Provider
) -> None:
    first = run(root, provider, "generate.max_utterances=3")
    assert [u.id for u in first.utterances] == ["0001_cells_001", "0001_cells_002", "0001_cells_003"]
    assert len(provider.gemini_calls) == 2
    everything = run(root, provider)
    again = run(root, provider, "generate.max_utterances=3")
    assert (again.utterances, again.rejections, again.n_guides) == (first.utterances, first.rejections, 1)
    assert again.details["sections"] == first.details["sections"] == 2
    assert len(provider.gemini_calls) == 5
    assert len(run(root, None, "generate.max_utterances=9").utterances) == 9
    assert run(root, None, "generate.max_utterances=11").utterances == everything.utterances


def test_a_plan_asks_nobody_and_needs_no_key(root: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    run(root, provider, "generate.max_utterances=3")
    before = len(provider.requests)
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("GOOGLE_API_KEY")
    plan = run(root, provider, offline=True)
    assert len(provider.requests) == before
    assert (plan.details["sections"], plan.details["from_cache"], plan.details["sections_to_write"]) == (5, 2, 3)
    assert 1000 < plan.details["estimated_tokens"] < 10_000
    assert "Rivers freeze from the top down." in {u.transcript for u in plan.utterances}
    assert "transcript" in plan.utterances[0].source
    assert "transcript" not in plan.utterances[-1].source


def test_without_a_key_nothing_is_asked_and_the_variable_is_named(
    root: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("GOOGLE_API_KEY")
    with pytest.raises(ConfigError, match=r"GEMINI_API_KEY \(or GOOGLE_API_KEY\) is not set"):
        run(root, provider)
    assert not provider.requests


def test_a_damaged_transcript_stops_the_run_before_anything_is_paid(root: Path, provider: Provider) -> None:
    run(root, provider)
    files(root)[0].write_text("no front matter")
    (root / "new.md").write_text("Something new is here to be written.")
    with pytest.raises(TranscriptError, match="the first line is not ---"):
        run(root, provider)
    assert len(provider.gemini_calls) == 5


def test_a_quota_of_the_day_stops_the_run_and_the_next_one_goes_on(root: Path, provider: Provider) -> None:
    provider.inject("gemini_quota_day", times=100, after=2)
    with pytest.raises(ProviderError, match="quota for today"):
        run(root, provider, "generate.gemini.n_concurrent=1")
    assert len(files(root)) == 2
    assert len(provider.gemini_calls) == 3
    with Provider(root.parent / "tomorrow", speaker=Beeper()) as tomorrow:
        assert len(run(root, tomorrow).utterances) == 11
        assert len(tomorrow.gemini_calls) == 3


def test_a_service_that_fails_for_section_after_section_stops_the_run(
    root: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_MOST_IN_A_ROW", 3)
    provider.inject("gemini_500", times=1000)
    with pytest.raises(ProviderError, match=r"failed for 3 sections in a row \(500 INTERNAL.*check the connection"):
        run(root, provider, "generate.gemini.n_concurrent=1")


def test_the_key_is_in_no_file(root: Path, provider: Provider) -> None:
    written = run(root, provider)
    kept = [path for path in root.parent.rglob("*") if path.is_file() and "provider" not in path.parts]
    assert len(kept) == 7
    assert all(KEY.encode() not in path.read_bytes() for path in kept)
    assert KEY not in repr(written)


def test_a_transcript_whose_text_was_taken_out_is_listed(root: Path, provider: Provider) -> None:
    first = run(root, provider)
    path = files(root)[0]
    path.write_text(path.read_text().rpartition("---\n")[0] + "---\n")
    again = run(root, provider)
    assert len(again.utterances) < len(first.utterances)
    assert [r.reason for r in again.rejections if r.reason not in {x.reason for x in first.rejections}] == [
        "transcript_emptied"
    ]


def test_where_transcripts_cannot_be_kept_nothing_is_asked(root: Path, provider: Provider) -> None:
    (root.parent / "transcripts").write_text("a file")
    with pytest.raises(TranscriptError, match=r"transcripts: transcripts cannot be kept there .*paths\.transcripts"):
        run(root, provider)
    assert provider.gemini_calls == []


def test_an_interrupt_lets_the_sections_in_flight_be_kept_and_starts_no_other(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    for number in range(6):
        (root / f"more{number}.md").write_text(f"# More\n\nThis is guide {number} of those that follow.\n")
    with Provider(tmp_path / "provider", speaker=Beeper(), latency_s=1.5) as provider:

        def interrupt() -> None:
            while len(provider.requests) < 2:
                time.sleep(0.02)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        # A shell's background job ignores the signal, and hands that down.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt).start()
        try:
            with pytest.raises(KeyboardInterrupt):
                run(root, provider, "generate.gemini.n_concurrent=2")
        finally:
            signal.signal(signal.SIGINT, before)
        assert len(provider.gemini_calls) == len(files(root)) == 2


def test_a_killed_run_keeps_what_was_written_and_the_next_one_pays_for_the_rest_alone(
    root: Path, tmp_path: Path
) -> None:
    with Provider(tmp_path / "provider", speaker=Beeper(), latency_s=0.3) as provider:
        script = (
            "import sys; from pathlib import Path; from ttsd.config import load_config\n"
            "from ttsd.transcripts.markdown import find_guides; from ttsd.transcripts.write import write_all\n"
            "root = Path(sys.argv[1]); write_all(find_guides(root), root, load_config(None, sys.argv[2:]))\n"
        )
        overrides = [
            "generate.transcripts=gemini", f"generate.gemini.base_url={provider.url}", "generate.gemini.n_concurrent=1",
            f"paths.transcripts={tmp_path / 'transcripts'}",
        ]  # fmt: skip
        environment = os.environ | {"GEMINI_API_KEY": KEY}
        process = subprocess.Popen([sys.executable, "-c", script, str(root), *overrides], env=environment)
        while len(files(root)) < 2 and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait()
        n_kept = len(files(root))
        assert 2 <= n_kept < 5
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GEMINI_API_KEY", KEY)
            assert len(run(root, provider).utterances) == 11
        # The one that was in flight when the process died may be paid twice.
        assert len(provider.gemini_calls) in (5, 6)


@pytest.mark.parametrize("writer", ["verbatim", "gemini"])
def test_processes_and_one_process_give_the_same(
    root: Path, provider: Provider, writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "bad.md").write_bytes(b"\xff")
    alone = run(root, provider, f"generate.transcripts={writer}", "n_workers=1")
    monkeypatch.setattr(write, "_FEW_GUIDES", 1)
    side_by_side = run(root, provider, f"generate.transcripts={writer}", "n_workers=2")
    assert side_by_side.utterances == alone.utterances
    assert side_by_side.rejections == alone.rejections
    assert [r.reason for r in alone.rejections].count("unreadable_guide") == 1
    limited = run(root, provider, f"generate.transcripts={writer}", "n_workers=2", "generate.max_utterances=8")
    assert limited.utterances == alone.utterances[:8]


def test_word_for_word_nobody_is_asked_and_the_text_is_normalized_only_where_it_is_english(root: Path) -> None:
    written = run(root, None, "generate.transcripts=verbatim")
    assert written.details == {"writer": "verbatim"}
    assert written.utterances[0].transcript == "Every living thing is made of 1 or more cells."
    assert written.utterances[0].normalized_transcript == "Every living thing is made of one or more cells."
    for other in ("language=de", "preprocess.normalize_text=false"):
        assert run(root, None, "generate.transcripts=verbatim", other).utterances[0].normalized_transcript is None
    assert not files(root)
