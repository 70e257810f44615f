import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from medlab import neuro
from medlab.errors import InputError
from medlab.neuro import header

NAME = "Doe^Jane"


@pytest.fixture
def leaky(tmp_path):
    """A NIfTI file that says a name in every place that can."""
    rng = np.random.default_rng(2)
    img = nib.Nifti1Image(
        rng.integers(-9, 99, (5, 6, 7)).astype(np.int16), np.diag([2, 2, 3, 1.0])
    )
    img.header["descrip"] = f"TE=2;Time=143205.1 {NAME}"
    img.header["aux_file"] = NAME
    img.header["db_name"] = NAME
    img.header["intent_name"] = NAME
    img.header.set_slope_inter(0.5, 3)
    img.header.set_xyzt_units("mm", "sec")
    img.header.extensions.append(nib.nifti1.Nifti1Extension(6, NAME.encode()))
    path = tmp_path / "head.nii.gz"
    with (
        path.open("wb") as file,
        gzip.GzipFile(f"{NAME}.nii", "wb", fileobj=file, mtime=12345) as out,
    ):
        out.write(img.to_bytes() + NAME.encode())
    return path


def test_every_place_that_says_a_name_is_found(leaky):
    places = {finding.place for finding in header.inspect_file(leaky)}
    assert places == {
        "descrip", "aux_file", "db_name", "intent_name", "extension 6 (comment)",
        "gzip name", "gzip time", "bytes after the voxels",
    }  # fmt: skip


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_cleaned_file_says_nothing_and_keeps_voxels_and_geometry(leaky, tmp_path, ending):
    clean = tmp_path / f"clean{ending}"
    header.clean_file(leaky, clean)
    raw = clean.read_bytes()
    assert NAME.encode() not in (gzip.decompress(raw) if ending == ".nii.gz" else raw)
    assert NAME.encode() not in raw
    assert header.inspect_file(clean) == []
    before, after = nib.load(leaky), nib.load(clean)
    assert np.array_equal(before.dataobj.get_unscaled(), after.dataobj.get_unscaled())
    assert np.array_equal(before.get_fdata(), after.get_fdata())
    assert np.array_equal(before.affine, after.affine)
    for name in header.GEOMETRY:
        assert before.header[name].tobytes() == after.header[name].tobytes()


def test_clean_header_in_memory_leaves_no_text(leaky):
    clean = neuro.clean_header(nib.load(leaky))
    assert NAME.encode() not in clean.to_bytes()
    assert clean.get_data_dtype() == np.int16
    assert not clean.header.extensions
    assert np.allclose(clean.get_fdata(), nib.load(leaky).get_fdata())


def test_stripping_does_not_carry_text_along(leaky, tmp_path):
    from medlab.neuro.volume import image_like, save

    img = nib.load(leaky)
    path = save(image_like(img, np.asanyarray(img.dataobj)), tmp_path / "out.nii.gz")
    assert header.inspect_file(path) == []
    assert nib.load(path).header.get_xyzt_units() == ("mm", "sec")


def test_both_transforms_of_a_header_survive(tmp_path):
    from medlab.neuro.volume import image_like

    img = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.diag([1, 2, 3, 1.0]))
    img.set_sform(np.diag([-1, 2, 3, 1.0]), 4)
    img.set_qform(np.diag([1, 2, 3, 1.0]), 1)
    out = image_like(img, np.zeros((4, 5, 6), np.uint8))
    assert np.allclose(out.get_sform(), img.get_sform())
    assert np.allclose(out.get_qform(), img.get_qform())
    assert (int(out.header["sform_code"]), int(out.header["qform_code"])) == (4, 1)


def test_nifti2_and_big_endian_files_are_cleaned(tmp_path):
    data = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    two = nib.Nifti2Image(data, np.eye(4))
    big = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
    for number, img in enumerate((two, big)):
        img.header["descrip"] = NAME
        source, target = tmp_path / f"{number}.nii", tmp_path / f"{number}-clean.nii"
        source.write_bytes(img.to_bytes())
        header.clean_file(source, target)
        assert NAME.encode() not in target.read_bytes()
        assert type(nib.load(target)) is type(img)
        assert np.array_equal(nib.load(target).get_fdata(), data)


def test_a_sidecar_keeps_settings_and_loses_times_names_and_free_text(tmp_path):
    source, target = tmp_path / "a.json", tmp_path / "b.json"
    kept = {
        "EchoTime": 0.003,
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "Manufacturer": "Siemens",
        "SliceTiming": [0, 0.5],
    }
    gone = {
        "AcquisitionTime": "14:32:05.1",
        "StudyDescription": "head for Dr. Who",
        "DeviceSerialNumber": "12345",
        "ConversionSoftware": "of Jane Doe, born 1970; call her",
    }
    source.write_text(json.dumps(kept | gone))
    assert {f.place for f in header.inspect_file(source)} == set(gone)
    assert set(header.clean_file(source, target)) == set(gone)
    assert json.loads(target.read_text()) == kept


def test_participants_lose_what_is_no_word_of_bids_and_ages_over_89_and_get_codes(tmp_path):
    source, target = tmp_path / "participants.tsv", tmp_path / "out" / "participants.tsv"
    target.parent.mkdir()
    source.write_text(
        "participant_id\tage\tsex\tcity\nsub-doe\t93\tF\tLyon\nsub-roe\t40\tM\tBonn\n"
        "Doe, Jane\t1931-05-02\tas her mother\tBonn\n"
    )
    told = {finding.place for finding in header.inspect_file(source)}
    assert told == {"participant_id", "age", "sex", "city"}
    header.clean_file(source, target, rename={"doe": "A1", "roe": "B2"}.__getitem__)
    assert target.read_text() == (
        "participant_id\tage\tsex\nsub-A1\t89\tF\nsub-B2\t40\tM\nn/a\tn/a\tn/a\n"
    )
    assert header.inspect_file(target) == []


def test_scan_tables_lose_times_and_their_file_names_are_coded(tmp_path):
    source, target = tmp_path / "sub-doe_scans.tsv", tmp_path / "sub-A1_scans.tsv"
    source.write_text("filename\tacq_time\nanat/sub-doe_T1w.nii.gz\t2024-03-01T10:00:00\n")
    header.clean_file(source, target, rename=lambda label: "A1")
    assert target.read_text() == "filename\nanat/sub-A1_T1w.nii.gz\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nii", b"not a nifti at all"),
        ("a.nii.gz", gzip.compress(b"x" * 1000)[:40]),
        ("a.nii", nib.Nifti1Image(np.zeros((9, 9, 9)), np.eye(4)).to_bytes()[:-100]),
        ("a.json", b"{'no': json}"),
        ("a.json", b"[1, 2]"),
        ("a.bval", b"0 1000 Doe"),
        ("a.mgz", b""),
    ],
    ids=["magic", "gzip", "short", "json", "list", "bval", "mgz"],
)
def test_hostile_files_are_refused_in_one_sentence_and_nothing_is_written(tmp_path, name, content):
    source, target = tmp_path / name, tmp_path / f"out-{name}"
    source.write_bytes(content)
    with pytest.raises(InputError) as caught:
        header.clean_file(source, target)
    assert "Doe" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def _singular(data):
    header = nib.Nifti1Header()
    header["sform_code"], header["srow_x"], header["srow_y"] = 1, [1, 0, 0, 0], [0, 1, 0, 0]
    whole = nib.Nifti1Image(data, None, header).to_bytes()
    return nib.Nifti1Image.from_bytes(whole)


def _bad(kind):
    data = np.random.default_rng(0).integers(0, 99, (20, 20, 20)).astype(np.int16)
    return {
        "one slice": nib.Nifti1Image(data[:, :, :1], np.eye(4)),
        "all zero": nib.Nifti1Image(data * 0, np.eye(4)),
        "constant": nib.Nifti1Image(data * 0 + 7, np.eye(4)),
        "2-D": nib.Nifti1Image(data[:, :, 0], np.eye(4)),
        "singular": _singular(data),
        "complex": nib.Nifti1Image(data.astype(np.complex64), np.eye(4)),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["one slice", "all zero", "constant", "2-D", "singular", "complex"]
)
def test_what_is_no_head_is_refused_in_one_sentence(kind):
    with pytest.raises(InputError):
        neuro.extract_brain(_bad(kind), backend="builtin")
    with pytest.raises(InputError):
        neuro.surface.view(_bad(kind))


def test_damaged_files_are_refused_in_one_sentence(tmp_path):
    img = nib.Nifti1Image(np.random.default_rng(0).random((20, 20, 20)), np.eye(4))
    whole = gzip.compress(img.to_bytes())
    for name, content in (("a.nii.gz", whole[:3000]), ("b.nii", b"hello"), ("c.nii.gz", b"PK")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError):
            neuro.extract_brain(path)
    with pytest.raises(InputError):
        neuro.extract_brain(tmp_path / "absent.nii")
