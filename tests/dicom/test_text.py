import pytest

from medlab.dicom import Identity, Search, clean, normalize
from medlab.dicom.identity import identity_of, name_parts
from medlab.dicom.text import find_spans, in_coded_value

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
    "text",
    [
        "Jane Okafor", "OKAFOR, JANE", "okafor^jane", "J. Okafor", "Okafor J", "OkaforJane",
        "Ókáfor", "Ｏｋａｆｏｒ", "MRN 123456", "mrn123456", "778899", "0000778899",
        "Dr Adam Smith", "Karolinska", "02.01.1960", "2 Jan 1960", "January 2, 1960", "1960-01-02",
        "19600102", "555-123-4567", "(555) 123 4567", "12 Elm Street, Springfield",
        "mail jane@example.org", "https://pacs.example.org/x?id=1", "10.1.2.33", "078-05-1120",
        "tel. 4711", "+49 89 1234 567", "accession no 4712", "Herr Wagner",
        "Reported by: Lee, Ann",
        "John Miller, M.D.", "4 Park Avenue", "Hauptstraße 12", "P.O. Box 33", "MA 02139",
        "123456789",
    ],
)  # fmt: skip
@pytest.mark.parametrize("search", [SHIFT, REMOVE, KEEP])
def test_identity_in_text_is_found_in_many_spellings(text, search):
    cleaned = clean(f"lesion, {text}; stable", search)
    assert cleaned.startswith("lesion, ")
    assert cleaned.endswith("; stable")
    assert "[removed]" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "stroke, mass in left lobe", "MR Head without contrast", "DR Chest PA", "MS lesions",
        "T2 FLAIR 5 mm", "TR 4500 TE 98", "head CT 3.0 B31f", "small white matter lesions",
        "Janeway lesion", "1.5 T, 64 slices, 120 kV", "slope 1.2345678 -0.00000012 12.5e-7",
        "age 45 years", "dose 250.5 mGy", "St. post OP", "1.2.840.10008.5.1.4.1.1.2", "12/2 mm",
        "p<0.001", "3 Head 2 Neck", "right hip AP lateral", "Mr 1.5T",
    ],
)  # fmt: skip
def test_clinical_words_stay(text):
    assert clean(text, SHIFT) == text


def test_the_name_goes_and_the_finding_stays():
    assert clean("Okafor: stroke, mass in left lobe", SHIFT) == (
        "[removed]: stroke, mass in left lobe"
    )


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


def test_ages_over_89_become_one_class():
    assert clean("95 year old, 94 y/o, 45 years", KEEP) == "90 year old, 90 y/o, 45 years"


def test_two_letter_names_count_only_beside_another_part():
    search = Search(Identity(patients=frozenset({("wu", "li")})), key=b"k" * 32)
    assert clean("Li Wu, Li level low", search) == "[removed], Li level low"
    long = Search(Identity(patients=frozenset({("ng", "thanh")})), key=b"k" * 32)
    assert clean("Ng, Thanh; 5 ng/ml", long) == "[removed]; 5 ng/ml"


def test_names_in_other_scripts_are_found_without_spaces_around():
    search = Search(
        Identity(patients=frozenset(name_parts("Yamada^Tarou=山田^太郎=やまだ^たろう"))),
        key=b"k" * 32,
    )
    assert clean("患者山田太郎の肺", search) == "患者[removed]の肺"
    assert clean("やまだ さん", search) == "[removed] さん"


def test_umlauts_are_found_in_both_spellings():
    search = Search(Identity(patients=frozenset(name_parts("Müller^Jörg"))), key=b"k" * 32)
    for text in ("MUELLER", "Müller", "Muller", "joerg", "JÖRG"):
        assert clean(f"ref {text} ok", search) == "ref [removed] ok"


def test_of_other_patients_only_ids_and_full_names_count():
    others = {normalize("White^Rose"), normalize("4711-88")}
    search = Search(Identity())
    assert clean("white matter, rose bengal", search, others) == "white matter, rose bengal"
    assert clean("compare Rose WHITE and 4711-88", search, others) == (
        "compare [removed] and [removed]"
    )


def test_full_names_and_ids_of_four_characters_go_into_the_job_list():
    identity = Identity(
        patients=frozenset({("white", "rose"), ("madonna",), ("li", "a")}),
        ids=frozenset({"47", "4711-88"}),
    )
    assert identity.phrases == {"rose white", "4711 88"}


def test_a_clinical_word_in_a_coded_value_is_no_name():
    search = Search(Identity(patients=frozenset({("head", "okafor")})))
    assert not in_coded_value("HEAD", search)
    assert in_coded_value("OKAFOR", search)


def test_technical_elements_are_searched_for_identity_only():
    assert find_spans("10.1.2.33 okafor", KEEP, general=False)[0].start == 10
    assert len(find_spans("10.1.2.33 okafor", KEEP, general=False)) == 1
    assert find_spans("1960-01-02", KEEP, general=False) != []


def test_the_institution_stays_under_its_option():
    kept = Search(JANE, "keep", 0, b"k" * 32, keep_institutions=True)
    assert clean("at Karolinska", kept) == "at Karolinska"


def test_identity_is_gathered_at_every_level():
    from pydicom.dataset import Dataset

    dataset, item = Dataset(), Dataset()
    item.PatientID, item.OperatorsName = "778899", "Smith^Adam"
    dataset.PatientName, dataset.RequestAttributesSequence = "Okafor^Jane", [item]
    identity = identity_of(dataset)
    assert identity.patients == {("okafor", "jane")}
    assert identity.staff == {("smith", "adam")}
    assert identity.ids == {"778899"}
