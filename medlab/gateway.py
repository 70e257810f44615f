"""De-identification where images are born: what a scanner sends is cleaned, verified, sent on.

A process of its own receives; it decodes nothing, and answers when the bytes stand in the queue.
This process works the queue off, and a thread sends on what is done. An AE title is a name that
anybody can say: it keeps out mistakes and nobody else. Needs the extra ``scale``.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import multiprocessing
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from pydicom.filereader import read_file_meta_info

from medlab.disk import appearing, end_with_parent
from medlab.errors import InputError, UsageError, not_installed
from medlab.pipeline import Settings, Summary
from medlab.pipeline.job import stream
from medlab.pipeline.ledger import Ledger
from medlab.pipeline.settings import Work

# Status codes of C-STORE, PS3.4 Table B.2-1
_SUCCESS, _WARNING, _OUT_OF_RESOURCES, _NOT_UNDERSTOOD = 0x0000, 0xB000, 0xA700, 0xC000
_SILENT_S = 10.0  # how long a connection may ask for no association
_POLL_S = 0.2  # how often the queue is looked at
_PAUSE_S = 60.0  # longest pause before a receiver that does not answer is tried again
_LEAVE_S = 30.0  # how long associations may go on after the end was asked for
_CONTEXTS = 128  # presentation contexts of one association, PS3.8 section 9.3.2.2


class Receiver(NamedTuple):
    """Where outputs are sent on to."""

    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Receiver:
        """Read ``AE@HOST:PORT``.

        Raises
        ------
        UsageError
        """
        title, _, place = text.rpartition("@")
        host, _, port = place.rpartition(":")
        if not (0 < len(title) <= 16 and host and port.isdecimal() and 0 < int(port) < 65536):
            raise UsageError("a receiver is AE@HOST:PORT, the AE title of up to 16 characters")
        return cls(title, host.strip("[]"), int(port))


@dataclass(frozen=True)
class Listener:
    """How the gateway listens.

    Parameters
    ----------
    port, host : int, str
        Where; an address other than this machine's own needs `allow`, and TLS or `plain`.
    ae_title : str
        Its own name.
    allow : tuple of str
        Calling AE titles; with them, others are rejected, as are calls for another AE title.
    durable : bool
        Write through to the disk before each answer, so that a power failure loses nothing.
    max_mb : int
        Largest data set, 10^6 bytes; larger ones are refused.
    max_associations : int
        At a time; connections that ask for no association do not count.
    certificate, private_key : path, optional
        PEM files for TLS.
    plain : bool
        Speak in clear on a network.
    """

    port: int
    host: str = "127.0.0.1"
    ae_title: str = "MEDLAB"
    allow: tuple[str, ...] = ()
    durable: bool = False
    max_mb: int = 1024
    max_associations: int = 16
    certificate: Path | None = None
    private_key: Path | None = None
    plain: bool = False

    def __post_init__(self) -> None:
        if any(not 0 < len(title) <= 16 for title in (self.ae_title, *self.allow)):
            raise UsageError("an AE title has 1 to 16 characters")
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError("TLS needs a certificate and its private key")
        if _is_loopback(self.host):
            return
        if not self.allow:
            raise UsageError("an address on a network needs --allow with the AE titles that send")
        if not (self.certificate or self.plain):
            raise UsageError("an address on a network needs --tls-cert and --tls-key, or --plain")

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context, if TLS was asked for."""
        if self.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.private_key, password="")
        except (OSError, ValueError):
            raise UsageError("certificate and key of TLS cannot be read, or are no pair") from None
        return context


def serve(
    target: Path,
    settings: Settings,
    listener: Listener,
    receiver: Receiver | None = None,
    *,
    listening: Callable[[], None] = lambda: None,
    stop: threading.Event | None = None,
    **job: Any,
) -> tuple[Summary, tuple[int, int, int]]:
    """Receive, clean, verify and send on, until `stop` is set.

    Parameters
    ----------
    target : path
        DST. What was received waits in ``DST.job/queue``; what is withheld stays there.
    settings : Settings
        What is done to each file; nothing that needs all files at once.
    listener : Listener
    receiver : Receiver, optional
        Gets each output until it answers 0000.
    listening : callable
        Called when the port answers.
    stop : Event, optional
        Set by SIGTERM and SIGINT as well, in the main thread.
    **job
        See `medlab.pipeline.job.stream`.

    Returns
    -------
    summary : Summary
    sent : tuple of int
        How many outputs the receiver took, refused in this run, and was not yet given.

    Raises
    ------
    MedlabError
        If the job can't be opened, or the port is not free.
    """
    try:
        import pynetdicom  # noqa: F401 - asked for before anything is written
    except ImportError:
        raise not_installed("pynetdicom", "scale") from None
    listener.context()
    stop = stop or threading.Event()
    with ExitStack() as stack, stream(target, settings, **job) as queue:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                earlier = signal.signal(number, lambda *_: stop.set())
                stack.callback(signal.signal, number, earlier)
        work = queue.work
        with (
            _sending(receiver, listener.ae_title, work),
            _receiving(listener, work.source) as receiving,
        ):
            listening()
            while not stop.wait(_POLL_S):
                receiving.check_alive()
                queue.work_off()
            receiving.end()
            queue.work_off()
        return queue.finish()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Receiving:
    """The receiving process, and the pipe by which it is asked to end."""

    def __init__(self, listener: Listener, queue: Path) -> None:
        spawn = multiprocessing.get_context("spawn")  # no open database is shared with it
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_receive, args=(listener, queue, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Wait until the port answers."""
        try:
            problem = self._pipe.recv()
        except EOFError:
            problem = "the receiving process could not be started"
        if problem:
            self._process.kill()
            raise InputError(problem)

    def check_alive(self) -> None:
        """Raise if the process has ended by itself."""
        if not self._process.is_alive():
            raise InputError("the receiving process ended; start the gateway again")

    def end(self) -> None:
        """Let no new association in, and wait for those that there are."""
        if self._process.is_alive():
            self._pipe.send("end")
            self._process.join(2 * _LEAVE_S)
            self._process.kill()


@contextmanager
def _receiving(listener: Listener, queue: Path) -> Iterator[_Receiving]:
    receiving = _Receiving(listener, queue)
    receiving.wait()
    try:
        yield receiving
    finally:
        receiving.end()


def _receive(listener: Listener, queue: Path, pipe: Connection) -> None:
    """Keep what is sent in the queue, until asked to end; the receiving process."""
    for number in (signal.SIGTERM, signal.SIGINT):  # the parent ends this one in order
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    from pynetdicom import AE, _config, evt

    _silence()
    _config.UNRESTRICTED_STORAGE_SERVICE = True  # private and unknown storage classes too
    entity = AE(listener.ae_title)
    entity.add_supported_context("1.2.840.10008.1.1")  # Verification, C-ECHO
    entity.acse_timeout = _SILENT_S
    entity.maximum_pdu_size = 0  # as large as the sender likes
    entity.require_calling_aet = list(listener.allow)
    entity.require_called_aet = bool(listener.allow)

    def limit(_: Any) -> None:
        """Let so many associations in; connections that ask for none do not count."""
        asking = len(entity.active_associations) - _established(entity) - 1  # but this one
        entity.maximum_associations = listener.max_associations + asking

    handlers: Any = [
        (evt.EVT_C_STORE, _keep, [queue, listener]),
        (evt.EVT_REQUESTED, limit),
    ]
    try:
        server: Any = entity.start_server(
            (listener.host, listener.port),
            block=False,
            evt_handlers=handlers,
            ssl_context=listener.context(),
        )
    except OSError:
        pipe.send("the port cannot be listened at: it is in use, or not this machine's")
        return
    pipe.send("")
    pipe.recv()
    server.shutdown()
    patience = time.monotonic() + _LEAVE_S
    while _established(entity) and time.monotonic() < patience:
        time.sleep(_POLL_S)
    entity.shutdown()


def _established(entity: Any) -> int:
    return sum(association.is_established for association in entity.active_associations)


def _keep(event: Any, queue: Path, listener: Listener) -> int:
    """Put what was sent into the queue, undecoded, and return the status of the answer."""
    if event.request.DataSet.getbuffer().nbytes > listener.max_mb * 10**6:
        return _OUT_OF_RESOURCES
    try:
        content = event.encoded_dataset()
        name = f"{hashlib.sha256(content).hexdigest()[:40]}.dcm"
        with appearing(queue / name, 0o600) as part, part.open("wb") as file:
            file.write(content)
            if listener.durable:
                file.flush()
                os.fsync(file.fileno())
        if listener.durable:
            folder = os.open(queue, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError:  # a full disk, say
        return _OUT_OF_RESOURCES
    return _SUCCESS


@contextmanager
def _sending(receiver: Receiver | None, ae_title: str, work: Work) -> Iterator[None]:
    """Send on what is done, in a thread; at the end, what is done by then, once."""
    if receiver is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_send_on, args=(receiver, ae_title, work, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _send_on(receiver: Receiver, ae_title: str, work: Work, stop: threading.Event) -> None:
    from pynetdicom import _config

    _silence()
    _config.STORE_SEND_CHUNKED_DATASET = True  # the bytes as they stand in the file
    pause, last = _POLL_S, False
    with closing(Ledger(work.ledger)) as ledger:
        ledger.forget_refusals()
        while not last:
            last = stop.wait(pause)
            reached = all(iter(partial(_send, receiver, ae_title, work.target, ledger), None))
            pause = _POLL_S if reached else min(2 * pause, _PAUSE_S)


def _send(receiver: Receiver, ae_title: str, target: Path, ledger: Ledger) -> bool | None:
    """Send some outputs; tell whether the receiver took part, None where there is nothing left."""
    from pynetdicom import AE
    from pynetdicom.presentation import build_context

    outputs = ledger.unsent()
    if not outputs:
        return None
    kinds = dict.fromkeys(map(_kind, (target / name for _, name in outputs)))
    contexts = [build_context(*kind) for kind in [*kinds][:_CONTEXTS]]
    association = AE(ae_title).associate(receiver.host, receiver.port, contexts, receiver.ae_title)
    if not association.is_established:
        return False
    for row, name in outputs:
        if _kind(target / name) not in [*kinds][:_CONTEXTS]:
            continue  # with the next association
        try:
            status = association.send_c_store(target / name).get("Status")
        except ValueError:  # it takes no such object
            status = _NOT_UNDERSTOOD
        except RuntimeError:  # it ended the association
            status = None
        if status is None or status & 0xFF00 == _OUT_OF_RESOURCES:
            association.abort()
            return False
        ledger.note_sent(row, refused=status & 0xF000 not in (_SUCCESS, _WARNING))
    association.release()
    return True


def _kind(path: Path) -> tuple[str, str]:
    """Return the SOP class and the transfer syntax of a file."""
    meta = read_file_meta_info(path)
    return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)


def _silence() -> None:
    """Keep pynetdicom's lines, which repeat values and AE titles, to itself."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
