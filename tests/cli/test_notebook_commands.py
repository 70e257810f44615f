import pytest


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
