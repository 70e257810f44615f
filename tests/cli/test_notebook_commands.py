import pytest

from medlab.cli.notebook_commands import _read_parameters
from medlab.errors import UsageError


def test_the_list_names_each_notebook_with_its_parameters(medlab):
    result = medlab("run", "--list")
    assert result.exit_code == 0
    assert "01" in result.output
    assert "seed" in result.output


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("run", "99"), "99"),
        (("run", "03", "-p", "no_such_parameter", "1", "--output", "x"), "no_such_parameter"),
    ],
)
def test_what_does_not_exist_stops_before_a_kernel_starts(
    medlab, tmp_path, monkeypatch, call, words
):
    result = medlab(*(str(tmp_path / word) if word == "x" else word for word in call))
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "x").exists()


def test_samples_go_into_no_folder_that_holds_something(medlab, tmp_path):
    call = ("samples", tmp_path / "ward")
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / "notes.txt").write_text("mine")
    assert medlab(*call).exit_code == 1
    assert [path.name for path in (tmp_path / "ward").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["k: [1", "- 1\n- 2\n", "just words", ""])
def test_a_parameter_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "p.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match="parameter file"):
        _read_parameters(path)


def test_a_missing_parameter_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        _read_parameters(tmp_path / "none.yaml")


def test_values_of_a_parameter_file_keep_their_types(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text('k: 7\nword: "007"\nnames: [Age]\n')
    assert _read_parameters(path) == {"k": 7, "word": "007", "names": ["Age"]}
