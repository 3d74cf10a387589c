import json
import math
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from tests.provider.account import describe_models
from tests.provider.rendering import Beeper
from tests.provider.server import Provider
from tests.provider.wire import refusal
from ttsd.cli import app
from ttsd.config import load_config
from ttsd.data.corpus import read_corpus
from ttsd.errors import ConfigError, StageError, TranscriptError
from ttsd.stages import generate
from ttsd.stages.plan import CHARS_PER_S, plan_purchases
from ttsd.tables import plan_tables
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.recovery import HOLDERS_NAME
from ttsd.utils.locks import hold_file

GUIDES = {
    "a.md": "# Rivers\n\nRivers run to the sea. They carry sand with them.\n\n## Ice\n\nIce floats on water.\n",
    "b.md": "# Snow\n\nSnow melts in spring. Ice floats on water.\n",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "guides").mkdir()
    for name, text in GUIDES.items():
        (tmp_path / "guides" / name).write_text(text)
    return tmp_path / "guides"


@pytest.fixture
def provider(tmp_path, monkeypatch):
    monkeypatch.setenv("ELEVENLABS_API_KEY", "sk-test")
    with Provider(tmp_path / "provider", speaker=Beeper()) as provider:
        yield provider


def config(tmp_path, provider=None, *settings):
    url = [f"generate.elevenlabs.base_url={provider.url}"] if provider else []
    return load_config(
        None,
        [
            "generate.teacher=elevenlabs",
            "generate.elevenlabs.voice=joe",
            "generate.terms_acknowledged=true",
            f"paths.takes={tmp_path}/takes",
            "n_workers=1",
            *url,
            *settings,
        ],
    )


def facts_of(plan):
    return dict(plan_tables(plan)[-1][1])


def cell(plan, guide, column):
    header, rows = plan_tables(plan)[0]
    names = [name.strip() for name in header]
    return next(row for row in rows if row[0].strip() == guide)[names.index(column)].strip()


def test_a_plan_counts_what_there_is_to_buy_and_buys_and_leaves_nothing(tmp_path, folder, provider):
    plan = plan_purchases(folder, config(tmp_path, provider))
    rivers, snow = plan.guides
    assert (rivers.guide, rivers.sections, rivers.utterances, rivers.requests) == ("a.md", 2, 3, 2)
    assert rivers.credits == rivers.characters + 1, "the space between two sentences is paid as well"
    assert (snow.utterances, snow.bought, snow.repeated) == (2, 0, 1)
    assert snow.credits == len("Snow melts in spring."), "what is said twice is bought once"
    assert plan.total.credits == rivers.credits + snow.credits
    assert plan.total.duration_s == pytest.approx(plan.total.characters / CHARS_PER_S, abs=0.01)
    assert (plan.facts.quota_left_credits, plan.facts.prices) == (10_000_000, "account")
    assert facts_of(plan)["quota left"] == "10,000,000 credits"
    assert provider.book.entries == []
    assert {request.method for request in provider.requests} == {"GET"}
    assert not (tmp_path / "takes").exists()


def test_the_price_is_that_of_the_model(tmp_path, folder, provider):
    plan = plan_purchases(folder, config(tmp_path, provider, "generate.elevenlabs.model=eleven_flash_v2_5"))
    full = plan_purchases(folder, config(tmp_path, provider))
    assert plan.total.credits == pytest.approx(full.total.credits / 2, abs=2)


def test_what_the_plan_names_is_what_generate_then_pays(tmp_path, folder, provider):
    settings = config(tmp_path, provider)
    plan = plan_purchases(folder, settings)
    generate.run(folder, tmp_path / "raw", settings)
    assert provider.book.credits == plan.total.credits
    assert len(provider.book.entries) == plan.total.requests
    after = plan_purchases(folder, settings)
    assert (after.total.bought, after.total.requests, after.total.credits) == (plan.total.utterances, 0, 0)
    assert (after.total.in_doubt, after.total.repeated) == (0, 0)
    assert after.facts.spent_credits == plan.total.credits
    assert facts_of(after)["spent so far"] == f"{plan.total.credits} credits"


def test_without_a_key_the_published_prices_are_used_and_what_is_not_known_is_said(tmp_path, folder, monkeypatch):
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    plan = plan_purchases(folder, config(tmp_path))
    assert plan.total.credits > 0
    assert facts_of(plan)["prices"].startswith("published ones of ")
    assert facts_of(plan)["quota left"] == "unknown (ELEVENLABS_API_KEY is not set)"
    assert plan.facts.quota_left_credits is None
    unknown = plan_purchases(folder, config(tmp_path, None, "generate.elevenlabs.model=eleven_v99"))
    assert unknown.total.credits is None
    assert cell(unknown, "total", "credits") == "unknown"


def test_a_second_take_is_priced_and_bought_once_and_is_another_one(tmp_path, folder, provider):
    first = config(tmp_path, provider, "split.test_fraction=0.5")
    second = config(tmp_path, provider, "split.test_fraction=0.5", "generate.take=2")
    plan = plan_purchases(folder, first, n_takes=2)
    held_out = sum(guide.utterances for guide in plan.guides if guide.take == 2)
    assert 0 < held_out < sum(guide.utterances for guide in plan.guides if guide.take == 1)
    assert cell(plan, "a.md, take 2", "sections") == str(plan.guides[2].sections)
    reports = [generate.run(folder, tmp_path / name, told) for name, told in (("raw", first), ("raw-take2", second))]
    assert provider.book.credits == plan.total.credits
    assert len(provider.book.entries) == plan.total.requests
    assert reports[1].n_out == held_out
    one, two = (read_corpus(tmp_path / name) for name in ("raw", "raw-take2"))
    places = {utterance.id: utterance.teacher["take"] for utterance in one.utterances}
    assert all(utterance.teacher["take"] != places[utterance.id] for utterance in two.utterances)
    after = plan_purchases(folder, first, n_takes=2)
    assert (after.total.bought, after.total.requests, after.total.credits) == (plan.total.utterances, 0, 0)


def test_what_is_in_doubt_is_listed_with_its_price(tmp_path, folder, provider):
    settings = config(tmp_path, provider)
    provider.inject("error_before")
    with pytest.raises(Exception, match="--rebuy-unknown"):
        generate.run(folder, tmp_path / "raw", settings)
    plan = plan_purchases(folder, settings)
    (doubt,) = plan.unknown
    assert doubt["credits"] == len(doubt["text"])
    assert doubt["reason"] == "the service answered 500"
    assert plan.total.credits == 0, "it is not sent again on its own"
    assert plan.total.in_doubt == plan.total.utterances - plan.total.bought > 0
    assert plan_tables(plan)[1][0][0] == "outcome unknown"
    assert plan.facts.in_doubt_credits == doubt["credits"]
    assert facts_of(plan)["in doubt"].endswith("first; --rebuy-unknown buys the rest")


def test_with_the_rebuying_of_doubts_the_plan_has_their_price(tmp_path, folder, provider):
    settings = config(tmp_path, provider)
    provider.inject("error_before")
    with pytest.raises(Exception, match="--rebuy-unknown"):
        generate.run(folder, tmp_path / "raw", settings)
    again = config(tmp_path, provider, "generate.elevenlabs.rebuy_unknown=true")
    plan = plan_purchases(folder, again)
    assert plan.total.credits == plan.unknown[0]["credits"] > 0
    assert (plan.total.requests, plan.facts.rebuys_doubts) == (1, True)
    assert facts_of(plan)["in doubt"].endswith("the rest is bought again, as planned above")
    n_before = provider.book.credits
    generate.run(folder, tmp_path / "raw", again)
    assert provider.book.credits == n_before + plan.total.credits


def test_every_guide_has_a_row_also_one_with_nothing_to_say(tmp_path, folder, provider):
    (folder / "aa.md").write_text("![A picture](a.png)\n")
    (folder / "c.md").write_bytes(b"\xff\xfe")
    plan = plan_purchases(folder, config(tmp_path, provider))
    assert [guide.guide for guide in plan.guides] == ["a.md", "aa.md", "b.md", "c.md"]
    assert [guide.utterances for guide in plan.guides] == [3, 0, 2, 0]
    assert cell(plan, "aa.md", "speech h:mm:ss") == "0:00:00"


def test_what_gemini_has_not_written_is_marked_as_an_estimate(tmp_path, folder, provider, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "g")
    by_gemini = (f"generate.gemini.base_url={provider.url}", f"paths.transcripts={tmp_path}/transcripts")
    settings = config(tmp_path, provider, "generate.transcripts=gemini", *by_gemini)
    generate.run(folder, tmp_path / "raw", settings)
    (folder / "b.md").write_text("# Hail\n\nHail is made of ice.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    plan = plan_purchases(folder, settings)
    assert [guide.sections_to_write for guide in plan.guides] == [0, 1]
    assert cell(plan, "a.md", "utterances") == "3"
    for name in ("b.md", "total"):
        assert all(cell(plan, name, column).startswith("~") for column in ("utterances", "credits", "speech h:mm:ss"))
    told = facts_of(plan)
    assert told["for Gemini to write"].startswith("1 section, about ")
    assert "tables and code" in told["~"]


@pytest.mark.parametrize(
    ("cap", "told"),
    [
        (1000, "1,000 credits"),
        (70, "70 credits: 20 are left, 1 short of this plan; raise --max-credits"),
        (50, "50 credits, all of them spent: nothing more is bought; raise --max-credits"),
        (10, "10 credits, all of them spent: nothing more is bought; raise --max-credits"),
    ],
)
def test_a_cap_that_the_plan_does_not_fit_under_is_told(cap, told, tmp_path, provider):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.md").write_text("# Rivers\n\nRivers run to the sea. They carry sand to you all.\n")
    generate.run(tmp_path / "few", tmp_path / "raw", config(tmp_path, provider))
    assert provider.book.credits == 50
    (tmp_path / "few" / "b.md").write_text("# Snow\n\nSnow melts in spring.\n")
    plan = plan_purchases(tmp_path / "few", config(tmp_path, provider, f"generate.elevenlabs.max_credits={cap}"))
    assert plan.facts.cap_credits == cap
    assert facts_of(plan)["cap"] == told


def test_a_file_in_the_place_of_a_folder_is_told_with_its_setting(tmp_path, folder, provider):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"paths\.takes: .*file is a file where the folder .*file/takes is needed"):
        plan_purchases(folder, config(tmp_path, provider, f"paths.takes={tmp_path}/file/takes"))
    settings = config(tmp_path, provider, "generate.transcripts=gemini", f"paths.transcripts={tmp_path}/file")
    with pytest.raises(TranscriptError, match=r"set paths\.transcripts to a folder"):
        plan_purchases(folder, settings)


def test_the_command_prints_the_plan_as_a_table_or_as_json(tmp_path, folder, provider):
    given = ["--teacher", "elevenlabs", "--plan", "--max-credits", "500"]
    sets = {
        "generate.elevenlabs.voice": "joe",
        "generate.elevenlabs.base_url": provider.url,
        "paths.takes": tmp_path / "t",
    }
    options = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    table = CliRunner().invoke(app, ["generate", str(folder), *given, *options])
    assert table.exit_code == 0, table.output
    lines = table.stdout.splitlines()
    assert lines[0].split() == [
        "guide", "sections", "utterances", "characters", "bought", "in", "doubt", "repeated", "requests", "credits",
        "speech", "h:mm:ss",
    ]  # fmt: skip
    assert next(line for line in lines if line.startswith("cap")).split() == ["cap", "500", "credits"]
    as_json = CliRunner().invoke(app, ["generate", str(folder), *given, *options, "--json"])
    plan = json.loads(as_json.stdout)
    assert [guide["guide"] for guide in plan["guides"]] == ["a.md", "b.md"]
    assert (plan["facts"]["cap_credits"], plan["facts"]["quota_left_credits"]) == (500, 10_000_000)
    assert plan["facts"]["spent_credits"] == 0


def test_a_folder_without_guides_is_one_line(tmp_path):
    (tmp_path / "guides").mkdir()
    with pytest.raises(StageError, match="holds no study guide"):
        plan_purchases(tmp_path / "guides", config(tmp_path))


class Restricted(Provider):
    """A provider whose key may speak and not read the account."""

    def answer(self, request, life):
        if request.path == "/v1/user/subscription":
            return refusal(401, "missing_permissions", "The API key you used is missing the permission user_read.")
        return super().answer(request, life)


def test_a_key_that_may_not_read_the_account_still_gives_the_accounts_prices(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("ELEVENLABS_API_KEY", "sk-test")
    with Restricted(tmp_path / "provider", speaker=Beeper()) as provider:
        plan = plan_purchases(folder, config(tmp_path, provider))
    assert facts_of(plan)["quota left"] == "unknown (the key may not read the account)"
    assert plan.facts.prices == "account"
    assert plan.total.credits > 0


def test_a_discount_of_the_account_lowers_the_price_and_every_request_is_rounded_up(
    tmp_path, folder, provider, monkeypatch
):
    full = plan_purchases(folder, config(tmp_path, provider))
    models = describe_models()
    for model in models:
        model["model_rates"] = {"character_cost_multiplier": 1.0, "cost_discount_multiplier": 0.3}
    monkeypatch.setattr("tests.provider.elevenlabs.describe_models", lambda: models)
    plan = plan_purchases(folder, config(tmp_path, provider))
    texts = ["Rivers run to the sea. They carry sand with them.", "Ice floats on water.", "Snow melts in spring."]
    assert plan.total.credits == sum(math.ceil(len(text) * 3 / 10) for text in texts) < full.total.credits


def test_takes_whose_ledger_was_lost_are_bought_in_the_plan_and_nothing_is_written(tmp_path, folder, provider):
    settings = config(tmp_path, provider)
    generate.run(folder, tmp_path / "raw", settings)
    for path in (tmp_path / "takes").glob("ledger.sqlite*"):
        path.unlink()
    before = sorted(path for path in (tmp_path / "takes").rglob("*"))
    plan = plan_purchases(folder, settings)
    assert (plan.total.bought, plan.total.requests, plan.total.credits) == (plan.total.utterances, 0, 0)
    assert plan.facts.spent_credits == provider.book.credits
    assert sorted(path for path in (tmp_path / "takes").rglob("*")) == before


def test_what_a_run_that_died_had_in_flight_is_in_doubt_and_what_a_living_one_has_is_not(tmp_path, folder, provider):
    settings = config(tmp_path, provider)
    generate.run(folder, tmp_path / "raw", settings)
    ledger = Ledger(tmp_path / "takes")
    order = {"request": {"text": "Who knows."}, "texts": ["Who knows."]}
    with hold_file(tmp_path / "takes" / HOLDERS_NAME / "alive"):
        for take, holder in (("t1", "dead"), ("t2", "alive")):
            ledger.reserve(take, order, [take], estimate=9, cap=None, holder=holder, now_unix=1.0)
        (doubt,) = plan_purchases(folder, settings).unknown
    ledger.close()
    assert (doubt["take"], doubt["credits"], doubt["text"]) == ("t1", 9, "Who knows.")
    assert doubt["reason"] == "the run ended in the middle of the request"


def test_the_figures_of_the_guides_add_up_to_the_total(tmp_path, folder, provider):
    for name in ("c.md", "d.md"):
        (folder / name).write_text(f"# {name}\n\nThis is only said in {name[0]}. Snow melts in spring.\n")
    plan = plan_purchases(folder, config(tmp_path, provider))
    for column in fields(plan.total)[2:]:
        figures = [getattr(guide, column.name) for guide in plan.guides]
        assert getattr(plan.total, column.name) == pytest.approx(sum(figures)), column.name
    assert plan.total.requests == 5
