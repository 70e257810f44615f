"""Every notebook on folders as they come: damaged files, reports, scans, odd names, nothing."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from in_process import in_process
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from medlab import dicom, neuro, runs
from medlab.errors import InputError, MedlabError, usable
from medlab.neuro.series import read_series
from medlab.pixels import box_review

NOTEBOOKS = runs.find_notebooks()[:7]
IMPORTS = 3  # title, parameters, imports: the first cell that can stop
#: Fewer repetitions where a notebook has a parameter for them.
QUICK = {
    "02": {"digits": "3"},
    "05": {"seeds": "1", "heads": "2", "jobs": "1", "methods": "identity, Mondrian k"},
    "06": {"numbers": "1"},
    "07": {"digits": "3"},
    "09": {"draws": "400"},
    "12": {"rows": "200"},
}


def example(name: str, modality: str, patient: str) -> pydicom.Dataset:
    """Return one of pydicom's files as another patient's."""
    dataset = pydicom.dcmread(get_testdata_file(name))
    dataset.Modality, dataset.PatientID, dataset.PatientName = modality, patient, patient
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def pdf_report() -> pydicom.Dataset:
    dataset = example("CT_small.dcm", "DOC", "P5")
    for tag in [element.tag for element in dataset if element.tag.group in (0x0028, 0x7FE0)]:
        del dataset[tag]
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"  # Encapsulated PDF Storage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = b"%PDF-1.4\n"
    return dataset


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flat_scan(path: Path) -> None:
    """Save a volume that can be read and in which no head can be found."""
    nib.save(nib.Nifti1Image(np.ones((6, 6, 6), np.int16), np.eye(4)), path)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Return a folder of every kind; the digit says which place a DICOM file has in it."""
    folder = tmp_path_factory.mktemp("any") / "Klinik Süd, 東京"
    folder.mkdir()
    example("CT_small.dcm", "CT", "P1").save_as(folder / "1 Größe ♥.dcm")
    example("CT_small.dcm", "CT", "P2").save_as(folder / "2 cut off")
    cut(folder / "2 cut off")
    example("MR_small.dcm", "MR", "P3").save_as(folder / "3 画像.dcm")
    broken = example("JPEG2000.dcm", "XA", "P1")
    broken.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(200)])
    broken.save_as(folder / "4 not decoded.dcm")
    short = example("CT_small.dcm", "DX", "P1")
    short.PixelData = short.PixelData[:100]
    short.save_as(folder / "5 too few pixels.dcm")
    pdf_report().save_as(folder / "6 report.dcm")
    shutil.copy(get_testdata_file("test-SR.dcm"), folder / "7 report")
    shutil.copy(get_testdata_file("rtplan.dcm"), folder / "8 plan")
    cut(folder / "8 plan")
    for name in ("a scan.nii.gz", "b scan ü.nii.gz"):
        flat_scan(folder / name)
    cut(folder / "a scan.nii.gz")
    (folder / "note.txt").write_text("no image")
    (folder / "empty.dcm").write_bytes(b"")
    return folder


@pytest.mark.slow
def test_every_notebook_reads_what_it_can_of_any_folder_and_numbers_the_rest(mixed, tmp_path):
    jobs = [
        job for path in NOTEBOOKS for job in runs.plan_jobs([path], QUICK.get(path.name[:2], {}))
    ]
    outcomes = {o.job.name[:2]: o for o in runs.run(jobs, tmp_path / "out", data=mixed)}
    stopped = {name: o.failure for name, o in outcomes.items() if o.failure}
    assert list(stopped) == ["04"], stopped
    assert stopped["04"].cell == IMPORTS
    assert "so it shows no head" in stopped["04"].error
    passed = {name: o.numbers["passed_over"] for name, o in outcomes.items() if name != "04"}
    # 4 and 5 are the files of the patient whom notebook 01 follows
    assert passed.pop("01") == {
        "DICOM file": [2, 8],
        "picture in DICOM file": [4, 5],
        "file to be cleaned": [4],
        "scan in NIfTI file": [1],
        "NIfTI file": [1],
    }
    assert passed.pop("06") == {"DICOM file": [2, 4, 5, 8]}
    assert passed == {name: {"DICOM file": [2, 8]} for name in ("02", "03", "05", "07")}
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.ipynb")]
    texts += [path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.json")]
    assert len(texts) >= len(NOTEBOOKS)
    names = [path.name for path in mixed.iterdir()]
    assert not [name for name in names for text in texts if name in text]
    assert not [name for name in names for text in texts if json.dumps(name)[1:-1] in text]


def only_nifti(folder: Path) -> None:
    flat_scan(folder / "scan.nii")


def only_reports(folder: Path) -> None:
    shutil.copy(get_testdata_file("test-SR.dcm"), folder)
    pdf_report().save_as(folder / "pdf.dcm")


def only_text(folder: Path) -> None:
    (folder / "report.pdf").write_bytes(b"%PDF-1.4\n")


def only_damaged(folder: Path) -> None:
    example("MR_small.dcm", "MR", "P1").save_as(folder / "half.dcm")
    cut(folder / "half.dcm")


@pytest.mark.parametrize(
    ("fill", "stopping"),
    [
        (only_nifti, "01 02 03 04 05 06 07"),
        (only_reports, "04 05 06"),
        (only_text, "01 02 03 04 05 06 07"),
        (only_damaged, "01 02 03 04 05 06 07"),
    ],
)
def test_a_notebook_without_anything_to_work_on_stops_in_its_first_cell(fill, stopping, tmp_path):
    fill(tmp_path)
    for path in NOTEBOOKS:
        if path.name[:2] not in stopping.split():
            in_process(path, 2, data_dir=str(tmp_path))
            continue
        with pytest.raises(MedlabError, match=r"give (a folder|one)|check the path|no head|few"):
            in_process(path, 2, data_dir=str(tmp_path))


def test_usable_numbers_what_it_passes_over_and_lets_other_errors_through():
    def reader(number: int) -> int:
        if number == 0:
            raise InputError("nothing")
        return 10 // (number - 7)

    passed: dict[int, str] = {}
    assert list(usable([8, 0, 9, 0], reader, passed)) == [(1, 8, 10), (3, 9, 5)]
    assert passed == {2: "nothing", 4: "nothing"}
    with pytest.raises(ZeroDivisionError):
        list(usable([7], reader, passed))


def test_a_run_tells_by_reason_and_number_what_was_passed_over(mixed, tmp_path):
    run = runs.begin(str(mixed), str(tmp_path / "out"))
    assert run.passed_over() == ["nothing was passed over"]
    found = run.read(dicom.find_files(mixed), dicom.read, "DICOM file")
    assert [path.name[0] for path in found] == list("134567")
    (sentence,) = run.passed_over()
    assert sentence.startswith("2 passed over: DICOM file 2, 8: an element is longer")
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["numbers"]["passed_over"] == {"DICOM file": [2, 8]}


def test_an_example_whose_pixels_cannot_be_decoded_makes_room_for_the_next(mixed, tmp_path):
    passed: dict[int, str] = {}
    shutil.copy(mixed / "4 not decoded.dcm", tmp_path / "1.dcm")
    example("CT_small.dcm", "XA", "P4").save_as(tmp_path / "2.dcm")
    (image,) = box_review.examples(tmp_path, passed=passed)
    assert image.Rows == 128
    assert list(passed) == [1]


def test_heads_are_numbered_and_those_that_cannot_be_read_passed_over(mixed):
    passed: dict[int, str] = {}
    assert [path.name for path in neuro.find_heads(mixed, passed=passed)] == ["b scan ü.nii.gz"]
    assert list(passed) == [1]


def test_a_series_with_a_damaged_file_is_refused_without_its_words(tmp_path):
    for number in range(3):
        slice_ = example("MR_small.dcm", "MR", "P1")
        slice_.SeriesInstanceUID = "1.2.3"
        slice_.ImagePositionPatient = [0, 0, number]
        slice_.save_as(tmp_path / f"{number}.dcm")
    assert read_series(tmp_path).img.shape == (64, 64, 3)
    data = (tmp_path / "1.dcm").read_bytes()
    at = data.index(b"\x28\x00\x30\x00DS")  # the VR of PixelSpacing
    (tmp_path / "1.dcm").write_bytes(data[: at + 4] + b"Q\x07" + data[at + 6 :])
    with pytest.raises(InputError) as caught:
        read_series(tmp_path)
    assert "NotImplemented" not in str(caught.value)
