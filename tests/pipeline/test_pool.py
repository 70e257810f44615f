import os
import signal

import pytest

from medlab.pipeline.pool import each_done


def nothing():
    pass


def square(number):
    return number * number


def deadly(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_comes_back_with_its_result(jobs):
    done = dict(each_done(square, iter(range(40)), jobs, nothing))
    assert done == {n: n * n for n in range(40)}


def test_tasks_are_taken_only_as_fast_as_they_are_done():
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield number

    results = each_done(square, tasks(), 2, nothing)
    next(results)
    assert len(taken) <= 2 * 8 + 2
    results.close()


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_task_that_kills_its_process_is_told_and_harms_no_other():
    done = dict(each_done(deadly, iter(range(8)), 2, nothing))
    assert done.pop(3) is None
    assert done == {n: n for n in range(8) if n != 3}
