"""`medlab augment` seen from outside: nibabel reads what it wrote."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from medlab import samples
from medlab.cli import commands
from medlab.evaluation import image_attacks
from medlab.samples import studies

NAME = "NOBODY^NOELLE"


def medlab(*words):
    result = CliRunner().invoke(commands, ["augment", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert NAME not in result.output
    return result


@pytest.fixture
def head(tmp_path):
    """A head whose header says who it is, and a mask with a value of its own."""
    z, y, x = np.indices((20, 24, 22))
    data = (900 - 3 * ((z - 9) ** 2 + (y - 12) ** 2 + (x - 11) ** 2)).clip(0).astype(">i2")
    affine = np.array([[-2, 0, 0, 20], [0, 0, 2.5, -9], [0, 3, 0, 7], [0, 0, 0, 1.0]])
    for name, values in (("head", data), ("mask", (data > 600).astype(np.uint8) * 9)):
        img = nib.Nifti1Image(values, affine)
        img.header["descrip"] = NAME
        img.header.extensions.append(nib.nifti1.Nifti1Extension(6, NAME.encode()))
        img.header["aux_file"] = NAME
        nib.save(img, tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_copies_hold_no_identifier_and_keep_shape_type_and_place(head):
    words = ("--copies", 3, "--seed", 5, "--mask", head / "mask.nii.gz")
    assert medlab(head / "head.nii.gz", head / "out", *words).exit_code == 0
    assert sorted(path.name for path in (head / "out").iterdir()) == [
        f"copy-{n:03d}{piece}.nii.gz" for n in (1, 2, 3) for piece in ("", "_mask")
    ]
    source = nib.load(head / "head.nii.gz")
    for path in (head / "out").iterdir():
        assert NAME.encode() not in gzip.decompress(path.read_bytes())
        img = nib.load(path)
        assert img.shape == source.shape
        np.testing.assert_allclose(img.affine, source.affine)
        if "mask" in path.name:
            assert set(np.unique(img.dataobj)) == {0, 9}
        else:
            assert img.get_data_dtype() == source.get_data_dtype()
    # a copy's mask lies on the bright middle of the copy
    img, mask = (nib.load(head / "out" / f"copy-001{p}.nii.gz") for p in ("", "_mask"))
    data, inside = np.asanyarray(img.dataobj), np.asanyarray(mask.dataobj) == 9
    assert data[inside].mean() > data[~inside].mean() + 200


def test_the_same_seed_gives_the_same_bytes_and_a_copy_does_not_hang_on_their_number(head):
    for name, copies, seed in (("a", 3, 5), ("b", 2, 5), ("c", 2, 6)):
        done = medlab(head / "head.nii.gz", head / name, "--copies", copies, "--seed", seed)
        assert done.exit_code == 0
    first, same, other = ((head / n / "copy-002.nii.gz").read_bytes() for n in "abc")
    assert first == same != other


def test_only_some_of_them(head):
    words = ("--copies", 1, "--seed", 5, "--mask", head / "mask.nii.gz")
    medlab(head / "head.nii.gz", head / "out", *words, "--only", "noise,bias_field")
    masks = [head / "mask.nii.gz", head / "out" / "copy-001_mask.nii.gz"]
    assert np.array_equal(*(np.asanyarray(nib.load(path).dataobj) for path in masks))


def test_scaling_stays(head):
    img = nib.load(head / "head.nii.gz")
    scaled = nib.Nifti1Image(np.asarray(img.dataobj) * 0.25 - 100.0, img.affine, dtype=np.int16)
    nib.save(scaled, head / "scaled.nii")
    medlab(head / "scaled.nii", head / "out", "--copies", 1, "--seed", 1, "--only", "affine")
    copy = nib.load(head / "out" / "copy-001.nii.gz")
    assert copy.get_data_dtype() == np.int16
    assert -101 < copy.get_fdata().min() < copy.get_fdata().max() < 126


def test_a_dicom_series_is_converted_first(tmp_path):
    made = list(studies.mr_series(1, 0, 1, samples.head(1, spacing_mm=8).img))
    (tmp_path / "series").mkdir()
    for number, (_, dataset, *_rest) in enumerate(made):
        dataset.save_as(tmp_path / "series" / f"{number}.dcm", enforce_file_format=True)
    words = ("--copies", 1, "--seed", 1)
    assert medlab(tmp_path / "series", tmp_path / "out", *words).exit_code == 0
    content = gzip.decompress((tmp_path / "out" / "copy-001.nii.gz").read_bytes())
    assert str(dataset.PatientName).encode() not in content
    assert nib.Nifti1Image.from_bytes(content).shape[2] == len(made)
    inside = medlab(tmp_path / "series", tmp_path / "series" / "out", *words)
    refused(inside, "source")


@pytest.mark.parametrize(("words", "said"), [
    (("--copies", 0, "--seed", 1), "copies"), (("--copies", 2, "--seed", -1), "seed"),
    (("--copies", 1, "--seed", 1, "--only", "blur"), "blur"),
    (("--copies", 1, "--seed", 1, "--only", ""), "augmentation"),
])  # fmt: skip
def test_options_that_cannot_be_met_are_one_sentence(head, words, said):
    refused(medlab(head / "head.nii.gz", head / "out", *words), said)
    assert not (head / "out").exists()


def test_a_mask_elsewhere_or_of_another_shape_leaves_nothing_behind(head):
    img = nib.load(head / "mask.nii.gz")
    data = np.asanyarray(img.dataobj)
    moved = img.affine.copy()
    moved[0, 3] += 1
    for other in (nib.Nifti1Image(data, moved), nib.Nifti1Image(data[1:], img.affine)):
        nib.save(other, head / "other.nii")
        words = ("--copies", 1, "--seed", 1, "--mask", head / "other.nii")
        refused(medlab(head / "head.nii.gz", head / "out", *words), "mask")
    names = {"head.nii.gz", "mask.nii.gz", "other.nii"}
    assert {path.name for path in head.iterdir()} == names


def test_an_output_that_is_there_a_series_of_volumes_and_no_image_are_refused(head):
    words = ("--copies", 1, "--seed", 1)
    (head / "there").mkdir()
    refused(medlab(head / "head.nii.gz", head / "there", *words), "exists")
    (head / f"{NAME}.nii").write_bytes(b"no image")
    refused(medlab(head / f"{NAME}.nii", head / "out", *words), "NIfTI")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 8, 2), np.int16), np.eye(4)), head / "four.nii")
    refused(medlab(head / "four.nii", head / "out", *words), "several volumes")


def test_a_copy_is_found_from_its_original(head):
    """Augmentation is no anonymization."""
    rng = np.random.default_rng(0)
    originals, copies = [], []
    for number in range(6):
        smooth = np.kron(rng.normal(500, 150, (5, 6, 5)), np.ones((4, 4, 4)))
        img = nib.Nifti1Image(smooth.astype(np.int16), np.eye(4) * [2, 2, 2, 1])
        nib.save(img, head / f"{number}.nii")
        words = ("--copies", 1, "--seed", 7)
        assert medlab(head / f"{number}.nii", head / f"out{number}", *words).exit_code == 0
        originals.append(img)
        copies.append(nib.load(head / f"out{number}" / "copy-001.nii.gz"))
    found = image_attacks.pixel_linkage(originals, {"varied": copies}).loc["varied"]
    assert found["correlation inside the mask"] == 1.0
    assert found["SHA-256"] < 1.0


def refused(result, words):
    assert result.exit_code in (1, 2), result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("medlab: ")
    assert words in sentence
