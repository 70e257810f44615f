import pytest

from medlab.dicom.identity import Identity
from medlab.dicom.text import Search, clean

JANE = Identity(
    patients=frozenset({("okafor", "jane", "q")}),
    staff=frozenset({("smith", "adam")}),
    ids=frozenset({"mrn-123456", "00778899"}),
    institutions=frozenset({"karolinska universitetssjukhuset"}),
    contacts=frozenset({"12 elm street, springfield", "555 123 4567"}),
    births=frozenset({"19600102"}),
    days=frozenset({"20200312"}),
)


SHIFT = Search(JANE, "shift", -10, b"k" * 32)


REMOVE = Search(JANE, "remove", 0, b"k" * 32)


KEEP = Search(JANE, "keep", 0, b"k" * 32)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("seen 20200312", "seen 20200302"),
        ("2020-03-12T10:00", "2020-03-02T10:00"),
        ("20200312101112", "20200302101112"),
        ("12.03.2020", "02.03.2020"),
        ("03/25/2020", "03/15/2020"),
        ("12 Mar 2020", "02 Mar 2020"),
        ("March 5, 2020", "February 24, 2020"),
        ("03/12/2020", "03/02/2020"),  # ambiguous; the study's day decides: 12 March
        ("03/04/2020", "[removed]"),  # ambiguous, and no day of the study
        ("12.03.20", "02.03.20"),
        ("15 May 1999", "[removed]"),  # long before the study: may be anyone's birthday
    ],
)
def test_dates_in_text_move_in_the_form_they_were_written(text, moved):
    assert clean(text, SHIFT).endswith(moved)


def test_dates_are_removed_or_kept_as_the_policy_asks():
    assert clean("on 14 Mar 2020", REMOVE) == "on [removed]"
    assert clean("on 14 Mar 2020", KEEP) == "on 14 Mar 2020"
