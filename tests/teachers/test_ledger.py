import sqlite3
import subprocess
import sys
import threading

import pytest

from ttsd.errors import LedgerError
from ttsd.teachers.ledger import LEDGER_NAME, Ledger


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


def reserve(ledger, take="t1", sentences=("s1",), estimate=10, cap=None, holder="h"):
    order = {"request": {"text": take}, "texts": list(sentences)}
    return ledger.reserve(take, order, list(sentences), estimate=estimate, cap=cap, holder=holder, now_unix=1000.0)


def test_a_take_is_reserved_once_and_its_sentences_are_found_in_it(ledger):
    assert reserve(ledger, "t1", ("s1", "s2")) == "reserved"
    assert reserve(ledger, "t1", ("s1", "s2")) == "taken"
    places = ledger.find(["s2", "s1", "s3"])
    assert {name: (place.take, place.index, place.state) for name, place in places.items()} == {
        "s1": ("t1", 0, "reserved"),
        "s2": ("t1", 1, "reserved"),
    }


def test_a_sentence_that_is_in_flight_in_another_take_is_not_bought_again(ledger):
    reserve(ledger, "t1", ("s1", "s2"))
    assert reserve(ledger, "t2", ("s2", "s3")) == "taken"
    assert "s3" not in ledger.find(["s3"])


def test_what_was_released_cost_nothing_and_may_be_bought(ledger):
    reserve(ledger)
    assert ledger.spent() == 10
    ledger.release("t1")
    assert ledger.spent() == 0
    assert ledger.find(["s1"]) == {}
    assert reserve(ledger) == "reserved"


def test_a_paid_take_costs_what_the_service_says_and_cannot_be_bought_again(ledger):
    reserve(ledger)
    ledger.settle("t1", credits=7, request_id="r", history_id="i")
    assert ledger.spent() == 7
    (purchase,) = ledger.purchases("paid")
    assert (purchase.credits, purchase.request_id, purchase.history_id) == (7, "r", "i")
    assert reserve(ledger) == "taken"
    ledger.release("t1")
    assert ledger.find(["s1"])["s1"].state == "paid", "only a reservation can be released"


def test_what_is_unknown_is_bought_again_only_once_it_is_given_up_and_stays_counted(ledger):
    reserve(ledger)
    ledger.doubt("t1", "no answer")
    assert reserve(ledger) == "taken"
    ledger.give_up("t1")
    assert reserve(ledger) == "reserved"
    assert ledger.spent() == 20
    assert [purchase.state for purchase in ledger.purchases("given_up", "reserved")] == ["given_up", "reserved"]


def test_only_what_is_unknown_can_be_given_up(ledger):
    reserve(ledger)
    ledger.settle("t1", credits=5)
    ledger.give_up("t1")
    assert ledger.find(["s1"])["s1"].state == "paid"


def test_an_item_of_the_history_belongs_to_one_purchase(ledger):
    reserve(ledger, "t1", ("s1",))
    reserve(ledger, "t2", ("s2",))
    ledger.settle("t1", credits=5, history_id="i")
    ledger.settle("t2", credits=5, history_id="i")
    assert [purchase.history_id for purchase in ledger.purchases("paid")] == ["i", None]


def test_the_database_itself_refuses_a_second_live_purchase_of_a_take(ledger):
    reserve(ledger)
    with pytest.raises(LedgerError, match="UNIQUE"), ledger._file.transaction() as db:
        db.execute("INSERT INTO purchases (take, state, request, estimate, holder, reserved_unix) "
                   "VALUES ('t1', 'paid', '{}', 1, 'h', 0)")  # fmt: skip
    assert len(ledger.purchases("reserved", "paid")) == 1


def test_eight_threads_cannot_pass_the_cap_together(ledger):
    outcomes = []

    def buy(number):
        for place in range(10):
            name = f"t{number}-{place}"
            outcomes.append(reserve(ledger, name, (name,), estimate=7, cap=100))

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("reserved") == 14
    assert outcomes.count("over_cap") == 66
    assert ledger.spent() == 98


BUY = """
import sys
from pathlib import Path
from ttsd.teachers.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for place in range(40):
    name = sys.argv[2] + str(place)
    said = ledger.reserve(name, {}, [name], estimate=7, cap=300, holder="h", now_unix=0)
    if said == "reserved" and place % 3 == 0:
        ledger.settle(name, credits=7)
    if said == "reserved" and place % 3 == 1:
        ledger.doubt(name, "why not")
"""


def test_four_processes_that_open_a_new_ledger_at_once_cannot_pass_the_cap_together(tmp_path):
    command = [sys.executable, "-c", BUY, str(tmp_path)]
    processes = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "abcd"]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    ledger = Ledger(tmp_path)
    assert ledger.spent() == 294
    ledger.close()


def test_only_the_run_that_reserved_is_doubted_and_only_what_is_paid_can_be_lost(ledger):
    reserve(ledger, holder="living")
    ledger.doubt("t1", "an orphan", holder="dead")
    ledger.lose("t1", "gone")
    assert ledger.find(["s1"])["s1"].state == "reserved"
    ledger.settle("t1", credits=5)
    ledger.doubt("t1", "too late")
    assert ledger.find(["s1"])["s1"].state == "paid"
    ledger.lose("t1", "gone")
    assert ledger.find(["s1"])["s1"].state == "unknown"


def test_a_value_that_is_pinned_stays(ledger):
    assert ledger.read_pin("voice") is None
    assert ledger.pin("voice", {"speed": 1.0}) == {"speed": 1.0}
    assert ledger.pin("voice", {"speed": 1.2}) == {"speed": 1.0}


def test_a_file_that_is_no_ledger_is_one_line_with_a_cure(tmp_path):
    (tmp_path / LEDGER_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite: the ledger of bought speech cannot be used .*move it away"):
        Ledger(tmp_path)


def test_a_ledger_that_cannot_be_opened_is_one_line_with_a_cure(tmp_path):
    (tmp_path / LEDGER_NAME).mkdir()
    with pytest.raises(LedgerError, match=r"unable to open database file\); make the file and its folder readable"):
        Ledger(tmp_path)


def test_a_ledger_that_another_program_holds_is_one_line_with_a_cure(tmp_path, monkeypatch):
    Ledger(tmp_path).close()
    monkeypatch.setattr("ttsd.teachers.ledger_file._BUSY_TIMEOUT_S", 0.1)
    holder = sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match=r"is locked\); end the program that holds it") as told:
        Ledger(tmp_path)
    assert "\n" not in str(told.value)
    holder.close()


@pytest.mark.parametrize(
    ("pragma", "cure"), [("query_only = ON", "writable"), ("max_page_count = 1", "free some space")]
)
def test_a_step_that_cannot_be_written_is_told_and_leaves_what_was(ledger, pragma, cure):
    reserve(ledger, "t1")
    ledger._file.db.execute(f"PRAGMA {pragma}")
    with pytest.raises(LedgerError, match=cure):
        # More than the pages that there are already have room for.
        reserve(ledger, "t2", ("s2", *map(str, range(2000))))
    assert ledger.find(["s1", "s2"]).keys() == {"s1"}
    ledger._file.db.execute("PRAGMA query_only = OFF")
    ledger._file.db.execute("PRAGMA max_page_count = 100000")
    assert reserve(ledger, "t2", ("s2",)) == "reserved"


def test_eight_that_open_a_new_ledger_at_the_same_moment_all_get_it(tmp_path):
    for number in range(10):
        barrier, failures = threading.Barrier(8), []

        def open_it(folder=tmp_path / str(number), barrier=barrier, failures=failures):
            barrier.wait()
            try:
                Ledger(folder).close()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def test_a_purchase_that_the_ledger_never_heard_of_is_no_silent_success(ledger):
    for step in (
        lambda: ledger.settle("t9", credits=1),
        lambda: ledger.doubt("t9", "why"),
        lambda: ledger.give_up("t9"),
    ):
        with pytest.raises(LedgerError, match="t9 is gone from the ledger; restore the file from a copy"):
            step()


def test_an_id_of_a_purchase_that_was_given_up_blocks_no_later_one(ledger):
    reserve(ledger)
    ledger.doubt("t1", "why", history_id="h1")
    ledger.give_up("t1")
    assert reserve(ledger) == "reserved"
    ledger.settle("t1", credits=3, history_id="h1")
    assert [purchase.history_id for purchase in ledger.purchases("paid", "given_up")] == ["h1", None]
    assert ledger.spent() == 13
