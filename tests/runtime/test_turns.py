"""Turns: one at a time, in the order of coming, and nobody is held up by who steps aside."""

import threading
from time import sleep

from timelyrain.runtime.turns import aside, turn


def test_one_at_a_time_in_the_order_of_coming() -> None:
    inside: list[int] = []
    order: list[int] = []

    def work(n: int) -> None:
        with turn():
            inside.append(n)
            order.append(n)
            sleep(0.001)
            assert inside == [n]
            inside.remove(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    with turn():
        for thread in threads:
            thread.start()
            sleep(0.05)  # it waits before the next one comes
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_who_steps_aside_holds_up_nobody_and_comes_back_in_turn() -> None:
    came, go_on, seen = threading.Event(), threading.Event(), []

    def slow() -> None:
        with turn():
            with aside():
                came.set()
                assert go_on.wait(30)
            seen.append("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    assert came.wait(30)
    with turn():
        seen.append("quick")
        go_on.set()
        sleep(0.05)
        seen.append("still quick")
    thread.join()
    assert seen == ["quick", "still quick", "slow"]


def test_a_failure_passes_the_turn_on_and_aside_without_a_turn_is_nothing() -> None:
    for _ in range(2):
        try:
            with turn(), aside():
                raise RuntimeError
        except RuntimeError:
            pass
    with aside(), turn():
        pass
