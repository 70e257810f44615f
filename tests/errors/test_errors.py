import pytest

from medlab.errors import (
    InputError,
    KindError,
    MedlabError,
    MissingError,
    RefusedError,
    UnavailableError,
    UsageError,
    not_installed,
    usable,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InputError, ValueError),
        (UsageError, ValueError),
        (MissingError, KeyError),
        (KindError, TypeError),
        (UnavailableError, RuntimeError),
    ],
)
def test_who_knows_no_medlab_catches_the_error_of_python(error, builtin):
    with pytest.raises(builtin):
        raise error("said")
    assert issubclass(error, MedlabError)


def test_a_missing_thing_is_said_without_the_quotes_of_a_key_error():
    assert str(MissingError("no column Age")) == "no column Age"
    assert str(MissingError()) == ""


@pytest.mark.parametrize(
    ("extra", "command"), [("pixels", "setup`"), ("neuro", "setup neuro`"), ("dp", "setup dp`")]
)
def test_a_package_that_is_missing_is_named_with_the_command_that_adds_it(extra, command):
    text = str(not_installed("the library", extra))
    assert f"python lab.py {command}" in text
    assert f".[{extra}]" in text


def test_what_cannot_be_read_is_passed_over_by_its_number():
    def reader(item):
        if item < 0:
            raise RefusedError("negative")
        return item * item

    passed = {}
    assert list(usable([2, -1, 3, -4], reader, passed)) == [(1, 2, 4), (3, 3, 9)]
    assert passed == {2: "negative", 4: "negative"}


def test_an_error_that_is_no_refusal_is_not_passed_over():
    with pytest.raises(ZeroDivisionError):
        list(usable([0], lambda item: 1 / item))
