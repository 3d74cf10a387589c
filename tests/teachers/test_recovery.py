"""What is unknown is found on the disk or in the history, and belongs to one purchase."""

import fcntl
import json
import math
import os

import pytest

from tests.provider.rendering import contain
from ttsd.data.cutting import CharacterTimes
from ttsd.teachers.elevenlabs import HistoryItem
from ttsd.teachers.ledger import Ledger
from ttsd.teachers.passages import sentence_key, take_key
from ttsd.teachers.recovery import HOLDERS_NAME, close_orphans, enter_takes, recover_takes
from ttsd.teachers.takes import Take, TakeStore, hash_audio
from ttsd.utils import locks
from ttsd.utils.locks import hold_file, is_held

RATE = 16000
AUDIO = contain(bytes(2 * RATE), f"wav_{RATE}")
NOW = 1_800_000_000


def request(text="Rain falls.", **more):
    settings = {"stability": 0.35, "use_speaker_boost": True}
    return {"voice_id": "joe", "model_id": "m", "output_format": f"wav_{RATE}", "voice_settings": settings,
            "text": text, **more}  # fmt: skip


def times(text):
    starts = tuple(place / 20 for place in range(len(text) + 1))
    return CharacterTimes(tuple(text), starts[:-1], starts[1:])


def take_of(asked, **changes):
    text = asked["text"]
    values = {
        "key": take_key(asked), "request": asked, "texts": (text,), "times": times(text), "credits": len(text),
        "request_id": None, "history_id": None, "bought_unix": NOW, "is_recovered": False, "is_lossy": False,
        "sha256": hash_audio(AUDIO),
    }  # fmt: skip
    return Take(**(values | changes))


def item_of(name, asked, **changes):
    values = {
        "id": name, "request_id": f"r-{name}", "text": asked["text"], "date_unix": NOW,
        "settings": dict(asked["voice_settings"]), "output_format": asked["output_format"],
        "times": times(asked["text"]), "credits": len(asked["text"]),
    }  # fmt: skip
    return HistoryItem(**(values | changes))


class History:
    """The service's history, as far as recovery asks for it."""

    def __init__(self, items=(), audio=None, on_list=lambda: None, on_fetch=lambda: None):
        self.items, self.audio, self.on_list, self.on_fetch = list(items), audio or {}, on_list, on_fetch
        self.fetched = []

    def read_history(self, since_unix):
        self.on_list()
        return iter([item for item in self.items if item.date_unix >= since_unix])

    def fetch_audio(self, history_id):
        self.on_fetch()
        self.fetched.append(history_id)
        return self.audio.get(history_id, AUDIO)


@pytest.fixture
def store(tmp_path):
    return TakeStore(tmp_path)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def reserve(ledger, asked, holder="dead", now_unix=NOW):
    key = take_key(asked)
    order = {"request": asked, "texts": [asked["text"]]}
    keys = [sentence_key(asked, asked["text"])]
    told = ledger.reserve(key, order, keys, estimate=20, cap=None, holder=holder, now_unix=now_unix)
    assert told == "reserved"
    return key


def make_unknown(ledger, asked, **ids):
    key = reserve(ledger, asked)
    ledger.doubt(key, "no answer in time", **ids)
    return key


def recover(ledger, store, history):
    return recover_takes(ledger, store, history, ledger.purchases("unknown"))


def state_of(ledger, key):
    return ledger.find_purchases([key])[key].state


def test_only_whole_takes_under_their_own_name_are_entered(ledger, store, tmp_path):
    whole, damaged, renamed, retold = (request(f"Text {number}.") for number in range(4))
    for asked in (whole, damaged, renamed, retold):
        store.write(take_of(asked), AUDIO)
    path = tmp_path / take_key(damaged)[:2] / f"{take_key(damaged)}.wav"
    path.write_bytes(AUDIO[:-2])
    other = "ab" + take_key(renamed)[2:-1] + "0"
    (tmp_path / "ab").mkdir(exist_ok=True)
    for suffix in (".json", ".wav"):
        (tmp_path / take_key(renamed)[:2] / f"{take_key(renamed)}{suffix}").rename(tmp_path / "ab" / f"{other}{suffix}")
    path = tmp_path / take_key(retold)[:2] / f"{take_key(retold)}.json"
    path.write_text(path.read_text().replace('"texts": ["Text 3."]', '"texts": ["Something else."]'))
    assert enter_takes(ledger, store) == 2
    assert store.read(other) is None
    assert [purchase.take for purchase in ledger.purchases("paid")] == [take_key(whole)]
    (doubt,) = ledger.purchases("unknown")
    assert (doubt.take, doubt.reason) == (take_key(damaged), "its audio on the disk is gone or damaged")
    assert enter_takes(ledger, store) == 0


@pytest.mark.parametrize("record", ["5", "null", '"text"', "[]", "{}", "{", '{"times": null, "texts": 3}', "\ud800"])
def test_a_record_that_is_no_record_is_a_missing_take_and_not_a_crash(record, ledger, store, tmp_path):
    store.write(take_of(request()), AUDIO)
    (path,) = tmp_path.glob("??/*.json")
    path.write_bytes(record.encode("utf-8", "surrogatepass"))
    assert enter_takes(ledger, store) == 0
    assert store.read(path.stem) is None


def test_two_takes_that_claim_the_same_item_of_the_history_block_nothing(ledger, store):
    for number in range(2):
        store.write(take_of(request(seed=number), history_id="h1"), AUDIO)
    assert enter_takes(ledger, store) == 2
    assert sorted(str(purchase.history_id) for purchase in ledger.purchases("paid")) == ["None", "h1"]


def test_a_damaged_take_that_was_given_up_is_not_entered_again(ledger, store, tmp_path):
    key = reserve(ledger, request())
    store.write(take_of(request(), history_id="h1"), AUDIO)
    ledger.settle(key, credits=11, history_id="h1")
    (path,) = tmp_path.glob("??/*.wav")
    path.write_bytes(b"RIFF")
    ledger.lose(key, "damaged")
    ledger.give_up(key)
    assert enter_takes(ledger, store) == 0
    path.write_bytes(AUDIO)
    assert enter_takes(ledger, store) == 1, "whole again, as from a copy"
    assert state_of(ledger, key) == "paid"


def test_what_a_dead_run_had_in_flight_is_settled_or_doubted_and_a_living_run_is_left_alone(ledger, store, tmp_path):
    holders = tmp_path / HOLDERS_NAME
    with hold_file(holders / "alive"):
        lost, kept = reserve(ledger, request("Lost.")), reserve(ledger, request("Kept."))
        living = reserve(ledger, request("Living."), holder="alive")
        store.write(take_of(request("Kept."), credits=7), AUDIO)
        close_orphans(ledger, store, holders)
        assert [state_of(ledger, key) for key in (lost, kept, living)] == ["unknown", "paid", "reserved"]
        assert ledger.find_purchases([kept])[kept].credits == 7
    close_orphans(ledger, store, holders)
    assert state_of(ledger, living) == "unknown"


def test_who_asks_while_a_run_takes_its_lock_does_not_take_it_for_dead(tmp_path, monkeypatch):
    path = tmp_path / "holders" / "run"
    lock, asked = fcntl.flock, []

    def ask_first(handle, operation):
        # Between the making of the file and its lock, another run sweeps the folder.
        if not asked:
            asked.append(True)
            assert not is_held(path)
        return lock(handle, operation)

    monkeypatch.setattr(locks.fcntl, "flock", ask_first)
    with hold_file(path):
        assert is_held(path)
    assert not path.exists()


def test_what_lies_whole_on_the_disk_is_settled_without_asking_the_service(ledger, store):
    key = make_unknown(ledger, request())
    store.write(take_of(request(), credits=9), AUDIO)
    assert recover(ledger, store, None) == 1
    (purchase,) = ledger.purchases("paid")
    assert (purchase.take, purchase.credits) == (key, 9)


def test_an_unknown_take_is_fetched_with_its_times_and_what_it_cost(ledger, store):
    key = make_unknown(ledger, request())
    assert recover(ledger, store, History([item_of("h1", request())])) == 1
    take, audio = store.read(key)
    assert (take.is_recovered, take.credits, take.history_id, take.times) == (True, 11, "h1", times("Rain falls."))
    assert audio == AUDIO
    assert recover(ledger, store, History([item_of("h1", request())])) == 0


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Rain fell."},
        {"settings": {"stability": 0.5}},
        {"settings": {"stability": "0.35"}},
        {"output_format": "mp3_44100_128"},
        {"date_unix": NOW - 1000},
    ],
)
def test_an_item_that_may_be_another_request_is_left_alone(other, ledger, store):
    key = make_unknown(ledger, request())
    history = History([item_of("h1", request(), **other)])
    assert recover(ledger, store, history) == 0
    assert history.fetched == []
    assert state_of(ledger, key) == "unknown"


@pytest.mark.parametrize(
    "same",
    [
        {"settings": {"stability": 0.3499999940395355, "use_speaker_boost": None}},
        {"settings": {}},
        {"output_format": None},
        {"date_unix": NOW - 200},
    ],
)
def test_what_the_history_leaves_out_or_rounds_does_not_hide_an_item(same, ledger, store):
    make_unknown(ledger, request())
    assert recover(ledger, store, History([item_of("h1", request(), **same)])) == 1


def test_where_an_id_is_known_nothing_else_counts(ledger, store):
    make_unknown(ledger, request(), request_id="r-h2")
    history = History([item_of("h1", request()), item_of("h2", request())])
    assert recover(ledger, store, history) == 1
    assert history.fetched == ["h2"]


def test_an_item_is_given_to_one_purchase_only(ledger, store):
    make_unknown(ledger, request())
    make_unknown(ledger, request(seed=1))
    assert recover(ledger, store, History([item_of("h1", request())])) == 1
    assert len(ledger.purchases("unknown")) == 1
    assert recover(ledger, store, History([item_of("h1", request()), item_of("h2", request())])) == 1
    assert {purchase.history_id for purchase in ledger.purchases("paid")} == {"h1", "h2"}


def test_the_item_whose_audio_is_whole_is_taken_and_one_without_audio_is_told(ledger, store):
    key = make_unknown(ledger, request())
    gone = item_of("h1", request())
    assert recover(ledger, store, History([gone], {"h1": b""})) == 0
    assert ledger.find_purchases([key])[key].reason == "in the history, but there is no audio"
    history = History([gone, item_of("h2", request())], {"h1": AUDIO[:-10]})
    assert recover(ledger, store, history) == 1
    assert history.fetched == ["h1", "h2"]


@pytest.mark.parametrize(("moment", "fetched"), [("on_list", []), ("on_fetch", ["h1"])])
def test_of_two_runs_that_recover_the_same_take_the_slower_one_changes_nothing(
    moment, fetched, ledger, store, tmp_path
):
    key = make_unknown(ledger, request())
    unknown = ledger.purchases("unknown")
    other = Ledger(tmp_path)
    items = [item_of("h1", request())]

    def overtake():
        recover_takes(other, store, History(items), other.purchases("unknown"))

    history = History(items, {"h1": b""}, **{moment: overtake})
    assert recover_takes(ledger, store, history, unknown) == 0
    assert history.fetched == fetched
    assert state_of(ledger, key) == "paid"
    other.close()


def test_times_that_are_not_numbers_are_kept_and_the_take_can_be_read(ledger, store):
    key = make_unknown(ledger, request())
    odd = CharacterTimes(tuple("Rain falls."), (math.nan,) * 11, (math.inf,) * 11)
    assert recover(ledger, store, History([item_of("h1", request(), times=odd)])) == 1
    take, _ = store.read(key)
    assert math.isnan(take.times.starts_s[0])


def test_what_is_written_half_is_no_take(store, tmp_path, monkeypatch):
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: 1 / 0 if str(b).endswith(".wav") else replace(a, b))
    with pytest.raises(ZeroDivisionError):
        store.write(take_of(request()), AUDIO)
    monkeypatch.undo()
    (record,) = tmp_path.glob("??/*.json")
    assert json.loads(record.read_text())["credits"] == 11
    assert store.read(record.stem) is None


def test_a_record_that_a_living_run_writes_and_removes_is_never_taken_for_a_lost_ledger(ledger, store, tmp_path):
    asked = request()
    key = take_key(asked)
    other = Ledger(tmp_path)

    def ask_twice(wanted):
        # Between our look into the ledger and at the disk, the other run asks again; then it is turned away again.
        found = Ledger.find_unbought(ledger, wanted)
        reserve(other, asked)
        store.announce(key, asked, ["Rain falls."], estimate=20, now_unix=NOW)
        return found

    def turn_away(*arguments, **options):
        store.withdraw(key)
        other.release(key)
        return Ledger.adopt(ledger, *arguments, **options)

    store.announce(key, asked, ["Rain falls."], estimate=20, now_unix=NOW)
    ledger.find_unbought, ledger.adopt = ask_twice, turn_away
    assert enter_takes(ledger, store) == 0
    assert ledger.purchases("reserved", "unknown", "paid") == []
    other.close()


def test_an_announced_take_without_a_purchase_is_in_doubt_with_its_price_and_time(ledger, store):
    store.announce(take_key(request()), request(), ["Rain falls."], estimate=20, now_unix=NOW)
    assert enter_takes(ledger, store) == 1
    (doubt,) = ledger.purchases("unknown")
    assert (doubt.estimate, doubt.reserved_unix, ledger.spent()) == (20, NOW, 20)
    assert ledger.find([sentence_key(request(), "Rain falls.")]).keys()
    assert enter_takes(ledger, store) == 0
    assert recover(ledger, store, History([item_of("h1", request())])) == 1
    assert store.read(doubt.take) is not None
