"""Parameters are checked by name and value before anything starts."""

import pytest

from medlab.errors import UsageError
from medlab.runs.plan import find_notebooks, notebook_parameters, plan_jobs, read_parameter_file


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


@pytest.mark.parametrize("content", ["k: [1", "- 1\n- 2\n", "just words", ""])
def test_a_parameter_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "p.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match="parameter file"):
        read_parameter_file(path)


def test_a_missing_parameter_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_parameter_file(tmp_path / "none.yaml")


def test_values_of_a_parameter_file_keep_their_types(tmp_path, notebook):
    path = tmp_path / "p.yaml"
    path.write_text('k: 7\nword: "007"\nnames: [Age]\n')
    (job,) = plan_jobs([notebook()], read_parameter_file(path))
    assert job.parameters == {"k": 7, "word": "007", "names": ["Age"]}
