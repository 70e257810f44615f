"""Long sequences are read side by side: the same comes out as item by item."""

import copy
import struct
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medlab import dicom
from medlab.dicom import columns
from medlab.errors import InputError, MedlabError

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
FOLDER = Path(pydicom.data.__file__).parent / "test_files"
SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
POLICIES = ("basic", "research")


def one_by_one(dataset, element, depth):
    """Stand in for `columns.table`: no sequence is read side by side."""
    return


def outcome(data, policy, other=None):
    """Return bytes, log and findings of one file, or that it is refused."""
    try:
        out, log = dicom.deidentify(dicom.parse(data), policy, key=KEY)
        written = dicom.to_bytes(out)
        plan = dicom.plan(policy)
        pairs = [(data, written), (data, data), (data, other or data)]
        found = [
            dicom.verify_dataset(dicom.parse(a), dicom.parse(b), plan, output_bytes=b)
            for a, b in pairs
        ]
    except MedlabError as error:
        return type(error)
    return written, log, found


@pytest.fixture(scope="module")
def tables():
    """How often a sequence was read side by side, from two items on."""
    count, real = [], columns.table

    def counted(dataset, element, depth):
        found = real(dataset, element, depth)
        count.extend([1] if found else [])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_LEAST_ITEMS", 1)
        patch.setattr(columns, "table", counted)
        yield count


def compare(data, policy, other=None):
    """Take one file both ways; return what came out."""
    quick = outcome(data, policy, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "table", one_by_one)
        slow = outcome(data, policy, other)
    assert quick == slow
    return quick


@pytest.mark.parametrize("policy", POLICIES)
def test_real_files_come_out_alike(tables, policy):
    before = len(tables)
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file() and dicom.is_dicom(path) and path.stat().st_size < 1 << 20:
            compare(path.read_bytes(), policy)
    assert len(tables) > before + 50


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def frame(number):
    """Return a frame of an Enhanced MR."""
    time = f"20240228{10 + number // 60:02}{number % 60:02}00.5"
    content = item(FrameReferenceDateTime=time, FrameAcquisitionDateTime=time, StackID="1")
    content.FrameComments = "mass in left lobe"
    image = item(ReferencedSOPInstanceUID=f"1.2.826.0.1.7.{number % 5}")
    image.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    position = ["-120.5", "3", f"{number * 1.25}"]
    return item(
        FrameContentSequence=[content],
        PlanePositionSequence=[item(ImagePositionPatient=position)],
        MREchoSequence=[item(EffectiveEchoTime=float(number))],
        ReferencedImageSequence=[image, copy.deepcopy(image)][: 1 + number % 2],
    )


def written(frames, syntax=ExplicitVRLittleEndian, *, undefined=False):
    """Return a file of frames."""
    made = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1",
        SOPInstanceUID="1.2.826.0.1.1",
        StudyInstanceUID="1.2.826.0.1.2",
        PatientName="Okafor^Jane",
        PatientID="47118899",
        PatientBirthDate="19600102",
        StudyDate="20240228",
        PerFrameFunctionalGroupsSequence=frames,
    )
    made["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_frames_come_out_alike(tables, syntax, policy):
    before = len(tables)
    data, log, found = compare(written([frame(n) for n in range(40)], syntax), policy)
    assert found[0] == []
    assert found[1]
    dates = [one for one in log if one.path.endswith("(0018,9074)")]
    assert len(dates) == 40
    assert (len(tables) > before) == (syntax != ExplicitVRBigEndian)
    assert len(dicom.parse(data).PerFrameFunctionalGroupsSequence) == 40


PLANTS = {
    "name in a comment": ("FrameContentSequence", "FrameComments", "OKAFOR was here!!"),
    "birth date in a comment": ("FrameContentSequence", "FrameComments", "born on 1960-01-02"),
    "number in a label": ("FrameContentSequence", "StackID", "47118899"),
    "birth date as a date": ("FrameContentSequence", "FrameAcquisitionDateTime", "19600102"),
    "number as a number": (
        "PlanePositionSequence",
        "ImagePositionPatient",
        ["47118899", "1", "2"],
    ),
    "name in a number": ("PlanePositionSequence", "ImagePositionPatient", ["777777", "1", "2"]),
    "number in a class": (
        "ReferencedImageSequence",
        "ReferencedSOPClassUID",
        "1.2.840.10008.5.1.4.47118899",
    ),
    "another name": ("FrameContentSequence", "OperatorsName", "Brandt^Uwe"),
    "name in a private element": ("FrameContentSequence", 0x00111001, "Okafor"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("place", [0, 20, 39])
@pytest.mark.parametrize("plant", PLANTS)
def test_what_identifies_in_one_item_goes_and_is_found(tables, plant, place, policy):
    sequence, keyword, value = PLANTS[plant]
    frames = [frame(number) for number in range(40)]
    inner = frames[place][sequence][0]
    with pydicom.config.disable_value_validation():
        if isinstance(keyword, int):
            inner.private_block(0x0011, "ACME", create=True).add_new(1, "LO", value)
        else:
            setattr(inner, keyword, value)
        for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
            data = written(frames, syntax).replace(b"777777", b"Okafor")
            out, _, found = compare(data, policy)
            assert found[0] == []
            left = [one for one in found[1] if one.kind in ("identity", "date", "private")]
            assert left
            for word in (b"okafor", b"47118899", b"1960-01-02", b"19600102", b"brandt"):
                assert word not in out.lower()


@pytest.mark.parametrize("place", [0, 20, 39])
@pytest.mark.parametrize(
    ("sequence", "keyword", "value"),
    [
        ("FrameContentSequence", "FrameComments", "mass, Okafor here"),  # as long as the others
        ("FrameContentSequence", "FrameAcquisitionDateTime", None),
        ("ReferencedImageSequence", "ReferencedSOPInstanceUID", None),
        ("FrameContentSequence", "StackID", "20240228"),
    ],
)
def test_what_was_left_in_one_item_is_found(tables, sequence, keyword, value, place):
    data = written([frame(number) for number in range(40)])
    for policy in POLICIES:
        out, _ = dicom.deidentify(dicom.parse(data), policy, key=KEY)
        frames = out.PerFrameFunctionalGroupsSequence
        source = dicom.parse(data).PerFrameFunctionalGroupsSequence[place]
        setattr(frames[place][sequence][0], keyword, value or source[sequence][0][keyword].value)
        buffer = BytesIO()
        out.save_as(buffer)
        found = compare(data, policy, buffer.getvalue())[2][2]
        assert found or value == "20240228"
        if value is None or "Okafor" in value:
            assert any(f"[{place}]" in one.path or one.kind in ("date", "uid") for one in found)


def test_a_date_left_on_the_day_it_moves_to_is_found_among_others(tables):
    """Of date-times that differ the days are compared; one that did not change is another case."""
    frames = [frame(number) for number in range(40)]
    frames[7].FrameContentSequence[0].FrameReferenceDateTime = "20240228"
    data = written(frames)
    out, _ = dicom.deidentify(dicom.parse(data), "basic", key=KEY)
    for number, one in enumerate(out.PerFrameFunctionalGroupsSequence):
        value = "20240228" if number == 7 else f"20240228{number:02}"
        one.FrameContentSequence[0].FrameReferenceDateTime = value
    buffer = BytesIO()
    out.save_as(buffer)
    found = compare(data, "basic", buffer.getvalue())[2][2]
    assert any("[7]" in one.path and "value is the one" in one.message for one in found)


values = st.sampled_from(
    ["liver", "mass left", "Okafor", "47118899", "Pärnu", "19600102", "", "1"]
)
choices = {
    "FrameComments": values,
    "SeriesDescription": values,
    "Modality": values,
    "PatientWeight": st.sampled_from(["70.5", "70", "77777", "47118899"]),
    "Rows": st.integers(0, 65535),
    "ReferencedSOPInstanceUID": st.sampled_from(["1.2.826.1", "1.2.840.10008.5.1.4.1.1.2"]),
    "FrameAcquisitionDateTime": st.sampled_from(["20240228101112", "20240228", "202402291011.5"]),
    "AcquisitionTime": st.sampled_from(["101112", "noon"]),
    "PatientAge": st.sampled_from(["042Y", "094Y"]),
    "OperatorsName": values,
    "SpecificCharacterSet": st.just("ISO_IR 192"),
    "TestSequence": st.none(),
}


@st.composite
def items(draw, keywords, depth=0):
    """Return an item with some of the elements; most items of a sequence have all of them."""
    made = Dataset()
    for keyword in keywords:
        if keyword in choices and keyword != "TestSequence" and draw(st.integers(0, 9)):
            setattr(made, keyword, draw(choices[keyword]))
    if not draw(st.integers(0, 5)):
        block = made.private_block(0x0029, "ACME", create=True)
        block.add_new(1, *draw(st.sampled_from([("UN", b"Ab"), ("UN", b"12"), ("LO", "liver")])))
    if not draw(st.integers(0, 5)):
        made.add_new(0x00189999, "LO", draw(values))  # no element of the standard
    if depth < 2 and draw(st.booleans()):
        inner = draw(st.lists(items(keywords, depth + 1), max_size=3))
        made.FrameContentSequence = inner
        made["FrameContentSequence"].is_undefined_length = not draw(st.integers(0, 9))
    made.is_undefined_length_sequence_item = not draw(st.integers(0, 19))
    return made


@st.composite
def sequences(draw):
    keywords = draw(st.lists(st.sampled_from(sorted(choices)), unique=True, max_size=6))
    if draw(st.booleans()):
        keywords = [keyword for keyword in keywords if keyword != "SpecificCharacterSet"]
    with pydicom.config.disable_value_validation():
        return draw(st.lists(items(keywords), min_size=2, max_size=6))


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    frames=sequences(),
    syntax=st.sampled_from(SYNTAXES),
    undefined=st.integers(0, 9).map(lambda n: not n),
    policy=st.sampled_from(POLICIES),
)
def test_generated_sequences_come_out_alike(tables, frames, syntax, undefined, policy):
    with pydicom.config.disable_value_validation():
        data = written(frames, syntax, undefined=undefined).replace(b"77777", b"77,77")
    compare(data, policy)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(
    syntax=st.sampled_from(SYNTAXES[:2]),
    share=st.floats(0, 1),
    byte=st.integers(0, 255),
    policy=st.sampled_from(POLICIES),
)
def test_damaged_sequences_come_out_alike(tables, syntax, share, byte, policy):
    data = bytearray(written([frame(number) for number in range(20)], syntax))
    start = data.find(b"\xfe\xff\x00\xe0")
    data[int(start + share * (len(data) - start - 1))] = byte
    compare(bytes(data), policy)


def nest(levels):
    made = frame(0)
    for _ in range(levels):
        made = item(FrameContentSequence=[made], StackID="1")
    return made


@pytest.mark.parametrize("levels", [14, 17, 99, 101, 103])
def test_sequences_nest_as_deep_as_item_by_item(tables, levels):
    assert (compare(written([nest(levels), nest(levels)]), "basic") is InputError) == (levels > 98)


def test_nothing_stays_in_the_reserved_bytes_of_one_item(tables):
    frames = [frame(number) for number in range(20)]
    for one in frames:
        one.FrameContentSequence[0].FrameComments = None
        one.FrameContentSequence[0].add_new(0x00209158, "UT", "liver ")
    data = written(frames)
    place = data.find(struct.pack("<HH2s", 0x0020, 0x9158, b"UT"), len(data) // 2)
    hidden = data[: place + 6] + b"JD" + data[place + 8 :]
    out, _, _ = compare(hidden, "research")
    assert b"UTJD" in hidden
    assert b"UTJD" not in out


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("vr", [b"DS", b"US", b"UI", b"CS", b"XX"])
@pytest.mark.parametrize("place", [0, 11, 19])
def test_one_item_may_say_another_vr(tables, place, vr, policy):
    frames = [frame(number) for number in range(20)]
    frames[place].FrameContentSequence[0].FrameComments = "mass, Okafor here"
    data = written(frames)
    parts = data.split(struct.pack("<HH2s", 0x0020, 0x9158, b"LT"))
    codes = [vr if number == place else b"LT" for number in range(20)]
    heads = [struct.pack("<HH2s", 0x0020, 0x9158, code) for code in codes]
    changed = parts[0] + b"".join(head + part for head, part in zip(heads, parts[1:], strict=True))
    made = compare(changed, policy)
    assert made is InputError or b"Okafor" not in made[0] or made[2][0]  # then it is withheld


def resaved(dataset):
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("place", [0, 11, 19])
def test_a_private_element_left_in_one_item_is_found(tables, place, policy):
    data = written([frame(number) for number in range(20)])
    out, _ = dicom.deidentify(dicom.parse(data), policy, key=KEY)
    inner = out.PerFrameFunctionalGroupsSequence[place].FrameContentSequence[0]
    inner.private_block(0x0011, "ACME", create=True).add_new(1, "US", 7)
    found = compare(data, policy, resaved(out))[2][2]
    assert [(one.kind, f"[{place}]" in one.path) for one in found] == [("private", True)]


def test_items_that_stand_elsewhere_in_the_output_are_compared_where_they_stand(tables):
    frames = [frame(number) for number in range(20)]
    for number, one in enumerate(frames):
        one.ReferencedImageSequence[0].ReferencedSOPInstanceUID = f"1.2.826.0.1.9.{number}"
    data = written(frames)
    out, _ = dicom.deidentify(dicom.parse(data), "basic", key=KEY)
    items_ = out.PerFrameFunctionalGroupsSequence
    items_[1].ReferencedImageSequence = items_[1].ReferencedImageSequence[1:]
    items_[0].ReferencedImageSequence.append(copy.deepcopy(items_[2].ReferencedImageSequence[0]))
    assert any(one.kind == "uid" for one in compare(data, "basic", resaved(out))[2][2])
