"""Gathered calls: each gets its own answer, in the order of their coming, and nobody waits for company."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernel.gathering import Gathering


def test_who_comes_alone_is_served_alone() -> None:
    served: list[list[int]] = []

    def serve(key: object, questions: list[int]) -> list[int]:
        served.append(list(questions))
        return [question * 2 for question in questions]

    together = Gathering(serve, most=10)
    assert [together.ask("a", number) for number in range(3)] == [0, 2, 4]
    assert served == [[0], [1], [2]]


def test_who_comes_meanwhile_is_served_together_and_in_order() -> None:
    served: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def serve(key: object, questions: list[int]) -> list[int]:
        served.append(list(questions))
        begun.set()
        assert go_on.wait(10)
        return [-question for question in questions]

    together = Gathering(serve, most=3)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(together.ask, "a", 0)]
        assert begun.wait(10)
        for number in range(1, 6):
            asked.append(pool.submit(together.ask, "a", number))
            while len(together._lines["a"]) <= number:
                pass
        go_on.set()
        assert [one.result(10) for one in asked] == [0, -1, -2, -3, -4, -5]
    assert served == [[0], [1, 2, 3], [4, 5]]
    assert together._lines == {}


def test_one_that_fails_takes_no_other_along() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def serve(key: object, questions: list[int]) -> list[int]:
        begun.set()
        assert go_on.wait(10)
        if 3 in questions:
            raise ValueError("three")
        return questions

    together = Gathering(serve, most=10)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together.ask, "a", 0)
        assert begun.wait(10)
        rest = [pool.submit(together.ask, "a", number) for number in range(1, 6)]
        while len(together._lines["a"]) < 6:
            pass
        go_on.set()
        assert first.result(10) == 0
        told = Counter("failed" if one.exception(10) else "served" for one in rest)
    assert told == {"served": 4, "failed": 1}


def test_keys_do_not_wait_for_each_other() -> None:
    inside = threading.Barrier(2, timeout=10)

    def serve(key: object, questions: list[int]) -> list[int]:
        inside.wait()
        return questions

    together = Gathering(serve, most=10)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda key: together.ask(key, 1), ["a", "b"])) == [1, 1]


@pytest.mark.parametrize("threads", [2, 16])
def test_many_threads_each_get_their_own_answer(threads: int) -> None:
    together: Gathering[int, int] = Gathering(lambda key, questions: [q + 1 for q in questions], most=5)
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(lambda number: together.ask(number % 3, number), range(2_000))) == list(range(1, 2_001))
