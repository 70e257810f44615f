"""What `medlab gateway` makes of its words, what it says at the end, and its exit codes."""

import pytest

from medlab import gateway
from medlab.pipeline import Settings, Summary


@pytest.fixture
def served(monkeypatch):
    """What the gateway was called with; it ends at once, with one file done."""
    served = {"statuses": {"done": 1}, "sent": (3, 2, 1)}

    def serve(target, settings, listener, receiver, *, listening, **job):
        listening()
        served.update(settings=settings, listener=listener, receiver=receiver, job=job)
        return Summary(target.with_name("out.job"), served["statuses"], 1, {}), served["sent"]

    monkeypatch.setattr(gateway, "serve", serve)
    return served


def test_words_become_a_listener_settings_and_a_receiver(medlab, served, tmp_path):
    words = (
        "--port",
        11112,
        "--ae-title",
        "IN",
        "--allow",
        "CT1",
        "--allow",
        "CT2",
        "--max-mb",
        7,
    )
    more = ("--policy", "research", "--forward", "PACS@[::1]:104", "--jobs", 2, "--durable")
    result = medlab("gateway", tmp_path / "out", *words, *more)
    assert result.exit_code == 0, result.output
    assert served["listener"] == gateway.Listener(
        11112, ae_title="IN", allow=("CT1", "CT2"), max_mb=7, durable=True
    )
    assert served["settings"] == Settings("research")
    assert served["receiver"] == gateway.Receiver("PACS", "::1", 104)
    assert served["job"]["jobs"] == 2
    assert result.stderr == "listening on port 11112\n"
    assert result.stdout.splitlines()[-1] == ("sent on: 3; refused by the receiver: 2; not yet: 1")


def test_without_a_receiver_nothing_is_said_of_one(medlab, served, tmp_path):
    result = medlab("gateway", tmp_path / "out", "--port", 11112)
    assert served["receiver"] is None
    assert "sent on" not in result.stdout


def test_a_file_that_was_withheld_is_an_exit_code_of_its_own(medlab, served, tmp_path):
    served["statuses"] = {"done": 1, "refused": 1}
    assert medlab("gateway", tmp_path / "out", "--port", 11112).exit_code == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "--port"),
        (("--port", 0), "--port"),
        (("--port", 11112, "--cohort-k", 3), "a cohort needs all files at once"),
        (("--port", 11112, "--ae-title", "A" * 17), "1 to 16 characters"),
        (("--port", 11112, "--tls-cert", "c.pem"), "a certificate and its private key"),
        (("--port", 11112, "--forward", "PACS@host"), "AE@HOST:PORT"),
    ],
)
def test_words_that_cannot_be_met_are_bad_usage(medlab, served, tmp_path, words, sentence):
    result = medlab("gateway", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not result.stdout
    assert "listener" not in served
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("text", ["7", "7:1,2,3", "7:a,b,c,d", "1,2,3,4,5"])
def test_an_addition_that_is_no_box_is_bad_usage(medlab, tmp_path, text):
    result = medlab("pixels", "review", tmp_path / "out", "--add", text)
    assert result.exit_code == 2
    assert "ROW:X0" in result.output
