"""The two places where Flower is reached into are still where they were."""

import pytest

pytestmark = pytest.mark.needs("federated")
MOVED = "Flower moved {}: mend medlab/federated/flower.py, which alone uses it"


def test_what_flower_keeps_private_is_where_this_package_looks_for_it():
    from flwr.app import Message, RecordDict
    from flwr.supercore import task_identity

    from medlab.federated.flower import InProcessGrid

    kinds = vars(type(getattr(task_identity, "TaskIdentity", None)))
    assert {"run_id", "node_id", "task_id"} <= set(kinds), MOVED.format("TaskIdentity")
    InProcessGrid(lambda message, context: message, 2)
    message = Message(RecordDict(), 1, "train")
    assert "_message_id" in message.metadata.__dict__, MOVED.format("Metadata._message_id")
    message.metadata.__dict__["_message_id"] = "7-1"
    assert message.metadata.message_id == "7-1", MOVED.format("Metadata._message_id")


def test_sites_answer_in_order_whatever_order_they_are_asked_in():
    from flwr.app import Message, RecordDict

    from medlab.federated.flower import InProcessGrid

    grid = InProcessGrid(lambda message, context: Message(RecordDict(), reply_to=message), 3)
    replies = grid.send_and_receive([Message(RecordDict(), node, "train") for node in (3, 1, 2)])
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]
    assert list(grid.get_node_ids()) == [1, 2, 3]
