"""The sample hospital: nothing that was planted may be found, what is harmless must stay."""

import json
from collections import defaultdict

import pytest

from medlab import dicom, samples

pytestmark = pytest.mark.filterwarnings("ignore")
KEY = b"k" * 32
CHANNELS = {"public", "nested", "private", "freetext", "wrong-use", "uid", "date", "meta"}
CHOICES = [
    ("basic", ()),
    ("research", ()),
    ("basic", ("clean-descriptors", "clean-structured-content", "clean-graphics",
               "retain-longitudinal-full-dates", "retain-patient-characteristics")),
]  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    """What was planted in which DICOM file, and what should stay."""
    told = json.loads((samples.default_folder() / "truth.json").read_text("utf-8"))
    planted = defaultdict(list)
    for one in told["planted"]:
        if one["channel"] in CHANNELS and one["file"].endswith(".dcm"):
            planted[one["file"]].append(one)
    return planted, told["keep"]


def bytes_without_pixels(dataset):
    data = dicom.to_bytes(dataset)
    pixels = dataset.get_item(0x7FE00010)
    return data.replace(pixels.value, b"") if pixels is not None else data


@pytest.mark.parametrize("choice", range(len(CHOICES)))
def test_nothing_that_was_planted_in_a_header_is_left(truth, choice):
    policy, options = CHOICES[choice]
    dates_stay = dicom.plan(policy, options).dates != "remove"
    looked_for = 0
    for file, planted in truth[0].items():
        source = dicom.read(samples.default_folder() / file)
        out, _ = dicom.deidentify(source, policy, options=options, key=KEY)
        data = bytes_without_pixels(out).lower()
        for one in planted:
            if dates_stay and one["kind"] in ("study-date", "date"):
                continue
            looked_for += 1
            for encoding in ("utf-8", "latin-1", "iso2022_jp"):
                word = one["value"].encode(encoding, "ignore").lower()
                assert len(word) < 3 or word not in data, (file, one["path"])
    assert looked_for > 200


@pytest.mark.parametrize("policy", ["basic", "research"])
def test_verification_agrees(truth, policy):
    plan = dicom.plan(policy)
    for file in truth[0]:
        source = dicom.read(samples.default_folder() / file)
        out, _ = dicom.deidentify(source, plan, key=KEY)
        found = dicom.verify_dataset(source, dicom.parse(dicom.to_bytes(out)), plan)
        assert [finding for finding in found if finding.severity == "fail"] == []


def test_verification_finds_what_a_careless_tool_leaves(truth):
    for file in list(truth[0])[:6]:
        source = dicom.read(samples.default_folder() / file)
        careless = dicom.read(samples.default_folder() / file)
        careless.PatientName, careless.PatientID = "anon", "1"
        kinds = {f.kind for f in dicom.verify_dataset(source, careless, dicom.plan())}
        assert {"identity", "date", "marker", "element"} <= kinds


def test_harmless_private_elements_stay_where_they_are_asked_for(truth):
    creators = ["EOS imaging", "EOS"]
    for one in truth[1]:
        if one.get("channel") != "private" or not one["file"].endswith(".dcm"):
            continue
        source = dicom.read(samples.default_folder() / one["file"])
        tag = int(one["path"].strip("()").replace(",", ""), 16)
        creators = [str(e.value) for e in source if e.tag.is_private_creator]
        out, _ = dicom.deidentify(source, "research", key=KEY, keep_private=creators)
        assert tag in out
        assert str(out[tag].value) == str(source[tag].value)
