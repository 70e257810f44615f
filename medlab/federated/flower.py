"""Flower in one process: a grid that hands messages to a ClientApp, without servers or ray.

The two places where medlab reaches into what Flower keeps private stand here and nowhere else:
`TaskIdentity`, which a message asks who sends it, and the ``_message_id`` that a SuperLink
would set. Flower 1.42.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from medlab.errors import not_installed

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
try:
    from flwr.app import Context, Message, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid
    from flwr.supercore.task_identity import TaskIdentity
except ImportError as error:
    raise not_installed("Flower", "federated") from error


class InProcessGrid(Grid):
    """The sites of one process, numbered from 1; they answer in this order.

    Attributes
    ----------
    received : list of list of Message
        What the server got in each exchange.
    """

    def __init__(self, app: ClientApp, sites: int) -> None:
        TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1
        self._app = app
        self._contexts = {
            number: Context(1, number, {"site": number}, RecordDict(), {})
            for number in range(1, sites + 1)
        }
        self.received: list[list[Message]] = []

    def get_node_ids(self) -> Iterable[int]:
        """Return the numbers of the sites."""
        return list(self._contexts)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Let each site answer; what it raises is raised here."""
        replies = []
        # Flower shuffles the nodes; a sum in another order differs in its last bits
        for message in sorted(messages, key=lambda message: message.metadata.dst_node_id):
            node = message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = f"{len(self.received)}-{node}"
            replies.append(self._app(message, self._contexts[node]))
        self.received.append(replies)
        return replies

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("strategies only send and receive")

    run = property(_unused)
    set_run = create_message = push_messages = pull_messages = _unused


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Flower's log, which tells every round, for as long as a training lasts."""
    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
