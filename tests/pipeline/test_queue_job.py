"""A queue that is worked off: what leaves it, what stays, and what a refusal leaves."""

import pytest
from job_hospital import PLANTED, leak, plant
from pydicom import dcmread
from pydicom.uid import generate_uid

from medlab.errors import UsageError
from medlab.pipeline import Settings
from medlab.pipeline.queue_job import stream


def arrive(queue, name, **more):
    more = {"SOPInstanceUID": generate_uid()} | more
    return plant(queue / name, "CT_small.dcm", "Okafor^Ngozi", "MRN-778811", **more)


@pytest.fixture
def queue(tmp_path):
    """The folder where files wait, before the job is first opened."""
    folder = tmp_path / "out.job" / "queue"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    return folder


def made(tmp_path):
    return sorted((tmp_path / "out").rglob("*.dcm"))


def test_what_waits_is_done_at_the_opening_and_what_comes_later_when_asked(tmp_path, queue):
    arrive(queue, "a")
    (queue / "half.part").write_bytes(b"never acknowledged")
    with stream(tmp_path / "out", Settings()) as job:
        assert job.work.source == queue
        assert len(made(tmp_path)) == 1
        assert not [*queue.iterdir()]
        arrive(queue, "b")
        (queue / "c.part").write_bytes(b"on its way")
        job.work_off()
        assert [path.name for path in queue.iterdir()] == ["c.part"]
        summary, sent = job.finish()
    assert summary.statuses == {"done": 2}
    assert summary.new == 2
    assert summary.ok
    assert sent == (0, 0, 2)  # nobody took or refused an output yet
    assert not any(leak(path.read_bytes()) for path in made(tmp_path))
    assert len({dcmread(path).PatientID for path in made(tmp_path)} - {*PLANTED}) == 1


def test_the_same_content_again_leaves_the_queue_and_makes_no_second_output(tmp_path, queue):
    dataset = arrive(queue, "a")
    with stream(tmp_path / "out", Settings()) as job:
        dataset.save_as(queue / "a")  # a queue names files by their content
        job.work_off()
        assert not [*queue.iterdir()]
        assert job.finish()[0].statuses == {"done": 1}
    assert len(made(tmp_path)) == 1


def test_what_is_withheld_stays_and_holds_up_nothing(tmp_path, queue):
    dataset = arrive(queue, "a")
    dataset.SOPInstanceUID = generate_uid()  # another than the sender said
    dataset.save_as(queue / "a", enforce_file_format=False)
    with stream(tmp_path / "out", Settings()) as job:
        arrive(queue, "b")
        job.work_off()
        job.work_off()
        summary, _ = job.finish()
    assert [path.name for path in queue.iterdir()] == ["a"]
    assert not summary.ok
    assert summary.withheld == 1
    assert summary.statuses["done"] == len(made(tmp_path)) == 1


@pytest.mark.parametrize("settings", [{"head": "strip"}, {"policy": "safe-harbor"}])
def test_a_job_that_cannot_be_opened_leaves_no_folder(tmp_path, settings):
    with (
        pytest.raises(UsageError),
        stream(tmp_path / "out", Settings(**settings)),
    ):
        pass
    assert not [*tmp_path.iterdir()]


def test_a_refusal_keeps_what_waited_before(tmp_path, queue):
    arrive(queue, "a")
    with pytest.raises(UsageError), stream(tmp_path / "out", Settings(head="strip")):
        pass
    assert [path.name for path in queue.iterdir()] == ["a"]
