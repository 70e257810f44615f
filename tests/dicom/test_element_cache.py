from pydicom.dataelem import DataElement

from medlab.dicom.element_cache import Done, memory, place_of, remember
from medlab.dicom.element_texts import raw_element


def raw(value):
    return raw_element(0x00100020, "LO", value, implicit=False, little=True)


def test_an_element_is_known_by_its_bytes_its_creator_and_its_sequence():
    places = {
        place_of(raw(value), creator, inside)
        for value in (b"A1", b"A2")
        for creator in ("", "ACME")
        for inside in (0, 0x00101002)
    }
    assert len(places) == 8
    assert place_of(raw(b"A1"), "", 0) in places


def test_what_is_decoded_or_large_is_not_remembered():
    assert place_of(DataElement(0x00100020, "LO", "A1"), "", 0) is None
    assert place_of(raw(b"A" * 1026), "", 0) is None


def test_only_an_outcome_that_may_be_shared_is_kept():
    outcomes = {}
    decoded = DataElement(0x00100020, "LO", "A1")
    for place, kept in (("raw", raw(b"X1")), ("gone", None), ("decoded", decoded)):
        remember(outcomes, place, Done(kept, (), None))
    assert set(outcomes) == {"raw", "gone"}


def test_other_circumstances_have_a_memory_of_their_own():
    remember(memory("plan", "key 1"), "place", Done(None, (), None))
    assert "place" in memory("plan", "key 1")
    assert "place" not in memory("plan", "key 2")
