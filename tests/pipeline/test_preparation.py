import pytest
from job_hospital import outputs

from medlab import pipeline
from medlab.errors import RefusedError, UsageError
from medlab.pipeline import Settings


def test_other_settings_or_a_strange_folder_are_refused_without_overwrite(
    hospital, tmp_path, key_file
):
    pipeline.deidentify(hospital, tmp_path / "clean")
    with pytest.raises(RefusedError, match="other settings"):
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with pytest.raises(RefusedError):
        pipeline.deidentify(hospital, tmp_path / "clean", key_file=key_file)
    again = pipeline.deidentify(
        hospital, tmp_path / "clean", Settings(policy="research"), overwrite=True
    )
    assert again.new == 4
    assert len(outputs(tmp_path / "clean")) == 4
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "x").write_text("mine")
    with pytest.raises(RefusedError, match="not empty"):
        pipeline.deidentify(hospital, tmp_path / "strange")
    assert not (tmp_path / "strange.job").exists()


def test_an_option_that_does_not_exist_is_bad_usage_and_leaves_nothing(hospital, tmp_path):
    with pytest.raises(UsageError):
        pipeline.deidentify(hospital, tmp_path / "clean", Settings(options=("keep-all",)))
    assert not (tmp_path / "clean.job").exists()
