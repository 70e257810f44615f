import os
import shutil
import subprocess
import sys
from pathlib import Path

import gdcm
import nibabel as nib
import numpy as np
import pydicom
import pytest
from neuro_phantoms import phantom
from neuro_series import files, slice_dataset, write_series

from medlab import neuro, samples
from medlab.errors import InputError, RefusedError
from medlab.neuro import series


@pytest.fixture(scope="session")
def oblique():
    """A small volume with an oblique, anisotropic affine."""
    rng = np.random.default_rng(5)
    data = rng.integers(0, 900, (24, 20, 12)).astype(np.int16)
    a, b = np.deg2rad([15, -8])
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.9, -1.1, 2.5])
    affine[:3, 3] = [12, 30, -40]
    return data, affine


def test_a_series_in_any_file_order_is_read_with_exact_geometry(oblique, tmp_path):
    data, affine = oblique
    (write_series(tmp_path / "s", data, affine) / "notes.txt").write_text("no DICOM")
    found = series.read_series(tmp_path / "s")
    assert np.array_equal(found.stored, data)
    assert np.allclose(found.img.affine, affine, atol=1e-4)


DCM2NIIX = shutil.which("dcm2niix", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_dcm2niix_reads_the_same_voxels_in_the_same_places(oblique, tmp_path, modality):
    data, affine = oblique
    source = write_series(tmp_path / "s", data, affine, modality)
    subprocess.run(
        [DCM2NIIX, "-o", tmp_path, "-f", "peer", source], check=True, capture_output=True
    )
    peer = nib.load(tmp_path / "peer.nii")
    ours = series.read_series(source).img
    turn = np.linalg.inv(peer.affine) @ ours.affine
    assert np.allclose(turn, np.round(turn), atol=2e-3)
    index = np.indices(data.shape).reshape(3, -1).T
    there = np.round(nib.affines.apply_affine(turn, index)).astype(int)
    assert np.array_equal(peer.get_fdata()[tuple(there.T)], ours.get_fdata()[tuple(index.T)])


def test_enhanced_multi_frame_is_read_like_single_slices(oblique, tmp_path):
    data, affine = oblique
    slices = files(write_series(tmp_path / "s", data, affine))
    path = tmp_path / "enhanced.dcm"
    _enhanced(slices).save_as(path, enforce_file_format=True)
    found = series.read_series(path)
    assert np.array_equal(found.stored, data)
    assert np.allclose(found.img.affine, affine, atol=1e-4)
    keep = np.zeros(data.shape, bool)
    keep[5:9, :, 3] = True
    out = series.write_series(found, keep, tmp_path / "o.dcm", kind="defacing", description="x")
    assert np.array_equal(series.read_series(out).stored, np.where(keep, data, 0))


def _enhanced(slices):
    """Return one enhanced file of many slices, last slice first."""
    first, slices = slices[0], slices[::-1]
    ds = slice_dataset(np.zeros((2, 2), np.int16), 0, [0] * 3, [1, 0, 0, 0, 1, 0], [1, 1], 1)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, name)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedMRImageStorage
    ds.Rows, ds.Columns, ds.NumberOfFrames = first.Rows, first.Columns, len(slices)
    shared, groups = pydicom.Dataset(), []
    shared.PixelMeasuresSequence = [pydicom.Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = first.PixelSpacing
    for one in slices:
        group = pydicom.Dataset()
        group.PlanePositionSequence = [pydicom.Dataset()]
        group.PlanePositionSequence[0].ImagePositionPatient = one.ImagePositionPatient
        group.PlaneOrientationSequence = [pydicom.Dataset()]
        group.PlaneOrientationSequence[0].ImageOrientationPatient = one.ImageOrientationPatient
        groups.append(group)
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], groups
    ds.PixelData = b"".join(one.PixelData for one in slices)
    return ds


def _remove_one(found):
    found.pop(5)


def _turn_one(found):
    found[5].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]


def _double_one(found):
    found[5].ImagePositionPatient = found[4].ImagePositionPatient


def _other_series(found):
    found[5].SeriesInstanceUID = "1.2.3"


def _no_position(found):
    del found[5].ImagePositionPatient


def _one_left(found):
    del found[1:]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_remove_one, "evenly spaced"),
        (_turn_one, "orientations"),
        (_double_one, "one place"),
        (_other_series, "more than one series"),
        (_no_position, "no usable position"),
        (_one_left, "one slice"),
    ],
)
def test_a_series_that_is_no_volume_is_refused(oblique, tmp_path, spoil, words):
    found = files(write_series(tmp_path / "s", *oblique))
    spoil(found)
    (tmp_path / "t").mkdir()
    for number, ds in enumerate(found):
        ds.save_as(tmp_path / "t" / f"{number}.dcm")
    with pytest.raises(InputError, match=words):
        series.read_series(tmp_path / "t")


@pytest.fixture(scope="module")
def stripped(tmp_path_factory):
    """A head as a DICOM series, and the derived series of its brain."""
    folder = tmp_path_factory.mktemp("head")
    img, _ = phantom()
    affine = img.affine @ np.diag([-1.0, -1, 1, 1])
    source = write_series(folder / "in", np.asanyarray(img.dataobj), affine)
    found = series.read_series(source)
    mask = np.asanyarray(neuro.extract_brain(found.img, backend="builtin").mask.dataobj) > 0
    out = series.write_series(
        found, mask, folder / "out", kind="skull stripping", description="BET, f 0.5"
    )
    return found, mask, out


def test_the_derived_series_is_the_original_inside_the_mask_and_0_outside(stripped):
    found, mask, out = stripped
    back = series.read_series(out)
    assert np.array_equal(back.stored, np.where(mask, found.stored, 0))
    assert np.array_equal(back.img.affine, found.img.affine)


def test_the_derived_series_is_a_new_series_of_the_same_patient_and_frame(stripped):
    found, _, out = stripped
    before, after = list(found.datasets), files(out)
    assert len({d.SeriesInstanceUID for d in after} | {before[0].SeriesInstanceUID}) == 2
    assert not {d.SOPInstanceUID for d in after} & {d.SOPInstanceUID for d in before}
    for d in after:
        assert d.file_meta.MediaStorageSOPInstanceUID == d.SOPInstanceUID
        assert d.FrameOfReferenceUID == before[0].FrameOfReferenceUID
        assert (d.PatientName, d.PatientID) == ("Doe^Jane", "4711")
        assert "PatientIdentityRemoved" not in d
        assert d.ImageType[0] == "DERIVED"
        assert d.RecognizableVisualFeatures == "NO"
        assert d.DeidentificationMethodCodeSequence[0].CodeValue == "113102"
        assert not any(e.tag.is_private for e in d)
        assert "LargestImagePixelValue" not in d
        assert d.SeriesNumber == 1003


def test_the_same_input_gives_the_same_files(stripped, tmp_path):
    found, mask, out = stripped
    again = series.write_series(
        found, mask, tmp_path / "out", kind="skull stripping", description="BET, f 0.5"
    )
    for one, two in zip(sorted(out.iterdir()), sorted(again.iterdir()), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_an_existing_output_is_refused(stripped):
    found, mask, out = stripped
    with pytest.raises(RefusedError, match="exists"):
        series.write_series(found, mask, out, kind="defacing", description="x")


def test_a_folder_that_holds_more_than_a_series_is_never_replaced(stripped, tmp_path):
    found, mask, _ = stripped
    (tmp_path / "thesis.txt").write_text("years of work")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(RefusedError, match="derived series"):
            series.write_series(found, mask, target, kind="x", description="x", overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_mask_that_kept_the_face_does_not_claim_that_it_is_gone(stripped, tmp_path, monkeypatch):
    from medlab.neuro import head_files as commands

    found = stripped[0]
    whole = neuro.Extraction(
        found.img,
        nib.Nifti1Image(np.ones(found.img.shape, np.uint8), found.img.affine),
        neuro.Mesh(np.empty((0, 3)), np.empty((0, 3), int)),
        {"version": "x", "f": 0.5, "g": 0.0, "warnings": []},
    )
    monkeypatch.setattr(commands, "extract_brain", lambda img: whole)
    monkeypatch.setattr(commands, "read_series", lambda source: found)
    report = commands.strip(tmp_path, tmp_path.parent / "kept")
    assert "does not claim" in report["warnings"][0]
    derived = files(tmp_path.parent / "kept")[0]
    assert "RecognizableVisualFeatures" not in derived
    assert "DeidentificationMethodCodeSequence" not in derived


def test_a_padding_value_with_the_wrong_sign_is_taken_as_stored(tmp_path, oblique):
    data, affine = oblique
    slices = files(write_series(tmp_path / "s", data, affine))
    for number, ds in enumerate(slices):
        ds.add_new("PixelPaddingValue", "US", 63536)
        ds.save_as(tmp_path / "s" / f"{number:04d}.dcm")
    found = series.read_series(tmp_path / "s")
    out = series.write_series(found, data > 5, tmp_path / "o", kind="x", description="x")
    assert (series.read_series(out).stored[data <= 5] == -2000).all()


def test_ct_background_is_air(tmp_path, oblique):
    data, affine = oblique
    found = series.read_series(write_series(tmp_path / "s", data + 1024, affine, "CT"))
    assert np.array_equal(found.img.get_fdata(), data)
    keep = np.zeros(data.shape, bool)
    out = series.write_series(found, keep, tmp_path / "o", kind="defacing", description="x")
    assert (series.read_series(out).img.get_fdata() == -1000).all()


@pytest.mark.parametrize(
    ("modality", "ends", "padded"),
    [
        ("CT", (4000, 4095), (4000, 4090)),  # as bright as metal
        ("CT", (4095, 4000), (4000, 4090)),
        ("CT", (4090,), (4090,)),
        ("MR", (4000, 4095), ()),
    ],
)
def test_padding_of_ct_is_read_as_air(tmp_path, oblique, modality, ends, padded):
    data, affine = oblique
    data = data + 1024
    data[0, 0, :], data[0, 1, :] = 4000, 4090
    for path in write_series(tmp_path / "s", data, affine, modality).iterdir():
        ds = pydicom.dcmread(path)
        for name, end in zip(("Value", "RangeLimit"), ends, strict=False):
            ds.add_new(f"PixelPadding{name}", "US", end)
        ds.save_as(path)
    found = series.read_series(tmp_path / "s")
    shift = 1024 if modality == "CT" else 0
    expected = np.where(np.isin(data, padded), -1000, data - shift)
    assert np.array_equal(found.img.get_fdata(), expected)
    assert np.array_equal(found.stored, data)


def _coded(path, form):
    """Give a slice another transfer syntax, or a trait of it."""
    ds = pydicom.dcmread(path)
    if form == "RLE":
        ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    elif form == "big-endian":
        ds.PixelData = np.frombuffer(ds.PixelData, "<i2").astype(">i2").tobytes()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
        pydicom.dcmwrite(path, ds, little_endian=False, implicit_vr=False, force_encoding=True)
        return
    elif form == "12 bits":
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
    ds.save_as(path)


@pytest.mark.parametrize("form", ["RLE", "big-endian", "12 bits"])
def test_outside_the_cut_each_value_is_what_it_was_however_it_is_stored(tmp_path, oblique, form):
    data, affine = oblique
    source = write_series(tmp_path / "s", data, affine)
    for path in source.iterdir():
        _coded(path, form)
    before = [ds.pixel_array for ds in files(source)]
    found = series.read_series(source)
    assert np.array_equal(found.stored, data)
    out = series.write_series(found, data > 5, tmp_path / "o", kind="defacing", description="x")
    for old, ds in zip(before, files(out), strict=True):
        assert np.array_equal(ds.pixel_array, np.where(old > 5, old, 0))
        assert ds.file_meta.TransferSyntaxUID == files(source)[0].file_meta.TransferSyntaxUID


@pytest.mark.needs("dicom3tools")
def test_derived_slices_have_no_error_that_the_originals_do_not_have(stripped, tmp_path):
    def errors(ds):
        path = tmp_path / "one.dcm"
        ds.save_as(path, enforce_file_format=True)
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        return {line for line in told.stderr.splitlines() if line.startswith("Error")}

    found, _, out = stripped
    new = errors(files(out)[40]) - errors(found.datasets[40])
    assert not new


@pytest.mark.needs("neuro")
def test_the_mask_is_written_as_a_segmentation_that_lies_on_the_series(stripped, tmp_path):
    import highdicom as hd

    found, mask, _ = stripped
    path = series.write_segmentation(found, mask, tmp_path / "seg.dcm")
    seg = hd.seg.segread(path)
    uids = [found.datasets[file].SOPInstanceUID for file, _ in found.frames]
    frames = seg.get_pixels_by_source_instance(uids, combine_segments=True)
    assert np.array_equal(frames.astype(bool), np.moveaxis(mask, (2, 1, 0), (0, 1, 2)))
    assert seg.FrameOfReferenceUID == found.datasets[0].FrameOfReferenceUID


def test_another_library_opens_the_derived_slices(stripped):
    _, _, out = stripped
    reader = gdcm.ImageReader()
    reader.SetFileName(str(sorted(out.iterdir())[0]))
    assert reader.Read()
    assert list(reader.GetImage().GetDimensions())[:2] == [80, 96]


@pytest.mark.needs("neuro")
def test_a_segmentation_is_written_for_names_in_any_script(tmp_path):
    import highdicom as hd

    folder = samples.default_folder() / "studies"
    japanese = next(p.parent for p in sorted(folder.rglob("*.dcm")) if "T1_COR" in str(p))
    found = series.read_series(japanese)
    mask = found.stored > 100
    seg = hd.seg.segread(series.write_segmentation(found, mask, tmp_path / "seg.dcm"))
    assert str(seg.PatientName) == str(found.datasets[0].PatientName)
    assert int(seg.pixel_array.sum()) == int(mask.sum())


@pytest.mark.parametrize("name", ["S01_T1_TRA_4MM", "S01_T1_SAG_4MM"])
def test_dcm2niix_agrees_on_the_series_of_the_sample_data(tmp_path, name):
    source = next((samples.default_folder() / "studies").rglob(name))
    subprocess.run(
        [DCM2NIIX, "-o", tmp_path, "-f", "peer", source], check=True, capture_output=True
    )
    peer, ours = nib.load(tmp_path / "peer.nii"), series.read_series(source).img
    turn = np.linalg.inv(peer.affine) @ ours.affine
    assert np.allclose(turn, np.round(turn), atol=1e-4)
    moved = nib.Nifti1Image(np.asanyarray(peer.dataobj), peer.affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(peer.affine),
            nib.orientations.io_orientation(ours.affine),
        )
    )
    assert np.array_equal(np.asanyarray(moved.dataobj), np.asanyarray(ours.dataobj))


def test_a_series_whose_face_is_gone_says_so_once(oblique, tmp_path):
    data, affine = oblique
    found = series.read_series(write_series(tmp_path / "s", data, affine))
    keep = np.ones(data.shape, bool)
    for name in ("first", "again"):
        out = tmp_path / name
        series.write_series(found, keep, out, kind="defacing", description="x", faceless=True)
        found = series.read_series(out)
    said = found.datasets[0]
    assert said.RecognizableVisualFeatures == "NO"
    assert [c.CodeValue for c in said.DeidentificationMethodCodeSequence] == ["113102"]
