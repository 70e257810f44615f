import pytest
from pydicom.dataset import Dataset

from medlab.pipeline.owners import _full, place_of

KEY = bytes(range(32))


def header(number="", issuer="", study="1.2.3", name="Okafor^Ngozi"):
    dataset = Dataset()
    dataset.PatientID, dataset.PatientName, dataset.StudyInstanceUID = number, name, study
    dataset.IssuerOfPatientID = issuer
    return dataset


def test_a_place_is_a_study_and_an_owner_in_digests_alone():
    study, owner = place_of(KEY, header("MRN-1"))
    assert len(study) == len(owner) == 16
    assert place_of(KEY, header("mrn 1")) == (study, owner)  # a spelling of the same number
    assert place_of(KEY, header("MRN-1", study="1.2.4"))[0] != study
    assert place_of(KEY, header("MRN-2"))[1] != owner
    assert place_of(bytes(32), header("MRN-1")) != (study, owner)


@pytest.mark.parametrize(
    ("owners", "full"),
    [
        (["7"], {"7": "7"}),
        (["7", "A\x1f7"], {"7": "A\x1f7", "A\x1f7": "A\x1f7"}),  # the one issuer gave it
        (
            ["7", "A\x1f7", "B\x1f7"],  # two did: whose it is nobody knows
            {"7": "7", "A\x1f7": "A\x1f7", "B\x1f7": "B\x1f7"},
        ),
        (["7", "8"], {"7": "7", "8": "8"}),
    ],
)
def test_a_number_without_issuer_is_that_of_the_one_issuer_that_gave_it(owners, full):
    assert _full(owners) == full


def test_who_has_no_number_is_the_one_person_of_the_study():
    from medlab import dicom

    nameless, numbered = dicom.owner(header("")), dicom.owner(header("MRN-1"))
    assert _full([nameless, numbered]) == dict.fromkeys((nameless, numbered), numbered)
    two = _full([nameless, numbered, dicom.owner(header("MRN-2"))])
    assert two[nameless] == nameless
