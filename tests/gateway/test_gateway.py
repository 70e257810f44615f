"""A gateway seen from its network: what it answers, what it keeps, what it lets out."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medlab import crypto, gateway, pipeline
from medlab.cli import commands
from medlab.errors import InputError, MedlabError, UsageError
from medlab.pipeline import Settings

pytestmark = [pytest.mark.needs("scale"), pytest.mark.filterwarnings("ignore")]

NAMES = ("CT_small", "MR_small_implicit", "JPEG2000", "rtplan", "test-SR", "MR_small_RLE")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sample(name="CT_small", **changes):
    dataset = dcmread(get_testdata_file(f"{name}.dcm"))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    if "SOPInstanceUID" in changes:
        dataset.file_meta.MediaStorageSOPInstanceUID = changes["SOPInstanceUID"]
    return dataset


def associate(port, datasets=(), called="MEDLAB", calling="CT1", **more):
    from pynetdicom import AE
    from pynetdicom.presentation import build_context

    kinds = {(str(d.SOPClassUID), str(d.file_meta.TransferSyntaxUID)) for d in datasets}
    contexts = [build_context(*kind) for kind in kinds] or [build_context("1.2.840.10008.1.1")]
    return AE(calling).associate("127.0.0.1", port, contexts, called, **more)


def send(port, *datasets, **more):
    """Send data sets and return the answers, in hexadecimal digits; None: no association."""
    scanner = associate(port, datasets, **more)
    if not scanner.is_established:
        return None
    answers = [f"{scanner.send_c_store(dataset).get('Status', -1):04x}" for dataset in datasets]
    scanner.release()
    return answers


def settled(condition, seconds=60):
    """Wait until a condition holds, and tell whether it did."""
    patience = time.monotonic() + seconds
    while not condition() and time.monotonic() < patience:
        time.sleep(0.1)
    return condition()


def outputs(target):
    return sorted(target.rglob("*.dcm"))


@contextlib.contextmanager
def running(target, settings=None, receiver=None, listener=None, **job):
    """Run a gateway in a thread; gives its port and, when it ended, what it returned."""
    listener = listener or gateway.Listener(free_port())
    ready, stop, result = threading.Event(), threading.Event(), {"port": listener.port}

    def work():
        try:
            result["summary"], result["sent"] = gateway.serve(
                target,
                settings or Settings(),
                listener,
                receiver,
                listening=ready.set,
                stop=stop,
                **job,
            )
        except MedlabError as error:
            result["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(60)
    try:
        yield result
    finally:
        stop.set()
        thread.join(90)
        assert not thread.is_alive()


@contextlib.contextmanager
def receiving(port, answer=lambda _: 0x0000):
    """A receiver on the other side; gives what it was sent."""
    from pynetdicom import AE, _config, evt

    arrived = []

    def keep(event):
        status = answer(event)
        if not status:
            arrived.append(event.dataset)
        return status

    _config.UNRESTRICTED_STORAGE_SERVICE = True
    entity = AE("ARCHIVE")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(
        ("127.0.0.1", port), False, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    try:
        yield arrived
    finally:
        server.shutdown()
        _config.UNRESTRICTED_STORAGE_SERVICE = False


def test_the_same_key_gives_the_same_data_sets_as_a_job_on_a_folder(tmp_path):
    # an instance of their own each: two forms of one are numbered as they come
    datasets = [sample(name, SOPInstanceUID=f"1.2.826.0.1.{n}") for n, name in enumerate(NAMES)]
    private = sample(SOPInstanceUID="1.2.826.0.1.77", SOPClassUID="1.2.826.0.1.99.1")
    private.file_meta.MediaStorageSOPClassUID = private.SOPClassUID
    (tmp_path / "in").mkdir()
    for number, dataset in enumerate([*datasets, private]):
        dataset.save_as(tmp_path / "in" / f"{number}.dcm")
    crypto.write_key(tmp_path / "key")
    pipeline.deidentify(tmp_path / "in", tmp_path / "batch", key_file=tmp_path / "key")
    with running(tmp_path / "out", key_file=tmp_path / "key") as result:
        assert send(result["port"], *datasets, private) == ["0000"] * 7
    assert result["summary"].ok
    assert result["summary"].statuses == {"done": 7}
    names = [path.relative_to(tmp_path / "out") for path in outputs(tmp_path / "out")]
    assert names == [p.relative_to(tmp_path / "batch") for p in outputs(tmp_path / "batch")]
    for name in names:
        assert dcmread(tmp_path / "out" / name) == dcmread(tmp_path / "batch" / name)
    assert not [*(tmp_path / "out.job" / "queue").iterdir()]
    assert {path.stat().st_mtime for path in outputs(tmp_path / "out")} == {946_684_800}


def test_one_content_twice_is_one_output_also_after_a_restart_and_another_is_another(tmp_path):
    first, other = sample(), sample(KVP=80)
    for datasets, there in (((first, first), 1), ((first,), 1), ((other,), 2)):
        with running(tmp_path / "out") as result:
            assert send(result["port"], *datasets) == ["0000"] * len(datasets)
        assert result["summary"].ok
        assert len(outputs(tmp_path / "out")) == there
    assert result["summary"].statuses == {"done": 2}
    assert not [*(tmp_path / "out.job" / "queue").iterdir()]


def test_what_names_no_instance_or_another_waits_for_a_person(tmp_path, monkeypatch):
    from pynetdicom import _config

    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)  # the UID of the file meta
    another, nameless = sample(), sample("MR_small")
    del nameless.SOPInstanceUID
    with running(tmp_path / "out") as result:
        scanner = associate(result["port"], [another, nameless])
        for dataset in (another, nameless):
            dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
            dataset.save_as(tmp_path / "lie.dcm")
            assert scanner.send_c_store(tmp_path / "lie.dcm").Status == 0
        scanner.release()
    assert result["summary"].statuses == {"quarantined": 2}
    assert not outputs(tmp_path / "out")
    assert len([*(tmp_path / "out.job" / "queue").iterdir()]) == 2


def test_too_large_an_object_is_refused_and_the_next_is_taken(tmp_path):
    large = sample(SOPInstanceUID="1.2.826.0.1.5")
    large.Rows = large.Columns = 1024
    large.PixelData = bytes(2 * 1024**2)
    with running(tmp_path / "out", listener=gateway.Listener(free_port(), max_mb=1)) as result:
        assert send(result["port"], large, sample()) == ["a700", "0000"]
        assert send(result["port"], sample("MR_small", PixelData=b"")) == ["0000"]
    assert result["summary"].statuses["done"] >= 1
    assert sum(result["summary"].statuses.values()) == 2


def test_only_those_who_may_send_and_only_to_its_own_name(tmp_path):
    listener = gateway.Listener(free_port(), allow=("CT1", "MR1"))
    with running(tmp_path / "out", listener=listener) as result:
        port = result["port"]
        assert send(port, sample(), calling="CT2") is None
        assert send(port, sample(), called="OTHER") is None
        assert not associate(port, calling="CT2").is_established  # not for C-ECHO either
        echo = associate(port)
        assert echo.send_c_echo().Status == 0
        echo.release()
        assert send(port, sample(), calling="MR1") == ["0000"]
    assert result["summary"].statuses == {"done": 1}


def test_junk_and_silence_take_nobody_s_place(tmp_path):
    with running(
        tmp_path / "out", listener=gateway.Listener(free_port(), max_associations=2)
    ) as result:
        place = ("127.0.0.1", result["port"])
        silent = [socket.create_connection(place) for _ in range(20)]
        junk = [socket.create_connection(place) for _ in range(2)]
        junk[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        junk[1].sendall(os.urandom(5000))
        scanners = [associate(result["port"], [sample()]) for _ in range(3)]
        assert [scanner.is_established for scanner in scanners] == [True, True, False]
        assert scanners[0].send_c_store(sample()).Status == 0
        for scanner in scanners[:2]:
            scanner.release()
        silent[0].settimeout(40)
        assert silent[0].recv(1) == b""  # closed, as nothing was asked for
        for connection in (*silent, *junk):
            connection.close()
        assert send(result["port"], sample("MR_small")) == ["0000"]
    assert result["summary"].statuses == {"done": 2}


def test_outputs_are_sent_on_until_the_receiver_takes_them(tmp_path):
    port = free_port()
    receiver = gateway.Receiver("ARCHIVE", "127.0.0.1", port)
    busy = [0xA700]
    with running(tmp_path / "out", receiver=receiver) as result:
        assert send(result["port"], sample(), sample("MR_small")) == ["0000"] * 2
        assert settled(lambda: len(outputs(tmp_path / "out")) == 2)  # nobody is there yet
        with receiving(port, lambda _: busy.pop() if busy else 0) as arrived:
            assert settled(lambda: len(arrived) == 2)
    assert result["sent"] == (2, 0, 0)
    assert not busy
    made = {dcmread(path).SOPInstanceUID for path in outputs(tmp_path / "out")}
    assert {dataset.SOPInstanceUID for dataset in arrived} == made
    assert not [d for d in arrived if d.PatientID in (sample().PatientID, "")]


def test_what_the_receiver_refuses_is_counted_and_tried_at_the_next_start(tmp_path):
    port = free_port()
    receiver = gateway.Receiver("ARCHIVE", "127.0.0.1", port)
    refuses_ct = lambda event: 0xC001 if event.dataset.Modality == "CT" else 0  # noqa: E731
    with receiving(port, refuses_ct) as arrived, running(tmp_path / "out", receiver=receiver) as r:
        assert send(r["port"], sample(), sample("MR_small")) == ["0000"] * 2
        assert settled(lambda: len(arrived) == 1)
    assert r["sent"] == (1, 1, 0)
    with receiving(port) as arrived, running(tmp_path / "out", receiver=receiver) as r:
        assert settled(lambda: len(arrived) == 1)
    assert r["sent"] == (2, 0, 0)
    assert len(outputs(tmp_path / "out")) == 2


def test_a_receiver_that_is_away_holds_no_end_up(tmp_path):
    receiver = gateway.Receiver("ARCHIVE", "127.0.0.1", free_port())
    with running(tmp_path / "out", receiver=receiver) as result:
        assert send(result["port"], sample()) == ["0000"]
    assert result["sent"] == (0, 0, 1)


def test_tls_and_nothing_else_where_it_was_asked_for(tmp_path):
    import ssl

    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    files = {"certificate": tmp_path / "cert.pem", "private_key": tmp_path / "key.pem"}
    trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    trusting.check_hostname = False
    listener = gateway.Listener(free_port(), durable=True, **files)
    with running(tmp_path / "out", listener=listener) as result:
        assert send(result["port"], sample()) is None
        assert send(result["port"], sample(), tls_args=(trusting, "localhost")) == ["0000"]
    assert result["summary"].statuses == {"done": 1}
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(UsageError, match="no pair"):
        listener.context()


@pytest.mark.parametrize(
    "words",
    [
        {"host": "0.0.0.0"},
        {"host": "192.0.2.7", "allow": ("CT1",)},
        {"host": "scanner.example", "plain": True},
        {"ae_title": "X" * 17},
        {"allow": ("",)},
        {"certificate": "cert.pem"},
    ],
)
def test_a_network_needs_names_and_tls(words):
    with pytest.raises(UsageError):
        gateway.Listener(1, **words)


@pytest.mark.parametrize("text", ["", "A@B", "@h:1", "A@:1", "A@h:0", "A@h:x", "A" * 17 + "@h:1"])
def test_a_receiver_is_a_title_a_host_and_a_port(text):
    assert gateway.Receiver.parse("A@[::1]:104") == ("A", "::1", 104)
    with pytest.raises(UsageError):
        gateway.Receiver.parse(text)


@pytest.mark.parametrize(
    "settings", [{"cohort_k": 2, "quasi": ("Age",)}, {"head": "deface"}, {"policy": "safe-harbor"}]
)
def test_what_needs_all_files_at_once_is_not_had_in_a_stream(settings, tmp_path):
    with pytest.raises(UsageError, match="run deidentify on what came in"):
        gateway.serve(tmp_path / "out", Settings(**settings), gateway.Listener(free_port()))
    assert not [*tmp_path.iterdir()]


def test_a_port_in_use_and_another_policy_on_the_same_outputs_are_refused(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with running(tmp_path / "b", listener=gateway.Listener(other.getsockname()[1])) as result:
            pass
    assert isinstance(result["error"], InputError)
    with running(tmp_path / "out") as result:
        assert send(result["port"], sample()) == ["0000"]
    with running(tmp_path / "out", Settings("research")) as result:
        pass
    assert "another" in str(result["error"])
    with pytest.raises(MedlabError, match="another SRC"):
        pipeline.deidentify(tmp_path / "out.job" / "queue", tmp_path / "out")
    assert len(outputs(tmp_path / "out")) == 1


def test_another_key_is_refused_at_the_next_start_and_keeps_what_is_there(tmp_path):
    for name in ("one", "two"):
        crypto.write_key(tmp_path / name)
    with running(tmp_path / "out", key_file=tmp_path / "one") as result:
        assert send(result["port"], sample()) == ["0000"]
    with running(tmp_path / "out", key_file=tmp_path / "two") as result:
        pass
    assert "key" in str(result["error"])
    assert len(outputs(tmp_path / "out")) == 1


def test_a_path_in_a_uid_leads_nowhere(tmp_path):
    trick = "../../../../evil"
    dataset = sample(StudyInstanceUID=trick, SeriesInstanceUID=trick, SOPInstanceUID=trick)
    dataset.PatientID = trick
    with running(tmp_path / "out") as result:
        associated = associate(result["port"], [dataset])
        with contextlib.suppress(ValueError):  # the sender's own check of the command
            associated.send_c_store(dataset)
        associated.release()
        assert send(result["port"], sample(StudyInstanceUID=trick, PatientID=trick)) == ["0000"]
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name] == []
    assert {path.parts[len(tmp_path.parts)] for path in tmp_path.rglob("*")} == {"out", "out.job"}
    assert len(outputs(tmp_path / "out")) >= 1


def test_boxes_are_not_reviewed_while_the_gateway_runs(tmp_path):
    with running(tmp_path / "out") as result:
        assert send(result["port"], sample()) == ["0000"]
        words = ["pixels", "review", str(tmp_path / "out"), "--accept", "all"]
        answer = CliRunner().invoke(commands, words)
    assert answer.exit_code == 1
    assert "another run is at work" in answer.output
    assert not (tmp_path / "out.job" / "pixels-approved.csv").exists()
    assert result["summary"].statuses == {"done": 1}


def start(folder, *words, limit=None):
    """Start the command, and return its process and port when it listens."""
    port = free_port()
    command = [sys.executable, "-m", "medlab", "gateway", "out", "--port", str(port), *words]

    def prepare():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=prepare
    )
    line = process.stderr.readline()
    assert b"listening" in line, line
    return process, port


@pytest.mark.slow
def test_a_killed_gateway_loses_nothing_that_it_acknowledged(tmp_path):
    datasets = [sample(SOPInstanceUID=f"1.2.826.0.1.{number}") for number in range(12)]
    process, port = start(tmp_path)
    assert send(port, *datasets[:8]) == ["0000"] * 8
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process, port = start(tmp_path)
    assert send(port, *datasets[8:], datasets[0]) == ["0000"] * 5
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert len(outputs(tmp_path / "out")) == 12
    report = json.loads((tmp_path / "out.job" / "report.json").read_text())
    assert report["statuses"] == {"done": 12}
    assert not [*(tmp_path / "out.job" / "queue").iterdir()]
    said = (out + err).decode()
    assert not [word for word in ("CT1", "CompressedSamples", "1.2.826") if word in said]


@pytest.mark.slow
def test_a_full_disk_is_answered_as_one_and_leaves_nothing_half(tmp_path):
    # a limit on the size of files stands for a full disk; the ledger is smaller than it
    large = sample("rtdose", PixelData=bytes(2_000_000), SOPInstanceUID="1.2.826.0.1.9")
    process, port = start(tmp_path, limit=1_000_000)
    assert send(port, large, sample()) == ["a700", "0000"]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert not [*(tmp_path / "out.job" / "queue").iterdir()]
    assert len(outputs(tmp_path / "out")) == 1
