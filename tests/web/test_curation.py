"""The page of `qc`, in a real browser: it loads, sorts, filters, plays, draws, and says nothing untrue."""

import json
import shutil

import pytest
import soundfile

from tests.web.browser import open_browser, open_page
from ttsd.config import AudioConfig, load_config
from ttsd.data.corpus import read_corpus
from ttsd.data.limits import thresholds
from ttsd.stages import qc
from ttsd.web.curation import write_page

EVIL = "</script><script>window.hacked = 1</script> & <b>\"Größe\" 'ваш' 語</b>"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as started:
        yield started


@pytest.fixture(scope="module")
def curated(processed_corpus, tmp_path_factory):
    """Twelve clips: one beside zero, one cut off, one unreadable; the rest is kept."""
    root = tmp_path_factory.mktemp("curated")
    shutil.copytree(processed_corpus, root / "processed")
    for name in ("report.json", "stage.json"):
        (root / "processed" / name).unlink()
    clips = [read_corpus(root / "processed").clip_path(u) for u in read_corpus(root / "processed").utterances]
    for clip, change in ((clips[1], lambda wav: wav * 0.9 + 0.03), (clips[2], lambda wav: wav[: wav.size // 2])):
        wav, rate = soundfile.read(clip)
        soundfile.write(clip, change(wav), rate, subtype="PCM_16")
    clips[3].write_bytes(b"RIFF")
    config = load_config(None, ["n_workers=1", "qc.min_dnsmos=null"])
    report = qc.run(root / "processed", root / "out", config)
    assert report.dropped.keys() >= {"dc_offset", "unreadable_clip"}
    assert report.n_dropped == 3
    return root / "out"


def ids(page):
    return page.eval_on_selector_all(".row", "rows => rows.map(row => row.dataset.id)")


def test_it_opens_on_what_was_dropped_and_filters_and_sorts(browser, curated):
    scores = [json.loads(line) for line in (curated / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    dropped = [score["id"] for score in scores if score["verdict"] == "drop"]
    with open_page(browser, curated / "report.html") as page:
        assert page.title() == "Quality control: 9 of 12 clips kept"
        assert ids(page) == dropped
        page.select_option("#verdict", "")
        assert ids(page) == [score["id"] for score in scores]
        assert page.inner_text("#count") == "12 of 12 clips"
        page.click(".head button[data-key=duration]")
        durations = [(s["duration_s"] is None, s["duration_s"] or 0, n, s["id"]) for n, s in enumerate(scores)]
        assert ids(page) == [entry[-1] for entry in sorted(durations)]
        page.click(".head button[data-key=duration]")
        assert ids(page) == [e[-1] for e in sorted(durations, key=lambda e: (e[0], -e[1], e[2]))]
        page.fill("#search", "WATER boils")
        assert 0 < len(ids(page)) < 3
        page.click("#clear")
        page.click("#reasons button[data-reason=dc_offset]")
        assert ids(page) == [score["id"] for score in scores if score["reason"] == "dc_offset"]
        page.click("#reasons button[data-reason=dc_offset]")
        page.click("#clear")
        page.locator("figure[data-figure=dc] rect.out").first.click()
        assert ids(page) == [score["id"] for score in scores if score["figures"].get("dc", 0) > 0.005]


def test_a_dropped_clip_is_heard_and_seen(browser, curated):
    with open_page(browser, curated / "report.html") as page:
        page.click("#reasons button[data-reason=dc_offset]")
        page.click(".row")
        page.wait_for_selector("canvas[data-drawn]")
        shades = page.evaluate(
            "() => { const c = document.querySelector('#detail canvas');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return new Set(Array.from({length: d.length / 4}, (_, i) => d[4 * i] >> 3)).size }"
        )
        assert shades > 12
        page.keyboard.press("Space")
        # Not wait_for_function: the page forbids the eval that it needs.
        for _ in range(50):
            if page.evaluate("document.querySelector('#detail audio').currentTime") > 0.2:
                break
            page.wait_for_timeout(100)
        else:
            pytest.fail("the clip does not play")
        assert page.evaluate("document.querySelector('#detail audio').duration") > 1
        assert "dc offset" in page.inner_text("#detail")
        assert "0.03" in page.locator("#detail dd.bad").first.inner_text()


def test_keys_choose_and_decide(browser, curated):
    with open_page(browser, curated / "report.html") as page:
        first, second = ids(page)[:2]
        page.keyboard.press("j")
        assert page.inner_text("#detail h3") == first
        page.keyboard.press("y")
        page.keyboard.press("j")
        page.keyboard.press("y")
        assert page.input_value("#lines") == f"keep {first}\nkeep {second}"
        page.keyboard.press("k")
        page.keyboard.press("x")
        assert page.input_value("#lines") == f"keep {second}"


def test_a_clip_that_cannot_be_read_has_no_player_and_says_so(browser, curated):
    with open_page(browser, curated / "report.html", viewport={"width": 390, "height": 844}) as page:
        page.click("#reasons button[data-reason=unreadable_clip]")
        page.click(".row")
        assert page.locator("#detail audio").count() == 0
        assert "No sound to play" in page.inner_text("#detail")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_words_that_differ_are_marked(browser, curated):
    with open_page(browser, curated / "report.html", color_scheme="dark") as page:
        cut = page.evaluate("rows.findIndex(row => !row.kept && row.heard && row.heard.length < row.text.length - 8)")
        assert cut >= 0
        page.evaluate(f"choose(rows[{cut}])")
        assert page.locator("#detail del").count() >= 2


def row(number, **changes):
    return {
        "id": f"u{number:05d}", "verdict": "keep", "reason": None, "value": None, "overruled": None,
        "text": f"Sentence {number}.", "transcript": f"Sentence {number}.", "duration_s": 3.0 + number % 7,
        "clip": f"wavs/u{number:05d}.wav", "figures": {"duration_s": 3.0 + number % 7, "cer": 0.01 * (number % 9)},
        "heard": f"Sentence {number}.", "results": {"too_short": "pass"},
    } | changes  # fmt: skip


def write(path, rows, **options):
    bounds = thresholds(load_config(None, []).qc)
    write_page(path, rows, bounds, path.parent, AudioConfig(), unmeasured={"cer": 2}, link_root="corpus", **options)


def test_twenty_thousand_clips_are_a_page_of_a_few_rows(browser, tmp_path):
    write(tmp_path / "page.html", [row(number) for number in range(20_000)])
    assert (tmp_path / "page.html").stat().st_size < 8_000_000
    with open_page(browser, tmp_path / "page.html") as page:
        assert page.inner_text("#count") == "20,000 of 20,000 clips"
        assert page.locator(".row").count() < 60
        page.evaluate("document.querySelector('#view').scrollTop = 1e9")
        page.wait_for_selector(".row[data-id=u19999]")
        page.fill("#search", "u1234")
        assert page.inner_text("#count") == "10 of 20,000 clips"


def test_nothing_in_a_text_reaches_the_page_as_code(browser, tmp_path):
    write(tmp_path / "page.html", [row(1, text=EVIL, transcript=EVIL, heard=EVIL), row(2)])
    with open_page(browser, tmp_path / "page.html") as page:
        page.click(".row")
        assert page.evaluate("window.hacked") is None
        assert EVIL.split()[-1] in page.inner_text("#detail")
        assert page.locator("#detail b").count() == 0


def test_what_does_not_fit_is_played_from_its_file_and_the_page_says_so(processed_corpus, tmp_path, browser):
    corpus = read_corpus(processed_corpus)
    rows = [
        row(n, id=u.id, clip=corpus.clips[u.id], verdict="drop", reason="noisy" if n < 11 else "clipped", value="1 dB")
        for n, u in enumerate(corpus.utterances)
    ]
    shutil.copytree(processed_corpus / "wavs", tmp_path / "wavs")
    write(tmp_path / "page.html", rows, budget_bytes=40_000)
    with open_page(browser, tmp_path / "page.html") as page:
        assert "did not fit into this page" in page.inner_text("main")
        inside = page.evaluate("Object.keys(sounds).length")
        assert 1 <= inside < 12
        # Each reason has its turn.
        assert page.evaluate("Object.keys(sounds)").count(rows[11]["id"]) == 1
        page.evaluate("choose(rows[10])")
        assert page.get_attribute("#detail audio", "src").startswith("corpus/wavs/")


def test_the_same_scores_give_the_same_bytes(curated, tmp_path):
    rows = [json.loads(line) for line in (curated / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("a", "b"):
        write_page(
            tmp_path / name, rows, {}, curated.parent / "processed", AudioConfig(), unmeasured={}, link_root=None
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_size > 100_000


def test_the_page_of_an_empty_choice_has_no_bars(browser, tmp_path):
    write(tmp_path / "page.html", [row(1, verdict="drop", reason="noisy", value="", figures={}, heard=None)])
    with open_page(browser, tmp_path / "page.html") as page:
        assert page.locator("figure").count() == 0
        assert page.locator(".row").count() == 1
