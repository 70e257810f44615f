import json
import types
from collections import Counter

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from medlab import cli, pipeline, pixels
from medlab.errors import InputError, RefusedError, UnavailableError, UsageError
from medlab.neuro import head_study
from medlab.pipeline import Settings, cohort_in_headers


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def ward(tmp_path):
    root = tmp_path / "ward"
    root.mkdir()
    for number in range(12):
        dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.PatientName, dataset.PatientID = f"Person{number}^Test", f"MRN-77{number:04d}"
        dataset.PatientAge, dataset.PatientSex = f"{40 + 4 * number:03d}Y", "FM"[number % 2]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(root / f"{number}.dcm")
    return root


def test_a_broken_file_of_another_in_dst_does_not_end_the_job_before_its_report(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    pipeline.deidentify(ward, tmp_path / "clean", settings)
    broken = tmp_path / "clean" / "foreign.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00CS\xff\xff")
    summary = pipeline.deidentify(ward, tmp_path / "clean", settings)
    assert (summary.strangers, summary.ok) == (1, False)
    assert summary.cohort.holds
    assert "did not come from this job" in summary.report.read_text()


def test_the_cohort_in_the_headers_holds_k(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age", "PatientSex"))
    assert pipeline.deidentify(ward, tmp_path / "clean", settings).ok
    headers = [dcmread(path) for path in files(tmp_path / "clean")]
    facts = Counter((h.PatientAge, h.PatientSex) for h in headers)
    assert len(headers) == 12
    assert min(facts.values()) >= 3
    assert len(facts) > 1


def test_released_ranges_stand_in_the_headers_and_are_counted_again(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age", "PatientSex"))
    summary = pipeline.deidentify(ward, tmp_path / "clean", settings)
    assert (summary.cohort.patients, summary.cohort.asked) == (12, 3)
    assert summary.cohort.holds
    table, promises = cohort_in_headers.released(tmp_path / "clean")
    assert promises == cohort_in_headers.Promises(3)
    assert table.groupby(["Age", "Sex"]).size().min() == summary.cohort.found
    for path in files(tmp_path / "clean"):
        header = dcmread(path)
        low, high = json.loads(table.loc[header.PatientID, "Age"])
        assert low <= int(header.PatientAge[:3]) <= high
    written = pd.read_csv(tmp_path / "clean.job" / "cohort-release.csv", index_col=0)
    assert sorted(written.index) == sorted(table.index)
    report = (tmp_path / "clean.job" / "report.html").read_text()
    assert "unique again" in report


def test_verify_notices_a_class_that_lost_its_size(ward, tmp_path):
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    pipeline.deidentify(ward, tmp_path / "clean", settings)
    one = files(tmp_path / "clean")[0]
    header = dcmread(one)
    header.DeidentificationMethod = ["cohort k=3: Age [1, 2]"]
    header.save_as(one)
    assert not cohort_in_headers.check(tmp_path / "clean").holds
    result = CliRunner().invoke(cli.commands, ["verify", str(ward), str(tmp_path / "clean")])
    assert result.exit_code == 1
    assert "holds 1 of 12" in result.output


def test_technical_elements_make_patients_unique_again(ward, tmp_path):
    for number, path in enumerate(sorted(ward.glob("*.dcm"))):
        header = dcmread(path)
        header.KVP = str(80 + number)
        header.save_as(path)
    settings = Settings(policy="research", cohort_k=3, quasi=("Age",))
    assert pipeline.deidentify(ward, tmp_path / "clean", settings).cohort.unique_again == 12


def test_a_job_can_be_run_again_from_its_own_notes(ward, tmp_path):
    pipeline.deidentify(ward, tmp_path / "clean", Settings(policy="research"))
    files(tmp_path / "clean")[0].unlink()
    again = pipeline.rerun(tmp_path / "clean")
    assert again.ok
    assert again.new == 1
    with pytest.raises(InputError, match="no job stands beside"):
        pipeline.rerun(tmp_path / "nothing")


def test_a_quasi_identifier_that_headers_do_not_hold_is_bad_usage(ward, tmp_path):
    with pytest.raises(UsageError, match="Shoe"):
        pipeline.deidentify(ward, tmp_path / "clean", Settings(cohort_k=3, quasi=("Shoe",)))


class ReviewError(RefusedError):
    decisions = ()


def cleaner(how):
    def clean(dataset, words, **_):
        assert any("Person" in str(word) for word in words)
        if isinstance(how, Exception):
            raise how
        return types.SimpleNamespace(
            dataset=dataset, checked=True, complete=how, findings=[], decisions=[]
        )

    return clean


@pytest.mark.parametrize(("complete", "burned"), [(True, "NO"), (False, None)])
def test_pixels_are_claimed_clean_only_after_a_complete_check(
    ward, tmp_path, monkeypatch, complete, burned
):
    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", cleaner(complete), raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    summary = pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert summary.ok
    assert summary.unchecked == {"face": 12}
    header = dcmread(files(tmp_path / "clean")[0])
    assert header.get("BurnedInAnnotation") == burned
    codes = [item.CodeValue for item in header.DeidentificationMethodCodeSequence]
    assert "113101" in codes


@pytest.mark.parametrize(
    ("error", "status"),
    [(ReviewError("a dose report"), "quarantined"), (RefusedError("no"), "refused")],
)
def test_what_pixel_cleaning_refuses_is_withheld(ward, tmp_path, monkeypatch, error, status):
    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", cleaner(error), raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    summary = pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert summary.statuses == {status: 12}
    assert not files(tmp_path / "clean")
    waiting = (tmp_path / "clean.job" / "pixels.csv").read_text().splitlines()[1:]
    assert len(waiting) == (12 if status == "quarantined" else 0)  # named, though without text


def test_rules_for_devices_reach_the_pixels_in_every_run(ward, tmp_path, monkeypatch):
    given = []

    def clean(dataset, words, *, rules, **_):
        given.append(rules)
        return cleaner(True)(dataset, words)

    monkeypatch.setattr(pixels, "available", lambda: True)
    monkeypatch.setattr(pixels, "clean", clean, raising=False)
    monkeypatch.setattr(pixels, "identity_words", lambda d: [str(d.PatientName)], raising=False)
    recipe, target = tmp_path / "recipe.yaml", tmp_path / "clean"
    recipe.write_text("- {when: {Modality: CT, Rows: 128}, blank: [[0, 0, 9, 5]]}")
    asked = ["deidentify", str(ward), str(target), "--clean-pixels", "--recipe", str(recipe)]
    assert CliRunner().invoke(cli.commands, asked).exit_code == 0
    recipe.unlink()
    files(target)[0].unlink()
    assert pipeline.rerun(target).new == 1
    assert len(given) == 13
    rule = {"when": {"Modality": "CT", "Rows": "128"}, "blank": [[0, 0, 9, 5]]}
    assert all(list(rules) == [rule] for rules in given)


def test_cleaning_that_is_not_there_ends_the_job_before_it_begins(ward, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "available", lambda: False)
    with pytest.raises(UnavailableError, match="text recognizer is not installed"):
        pipeline.deidentify(ward, tmp_path / "clean", Settings(clean_pixels=True))
    assert not (tmp_path / "clean.job").exists()


FACES = Settings(options=("clean-recognizable-visual-features",))


def test_a_head_whose_face_cannot_be_found_is_withheld(ward, tmp_path):
    summary = pipeline.deidentify(ward, tmp_path / "clean", FACES)
    assert summary.statuses == {"refused": 12}
    assert not files(tmp_path / "clean")


def test_a_face_is_cut_out_of_every_file_of_its_series(tmp_path, monkeypatch):
    root, values = tmp_path / "head", {}
    root.mkdir()
    source = dcmread(get_testdata_file("MR_small.dcm", download=False))
    for number in range(6):
        source.ImagePositionPatient = [0, 0, 5.0 * number]
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        source.save_as(root / f"{5 - number}.dcm")  # not in the order of the slices
        values[number] = source.pixel_array

    def deface(img):
        removed = np.zeros(img.shape, np.uint8)
        removed[:8, :, 2] = 1  # columns, rows, slices
        return types.SimpleNamespace(
            cut="cut",
            img=img,
            removed=nib.Nifti1Image(removed, img.affine),
            report={"residual_face": 0.01, "brain_changed": 0, "head_kept": 0.9, "warnings": []},
        )

    monkeypatch.setattr(head_study, "deface", deface)
    summary = pipeline.deidentify(root, tmp_path / "clean", FACES)
    assert summary.statuses == {"done": 6}
    assert summary.unchecked == {"text in pixels": 6}
    assert not (summary.folder / "faces").exists()
    assert "heads defaced: 1; at worst 0.010 of a face left" in "".join(summary.lines())
    found = {
        round(float(d.ImagePositionPatient[2] / 5)): d
        for d in map(dcmread, files(tmp_path / "clean"))
    }
    for number, dataset in found.items():
        expected = values[number].copy()
        if number == 2:
            expected[:, :8] = expected.min()
        assert np.array_equal(dataset.pixel_array, expected)
        assert dataset.RecognizableVisualFeatures == "NO"


@pytest.fixture
def bids(tmp_path):
    root = tmp_path / "bids"
    anat = root / "sub-okafor" / "anat"
    anat.mkdir(parents=True)
    img = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    img.header["descrip"] = b"Okafor Ngozi 1962"
    nib.save(img, anat / "sub-okafor_T1w.nii.gz")
    (anat / "sub-okafor_T1w.json").write_text(
        json.dumps({"PatientName": "Okafor^Ngozi", "RepetitionTime": 2.3})
    )
    (root / "participants.tsv").write_text("participant_id\tage\nsub-okafor\t61\n")
    (root / "dataset_description.json").write_text('{"Name": "Okafor", "BIDSVersion": "1.9.0"}')
    (root / "README").write_text("Okafor")
    return root


def test_a_bids_tree_becomes_a_bids_tree_without_the_name(bids, tmp_path):
    summary = pipeline.deidentify(bids, tmp_path / "clean")
    assert summary.statuses == {"done": 4, "free-text": 1}
    found = files(tmp_path / "clean")
    for path in found:
        assert "okafor" not in str(path.relative_to(tmp_path)).lower()
        data = path.read_bytes()
        if path.suffix == ".gz":
            import gzip

            data = gzip.decompress(data)
        assert b"okafor" not in data.lower()
    image = next(path for path in found if path.name.endswith(".nii.gz"))
    sidecar = next(path for path in found if path.name.endswith("T1w.json"))
    assert image.parent == sidecar.parent
    assert image.name.removesuffix(".nii.gz") == sidecar.name.removesuffix(".json")
    label = image.name.split("_")[0]
    assert label in (tmp_path / "clean" / "participants.tsv").read_text()
    assert np.array_equal(nib.load(image).get_fdata().ravel(), np.arange(60))
    with pipeline.open_vault(tmp_path / "clean") as vault:
        assert vault.original("label", label.removeprefix("sub-"), reason="test") == "okafor"
    assert pipeline.deidentify(bids, tmp_path / "clean").new == 0


def test_a_nifti_file_with_a_free_name_gets_a_code(tmp_path):
    (tmp_path / "in").mkdir()
    img = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    nib.save(img, tmp_path / "in" / "OKAFOR_19620417.nii")
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"x")
    (tmp_path / "in" / "table.json").write_text("{}")
    summary = pipeline.deidentify(tmp_path / "in", tmp_path / "clean")
    assert summary.statuses == {"done": 1, "not-dicom": 1, "unreadable": 1}
    (path,) = files(tmp_path / "clean")
    assert path.suffix == ".nii"
    assert "OKAFOR" not in path.name
    assert pipeline.deidentify(tmp_path / "in" / "OKAFOR_19620417.nii", tmp_path / "one.nii").ok
    assert (tmp_path / "one.nii").is_file()
    source = tmp_path / "in" / "OKAFOR_19620417.nii"
    assert pipeline.verify(source, tmp_path / "one.nii") == []
    assert pipeline.verify(tmp_path / "in", tmp_path / "clean") == []
    left = pipeline.verify(tmp_path / "in", tmp_path / "in")
    assert {finding.severity for finding in left} == {"fail"}
    assert "OKAFOR" not in str(left)
