import pytest
from job_hospital import digest, leak, outputs
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
