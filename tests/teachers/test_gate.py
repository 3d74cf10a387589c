import threading

from ttsd.teachers.gate import START, Gate


def never():
    return False


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_it_opens_for_a_few_and_goes_to_the_maximum_that_an_answer_names():
    gate = Gate(32)
    assert gate.limit == START
    gate.answered(10)
    assert gate.limit == 10
    gate.answered(10)
    assert gate.limit == 10


def test_where_no_answer_names_a_maximum_it_feels_its_way_up_to_its_own():
    gate = Gate(6)
    limits = []
    for _ in range(6):
        gate.answered(None)
        limits.append(gate.limit)
    assert limits == [3, 4, 5, 6, 6, 6]


def test_a_refusal_as_too_many_makes_it_narrower_and_answers_wider_again_by_one_a_round():
    clock = Clock()
    gate = Gate(16, clock)
    gate.answered(16)
    gate.turned_away(None, is_full=True)
    assert gate.limit == 12
    for _ in range(12):
        gate.answered(16)
    assert gate.limit == 12
    gate.answered(16)
    assert gate.limit == 13


def test_several_turned_away_at_once_count_once():
    gate = Gate(16, Clock())
    gate.answered(16)
    for _ in range(5):
        gate.turned_away(1.0, is_full=True)
    assert gate.limit == 12


def test_it_never_closes_for_good():
    clock = Clock()
    gate = Gate(4, clock)
    for _ in range(20):
        gate.turned_away(1.0, is_full=True)
        clock.now += 2
    assert gate.limit == 1
    assert gate.enter(never)


def test_nobody_enters_before_the_time_that_the_service_named():
    clock = Clock()
    gate = Gate(4, clock)
    gate.turned_away(30.0, is_full=False)
    entered = threading.Event()
    thread = threading.Thread(target=lambda: gate.enter(never) and entered.set())
    thread.start()
    clock.now += 29
    assert not entered.wait(0.4)
    clock.now += 2
    assert entered.wait(2)
    thread.join()


def test_a_busy_service_is_left_alone_longer_each_time_and_the_whole_wait_is_told():
    clock = Clock()
    gate = Gate(4, clock)
    waits = []
    for _ in range(4):
        gate.turned_away(None, is_full=False)
        waits.append(gate._paused_until - clock.now)
        clock.now = gate._paused_until
    assert waits == [1, 2, 4, 8]
    assert gate.turned_away(None, is_full=False) == 1 + 2 + 4 + 8 + 16
    gate.answered(None)
    clock.now = gate._paused_until
    assert gate.turned_away(None, is_full=False) == 1


def test_who_waits_goes_home_when_the_run_is_stopped():
    gate = Gate(1)
    assert gate.enter(never)
    stopped = threading.Event()
    result = []
    thread = threading.Thread(target=lambda: result.append(gate.enter(stopped.is_set)))
    thread.start()
    stopped.set()
    thread.join(5)
    assert result == [False]


def test_a_later_refusal_may_name_a_longer_wait_and_it_is_kept_and_told():
    clock = Clock()
    gate = Gate(4, clock)
    gate.turned_away(None, is_full=True)
    assert gate.turned_away(30.0, is_full=True) == 30
    assert gate.turned_away(2.0, is_full=True) == 30
    assert gate.turned_away(None, is_full=True) == 30


def test_a_service_that_stays_full_is_asked_less_and_less_often():
    clock = Clock()
    gate = Gate(1, clock)
    start = clock.now
    for _ in range(12):
        gate.turned_away(None, is_full=True)
        clock.now = gate._paused_until
    assert clock.now - start > 100
    gate.answered(1)
    gate.turned_away(None, is_full=True)
    assert gate._paused_until - clock.now < 0.1
