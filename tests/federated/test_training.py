"""Training over sites against the formula as a loop, and what stops it."""

import logging
import math

import numpy as np
import pytest
from federated_sites import plain_loop, unequal_sites

from medlab import federated
from medlab.errors import InputError, MedlabError, RefusedError, UsageError

pytestmark = pytest.mark.needs("federated")
SITES = unequal_sites()
MOVED = "Flower moved {}: mend medlab/federated/training.py, which alone uses it"


def test_one_step_a_round_is_descent_on_all_rows_together():
    together = [tuple(map(np.concatenate, zip(*SITES, strict=True)))]
    done = federated.train(SITES, rounds=15)
    np.testing.assert_allclose(done.weights, plain_loop(together, 15, 1, 0.5, 0.01), atol=1e-9)
    assert done.sites == [1, 7, 20, 33]
    assert done.epsilon is done.delta is None


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox"])
@pytest.mark.parametrize("steps", [2, 17])
def test_many_local_steps_are_what_the_loop_gives(strategy, steps):
    done = federated.train(
        SITES, rounds=6, local_steps=steps, rate=0.3, l2=0.05, strategy=strategy, mu=0.4
    )
    mu = 0.4 if strategy == "fedprox" else 0.0
    np.testing.assert_allclose(
        done.weights, plain_loop(SITES, 6, steps, 0.3, 0.05, mu), rtol=0, atol=1e-9
    )


def test_a_run_comes_out_alike_to_the_last_bit():
    runs = [federated.train(SITES, rounds=8, local_steps=3).weights for _ in range(4)]
    assert all(np.array_equal(runs[0], run) for run in runs)


@pytest.mark.parametrize("options", [{}, {"strategy": "fedprox", "local_steps": 4}])
def test_masks_change_nothing_but_the_last_bits(options):
    plain = federated.train(SITES, rounds=12, **options)
    masked = federated.train(SITES, rounds=12, secure=True, **options)
    assert np.abs(masked.weights - plain.weights).max() <= 12 * len(SITES) * 2**-17
    assert all(words.dtype == np.uint32 for words in masked.received[0])


def test_the_app_for_nodes_of_their_own_trains_as_all_sites_in_one_process():
    from flwr.app import Array, ArrayRecord, ConfigRecord

    from medlab.federated.training import _InProcessGrid

    app = federated.client_app(lambda context: SITES[context.node_id - 1], secure=True)
    start = ArrayRecord({"weights": Array(np.zeros(4))})
    config = ConfigRecord({"steps": 2, "rate": 0.5, "l2": 0.01})
    plan, grid = federated.masking(len(SITES)), _InProcessGrid(app, len(SITES))
    arrays = plan.start(grid, start, 5, train_config=config).arrays
    expected = federated.train(SITES, rounds=5, local_steps=2, secure=True).weights
    np.testing.assert_allclose(arrays["weights"].numpy(), expected, atol=5 * len(SITES) * 2**-17)


def test_the_same_update_under_fresh_masks_has_nothing_in_common():
    first, second = (federated.train(SITES, rounds=1, secure=True).received[0] for _ in "ab")
    for one, other in zip(first, second, strict=True):
        assert not (one == other).all()  # 5 words alike by chance: 2^-160


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox"])
@pytest.mark.parametrize("secure", [False, True])
def test_with_a_budget_each_run_draws_anew_and_says_what_is_spent(strategy, secure):
    options = {"strategy": strategy, "secure": secure, "epsilon": 2.0, "delta": 1e-4, "clip": 0.5}
    first, second = (federated.train(SITES, rounds=3, local_steps=2, **options) for _ in "ab")
    assert not np.array_equal(first.weights, second.weights)
    assert first.epsilon == pytest.approx(2.0)
    assert first.epsilon <= 2.0
    assert first.delta == 1e-4


def test_with_hardly_any_noise_what_is_left_is_clipping():
    sites = [(np.array([[3.0], [0.0]]), np.array([1.0, 0.0]))] * 2
    done = federated.train(sites, rounds=1, rate=1.0, epsilon=1e15, delta=0.5, clip=0.25)
    # rows (3, 1) and (0, 1) at zero weights: -.5 (3, 1), of length 1.58, and .5 (0, 1), of .5
    first = -np.array([3.0, 1.0]) / math.sqrt(10) * 0.25
    second = np.array([0.0, 1.0]) * 0.25
    np.testing.assert_allclose(done.weights, -(first + second) / 2, atol=1e-5)


def test_noise_of_a_run_has_the_size_that_its_budget_asks_for():
    # rows of zeros and of both classes: all that is left of a step is noise on the intercept
    sites = [(np.zeros((50, 400)), np.repeat([0.0, 1.0], 25))] * 2
    done = federated.train(sites, rounds=1, rate=1.0, epsilon=3, delta=1e-5, clip=1.0)
    sigma = math.sqrt(1 / (2 * 0.1734827)) / 50  # rho of (3, 1e-5), one step, fifty rows
    noise = np.concatenate(done.received[0])
    assert np.std(noise) == pytest.approx(sigma, rel=0.19)  # 802 draws: 7.6 standard errors


def test_a_generator_gives_the_lesson_that_was_prepared():
    runs = [
        federated.train(
            SITES, rounds=2, epsilon=1, delta=1e-5, clip=1, rng=np.random.default_rng(5)
        )
        for _ in "ab"
    ]
    assert np.array_equal(runs[0].weights, runs[1].weights)


def test_a_weight_too_large_for_the_fixed_point_stops_the_round():
    features = np.array([[1.0], [-1.0]])
    sites = [(features * 1e6, np.array([1.0, 0.0]))] * 2
    with pytest.raises(RefusedError, match="too large for the fixed point"):
        federated.train(sites, rounds=1, secure=True)


def test_a_site_that_drops_out_stops_a_masked_round(monkeypatch):
    from medlab.federated.training import _InProcessGrid

    whole = _InProcessGrid.send_and_receive

    def without_the_last(self, messages, **options):
        replies = whole(self, messages, **options)
        return replies[:-1] if len(self.received) == 4 else replies  # keys, updates, keys, updates

    monkeypatch.setattr(_InProcessGrid, "send_and_receive", without_the_last)
    with pytest.raises(RefusedError, match="dropped out"):
        federated.train(SITES, rounds=3, secure=True)


def test_a_mask_that_was_tampered_with_stops_the_round(monkeypatch):
    from medlab.federated import masks

    honest = masks.mask

    def tampered(node, *rest):
        words = honest(node, *rest)
        words[0] += node == "2"
        return words

    monkeypatch.setattr(masks, "mask", tampered)
    with pytest.raises(RefusedError, match="do not cancel"):
        federated.train(SITES, rounds=1, secure=True)


@pytest.mark.parametrize("rows", [1, 40])
def test_a_site_of_one_class_is_trained_like_any_other(rows):
    sites = [*SITES, (np.full((rows, 3), 0.3), np.ones(rows))]
    done = federated.train(sites, rounds=4, local_steps=5)
    np.testing.assert_allclose(done.weights, plain_loop(sites, 4, 5, 0.5, 0.01), atol=1e-9)


@pytest.mark.parametrize("rate", [1e9, 150.0])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_steps_that_are_too_long_are_told_and_give_no_numbers(rate, l2):
    features = np.random.default_rng(1).normal(0, 1, (60, 3)) * 50
    labels = (np.arange(60) % 2).astype(float)  # labels that the features do not tell
    with pytest.raises(InputError, match="smaller rate"):
        federated.train(
            [(features[:20], labels[:20]), (features[20:], labels[20:])], rate=rate, l2=l2
        )


@pytest.mark.parametrize("options", [
    {"rounds": 0}, {"local_steps": 0}, {"rate": 0.0}, {"rate": math.nan}, {"l2": -1.0},
    {"mu": -0.1}, {"strategy": "fedsgd"}, {"epsilon": 1.0}, {"epsilon": 1.0, "delta": 1e-5},
    {"clip": 1.0}, {"epsilon": 1.0, "delta": 1.0, "clip": 1.0},
    {"epsilon": 0.0, "delta": 1e-5, "clip": 1.0},
    {"epsilon": 1.0, "delta": 1e-5, "clip": math.inf},
    {"epsilon": math.nan, "delta": 1e-5, "clip": 1.0},
])  # fmt: skip
def test_options_that_make_no_sense_are_bad_usage(options):
    with pytest.raises(UsageError):
        federated.train(SITES, **options)


@pytest.mark.parametrize(("sites", "words"), [
    (SITES[:1], "single site"),
    ([(X, np.ones(len(y))) for X, y in SITES], "two values"),
    ([(X, y * 2) for X, y in SITES], "two values"),
    ([*SITES, (np.full((2, 3), np.nan), np.ones(2))], "missing or infinite"),
    ([*SITES, (np.full((2, 3), np.inf), np.ones(2))], "missing or infinite"),
    ([*SITES, (np.zeros((2, 4)), np.ones(2))], "same features"),
    ([*SITES, (np.zeros((0, 3)), np.ones(0))], "no rows"),
])  # fmt: skip
def test_rows_that_cannot_be_used_are_refused(sites, words):
    with pytest.raises(MedlabError, match=words):
        federated.train(sites)


def test_flower_is_quiet_while_it_works_and_telemetry_is_off(caplog, capfd):
    import os

    logger = logging.getLogger("flwr")
    logger.propagate, before = True, logger.propagate
    level = logger.level
    try:
        federated.train(SITES, rounds=2, secure=True)
    finally:
        logger.propagate = before
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert logger.level == level
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"


def test_what_flower_keeps_private_is_where_this_package_looks_for_it():
    from flwr.app import Message, RecordDict
    from flwr.supercore import task_identity

    from medlab.federated.training import _InProcessGrid

    kinds = vars(type(getattr(task_identity, "TaskIdentity", None)))
    assert {"run_id", "node_id", "task_id"} <= set(kinds), MOVED.format("TaskIdentity")
    _InProcessGrid(lambda message, context: message, 2)
    message = Message(RecordDict(), 1, "train")
    assert "_message_id" in message.metadata.__dict__, MOVED.format("Metadata._message_id")
    message.metadata.__dict__["_message_id"] = "7-1"
    assert message.metadata.message_id == "7-1", MOVED.format("Metadata._message_id")


def test_sites_answer_in_order_whatever_order_they_are_asked_in():
    from flwr.app import Message, RecordDict

    from medlab.federated.training import _InProcessGrid

    grid = _InProcessGrid(lambda message, context: Message(RecordDict(), reply_to=message), 3)
    replies = grid.send_and_receive([Message(RecordDict(), node, "train") for node in (3, 1, 2)])
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]
    assert list(grid.get_node_ids()) == [1, 2, 3]
