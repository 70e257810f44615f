import nibabel as nib
import numpy as np
import pytest
from job_hospital import outputs, plant
from pydicom import dcmread

from medlab.errors import RefusedError
from medlab.pipeline.copies import augment_file, treat_copies
from medlab.synthetic import augment


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


@pytest.fixture
def scan(tmp_path):
    data = np.random.default_rng(0).integers(0, 900, (9, 10, 11)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "scan.nii")
    return tmp_path / "scan.nii"


def test_a_copy_is_what_the_functions_make_in_their_order(scan):
    augment_file(scan, scan.with_name("out"), 2, 11, only=["motion", "affine"])
    values, rng = np.asanyarray(nib.load(scan).dataobj).T, np.random.default_rng([11, 2])
    for step in (augment.affine, augment.motion):  # the order of ALL, not of the words
        values, _ = step(values, rng, voxel_mm=(3, 2, 1))
    copy = nib.load(scan.with_name("out") / "copy-002.nii.gz")
    assert np.array_equal(np.asanyarray(copy.dataobj).T, values)


def test_a_link_in_the_place_of_the_output_is_refused(scan):
    scan.with_name("out").symlink_to(scan.with_name("nowhere"))
    with pytest.raises(RefusedError, match="exists"):
        augment_file(scan, scan.with_name("out"), 1, 1)


def test_the_source_is_as_it_was(scan):
    before = scan.read_bytes()
    augment_file(scan, scan.with_name("out"), 1, 1)
    assert scan.read_bytes() == before
