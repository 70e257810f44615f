from medlab.dicom.identity import Identity, identity_of


def test_full_names_and_ids_of_four_characters_go_into_the_job_list():
    identity = Identity(
        patients=frozenset({("white", "rose"), ("madonna",), ("li", "a")}),
        ids=frozenset({"47", "4711-88"}),
    )
    glued = {"rosewhite", "whiterose"}  # two parts written as one word
    assert identity.phrases == {"rose white", "4711 88", *glued}


def test_identity_is_gathered_at_every_level():
    from pydicom.dataset import Dataset

    dataset, item = Dataset(), Dataset()
    item.PatientID, item.OperatorsName = "778899", "Smith^Adam"
    dataset.PatientName, dataset.RequestAttributesSequence = "Okafor^Jane", [item]
    identity = identity_of(dataset)
    assert identity.patients == {("okafor", "jane")}
    assert identity.staff == {("smith", "adam")}
    assert identity.ids == {"778899"}
