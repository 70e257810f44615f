from medlab.dicom.private import safe_elements


def test_the_table_of_safe_private_elements_has_the_479_entries_of_the_standard():
    assert sum(map(len, safe_elements().values())) == 479
    assert 0x0019000C in safe_elements()["siemens mr header"]
