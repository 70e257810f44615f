"""Small data sets for tests of de-identification, written, read and cleaned."""

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from medlab import dicom

KEY = b"k" * 32
MR = "1.2.840.10008.5.1.4.1.1.4"


def read_back(dataset):
    return dicom.parse(dicom.to_bytes(dataset))


def stored_with(dataset, tag, vr, value):
    """Return a data set as read from a file in which a value stands that its VR forbids."""
    value += b" " * (len(value) % 2)
    dataset[tag] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
    return read_back(dataset)


def run(dataset, policy="basic", **more):
    return dicom.deidentify(read_back(dataset), policy, key=KEY, **more)


def coded(scheme, code):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "meaning"
    return item


def content_item(scheme, code, kind):
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence = kind, [coded(scheme, code)]
    return item


def kinds(source, output, plan=None):
    plan = plan or dicom.plan("research")
    found = dicom.verify_dataset(source, output, plan)
    return {finding.kind for finding in found if finding.severity == "fail"}
