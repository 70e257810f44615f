"""Which notebooks run with which parameters, and what a parameter may be."""

import math

import papermill
import pytest

from medlab.errors import UsageError
from medlab.methods.catalogue import ON_MAP
from medlab.neuro.extraction import _BACKENDS
from medlab.runs.plan import (
    _check,
    _declared,
    find_notebooks,
    notebook_parameters,
    plan_jobs,
)

CELL = """\
k: int = 5  # smallest class, "#" is no comment here (2 to 50)
t: float = 0.35  # distance (0.05 to 1)
g: float = 0.0  # gradient (-1 to 1)
seed: int = 1  # start (0 or more)
policy: str = "allow"  # what may stay (allow or match)
mark: str = "a # b"  # text on the picture (DICOM or NIfTI)
x: str = "Age"  # across (Age, Weight or Height)
y: str = "Weight"  # up (Age, Weight or Height; not x)
known: str = "Age,Sex"  # facts (some of Age, Sex or Postcode)
methods: str = "all"  # methods (all or some of Mondrian k or k-member k)
free: str = ""  # any text (with a bracket, or two)
columns: list = [
    "Age",
]  # columns
plain = 3  # no annotation
"""


@pytest.fixture
def known():
    return _declared(CELL)


def test_ranges_words_and_kinds_are_read_from_the_comment(known):
    assert known["k"].limits == (2, 50)
    assert known["g"].limits == (-1, 1)
    assert known["seed"].limits == (0, math.inf)
    assert known["policy"].words == ("allow", "match")
    assert known["x"].words == known["y"].words == ("Age", "Weight", "Height")
    assert known["methods"].words == ("all", "Mondrian k", "k-member k")
    assert known["free"].words == known["mark"].words == ()
    assert known["mark"].default == "'a # b'"
    assert known["columns"].help == "columns"
    assert known["plain"].kind == "int"


@pytest.mark.parametrize("notebook", find_notebooks(), ids=lambda path: path.stem)
def test_papermill_reads_the_same_names_kinds_and_comments(notebook):
    theirs = papermill.inspect_notebook(notebook)
    ours = notebook_parameters(notebook)
    assert {
        name: (about["inferred_type_name"], about["help"]) for name, about in theirs.items()
    } == {name: (about.kind, about.help) for name, about in ours.items()}


@pytest.mark.parametrize("notebook", find_notebooks(), ids=lambda path: path.stem)
def test_every_default_fits_and_every_number_has_limits(notebook):
    parameters = notebook_parameters(notebook)
    defaults = {name: eval(about.default) for name, about in parameters.items()}
    assert _check(defaults, parameters) == defaults
    numbers = [about for about in parameters.values() if about.kind in ("int", "float")]
    assert all(about.limits[0] > -math.inf for about in numbers)


def test_the_words_of_a_comment_are_those_that_the_package_knows():
    head, tradeoff = (notebook_parameters(find_notebooks([number])[0]) for number in ("04", "05"))
    assert head["backend"].words == tuple(_BACKENDS)
    words = [word for word in tradeoff["methods"].words if word != "tree" or word in ON_MAP]
    assert words == ["all", *ON_MAP]  # a tree is a method where its extra is


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "50", 50), ("t", "1", 1.0), ("seed", "0", 0), ("policy", "match", "match"),
        ("known", "Postcode, Age", "Postcode, Age"), ("methods", "all", "all"),
        ("columns", "Age,Sex", ["Age", "Sex"]), ("free", "007", "007"),
    ],
)  # fmt: skip
def test_a_value_that_fits_is_returned_as_its_kind(known, name, text, value):
    (found,) = _check({name: text}, known).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("k", "1"), ("k", "51"), ("k", "2.5"), ("k", True), ("t", "nan"), ("t", "inf"),
        ("g", -1.1), ("seed", "-1"), ("policy", "Match"), ("x", "Sex"), ("y", "Age"),
        ("x", "Weight"),
        ("known", "Age,Name"), ("known", ""), ("methods", "mondrian"), ("columns", "7"),
        ("missing", "1"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_with_what_would(known, name, value):
    with pytest.raises(UsageError, match=rf"{name} .*(takes|alike)|no parameter missing"):
        _check({name: value}, known)


def test_two_that_must_differ_may_be_swapped(known):
    assert _check({"x": "Weight", "y": "Age"}, known) == {"x": "Weight", "y": "Age"}


def test_a_refusal_does_not_repeat_text(known):
    with pytest.raises(UsageError) as caught:
        _check({"known": "Okafor"}, known)
    assert "Okafor" not in str(caught.value)


def test_the_parameters_of_a_notebook_are_found_with_their_help(notebook):
    found = notebook_parameters(notebook())
    assert list(found) == [
        "data_dir", "output_dir", "reveal", "seed", "k", "share", "word", "names",
    ]  # fmt: skip
    assert found["k"].help == "smallest class (2 to 100)"


def test_an_unknown_parameter_is_refused_naming_those_that_exist(notebook):
    with pytest.raises(UsageError, match=r"tiny: no parameter epsilonn; there are: .*share, word"):
        plan_jobs([notebook()], {"epsilonn": "1"})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("k", "7", 7),
        ("share", "1e-3", 0.001),
        ("share", "1", 1.0),
        ("word", "007", "007"),
        ("word", "true", "true"),
        ("reveal", "true", True),
        ("names", "Age,Sex", ["Age", "Sex"]),
        ("names", "[1, 2]", [1, 2]),
        ("names", ["Age"], ["Age"]),  # as a file of parameters gives it
        ("k", 7, 7),
    ],
)
def test_text_is_read_as_the_type_that_the_notebook_declares(notebook, name, text, value):
    (job,) = plan_jobs([notebook()], {name: text})
    assert job.parameters == {name: value}
    assert type(job.parameters[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("k", "2.5"), ("k", "many"), ("k", "true"), ("share", "much"), ("reveal", "2"), ("k", "{")],
)
def test_a_value_of_a_wrong_type_is_refused(notebook, name, text):
    with pytest.raises(UsageError, match=f"tiny: {name} takes"):
        plan_jobs([notebook()], {name: text})


def test_a_grid_gives_one_job_for_every_combination(notebook):
    jobs = plan_jobs([notebook()], {"seed": "1"}, {"k": ["2", "5"], "word": ["a", "b c"]})
    assert [job.name for job in jobs] == [
        "tiny_k-2_word-a", "tiny_k-2_word-b-c", "tiny_k-5_word-a", "tiny_k-5_word-b-c",
    ]  # fmt: skip
    assert jobs[3].parameters == {"seed": 1, "k": 5, "word": "b c"}
    assert jobs[3].point == {"k": 5, "word": "b c"}


def test_grid_points_whose_names_fall_together_stay_apart(notebook):
    jobs = plan_jobs([notebook()], {}, {"word": ["a b", "a/b"]})
    assert [job.name for job in jobs] == ["tiny_word-a-b", "tiny_word-a-b_2"]


def test_every_point_of_a_grid_is_checked_and_fixed_values_hold_beside_it(notebook):
    with pytest.raises(UsageError, match="tiny: k takes a whole number, 2 to 100; 1 is out"):
        plan_jobs([notebook()], {"share": "0.2"}, {"k": ["5", "1"]})


@pytest.mark.parametrize("name", ["3", "03", "03_kanonymity_ldiversity"])
def test_a_notebook_is_found_by_its_number_with_and_without_the_zero(name):
    assert [path.stem for path in find_notebooks([name])] == ["03_kanonymity_ldiversity"]


def test_a_notebook_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no notebook of that name"):
        find_notebooks([str(tmp_path / "nothing.ipynb")])


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{ not json")
    with pytest.raises(UsageError, match="cannot be read as a notebook"):
        plan_jobs([path], {"k": "5"})
