import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from neuro_phantoms import phantom
from neuro_series import files as datasets
from neuro_series import write_series

from medlab.cli import commands
from medlab.neuro import nifti_header, series


def medlab(*arguments):
    return CliRunner().invoke(commands, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def nifti(tmp_path_factory):
    img, _ = phantom()
    img.header["descrip"] = "Doe^Jane"
    path = tmp_path_factory.mktemp("in") / "head.nii.gz"
    nib.save(img, path)
    return path


def test_a_nifti_is_stripped_with_the_letters_of_bet(nifti, tmp_path):
    out = tmp_path / "brain.nii.gz"
    told = medlab("skullstrip", nifti, out, "-f", "0.4", "-g", "0.1", "-m", "-o")
    assert told.exit_code == 0, told.output
    assert "still identify" in told.output
    assert {p.name for p in tmp_path.iterdir()} == {
        "brain.nii.gz", "brain_mask.nii.gz", "brain_outline.nii.gz",
    }  # fmt: skip
    brain, mask = (
        np.asanyarray(nib.load(p).dataobj) for p in (out, tmp_path / "brain_mask.nii.gz")
    )
    assert np.array_equal(brain, np.where(mask, np.asanyarray(nib.load(nifti).dataobj), 0))
    assert nifti_header.inspect_file(out) == []


def test_only_the_mask_is_written_when_asked(nifti, few_steps, tmp_path):
    told = medlab("skullstrip", nifti, tmp_path / "b.nii", "-n", "-m")
    assert told.exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["b_mask.nii.gz"]


def test_outputs_are_not_replaced_and_the_source_is_not_touched(nifti, tmp_path):
    out = tmp_path / "b.nii.gz"
    out.write_text("here")
    assert medlab("skullstrip", nifti, out).exit_code == 1
    assert out.read_text() == "here"
    assert medlab("skullstrip", nifti, nifti, "--overwrite").exit_code == 1
    assert medlab("deface", nifti, out).exit_code == 1


def test_places_that_would_cost_something_are_refused_before_the_work(nifti, tmp_path):
    folder = tmp_path / "series"
    write_series(folder, np.ones((4, 5, 6), np.int16), np.eye(4))
    other = tmp_path / "t2.nii.gz"
    other.write_bytes(nifti.read_bytes())
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    out = tmp_path / "out.nii.gz"
    for words, *arguments in (
        ("replace a source", "skullstrip", folder, tmp_path),
        ("replace a source", "deface", nifti, out, "--also", other, nifti),
        ("two outputs", "skullstrip", nifti, out, "--mask", out),
        ("two outputs", "deface", nifti, out, "--also", other, out),
        (".nii or .nii.gz", "skullstrip", nifti, out, "--mask", tmp_path / "mask.png"),
        (".nii or .nii.gz", "deface", nifti, tmp_path / "out.mgz"),
    ):
        told = medlab(*arguments, "--overwrite")
        assert told.exit_code == 1
        assert words in told.output
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("letter", ["-B", "-S", "-A", "-A2"])
def test_options_of_other_tools_say_that_they_need_fsl(nifti, tmp_path, letter):
    told = medlab("skullstrip", nifti, tmp_path / "b.nii.gz", letter)
    assert told.exit_code == 1
    assert "needs FSL" in told.output
    assert not list(tmp_path.iterdir())


def test_hostile_input_gives_one_sentence_and_no_file(tmp_path):
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"no image")
    for verb in ("skullstrip", "deface"):
        told = medlab(verb, bad, tmp_path / "out.nii.gz")
        assert told.exit_code == 1
        assert told.output.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.nii.gz"]


@pytest.mark.needs("neuro")
def test_a_series_is_stripped_to_a_derived_series_with_its_segmentation(tmp_path):
    img, _ = phantom()
    source = write_series(tmp_path / "in", np.asanyarray(img.dataobj), img.affine)
    told = medlab("skullstrip", source, tmp_path / "out", "--seg", tmp_path / "seg.dcm")
    assert told.exit_code == 0, told.output
    before, after = series.read_series(source), series.read_series(tmp_path / "out")
    kept = after.stored > 0
    assert 0.1 < kept.mean() < 0.5
    assert np.array_equal(after.stored[kept], before.stored[kept])
    assert "PatientIdentityRemoved" not in datasets(tmp_path / "out")[0]
    assert (tmp_path / "seg.dcm").stat().st_size > 1000
    assert medlab("skullstrip", source, source / "inside").exit_code == 1


def test_two_contrasts_are_defaced_with_one_cut(tmp_path):
    from medlab import samples

    head = samples.head(2, 1, spacing_mm=3.0)
    one, two = tmp_path / "t1.nii.gz", tmp_path / "t2.nii.gz"
    nib.save(head.img, one)
    data = np.asanyarray(head.img.dataobj)
    nib.save(nib.Nifti1Image(data.max() - data, head.img.affine), two)
    outs = tmp_path / "t1-out.nii.gz", tmp_path / "t2-out.nii.gz"
    told = medlab("deface", one, outs[0], "--also", two, outs[1], "--ears")
    assert told.exit_code == 0, told.output
    cut = [np.asanyarray(nib.load(p).dataobj) == 0 for p in outs]
    face = (np.asanyarray(head.face_mask.dataobj) > 0) & (data > 50)
    assert cut[0][face].mean() > 0.4
    assert np.array_equal(cut[0][face], cut[1][face])
