import pytest
from job_hospital import digest, leak, outputs, plant
from pydicom import dcmread

from medlab import crypto, pipeline
from medlab.errors import RefusedError
from medlab.pipeline import Settings


def test_the_vault_leads_back(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(policy="research"))
    with pipeline.open_vault(tmp_path / "clean") as vault:
        done = pipeline.reidentify(tmp_path / "clean", tmp_path / "back", vault, reason="finding")
    assert done == (4, 0)
    keywords = (
        "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "AccessionNumber",
        "StudyInstanceUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
        "StudyDescription", "PatientWeight",
    )  # fmt: skip

    def facts(folder):
        headers = [dcmread(path) for path in outputs(folder)]
        return sorted([str(h.get(word, "")) for word in keywords] for h in headers)

    assert facts(tmp_path / "back") == facts(hospital)
    restored = dcmread(outputs(tmp_path / "back")[0])
    assert "DeidentificationMethod" not in restored
    assert restored.file_meta.MediaStorageSOPInstanceUID == restored.SOPInstanceUID
    log = (summary.folder / "vault.db.log").read_text()
    assert log.count('"reason":"finding"') == log.count('"vault read"') > 4
    assert leak(log.encode()) == []


def test_a_rotated_vault_opens_with_the_new_key_only_and_codes_stay(hospital, tmp_path, key_file):
    pipeline.deidentify(hospital, tmp_path / "clean", key_file=key_file)
    names = digest(tmp_path / "clean")
    with pipeline.open_vault(tmp_path / "clean", None, key_file) as vault:
        vault.rotate(crypto.write_key(tmp_path / "new"))
    with pytest.raises(RefusedError, match="another key"):
        pipeline.open_vault(tmp_path / "clean", None, key_file)
    outputs(tmp_path / "clean")[0].unlink()
    assert pipeline.deidentify(hospital, tmp_path / "clean", key_file=tmp_path / "new").new == 1
    assert digest(tmp_path / "clean") == names


def test_a_job_without_a_vault_keeps_no_way_back(hospital, tmp_path):
    summary = pipeline.deidentify(hospital, tmp_path / "clean", Settings(vault=False))
    assert not (summary.folder / "vault.db").exists()
    assert "pseudonymized" not in (summary.folder / "report.html").read_text()


def marked(dataset):
    dataset.PatientComments = "treated"
    return dataset


def test_copies_keep_their_places_and_are_private(hospital, tmp_path):
    (hospital / "notes.txt").write_text("no DICOM")
    sources = {path: path.read_bytes() for path in outputs(hospital)}
    done = pipeline.treat_copies(hospital, tmp_path / "out", marked)
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

    assert pipeline.treat_copies(hospital, tmp_path / "out", only_ct) == (3, 1)
    assert len(outputs(tmp_path / "out")) == 3


def test_nothing_that_is_there_is_written_over(tmp_path):
    plant(tmp_path / "a.dcm", "CT_small.dcm", "Okafor^Ngozi", "MRN-1")
    assert pipeline.treat_copies(tmp_path / "a.dcm", tmp_path / "b.dcm", marked) == (1, 0)
    before = (tmp_path / "b.dcm").read_bytes()
    with pytest.raises(RefusedError, match="there is an output"):
        pipeline.treat_copies(tmp_path / "a.dcm", tmp_path / "b.dcm", lambda dataset: dataset)
    assert (tmp_path / "b.dcm").read_bytes() == before
