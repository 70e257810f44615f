"""Federated training of a logistic regression: Flower's strategies and ClientApp in one process.

The two places where medlab reaches into what Flower keeps private stand here and nowhere else:
`TaskIdentity`, which a message asks who sends it, and the ``_message_id`` that a SuperLink
would set. Flower 1.42.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from medlab.arrays import Array, Floats
from medlab.dp.noise import epsilon_of, noise_multiplier
from medlab.errors import InputError, RefusedError, UsageError, not_installed
from medlab.federated import logistic, masks

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
try:
    from flwr.app import Array as Sent
    from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid
    from flwr.serverapp.strategy import FedAvg, FedProx
    from flwr.supercore.task_identity import TaskIdentity
except ImportError as error:
    raise not_installed("Flower", "federated") from error

_Rows = tuple[Floats, Floats]
_ARRAYS, _CONFIG, _ROWS = "arrays", "config", "num-examples"  # the names that FedAvg looks for


class Training(NamedTuple):
    """What a federated training gave.

    Attributes
    ----------
    weights : ndarray, shape (d + 1,)
        Of the features in order, then the intercept.
    sites : list of int
        Rows of each site.
    epsilon, delta : float or None
        Spent by each row; None without noise.
    received : list of list of ndarray
        What the server got, round by round and site by site: weights, or with masks 32-bit
        words, of which the last is a check.
    """

    weights: Floats
    sites: list[int]
    epsilon: float | None
    delta: float | None
    received: list[list[Array]]


class _InProcessGrid(Grid):
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


def client_app(
    rows_of: Callable[[Context], _Rows],
    *,
    secure: bool = False,
    gradient: logistic.Gradient | None = None,
) -> ClientApp:
    """Return the app of a site, for one process as for Flower's nodes.

    What protects a site is its own choice, so it is given here and not sent by the server.

    Parameters
    ----------
    rows_of : callable
        From Flower's context to the site's features, shape (n, d), and labels, 0 or 1.
    secure : bool
        Send nothing but masked updates.
    gradient : callable, optional
        See `medlab.federated.logistic.private_gradient`.
    """
    app = ClientApp()

    @app.query("key")  # type: ignore[untyped-decorator,unused-ignore]
    def key(message: Message, context: Context) -> Message:
        secret = X25519PrivateKey.generate()
        context.state["round"] = ConfigRecord({"secret": secret.private_bytes_raw()})
        public, rows = secret.public_key().public_bytes_raw(), len(rows_of(context)[1])
        offer = ConfigRecord({"key": public, "rows": rows})
        return Message(RecordDict({"offer": offer}), reply_to=message)

    @app.train()  # type: ignore[untyped-decorator,unused-ignore]
    def train(message: Message, context: Context) -> Message:
        features, y = rows_of(context)
        config: Any = message.content[_CONFIG]
        how = logistic.Descent(
            config["steps"], config["rate"], config["l2"], config.get("proximal-mu", 0.0)
        )
        start = _sent(message)
        update: Array = logistic.descend(
            start, logistic.with_intercept(features), y, how, gradient
        )
        if secure:
            update = _masked(update * (len(y) / config["rows"]), config, context)
        reply = RecordDict({"metrics": MetricRecord({_ROWS: len(y)})})
        reply[_ARRAYS] = ArrayRecord({"weights": Sent(update)})
        return Message(reply, reply_to=message)

    return app


def _sent(message: Message) -> Array:
    record: Any = message.content[_ARRAYS]
    return np.asarray(record["weights"].numpy())


def _masked(share: Floats, config: Any, context: Context) -> Array:
    """Return a site's share of the mean, under masks with a key that serves this round only."""
    keys, node = dict(zip(config["nodes"], config["keys"], strict=True)), str(context.node_id)
    secret: Any = context.state.pop("round", ConfigRecord()).get("secret")
    if len(keys) < 2 or node not in keys or secret is None:
        raise RefusedError("a site was asked for an update without the masks of other sites")
    words = masks.encode(share, len(keys))
    return words + masks.mask(node, secret, keys, str(config["server-round"]), len(words))


class _Masking(FedProx):
    """FedProx, which is FedAvg where mu is 0, over updates that are weighted and masked."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        messages = list(super().configure_train(server_round, arrays, config, grid))
        nodes = sorted(message.metadata.dst_node_id for message in messages)
        requests = [Message(RecordDict(), node, "query.key") for node in nodes]
        replies = self._all(grid.send_and_receive(requests))
        offers: list[Any] = [reply.content["offer"] for reply in replies]
        agreed = {
            "nodes": [str(reply.metadata.src_node_id) for reply in replies],
            "keys": [offer["key"] for offer in offers],
            "rows": sum(offer["rows"] for offer in offers),
        }
        for message in messages:
            message.content[_CONFIG] = ConfigRecord({**config, **agreed})
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord, MetricRecord | None]:
        weights = masks.decode([_sent(reply) for reply in self._all(replies)])
        return ArrayRecord({"weights": Sent(weights)}), None

    def _all(self, replies: Iterable[Message]) -> list[Message]:
        answers = [reply for reply in replies if reply.has_content()]
        if len(answers) < self.min_train_nodes:
            raise RefusedError(
                "a site dropped out, so the masks of the others do not cancel and the round "
                "stops; start again with the sites that are there"
            )
        return answers


def masking(sites: int, mu: float = 0.0) -> FedProx:
    """Return Flower's FedProx (FedAvg where mu is 0) for sites that mask their updates."""
    return _Masking(proximal_mu=mu, **_everybody(sites))


def _everybody(sites: int) -> dict[str, Any]:
    return {
        "fraction_evaluate": 0.0,
        "min_train_nodes": sites,
        "min_available_nodes": sites,
    }


def train(
    sites: Sequence[_Rows],
    *,
    rounds: int = 20,
    local_steps: int = 1,
    rate: float = 0.5,
    l2: float = 0.01,
    strategy: str = "fedavg",
    mu: float = 0.1,
    secure: bool = False,
    epsilon: float | None = None,
    delta: float | None = None,
    clip: float | None = None,
    rng: np.random.Generator | None = None,
) -> Training:
    """Train a logistic regression over sites that show each other no rows.

    Parameters
    ----------
    sites : sequence of (features, labels)
        Features, shape (n_i, d), are used as they are; labels are 0 or 1. A site may hold one
        row, or one class.
    rounds, local_steps : int
    rate, l2 : float
        See `medlab.federated.logistic.Descent`.
    strategy : {"fedavg", "fedprox"}
    mu : float
        Of FedProx.
    secure : bool
        Mask each update, see `medlab.federated.masks`.
    epsilon, delta, clip : float, optional
        All or none: the budget of a row over the whole training, and the L2 norm to which its
        gradients are clipped.
    rng : numpy Generator, optional
        Of the noise, for lessons; see `medlab.federated.logistic.private_gradient`.

    Returns
    -------
    Training

    Raises
    ------
    UsageError
        If an option makes no sense.
    InputError
        If there are fewer than two sites, the rows are no finite numbers of one width with
        labels of two classes, or the training diverges.
    RefusedError
        If masks do not cancel, or a weight is too large for them.

    Notes
    -----
    McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
    AISTATS 2017.
    """
    _check_options(rounds, local_steps, rate, l2, strategy, mu)
    _check_budget(epsilon, delta, clip)
    sites = [(np.asarray(X, np.float64), np.asarray(y, np.float64)) for X, y in sites]
    _check_sites(sites)
    gradient, spent = None, None
    if epsilon is not None and delta is not None and clip is not None:
        steps = rounds * local_steps
        noise = noise_multiplier(epsilon, delta, steps)
        gradient = logistic.private_gradient(clip, noise, rng)
        spent = epsilon_of(noise, delta, steps)
    with _quiet():
        app = client_app(
            lambda context: sites[context.node_id - 1], secure=secure, gradient=gradient
        )
        grid = _InProcessGrid(app, len(sites))
        plan = _strategy(strategy, mu, secure, len(sites))
        start = ArrayRecord({"weights": Sent(np.zeros(sites[0][0].shape[1] + 1))})
        config = ConfigRecord({"steps": local_steps, "rate": rate, "l2": l2})
        result: Any = plan.start(grid, start, rounds, train_config=config).arrays
    weights = result["weights"].numpy()
    if spent is None:
        X, y = (np.concatenate(parts) for parts in zip(*sites, strict=True))
        logistic.check_fit(weights, logistic.with_intercept(X), y, l2)
    received = [
        [_sent(reply) for reply in replies]
        for replies in grid.received
        if replies and _ARRAYS in replies[0].content
    ]
    return Training(weights, [len(y) for _, y in sites], spent, delta, received)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Flower's log, which tells every round, for as long as a training lasts."""
    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _strategy(name: str, mu: float, secure: bool, sites: int) -> FedAvg:
    if secure:
        return masking(sites, mu if name == "fedprox" else 0.0)
    if name == "fedprox":
        return FedProx(proximal_mu=mu, **_everybody(sites))
    return FedAvg(**_everybody(sites))


def _check_options(
    rounds: int, local_steps: int, rate: float, l2: float, strategy: str, mu: float
) -> None:
    if rounds < 1 or local_steps < 1:
        raise UsageError("rounds and local steps are whole numbers from 1")
    if not 0 < rate < math.inf or not 0 <= l2 < math.inf or not 0 <= mu < math.inf:
        raise UsageError("rate is a number above 0, l2 and mu are numbers from 0")
    if rate * l2 > 2:
        raise InputError("rate times l2 is above 2, so every step grows; take a smaller rate")
    if strategy not in ("fedavg", "fedprox"):
        raise UsageError("strategy is fedavg or fedprox")


def _check_budget(epsilon: float | None, delta: float | None, clip: float | None) -> None:
    values = [value for value in (epsilon, delta, clip) if value is not None]
    if len(values) not in (0, 3):
        raise UsageError("epsilon, delta and clip belong together: give all three or none")
    if values and not (min(values) > 0 and max(values) < math.inf and values[1] < 1):
        raise UsageError("epsilon and clip are numbers above 0, delta lies between 0 and 1")


def _check_sites(sites: Sequence[_Rows]) -> None:
    if len(sites) < 2:
        raise InputError("there is a single site; learning together takes at least two")
    widths = {X.shape[1:] for X, _ in sites}
    if len(widths) > 1 or len(widths.pop()) != 1 or any(len(X) != len(y) for X, y in sites):
        raise InputError("the sites do not have the same features, or a label for each row")
    if any(not len(y) or not np.isfinite(X).all() for X, y in sites):
        raise InputError("a site has no rows, or cells that are missing or infinite")
    if not np.array_equal(np.unique(np.concatenate([y for _, y in sites])), [0, 1]):
        raise InputError("the target needs two values over all sites, 0 and 1")
