"""A job on a cluster makes the files that it makes alone."""

import hashlib
import os
import signal
import time

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import crypto, pipeline, scale
from medlab.errors import RefusedError, UsageError

pytestmark = [pytest.mark.needs("scale"), pytest.mark.filterwarnings("ignore")]


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


def test_a_cluster_makes_the_same_files_as_one_process(cluster, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        dataset = dcmread(get_testdata_file("MR_small.dcm"))
        dataset.SOPInstanceUID = f"1.2.826.0.1.{number}"
        dataset.save_as(tmp_path / "in" / f"{number}.dcm")
    crypto.write_key(tmp_path / "key")
    alone = pipeline.deidentify(tmp_path / "in", tmp_path / "a", key_file=tmp_path / "key")
    with scale.cluster(cluster.scheduler_address) as each:
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
def test_keys_do_not_travel_in_the_clear(address):
    with pytest.raises(RefusedError, match="tls://"), scale.cluster(address):
        pass


def test_where_nobody_answers_it_is_said(monkeypatch):
    monkeypatch.setattr(scale, "_SECONDS", 0.3)
    with pytest.raises(UsageError, match="no Dask scheduler"), scale.cluster("127.0.0.1:9"):
        pass


def nothing():
    pass


def deadly(number):
    if number == 137:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_task_that_kills_its_workers_loses_no_other_of_its_batch(cluster):
    with scale.cluster(cluster.scheduler_address) as each:
        done = dict(each(deadly, iter(range(400)), 1, nothing))
    assert done.pop(137) is None
    assert done == {number: number for number in range(400) if number != 137}


def batch_of(number):
    return scale._phase[0], number


def test_small_tasks_travel_together_and_no_more_than_are_done(cluster):
    taken = []

    def tasks():
        for number in range(2000):
            taken.append(number)
            yield number

    with scale.cluster(cluster.scheduler_address) as each:
        results = each(batch_of, tasks(), 1, nothing)
        first = [next(results) for _ in range(200)]
        assert len({number for number, _ in first}) == 200
        assert 200 < len(taken) < 200 + 5 * 50
        rest = list(results)
    assert sorted(number for number, _ in first + rest) == list(range(2000))


def slow(number):
    time.sleep(0.5)
    return number


def test_a_cluster_that_lost_its_workers_ends_the_job_in_a_sentence(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(scale, "_SECONDS", 2)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as made,
        scale.cluster(made.scheduler_address) as each,
    ):
        results = each(slow, iter(range(50)), 1, nothing)
        next(results)
        made.scale(0)
        with pytest.raises(RefusedError, match="no workers any more"):
            list(results)
