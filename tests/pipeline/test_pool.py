"""Tasks in processes, and on a cluster, where a job makes the files that it makes alone."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import crypto, pipeline
from medlab.errors import RefusedError, UsageError
from medlab.pipeline import pool
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


def on_cluster(test):
    return pytest.mark.needs("scale")(pytest.mark.filterwarnings("ignore")(test))


@pytest.fixture(scope="module")
def cluster():
    import dask
    from distributed import LocalCluster

    with (  # one death, and all that waits on the worker is lost
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as made,
    ):
        yield made


def content(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.dcm")
    }


@on_cluster
def test_a_cluster_makes_the_same_files_as_one_process(cluster, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        dataset = dcmread(get_testdata_file("MR_small.dcm"))
        dataset.SOPInstanceUID = f"1.2.826.0.1.{number}"
        dataset.save_as(tmp_path / "in" / f"{number}.dcm")
    crypto.write_key(tmp_path / "key")
    alone = pipeline.deidentify(tmp_path / "in", tmp_path / "a", key_file=tmp_path / "key")
    with pool.cluster(cluster.scheduler_address) as each:
        spread = pipeline.deidentify(
            tmp_path / "in", tmp_path / "b", key_file=tmp_path / "key", each=each
        )
        with pytest.raises(UsageError, match="one vault"):
            pipeline.deidentify(
                tmp_path / "in", tmp_path / "c", pipeline.Settings(codes="random"), each=each
            )
    assert spread.statuses == alone.statuses == {"done": 3}
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("address", ["tcp://node1:8786", "node1:8786", "tcp://127.0.0.1.x:1"])
@on_cluster
def test_keys_do_not_travel_in_the_clear(address):
    with pytest.raises(RefusedError, match="tls://"), pool.cluster(address):
        pass


@on_cluster
def test_where_nobody_answers_it_is_said(monkeypatch):
    monkeypatch.setattr(pool, "_SECONDS", 0.3)
    with pytest.raises(UsageError, match="no Dask scheduler"), pool.cluster("127.0.0.1:9"):
        pass


def deadly_at_137(number):
    if number == 137:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@on_cluster
def test_a_task_that_kills_its_workers_loses_no_other_of_its_batch(cluster):
    with pool.cluster(cluster.scheduler_address) as each:
        done = dict(each(deadly_at_137, iter(range(400)), 1, nothing))
    assert done.pop(137) is None
    assert done == {number: number for number in range(400) if number != 137}


def batch_of(number):
    return pool._phase[0], number


@on_cluster
def test_small_tasks_travel_together_and_no_more_than_are_done(cluster):
    taken = []

    def tasks():
        for number in range(2000):
            taken.append(number)
            yield number

    with pool.cluster(cluster.scheduler_address) as each:
        results = each(batch_of, tasks(), 1, nothing)
        first = [next(results) for _ in range(200)]
        assert len({number for number, _ in first}) == 200
        assert 200 < len(taken) < 200 + 5 * 50
        rest = list(results)
    assert sorted(number for number, _ in first + rest) == list(range(2000))


def slow(number):
    time.sleep(0.5)
    return number


@on_cluster
def test_a_cluster_that_lost_its_workers_ends_the_job_in_a_sentence(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(pool, "_SECONDS", 2)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as made,
        pool.cluster(made.scheduler_address) as each,
    ):
        results = each(slow, iter(range(50)), 1, nothing)
        next(results)
        made.scale(0)
        with pytest.raises(RefusedError, match="no workers any more"):
            list(results)
