import pytest
from job_hospital import outputs, plant
from pydicom import dcmread

from medlab.errors import RefusedError
from medlab.pipeline.copies import treat_copies


def marked(dataset):
    dataset.PatientComments = "treated"
    return dataset


def test_copies_keep_their_places_and_are_private(hospital, tmp_path):
    (hospital / "notes.txt").write_text("no DICOM")
    sources = {path: path.read_bytes() for path in outputs(hospital)}
    done = treat_copies(hospital, tmp_path / "out", marked)
    assert done == (4, 0)
    for path in outputs(tmp_path / "out"):
        assert (hospital / path.relative_to(tmp_path / "out")).is_file()
        assert dcmread(path).PatientComments == "treated"
        assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0
    assert {path: path.read_bytes() for path in outputs(hospital)} == sources


def test_what_is_refused_is_left_out_and_counted(hospital, tmp_path):
    def only_ct(dataset):
        if dataset.Modality != "CT":
            raise RefusedError("no CT")
        return dataset

    assert treat_copies(hospital, tmp_path / "out", only_ct) == (3, 1)
    assert len(outputs(tmp_path / "out")) == 3


def test_nothing_that_is_there_is_written_over(tmp_path):
    plant(tmp_path / "a.dcm", "CT_small.dcm", "Okafor^Ngozi", "MRN-1")
    assert treat_copies(tmp_path / "a.dcm", tmp_path / "b.dcm", marked) == (1, 0)
    before = (tmp_path / "b.dcm").read_bytes()
    with pytest.raises(RefusedError, match="there is an output"):
        treat_copies(tmp_path / "a.dcm", tmp_path / "b.dcm", lambda dataset: dataset)
    assert (tmp_path / "b.dcm").read_bytes() == before
