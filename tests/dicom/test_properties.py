"""Laws that hold for every data set, over generated ones."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medlab import dicom
from medlab.dicom.codes import is_own

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"a secret of the project, 32 byte"
NAMES = [
    "Okafor^Chidinma",
    "van der Berg^Annelies^M",
    "Müller^Jürgen",
    "Wu^Li",
    "Yamada^Tarou=山田^太郎",
    "O'Neill^Siobhan",
    "White^Rose",
]
IDS = ["MRN-4471123", "00884422", "P1234/99", "KH 5567881"]
TEXT_TAGS = [
    "Allergies", "PatientComments", "ImageComments", "StudyDescription", "SeriesDescription",
    "AdditionalPatientHistory", "ManufacturerModelName", "ProtocolName", "FrameLabel",
    "PerformedProcedureTypeDescription", "AcquisitionProtocolName", "ReceiveCoilName",
    "SegmentDescription", "FiducialDescription", "MedicalAlerts", "PatientState", "TextValue",
]  # fmt: skip
SEQUENCES = [
    "RequestAttributesSequence", "ReferencedSeriesSequence", "ProcedureCodeSequence",
    "SharedFunctionalGroupsSequence", "AnatomicRegionSequence", "ContentSequence",
    "OtherPatientIDsSequence", "OriginalAttributesSequence",
]  # fmt: skip
WRAPPINGS = ["{}", "pat. {}, left lobe", "see {}.", "{}: mass", "ref={};", "stroke\n{}\nend"]
CHOICES = [
    ("basic", ()),
    ("research", ()),
    ("basic", ("clean-descriptors", "clean-structured-content", "retain-longitudinal-full-dates")),
    ("research", ("retain-device-identity", "clean-structured-content", "clean-graphics")),
]
DAYS = st.dates(date(1995, 1, 1), date(2024, 12, 31))


@st.composite
def patients(draw):
    """Return name, ID, accession number and birth date."""
    birth = draw(st.dates(date(1925, 1, 1), date(1980, 12, 31)))
    accession = f"ACC{draw(st.integers(100000, 999999))}"
    return draw(st.sampled_from(NAMES)), draw(st.sampled_from(IDS)), accession, birth


def spellings(name, number, accession, birth):
    """Return ways in which people write a patient down."""
    parts = name.split("=")[0].split("^")
    return [
        " ".join(parts), " ".join(reversed(parts)), ", ".join(parts).upper(), name,
        number, number.lower(), f"ID {number}", accession,
        f"{birth:%Y%m%d}", f"{birth:%Y-%m-%d}", f"{birth:%d.%m.%Y}", f"{birth.day} {birth:%b %Y}",
    ]  # fmt: skip


@st.composite
def datasets(draw):
    """Return a data set with a patient's identity planted all over, and the patient."""
    patient = draw(patients())
    dataset = _headed(draw, *patient)
    said = st.sampled_from(spellings(*patient))
    _fill(draw, dataset, said, depth=0)
    return dataset, patient


def _headed(draw, name, number, accession, birth):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    syntax = draw(st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID = f"1.2.826.0.1.{draw(st.integers(1, 10**9))}"
    dataset.StudyInstanceUID = f"1.2.826.0.2.{birth:%Y%m%d}.{draw(st.integers(1, 10**6))}"
    dataset.SeriesInstanceUID = f"1.2.826.0.3.{draw(st.integers(1, 10**9))}"
    dataset.PatientName, dataset.PatientID = name, number
    dataset.PatientBirthDate = f"{birth:%Y%m%d}"
    dataset.AccessionNumber = accession
    dataset.PatientAge = draw(st.sampled_from(["045Y", "093Y", "018M", ""]))
    dataset.Modality = "MR"
    dataset.StudyDate = f"{draw(DAYS):%Y%m%d}"
    return dataset


def _fill(draw, dataset, said, depth):
    for keyword in draw(st.lists(st.sampled_from(TEXT_TAGS), max_size=5, unique=True)):
        wrapped = draw(st.sampled_from(WRAPPINGS)).format(draw(said))
        setattr(dataset, keyword, wrapped[:64] if len(wrapped) > 64 else wrapped)
    for keyword in draw(
        st.lists(st.sampled_from(["SeriesDate", "AcquisitionDate", "ContentDate"]), unique=True)
    ):
        setattr(dataset, keyword, f"{draw(DAYS):%Y%m%d}")
    if draw(st.booleans()):
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0D, "CS", "DIRECTIONAL")
        block.add_new(0x50, "LO", draw(said)[:64])
        other = dataset.private_block(0x0029, "ACME 1.1", create=True)
        other.add_new(0x01, "UN", draw(said).encode())
    if draw(st.booleans()):
        dataset.ReferencedSOPInstanceUID = f"1.2.826.0.1.{draw(st.integers(1, 10**9))}"
    if depth < 3:
        for keyword in draw(st.lists(st.sampled_from(SEQUENCES), max_size=2, unique=True)):
            item = Dataset()
            _fill(draw, item, said, depth + 1)
            setattr(dataset, keyword, Sequence([item]))


def written(dataset):
    """Return a data set as it comes back from disk."""
    return dicom.parse(dicom.to_bytes(dataset))


@pytest.mark.parametrize("choice", range(len(CHOICES)))
@given(made=datasets())
def test_nothing_of_the_identity_remains(choice, made):
    policy, options = CHOICES[choice]
    dataset, (name, number, accession, birth) = made
    source = written(dataset)
    out, _ = dicom.deidentify(source, policy, options=options, key=KEY)
    data = dicom.to_bytes(out)
    folded = data.lower()
    parts = [p for p in name.replace("=", "^").split("^") if len(p) > 3]
    for word in [*parts, number, accession, f"{birth:%d.%m.%Y}", f"{birth:%Y-%m-%d}"]:
        assert word.lower().encode() not in folded
    assert f"{birth:%Y%m%d}".encode() not in data.replace(
        str(out.get("StudyDate") or "-").encode(), b""
    )
    plan = dicom.plan(policy, options)
    left = dicom.verify_dataset(source, dicom.parse(data), plan, output_bytes=data)
    assert [f for f in left if f.severity == "fail"] == []


@given(made=datasets(), choice=st.sampled_from(CHOICES))
def test_a_second_pass_changes_nothing(made, choice):
    policy, options = choice
    once, _ = dicom.deidentify(written(made[0]), policy, options=options, key=KEY)
    data = dicom.to_bytes(once)
    twice, _ = dicom.deidentify(dicom.parse(data), policy, options=options, key=KEY)
    assert dicom.to_bytes(twice) == data


@given(made=datasets())
def test_dates_keep_their_intervals(made):
    source = written(made[0])
    out, _ = dicom.deidentify(source, "research", key=KEY)
    moved = set()
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        before, after = source.get(keyword), out.get(keyword)
        if before and before != source.PatientBirthDate:
            moved.add(
                date.fromisoformat(after).toordinal() - date.fromisoformat(before).toordinal()
            )
    assert len(moved) == 1
    assert -3650 <= moved.pop() <= -30


@given(first=datasets(), second=datasets())
def test_uids_map_one_to_one_over_the_whole_job(first, second):
    there, back = {}, {}
    for dataset in (first[0], second[0]):
        source = written(dataset)
        out, _ = dicom.deidentify(source, "basic", key=KEY)
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
                        "ReferencedSOPInstanceUID"):  # fmt: skip
            if keyword in source:
                old, new = str(source[keyword].value), str(out[keyword].value)
                assert there.setdefault(old, new) == new
                assert back.setdefault(new, old) == old
                assert is_own(KEY, new)
                assert len(new) <= 64


@given(made=datasets())
def test_the_input_is_not_modified(made):
    source = written(made[0])
    before = dicom.to_bytes(source)
    dicom.deidentify(source, "research", key=KEY)
    assert dicom.to_bytes(source) == before


@given(made=datasets())
def test_the_log_holds_no_value(made):
    name, number, accession, _ = made[1]
    _, log = dicom.deidentify(written(made[0]), "research", key=KEY)
    told = "\n".join(" ".join(action) for action in log)
    assert not any(
        word in told for word in (number, accession, name.split("^")[0]) if len(word) > 3
    )
