import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc of Linux")
def test_processes_end_with_the_one_that_made_them_though_it_was_killed(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from medlab.pipeline.pool import each_done\n"
        "from tests_of_pool import write_own_number\n"
        "if __name__ == '__main__':\n"
        "    folder = Path(__file__).parent / 'numbers'\n"
        "    tasks = iter(time.sleep(0.2) or folder for _ in range(100))\n"
        "    list(each_done(write_own_number, tasks, 2, int))\n"
    )
    (tmp_path / "tests_of_pool.py").write_text(
        "import os\ndef write_own_number(folder):\n    (folder / str(os.getpid())).touch()\n"
    )
    (tmp_path / "numbers").mkdir()
    main = subprocess.Popen([sys.executable, script])
    try:
        numbers = wait_for(lambda: [int(path.name) for path in (tmp_path / "numbers").iterdir()])
    finally:
        main.kill()
        main.wait()
    assert wait_for(lambda: not any(map(is_alive, numbers)))


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    return what()


def is_alive(number):
    status = Path(f"/proc/{number}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
