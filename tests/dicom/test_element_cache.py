"""What is known again comes out as it did when it was looked at anew: bytes, log, findings."""

import copy
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.sequence import Sequence
from test_passthrough import PATHS
from test_properties import datasets, written

from medlab import dicom
from medlab.dicom import passthrough
from medlab.errors import MedlabError

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
POLICIES = ("basic", "research", "safe-harbor")
OTHERS = frozenset({"chidinma okafor", "mrn4471123", "jones sarah"})


def outcome(data, policy, others=None, fast=True):
    """Return bytes, log and findings of one file, of its output and of itself as its output."""
    on, passthrough._on = passthrough._on, fast
    try:
        source, plan = dicom.parse(data), dicom.plan(policy)
        out, log = dicom.deidentify(source, plan, key=KEY, others=others)
        output = dicom.to_bytes(out)
        findings = [
            dicom.verify_dataset(source, dicom.parse(made), plan, output_bytes=made)
            for made in (output, data)
        ]
    except MedlabError as error:
        return str(error)
    finally:
        passthrough._on = on
    return output, log, [sorted(found) for found in findings]


@pytest.mark.parametrize("policy", POLICIES)
def test_real_files_come_out_alike_when_they_come_again(policy):
    for path in PATHS:
        if path.stat().st_size < 1 << 19:
            data = path.read_bytes()
            slow = outcome(data, policy, fast=False)
            assert outcome(data, policy) == slow, path.name
            assert outcome(data, policy) == slow, path.name
            assert outcome(data, policy, OTHERS) == outcome(data, policy, OTHERS, fast=False)


@given(made=st.data(), policy=st.sampled_from(POLICIES), undefined=st.booleans())
def test_files_of_two_patients_come_out_alike_in_any_order(made, policy, undefined):
    pair = [made.draw(datasets())[0] for _ in range(2)]
    pair.append(copy.deepcopy(pair[0]))  # the series goes on
    pair[2].SOPInstanceUID = "1.2.826.0.1.1.77"
    pair[2].ImageComments = str(pair[1].PatientName)
    pair[2].DerivationDescription = f"of {pair[0].PatientID}"
    for dataset in pair if undefined else ():
        for element in dataset.iterall():
            if element.VR == "SQ":
                element.is_undefined_length = True
                for item in element.value:
                    item.is_undefined_length_sequence_item = True
    data = [dicom.to_bytes(written(dataset)) for dataset in pair]
    for one in (*data, *reversed(data)):
        for others in (None, OTHERS):
            assert outcome(one, policy, others) == outcome(one, policy, others, fast=False)


def test_elements_of_two_files_are_one_and_a_private_one_is_its_creators():
    dataset = pydicom.dcmread(
        BytesIO(next(p for p in PATHS if p.name == "MR_small.dcm").read_bytes())
    )
    for creator, text in (("SIEMENS MR HEADER", "ORIGINAL"), ("ACME 1.1", "ORIGINAL")):
        block = dataset.private_block(0x0019, creator, create=True)
        block.add_new(0x08, "CS", text)
    data = dicom.to_bytes(dataset)
    first, second = dicom.parse(data), dicom.parse(data)
    assert first.get_item(0x00080016) is second.get_item(0x00080016)
    del dataset[0x00190010], dataset[0x00190011]
    dataset.add_new(0x00190010, "LO", "ACME 1.1")
    dataset.add_new(0x00190011, "LO", "SIEMENS MR HEADER")
    swapped = dicom.to_bytes(dataset)
    for one in (data, swapped, data):
        assert outcome(one, "research") == outcome(one, "research", fast=False)


def test_what_was_decided_for_one_patient_is_not_for_the_next():
    dataset = pydicom.dcmread(
        BytesIO(next(p for p in PATHS if p.name == "MR_small.dcm").read_bytes())
    )
    dataset.ImageComments = "Quillfeather after surgery"
    item = pydicom.Dataset()
    item.CodeMeaning = "seen by Quillfeather"
    dataset.AnatomicRegionSequence = Sequence([item])
    kept, _, _ = outcome(dicom.to_bytes(dataset), "research")
    assert kept.count(b"Quillfeather") == 2
    dataset.PatientName = "Quillfeather^Ann"
    gone, _, _ = outcome(dicom.to_bytes(dataset), "research")
    assert b"Quillfeather" not in gone
    other, _, _ = outcome(dicom.to_bytes(dataset), "research", frozenset({"after", "surgery"}))
    assert b"surgery" not in other


def test_a_data_set_changed_after_reading_is_treated_as_it_is():
    data = next(p for p in PATHS if p.name == "MR_small.dcm").read_bytes()
    outcome(data, "research")
    source = dicom.parse(data)
    source.ImageComments = source.PatientName = "Quillfeather^Ann"
    out, _ = dicom.deidentify(source, "research", key=KEY)
    assert b"Quillfeather" not in dicom.to_bytes(out)


@pytest.mark.slow
def test_the_tests_of_headers_pass_with_it_off(tmp_path):
    (tmp_path / "no_splice.py").write_text(
        "from medlab.dicom import passthrough\npassthrough._on = False\n"
    )
    names = ("deidentify", "verify", "passthrough")
    files = [str(Path(__file__).with_name(f"test_{name}.py")) for name in names]
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no_splice",
            "-p",
            "no:cacheprovider",
            *files,
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout[-2000:]
