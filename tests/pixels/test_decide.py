import numpy as np
import pixel_images as made
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pixel_labels import image
from pydicom.dataset import Dataset

from medlab import pixels
from medlab.errors import InputError, UsageError
from medlab.pixels import decide, frames
from medlab.pixels.detect import Word
from medlab.pixels.effects import Box

OKAFOR = decide.identity(["OKAFOR^JANE", "MRN00412345", "19610317", "St. Mary Hospital", "Ng^Wei"])
LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4, max_size=12)


def word(text, score=0.99, x=0, y=0, width=None):
    width = width or 10 * len(text)
    return Word(text, score, ((x, y), (x + width, y), (x + width, y + 14), (x, y + 14)))


@given(LETTERS, LETTERS, LETTERS)
def test_a_word_within_a_text_is_wholly_alike(before, name, after):
    assert decide.likeness(name, before + name + after) == 1


@given(LETTERS, st.integers(0, 11))
def test_one_wrong_letter_costs_one_letter(name, place):
    place %= len(name)
    wrong = name[:place] + "?" + name[place + 1 :]
    assert decide.likeness(name, wrong) == pytest.approx(1 - 1 / len(name))


def test_likeness_counts_edits_as_worked_out_by_hand():
    assert decide.likeness("OKAFOR", "XXOKAOR") == pytest.approx(5 / 6)  # F lost
    assert decide.likeness("OKAFOR", "0KAF0R") == pytest.approx(4 / 6)  # two replaced
    assert decide.likeness("ABCD", "WXYZ") == 0


@pytest.mark.parametrize(
    "text",
    ["OKAFOR", "Okafor, J.", "0KAFOR", "0KAF0R", "JANEOKAFOR", "OKAF0R~JANE", "O K A F O R",
     "Ökáfor", "MRN00412345", "00412345", "ID:OO412345", "St.MaryHospital", "Wei", "NG"],
)  # fmt: skip
def test_what_the_header_knows_is_found_though_misread(text):
    assert decide.matches(text, OKAFOR).startswith(("header", "keyword"))


@pytest.mark.parametrize("text", ["R", "L", "RT", "AP", "TR 4500 TE 98",
                                  "W 400 L 40", "kV120", "5mm", "MI1.2", "LAO30", "80kV15fps",
                                  "FOV24cm", "F0V24cm", "Im 12/31", "18/40", "LAP",
                                  "80 KVP 2000 MS",
                                  "APSUPINE", "RTLATERECT"])  # fmt: skip
def test_markers_and_technique_match_no_name_and_are_allowed(text):
    assert decide.matches(text, OKAFOR) == ""
    assert decide.allowed(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2021-03-12", "date"), ("12/03/2021", "date"), ("12.03.21", "date"), ("17 Mar 1961", "date"),
     ("17Mar1961", "date"), ("170ct2024", "date"),
     ("17 Fob 2020", "date"), ("March 17, 1961", "date"),
     ("20210312", "number"), ("12:30", "time"), ("12:30:59", "time"),
     ("19 :59:04", "time"), ("123-456-78", "number"),
     ("1 2 3 4 5 6", "number"), ("78O12I4", "number"), ("061Y", "age"), ("61 years", "age"),
     ("Name: Smith", "keyword"), ("PatientID:7", "keyword"), ("Dr. Who", "keyword"),
     ("DOB", "keyword"), ("Ref Smith", "keyword")],
)  # fmt: skip
def test_patterns_give_away_what_the_header_lacks(text, reason):
    assert decide.matches(text, decide.identity([])) == reason


@pytest.mark.parametrize("text", ["SMITH", "Keller,Elena", "18StationRoad", "HALL", "PARIS",
                                  "12 03 45", "123456", "R 12345678", "李伟", "Иванов", "", "ID",
                                  "Carl", "P H I L", "H.A.L.L", "17/03", "3-17"])  # fmt: skip
def test_names_and_long_numbers_are_not_on_the_list(text):
    assert not decide.allowed(text)


def test_a_name_that_is_a_harmless_word_is_removed_when_the_header_says_so():
    assert decide.matches("LONG, JANE", decide.identity(["LONG^JANE"])) == "header word"
    assert decide.matches("LEFT", decide.identity(["Left Coast Imaging"])) == ""


@pytest.mark.parametrize(
    ("policy", "stays"),
    [("allow", {"R", "TR4500"}), ("match", {"R", "TR4500", "Smith"})],
)
def test_the_two_policies_differ_in_unknown_names(policy, stays):
    words = [word("OKAFOR"), word("Smith"), word("R"), word("TR4500"), word("12.03.2021")]
    found = decide.decide(words, OKAFOR, policy)
    assert {one.word.text for one in found if not one.remove} == stays


@pytest.mark.parametrize("unread", [word("xq#vv", 0.3), word(" ", 0.0)])
def test_text_that_cannot_be_read_is_removed_by_both_policies(unread):
    for policy in decide.POLICIES:
        (one,) = decide.decide([unread], OKAFOR, policy)
        assert one.remove
        assert one.reason == "not legible"


def test_a_half_read_name_is_removed_where_a_whole_unknown_one_stays():
    half, whole = word("ME7 H7 712", 0.61), word("Mercy", 0.99)
    assert [one.remove for one in decide.decide([half, whole], OKAFOR, "match")] == [True, False]


def test_uncertain_single_signs_are_noise_but_a_marker_is_not():
    words = [word("O", 0.7), word("1", 0.5), word("R", 0.7)]
    assert [one.word.text for one in decide.decide(words, OKAFOR)] == ["R"]


def test_a_letter_as_large_as_the_field_of_view_is_none():
    big = Word("O", 0.99, ((0, 0), (90, 0), (90, 90), (0, 90)))
    assert decide.decide([big], OKAFOR, area=100 * 100) == []


def test_two_uncertain_signs_in_a_long_box_are_a_line_that_was_not_read():
    short, long = word("α ν", 0.68, width=30), word("α ν", 0.68, width=176)
    for policy in decide.POLICIES:
        (decision,) = decide.decide([short, long], OKAFOR, policy)
        assert (decision.word, decision.remove) == (long, True)


def test_a_blank_reading_is_a_line_unless_it_is_as_high_as_anatomy():
    line = Word(" ", 0.0, ((0, 0), (20, 20), (15, 25), (-5, 5)))  # slanted
    disk = Word(" ", 0.0, ((0, 0), (40, 0), (40, 30), (0, 30)))
    assert [one.word for one in decide.decide([line, disk], OKAFOR, area=100 * 100)] == [line]


def test_a_name_spelled_in_harmless_letters_is_removed_and_a_scale_stays():
    spelled = [word(letter, x=30 * place) for place, letter in enumerate("PHIL")]
    scale = [word(str(5 * place), x=80 * place, y=200) for place in range(6)]
    found = decide.decide(spelled + scale, decide.identity([]))
    assert [one.remove for one in found] == [True] * 4 + [False] * 6


def test_a_name_broken_with_a_hyphen_is_read_together():
    lines = [word("Oka-", y=10), word("for", x=4, y=30), word("SAG", x=300, y=30)]
    found = decide.decide(lines, OKAFOR, "match")
    assert [one.remove for one in found] == [True, True, False]


def test_harmless_text_is_no_misread_header_word():
    known = decide.identity(["Northgate Imaging", "LONG^IDA"])
    assert decide.matches("IMAGE", known) == ""
    assert decide.matches("Imagng", known) == decide.matches("LONG", known) == "header word"


def test_a_name_in_other_letters_is_matched_where_they_are_read():
    known = decide.identity(["Wang^XiaoDong=王^小東", "Иванов^Иван"])
    assert decide.matches("王小東 男", known) == "header word"
    assert decide.matches("ИВАНОВ", known) == "header word"
    assert decide.matches("李明", known) == ""


def test_letters_spaced_out_are_read_together():
    words = [word(letter, x=40 * place) for place, letter in enumerate("OKAFOR")]
    words.append(word("R", y=200))
    found = decide.decide(words, OKAFOR, "match")
    assert [one.remove for one in found] == [True] * 6 + [False]


def test_an_unknown_policy_is_bad_usage():
    with pytest.raises(UsageError, match="allow or match"):
        decide.decide([], OKAFOR, "deny")


def test_a_slanted_line_is_covered_by_several_small_boxes():
    slanted = Word("OKAFOR", 1.0, ((0, 0), (100, 100), (90, 110), (-10, 10)))
    boxes = slanted.boxes()
    assert len(boxes) > 3
    area = sum((b.x1 - b.x0) * (b.y1 - b.y0) for b in boxes)
    assert area < 110 * 110 * 0.8
    points = np.linspace([0, 5], [95, 105], 50)
    assert all(any(b.x0 <= x < b.x1 and b.y0 <= y < b.y1 for b in boxes) for x, y in points)


def test_identity_words_of_a_header_hold_names_numbers_and_places_of_every_level():
    import pixel_images as made

    ds = made.header(4, 4, InstitutionName="Lakeside Clinic", OperatorsName="Doe^Ann")
    ds.OtherPatientIDs, ds.PatientAge = ["A1", "B2"], "067Y"
    nested = Dataset()
    nested.PatientID, nested.TypeOfPatientID = "OLD77123", "TEXT"
    ds.OtherPatientIDsSequence = [nested]
    words = pixels.identity_words(ds)
    assert {"OKAFOR^JANE", "MRN00412345", "Lakeside Clinic", "Doe^Ann", "A1", "B2"} <= set(words)
    assert "OLD77123" in words
    assert decide.matches("ID OLD 77123", decide.identity(words))
    assert "067Y" not in words


def test_a_name_in_a_private_element_is_searched_too():
    import pixel_images as made

    ds = made.header(4, 4)
    ds.private_block(0x0011, "ACME", create=True).add_new(0x01, "PN", "Abernathy^Zoe")
    words = pixels.identity_words(ds)
    assert "Abernathy^Zoe" in words
    assert decide.matches("ABERNATHY", decide.identity(words))


@pytest.mark.parametrize("text", ["ααυλ", "Тарк", "山田"])
def test_letters_that_the_recognizer_guesses_at_are_no_reading(text):
    for policy in decide.POLICIES:
        (one,) = decide.decide([word(text, score=0.97)], OKAFOR, policy)
        assert one.remove


def test_a_unit_with_a_greek_letter_is_read():
    (one,) = decide.decide([word("5 µm")], OKAFOR, "match")
    assert not one.remove


@pytest.mark.parametrize(
    "text", ["PAT NO 4711", "Pat.Nr. 12", "PT ID 7", "CASE NO: 815", "REG#44"]
)
def test_a_short_number_behind_a_label_goes(text):
    (one,) = decide.decide([word(text)], OKAFOR, "match")
    assert (one.remove, one.reason) == (True, "keyword")


def test_a_number_to_the_right_of_a_label_goes_with_it_and_others_stay():
    texts = [word("PAT NO", width=60), word("4711", x=75), word("18/40", x=0, y=80)]
    decisions = decide.decide(texts, OKAFOR, "match")
    assert [one.remove for one in decisions] == [True, True, False]
    apart = [word("PAT NO", width=60), word("4711", x=300)]
    assert [one.remove for one in decide.decide(apart, OKAFOR, "match")] == [True, False]


def test_a_bare_number_that_was_read_with_doubt_is_not_harmless():
    for policy in decide.POLICIES:
        doubtful, sure, scale = decide.decide(
            [word("547", score=0.46), word("547", y=50), word("TE 98", score=0.46, y=90)],
            OKAFOR,
            policy,
        )
        assert [doubtful.remove, sure.remove, scale.remove] == [True, False, False]


BOXES = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(-3, 25), st.integers(-3, 25), st.integers(0, 15), st.integers(0, 15),
)  # fmt: skip


@given(st.lists(BOXES, max_size=5))
@example([Box(9, 0, 24, 1), Box(25, 0, 26, 1)])  # an area beyond the right edge
def test_outside_boxes_cover_each_pixel_that_is_in_no_area_once(areas):
    count = np.zeros((20, 24), int)
    for x0, y0, x1, y1 in decide._outside(areas, 20, 24):
        assert 0 <= x0 < x1 <= 24
        assert 0 <= y0 < y1 <= 20
        count[y0:y1, x0:x1] += 1
    inside = np.zeros((20, 24), bool)
    for x0, y0, x1, y1 in areas:
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    assert np.array_equal(count, (~inside).astype(int))


def test_a_recipe_is_read_and_fits_by_pattern(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("- when: {Manufacturer: 'acme*', Rows: 100}\n  blank: [[0, 0, 10, 5]]\n")
    rules = decide.load_recipe(path)

    def boxes(**header):
        ds = image(**header)
        found = decide.by_rules(ds, frames.layout(ds), rules, "allow")
        return [box for decision in found for box in decision.boxes]

    assert boxes(Manufacturer="ACME US") == [Box(0, 0, 10, 5)]
    assert boxes(Manufacturer="Other") == []
    assert boxes() == []


@pytest.mark.parametrize(
    "text", ["when: 3", "- when: {A: b}", "- {when: {A: b}, blank: [[1, 2]]}", "[:"]
)
def test_a_recipe_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        decide.load_recipe(path)


def widened(length, height, at=100):
    form = frames.layout(made.gray(np.zeros((200, 900), np.uint8)))
    corners = ((at, 9), (at + length, 9), (at + length, 9 + height), (at, 9 + height))
    word = Word("NAME", 1.0, corners)
    (box,) = word.boxes()
    return box, decide.boxes_of([decide.Decision((box,), True, "", word)], form)[0]


def test_boxes_of_names_of_different_length_are_equally_wide():
    widths = {wide.x1 - wide.x0 for _, wide in (widened(length, 20) for length in (70, 75, 80))}
    assert len(widths) == 1


@given(st.integers(60, 500), st.integers(6, 60))  # lying, not upright
def test_a_box_is_widened_on_both_sides_by_a_quarter_to_one_height(length, height):
    box, wide = widened(length, height)
    height = box.y1 - box.y0
    for pad in (box.x0 - wide.x0, wide.x1 - box.x1):
        assert height / 4 - 1 <= pad <= height + 1
    assert (wide.y0, wide.y1) == (box.y0, box.y1)


def test_a_widened_box_stops_at_text_that_stays():
    form = frames.layout(made.gray(np.zeros((100, 400), np.uint8)))
    name = Word("NAME", 1.0, ((9, 9), (60, 9), (60, 29), (9, 29)))
    mark = Word("R", 1.0, ((70, 9), (84, 9), (84, 29), (70, 29)))
    decisions = [
        decide.Decision(tuple(name.boxes()), True, "", name),
        decide.Decision(tuple(mark.boxes()), False, "", mark),
    ]
    (box,) = decide.boxes_of(decisions, form)
    assert box.x1 <= mark.boxes()[0].x0
