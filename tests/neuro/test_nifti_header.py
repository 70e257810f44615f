import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from medlab import neuro
from medlab.errors import InputError
from medlab.neuro import nifti_header

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
    places = {finding.place for finding in nifti_header.inspect_file(leaky)}
    assert places == {
        "descrip", "aux_file", "db_name", "intent_name", "extension 6 (comment)",
        "gzip name", "gzip time", "bytes after the voxels",
    }  # fmt: skip


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_cleaned_file_says_nothing_and_keeps_voxels_and_geometry(leaky, tmp_path, ending):
    clean = tmp_path / f"clean{ending}"
    nifti_header.clean_file(leaky, clean)
    raw = clean.read_bytes()
    assert NAME.encode() not in (gzip.decompress(raw) if ending == ".nii.gz" else raw)
    assert NAME.encode() not in raw
    assert nifti_header.inspect_file(clean) == []
    before, after = nib.load(leaky), nib.load(clean)
    assert np.array_equal(before.dataobj.get_unscaled(), after.dataobj.get_unscaled())
    assert np.array_equal(before.get_fdata(), after.get_fdata())
    assert np.array_equal(before.affine, after.affine)
    for name in nifti_header._GEOMETRY:
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
    assert nifti_header.inspect_file(path) == []
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
        nifti_header.clean_file(source, target)
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
    assert {f.place for f in nifti_header.inspect_file(source)} == set(gone)
    assert set(nifti_header.clean_file(source, target)) == set(gone)
    assert json.loads(target.read_text()) == kept


def test_participants_lose_what_is_no_word_of_bids_and_ages_over_89_and_get_codes(tmp_path):
    source, target = tmp_path / "participants.tsv", tmp_path / "out" / "participants.tsv"
    target.parent.mkdir()
    source.write_text(
        "participant_id\tage\tsex\tcity\nsub-doe\t93\tF\tLyon\nsub-roe\t40\tM\tBonn\n"
        "Doe, Jane\t1931-05-02\tas her mother\tBonn\n"
    )
    told = {finding.place for finding in nifti_header.inspect_file(source)}
    assert told == {"participant_id", "age", "sex", "city"}
    nifti_header.clean_file(source, target, rename={"doe": "A1", "roe": "B2"}.__getitem__)
    assert target.read_text() == (
        "participant_id\tage\tsex\nsub-A1\t89\tF\nsub-B2\t40\tM\nn/a\tn/a\tn/a\n"
    )
    assert nifti_header.inspect_file(target) == []


def test_scan_tables_lose_times_and_their_file_names_are_coded(tmp_path):
    source, target = tmp_path / "sub-doe_scans.tsv", tmp_path / "sub-A1_scans.tsv"
    source.write_text("filename\tacq_time\nanat/sub-doe_T1w.nii.gz\t2024-03-01T10:00:00\n")
    nifti_header.clean_file(source, target, rename=lambda label: "A1")
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
        nifti_header.clean_file(source, target)
    assert "Doe" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def _with_extensions(path, *extensions, intent=b"", dtype=np.int16):
    """Write a NIfTI-1 file, extensions byte by byte: code and content."""
    img = nib.Nifti1Image(np.arange(60, dtype=dtype).reshape(3, 4, 5), np.eye(4))
    img.header["intent_name"] = intent
    blocks = b""
    for code, body in extensions:
        size = -(-(len(body) + 8) // 16) * 16
        blocks += np.array([size, code], "<i4").tobytes() + body.ljust(size - 8, b"\0")
    head = img.header.copy()
    head["vox_offset"] = 352 + len(blocks)
    path.write_bytes(
        head.binaryblock + b"\1\0\0\0" + blocks + np.asarray(img.dataobj).tobytes("F")
    )
    return path


SPECTRUM = {
    "SpectrometerFrequency": [123.25], "ResonantNucleus": ["1H"], "PatientName": NAME,
    "dim_5": "DIM_DYN", "dim_5_header": {"EchoTime": [0.03]}, "dim_6_header": {"Who": [NAME]},
    "OriginalFile": ["Doe.dat"], "TxOffset": 0.5, "Manufacturer": "Roe",
}  # fmt: skip


def test_spectra_keep_what_their_format_requires_and_lose_names(tmp_path):
    body = json.dumps(SPECTRUM).encode()
    texts = [
        (4, b"<AFNI>" + NAME.encode()),
        (6, b"\xff" + NAME.encode()),
        (2, b"no DICOM"),
        (18, b"x"),
    ]
    source = _with_extensions(
        tmp_path / "s.nii", *texts, (44, body), intent=b"mrs_v0_5", dtype=np.complex64
    )
    places = {finding.place for finding in nifti_header.inspect_file(source)}
    assert {"extension 44 (MRS)", "extension 6 (comment)", "extension 18 (free text)"} <= places
    target = tmp_path / "clean.nii.gz"
    nifti_header.clean_file(source, target, known=lambda text: "Roe" in text)
    img = nib.load(target)
    (kept,) = img.header.extensions
    assert json.loads(kept.text) == {
        "SpectrometerFrequency": [123.25], "ResonantNucleus": ["1H"], "TxOffset": 0.5,
        "dim_5": "DIM_DYN", "dim_5_header": {"EchoTime": [0.03]},
    }  # fmt: skip
    assert img.header.get_intent()[2] == "mrs_v0_5"
    assert np.array_equal(img.dataobj, nib.load(source).dataobj)
    assert nifti_header.inspect_file(target) == []


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (44, b"Doe^Jane", "no JSON"),
        (44, b"[1]", "no JSON"),
        (32, b"<CIFTI/>", "what the voxels mean"),
    ],
)
def test_an_extension_that_cannot_be_cleaned_is_told_and_nothing_is_written(
    tmp_path, code, body, reason
):
    source = _with_extensions(tmp_path / "a.nii", (6, b"fine"), (code, body))
    assert {f.kind for f in nifti_header.inspect_file(source)} == {"extension"}
    with pytest.raises(InputError, match=reason) as caught:
        nifti_header.clean_file(source, tmp_path / "out.nii")
    assert "Doe" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii"]


def test_an_intent_name_is_kept_for_spectra_only(tmp_path):
    source = _with_extensions(tmp_path / "a.nii", intent=b"mrs_v0_5")
    nifti_header.clean_file(source, tmp_path / "b.nii")
    assert b"mrs_v0_5" not in (tmp_path / "b.nii").read_bytes()


def test_names_in_every_member_of_a_gzip_file_are_found(leaky, tmp_path):
    whole = gzip.decompress(leaky.read_bytes())
    with (tmp_path / "two.nii.gz").open("wb") as file:
        for name, part in (("", whole[:400]), (NAME, whole[400:])):
            with gzip.GzipFile(name, "wb", fileobj=file, mtime=0) as out:
                out.write(part)
        file.write(b"\0" * 512)
    found = nifti_header.inspect_file(tmp_path / "two.nii.gz")
    assert NAME in {finding.value for finding in found if finding.place == "gzip name"}
    nifti_header.clean_file(tmp_path / "two.nii.gz", tmp_path / "one.nii.gz")
    assert nifti_header.inspect_file(tmp_path / "one.nii.gz") == []
    assert np.array_equal(nib.load(tmp_path / "one.nii.gz").dataobj, nib.load(leaky).dataobj)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_sidecars_and_tables_are_read_in_the_encodings_that_occur(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"EchoTime": 2, "Note": "Zoë"}'.encode(encoding))
    (tmp_path / "participants.tsv").write_bytes(
        "participant_id\tnote\nsub-1\tZoë\n".encode(encoding)
    )
    nifti_header.clean_file(tmp_path / "a.json", tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == {"EchoTime": 2}
    assert nifti_header.identifying(tmp_path / "participants.tsv") == ["Zoë"]


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        ("40", "40"), ("40.7", "40"), ("0.5", "0"), ("89.9", "89"), ("101", "89"), ("n/a", "n/a"),
        ("89+", "89+"), ("90+", "n/a"),
        ("19710304", "n/a"), ("1971", "n/a"), ("-3", "n/a"), ("nan", "n/a"), ("inf", "n/a"),
        ("1971-03-04", "n/a"),
    ],
)  # fmt: skip
def test_an_age_is_a_number_of_whole_years(tmp_path, age, kept):
    (tmp_path / "participants.tsv").write_text(f"participant_id\tage\nsub-1\t{age}\n")
    (tmp_path / "out").mkdir()
    nifti_header.clean_file(tmp_path / "participants.tsv", tmp_path / "out/participants.tsv")
    assert (tmp_path / "out/participants.tsv").read_text().split()[-1] == kept


def test_words_of_a_group_stay_where_two_rows_say_them_and_no_patient_is_called_so(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tgroup\n"
        + "".join(f"sub-{n}\t{w}\n" for n, w in enumerate(["a b", "a b", "Doe", "Doe", "Roe"]))
    )
    (tmp_path / "out").mkdir()
    target = tmp_path / "out/participants.tsv"
    nifti_header.clean_file(
        tmp_path / "participants.tsv", target, known=lambda text: text == "Doe"
    )
    assert [line.split("\t")[1] for line in target.read_text().splitlines()[1:]] == [
        "a b", "a b", "n/a", "n/a", "n/a",
    ]  # fmt: skip


def test_a_number_that_is_none_in_json_does_not_stay(tmp_path):
    (tmp_path / "a.json").write_text(
        '{"EchoTime": NaN, "SliceTiming": [0, Infinity], "FlipAngle": 9}'
    )
    nifti_header.clean_file(tmp_path / "a.json", tmp_path / "b.json")
    assert (tmp_path / "b.json").read_text() == '{\n  "FlipAngle": 9\n}\n'


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(("endian", "slope"), [("<", 1), (">", 1), ("<", 0.25)])
def test_a_cut_leaves_the_bytes_of_all_other_voxels(tmp_path, kind, endian, slope):
    data = np.arange(-30, 30, dtype=np.int16).reshape(3, 4, 5)
    img = kind(data, np.eye(4), kind.header_class(endianness=endian))
    img.header.set_data_dtype(np.int16)
    img.header.set_slope_inter(slope, 0)
    raw = img.to_bytes()
    (tmp_path / "a.nii").write_bytes(raw)
    removed = np.zeros(data.shape, bool)
    removed[1, :2] = True
    nifti_header.clean_file(tmp_path / "a.nii", tmp_path / "b.nii", removed=removed, empty=-5)
    stored = [
        np.frombuffer((tmp_path / n).read_bytes()[-120:], endian + "i2")
        for n in ("a.nii", "b.nii")
    ]
    flat = removed.ravel(order="F")
    assert np.array_equal(stored[0][~flat], stored[1][~flat])
    assert set(stored[1][flat]) == {-5 / slope}
    assert (
        nib.load(tmp_path / "b.nii").header.get_slope_inter()
        == nib.load(tmp_path / "a.nii").header.get_slope_inter()
    )


@pytest.mark.parametrize(
    "kind", [nib.Nifti1Pair, nib.Nifti1Image, nib.Nifti2Pair, nib.Nifti2Image]
)
def test_a_qform_alone_stays_a_qform_alone_in_every_class(kind):
    from medlab.neuro.volume import image_like

    img = kind(np.zeros((4, 5, 6), np.uint8), np.diag([1, 2, 3, 1.0]))
    img.set_sform(None, 0)
    img.set_qform(np.diag([1, 2, 3, 1.0]), 1)
    out = image_like(img, np.zeros((4, 5, 6), np.uint8))
    assert (int(out.header["sform_code"]), int(out.header["qform_code"])) == (0, 1)
    assert np.allclose(out.affine, img.affine)
