import re

import pytest

from medlab.dicom import normalize
from medlab.dicom.identity import Identity, identity_of, name_parts, said_word
from medlab.dicom.profile import read_table
from medlab.dicom.text import Search, clean, clean_bytes, find_spans, in_coded_value

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


@pytest.mark.parametrize("text", ["SOEREN", "Søren", "Oestergaard", "AASE"])
def test_a_letter_of_the_north_is_found_as_two(text):
    search = Search(Identity(patients=frozenset(name_parts("Østergård^Søren^Åse"))), key=b"k" * 32)
    assert clean(f"{text} has a cyst", search) == "[removed] has a cyst"


def test_of_other_patients_only_ids_and_full_names_count():
    others = {normalize("White^Rose"), normalize("4711-88")}
    search = Search(Identity())
    assert clean("white matter, rose bengal", search, others) == "white matter, rose bengal"
    assert clean("compare Rose WHITE and 4711-88", search, others) == (
        "compare [removed] and [removed]"
    )


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


def search_for(name, **more):
    """Return a search for a patient of this name."""
    identity = Identity(patients=frozenset(name_parts(name)), **more)
    return Search(identity, "keep", key=b"k" * 32)


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("नीता^देवी", "श्रीमती नीता, बुखार", "श्रीमती [removed], बुखार"),
        ("नीता^देवी", "नीताको देवी।", "[removed]।"),  # a case ending goes with it
        ("राम^लाल", "आराम करो", "आराम करो"),  # within a word it is another word
        ("দীপা^রায়", "রোগী দীপা কাশি", "রোগী [removed] কাশি"),
        ("கண்ணன்^முருகன்", "திரு கண்ணன்: காய்ச்சல்", "திரு [removed]: காய்ச்சல்"),
        ("สมชาย^ใจดี", "ผู้ป่วยสมชายไอ", "ผู้ป่วย[removed]ไอ"),
        ("កុសល^សុខ", "លោកកុសលឈឺ", "លោក[removed]ឈឺ"),
        ("မောင်^အောင်", "ဦးမောင်အောင်ဆိုသူ", "ဦး[removed]ဆိုသူ"),
        ("José^Núñez", "Jose\u0301 hip", "[removed] hip"),  # the accent is no letter of its own
        ("Okafor^Jane", "Oka\u00adfor hip", "[removed] hip"),  # soft hyphen
    ],
)
def test_words_with_combining_signs_are_found_whole(name, text, left):
    assert clean(text, search_for(name)) == left


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("O'Hara^Una", "OHARA"), ("O'Hara^Una", "o\u2019hara"), ("D'Angelo^Pia", "dangelo"),
        ("de la Cruz^Ivo", "Delacruz"), ("de la Cruz^Ivo", "lacruz"),
        ("de la Cruz^Ivo", "IvoDeLaCruz"), ("de la Cruz^Ivo", "de la Cruz"),
        ("Al-Masri^Noor", "ALMASRI"), ("Wu^Li", "LiWu"),
        ("Quillfeather^Ottoline", "OQUILLFEATHER"), ("Tarkovsky^Andrei", "TarkovskyA"),
        ("Quillfeather^Ottoline", "Quillfeathers"), ("Quillfeather^Ottoline", "Quillfeather's"),
        ("Тарковский^Андрей", "Тарковскому"), ("Тарковский^Андрей", "Андрея"),
        ("Иванова^Мария", "Ивановой Марии"), ("Иванов^Пётр", "Ивановым"),
        ("Παπαδόπουλος^Γιώργος", "Παπαδόπουλου"), ("כהן^דוד", "לכהן"), ("المصري^نور", "للمصري"),
    ],
)  # fmt: skip
def test_names_are_found_glued_with_initials_and_inflected(name, text):
    assert clean(f"({text}) knee", search_for(name)) == "([removed]) knee"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Hart^Carl", "chart, charts, heart"),  # an initial before four letters makes a word
        ("Man^Tia", "mans, mantia b"),
        ("Rose^Paul", "prose"),
        ("Мартин^Пётр", "в марте"),
        ("Costa^Eva", "costal"),
    ],
)
def test_words_that_only_hold_a_name_stay(name, text):
    expected = text.replace("mantia", "[removed]")
    assert clean(text, search_for(name)) == expected


@pytest.mark.parametrize(
    "text",
    ["534 74 36", "534-74-36", "53.47.436", "5 3 4 7 4 3 6", "MRN 534 74 36", "ID:0005347436",
     "٥٣٤٧٤٣٦"],
)  # fmt: skip
def test_the_patients_own_number_is_found_in_groups(text):
    search = search_for("Doe^Jane", ids=frozenset({"5347436"}))
    assert clean(f"see {text}; 5 mm", search).endswith("[removed]; 5 mm")
    assert not re.search(r"\d", clean(text, search))


def test_other_numbers_in_groups_stay_and_an_id_of_five_digits_wants_no_gaps():
    search = search_for("Doe^Jane", ids=frozenset({"534743", "12345"}))
    for text in ("1534 743", "534 7431", "TR 123 45", "12.3 45.6"):
        assert clean(text, search) == text


def test_another_patients_long_number_is_found_in_groups():
    others = Identity(ids=frozenset({"534-74-36", "99"})).phrases
    assert clean("compare 5347 436", Search(Identity()), others) == "compare [removed]"
    assert clean("MRN 534 74 36 seen", Search(Identity())) == "[removed] seen"


@pytest.mark.parametrize("wrong", ["Martn", "Marrtin", "Mratin", "Martyn", "martino", "Nartin"])
def test_one_wrong_letter_in_a_long_name_is_probable(wrong):
    search = search_for("Martin^Paul")
    assert [span.kind for span in find_spans(f"seen {wrong} now", search)] == ["probable"]
    assert find_spans(f"seen {wrong} now", search, general=False) == []
    others = {said_word(wrong)}  # a word that several patients' texts say
    assert find_spans(f"seen {wrong} now", search, others) == []


def test_two_wrong_letters_short_names_and_words_of_the_trade_are_no_misspelling():
    for text in ("Mardon", "morton", "margin clear", "Pail", "Martinez"):
        assert find_spans(text, search_for("Martin^Paul")) == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("94F", "90F"), ("aged 94", "aged 90"), ("Age: 94", "Age: 90"), ("94/F", "90/F"),
        ("F/94", "F/90"), ("94-jährige Frau", "90-jährige Frau"), ("Alter: 94", "Alter: 90"),
        ("94 Jahre", "90 Jahre"), ("94 ans", "90 ans"), ("âgé de 94", "âgé de 90"),
        ("94 años", "90 años"), ("edad: 94", "edad: 90"), ("94 yaşında", "90 yaşında"),
        ("yaş: 94", "yaş: 90"), ("94岁", "90岁"), ("94 лет", "90 лет"),
        ("94 mm", "94 mm"), ("TR 94", "TR 94"), ("W 94 L 100", "W 94 L 100"), ("89F", "89F"),
        ("100 m", "100 m"), ("1,94 m", "1,94 m"), ("page 94", "page 94"), ("94", "94"),
        ("94 K", "94 K"), ("wiek: 94", "wiek: 94"),
    ],
)  # fmt: skip
def test_ages_over_89_are_found_as_people_write_them(text, left):
    assert clean(text, search_for("Doe^Jane")) == left


@pytest.mark.parametrize(
    "said",
    [{"ages": frozenset({"094Y"})},
     {"births": frozenset({"19260401"}), "days": frozenset({"20210314"})}],
)  # fmt: skip
def test_the_headers_own_age_is_found_beside_any_letter_or_label(said):
    search = search_for("Doe^Jane", **said)
    assert clean("94 K, wiek: 94, w. 94", search) == "90 K, wiek: 90, w. 90"
    assert clean("95 K, TE=94, 94 mm", search) == "95 K, TE=94, 94 mm"


@pytest.mark.parametrize(
    "text",
    ["licence no. 4477123", "Driving Licence: D123-456", "plate KL-AB 1234",
     "plate: KA 01 AB 1234", "number plate AB12 CDE", "VIN 1HGCM82633A004352", "member no 88231",
     "Member ID: XYZ-9912", "account 5512345", "acct# 99-1234", "Certificate No 12/345",
     "Konto: 1234 5678 90"],
)  # fmt: skip
def test_licences_plates_and_accounts_are_found_with_their_labels(text):
    assert re.fullmatch(r"(\w+ )?\[removed\], hip", clean(f"{text}, hip", Search(Identity())))


@pytest.mark.parametrize(
    "text", ["end plate L4", "growth plate 12 mm", "plate T2", "member 2", "on account of 3 cysts"]
)
def test_plates_and_members_of_the_body_stay(text):
    assert clean(text, Search(Identity())) == text


@pytest.mark.parametrize(
    "row", read_table("text-patterns.csv"), ids=lambda row: f"{row['kind']} {row['example']}"
)
def test_every_pattern_finds_its_example_in_a_sentence(row):
    found = re.search(row["pattern"], f"seen {row['example']} now")
    assert found is not None
    assert found[0] in row["example"]


def test_names_in_bytes_are_overwritten_in_the_encodings_of_their_scripts():
    identity = identity_of_name("Müller^प्रिया")
    for word, encoding in (("MÜLLER", "latin-1"), ("Müller", "utf-8"), ("प्रिया", "utf-8")):
        value = b"\1\2" + word.encode(encoding) + b"\xff\0"
        cleaned = clean_bytes(value, Search(identity))
        assert cleaned == b"\1\2" + b"X" * len(word.encode(encoding)) + b"\xff\0"


def identity_of_name(name):
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", name
    return identity_of(dataset)


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
