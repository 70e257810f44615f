"""Envelopes in data sets, opened from outside by openssl and pydicom alone."""

import copy
import re
import subprocess
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from certificates import openssl, recipient
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medlab import dicom
from medlab.crypto import envelope
from medlab.dicom import encrypted
from medlab.dicom.files import quiet_pydicom
from medlab.errors import MedlabError, RefusedError

FOLDER = Path(pydicom.data.__file__).parent / "test_files"
KEY = b"k" * 32
OFFICE, BOARD, STRANGER = (recipient(name) for name in ("office", "board", "stranger"))
BLOCK = "MEDLAB ENVELOPE"


def treated(source, *recipients, policy="basic"):
    """Return what a job writes for a data set, read again."""
    before = encrypted.as_read(source)
    after, _ = dicom.deidentify(source, policy, key=KEY)
    if recipients:
        encrypted.add_envelope(before, after, envelope.valid_recipients(r.pem for r in recipients))
    return dicom.parse(dicom.to_bytes(after))


def written(dataset):
    return dicom.parse(dicom.to_bytes(dataset))


def differences(one, other):
    """Return the tags whose elements differ, but for group lengths, padding and pixel data."""
    tags = {tag for tag in (*one.keys(), *other.keys()) if tag.element and tag.group < 0x7FE0}
    found = []
    with quiet_pydicom():
        for tag in sorted(tags):
            try:
                same = tag in one and tag in other and one[tag] == other[tag]
            except MedlabError:
                raise
            except Exception:  # noqa: BLE001 - what is none of its VR is compared as bytes
                same = one.get_item(tag).value == other.get_item(tag).value
            if not same:
                found.append(str(tag))
    return found


def content_of(item, whose, folder):
    """Return what openssl finds in an item, as a data set."""
    key, certificate = whose.write(folder, "whose")
    words = ["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey"]
    plain = openssl(*words, key, "-recip", certificate, given=item.EncryptedContent)
    return read_dataset(BytesIO(plain), is_implicit_VR=False, is_little_endian=True)


def foreign(modified, implicit=False, certificates=(OFFICE,)):
    """Return an item of (0400,0500) as another program would write it."""
    content = Dataset()
    content.ModifiedAttributesSequence = [modified]
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, content)
    return item_of(buffer.getvalue(), implicit, certificates)


def item_of(content, implicit=False, certificates=(OFFICE,)):
    item = Dataset()
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    item.EncryptedContentTransferSyntaxUID = syntax
    value = envelope.encrypt(content, tuple(one.pem for one in certificates))
    item.EncryptedContent = value + b"\0" * (len(value) % 2)
    return item


def ct():
    return dicom.read(FOLDER / "CT_small.dcm")


def files():
    return [p for p in sorted(FOLDER.rglob("*.dcm")) if "dicomdir" not in str(p).lower()]


@pytest.mark.parametrize("policy", ["basic", "research"])
def test_every_file_of_pydicom_comes_back_element_for_element(policy):
    met, wrong = 0, {}
    for path in files():
        try:
            source = dicom.read(path)
            clean = treated(source, OFFICE, policy=policy)
        except MedlabError:
            continue  # what is refused without an envelope, too
        found = differences(dicom.read(path), written(encrypted.restore(clean, *OFFICE)))
        met, wrong = met + 1, wrong | ({path.name: found} if found else {})
    assert met > 60
    assert wrong == {}


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (None, "Doe^Jane"),
    ],
)
def test_names_sequences_and_private_elements_come_back_in_any_encoding(syntax, charset, name):
    source = pydicom.dcmread(FOLDER / "CT_small.dcm")
    if charset:
        source.SpecificCharacterSet = charset
    source.PatientName = source.ReferringPhysicianName = name
    inner = Dataset()
    inner.PatientID, inner.IssuerOfPatientID = "4711", "office"
    source.OtherPatientIDsSequence = [inner, Dataset()]
    block = source.private_block(0x0011, BLOCK, create=True)  # a name like ours, and not ours
    block.add_new(0x01, "SL", -5)
    source.add_new(0x00110099, "LO", "of no block")
    for _ in source.iterall():
        pass  # what is decoded can be written in any encoding
    source.file_meta.TransferSyntaxUID = syntax
    form = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, source, **form, force_encoding=True)
    data = buffer.getvalue()
    clean = treated(dicom.parse(data), OFFICE)
    back = written(encrypted.restore(clean, *OFFICE))
    assert differences(dicom.parse(data), back) == []
    assert back.PatientName == name
    assert back.file_meta.MediaStorageSOPInstanceUID == source.SOPInstanceUID


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("policy", ["basic", "research"])
def test_openssl_and_pydicom_find_what_was_removed_or_changed_and_nothing_else(tmp_path, policy):
    for path in (FOLDER / "CT_small.dcm", FOLDER / "rtplan.dcm", FOLDER / "MR_small_implicit.dcm"):
        clean = treated(dicom.read(path), OFFICE, BOARD, policy=policy)
        (item,) = clean.EncryptedAttributesSequence
        assert {element.tag for element in item} == {0x04000510, 0x04000520}
        assert item.EncryptedContentTransferSyntaxUID == ExplicitVRLittleEndian
        assert len(item.EncryptedContent) % 2 == 0
        assert "OriginalAttributesSequence" not in clean
        content = content_of(item, BOARD, tmp_path)
        assert list(content.keys()) == [0x04000550]
        (modified,) = content.ModifiedAttributesSequence
        source, tags = pydicom.dcmread(path), set()
        for tag in list(source.keys()):
            skipped = tag.group in (0x7FE0, 0xFFFC) or not tag.element
            if not skipped and (tag not in clean or clean[tag] != source[tag]):
                tags.add(tag)
        private = {tag for tag in tags if tag.is_private and not tag.is_private_creator}
        tags |= {(tag.group << 16 | tag.element >> 8) for tag in private} & source.keys()
        tags |= {0x00080005} & source.keys()
        block = modified.private_block(0x0011, BLOCK)
        assert len(block[0x01].value) == 32
        ours = {0x00110000 | block.block_start >> 8, *map(block.get_tag, (0x01, 0x02, 0x03))}
        assert modified.keys() - ours == tags
        for tag in tags:
            assert modified[tag] == source[tag]


def test_a_flipped_byte_gives_a_refusal_or_the_right_content():
    source = ct()
    source.remove_private_tags()  # most of the file
    clean = treated(source, OFFICE)
    item = clean.EncryptedAttributesSequence[0]
    value, right = item.EncryptedContent, 0
    for place in range(len(value)):
        flipped = bytes([value[place] ^ 1 << place % 8])
        item.EncryptedContent = value[:place] + flipped + value[place + 1 :]
        with suppress(RefusedError):
            assert differences(source, encrypted.restore(clean, *OFFICE)) == []
            right += 1
    assert len(value) > 1000
    assert 0 < right < 0.05 * len(value)


def test_without_the_digest_a_flipped_bit_changes_a_name_unseen():
    modified = Dataset()
    modified.SeriesDescription, modified.PatientName = "x" * 52, "Doe^Jane"  # at a block's start
    found = set()
    clean = treated(ct())
    clean.EncryptedAttributesSequence = [foreign(modified)]
    item = clean.EncryptedAttributesSequence[0]
    value = item.EncryptedContent
    for place in range(len(value)):
        item.EncryptedContent = value[:place] + bytes([value[place] ^ 2]) + value[place + 1 :]
        with suppress(RefusedError):
            found.add(str(encrypted.restore(clean, *OFFICE).PatientName))
    assert {"Doe^Jane", "Foe^Jane"} <= found  # so the test above can fail


def test_each_recipient_opens_and_a_stranger_does_not():
    clean = treated(ct(), OFFICE, BOARD)
    for whose in (OFFICE, BOARD):
        assert differences(ct(), encrypted.restore(clean, *whose)) == []
    with pytest.raises(RefusedError, match="no encrypted attributes for this certificate"):
        encrypted.restore(clean, *STRANGER)
    with pytest.raises(RefusedError, match="no encrypted attributes for this certificate"):
        encrypted.restore(ct(), *OFFICE)
    with pytest.raises(RefusedError):  # the name of a recipient, and another's key
        encrypted.restore(clean, STRANGER.key, OFFICE.certificate)


def test_the_input_is_left_as_it_was():
    clean = treated(ct(), OFFICE)
    data = dicom.to_bytes(clean)
    encrypted.restore(clean, *OFFICE)
    assert dicom.to_bytes(clean) == data


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined", [False, True])
def test_what_others_wrote_is_put_back_and_the_marks_go(implicit, undefined):
    modified, code = Dataset(), Dataset()
    modified.SpecificCharacterSet = "ISO_IR 144"
    modified.PatientName = "Люкceмбypг"
    code.CodeValue, code.CodingSchemeDesignator = "T-1", "SRT"
    modified.ProcedureCodeSequence = [code]
    if undefined:
        modified.is_undefined_length_sequence_item = True
        modified["ProcedureCodeSequence"].is_undefined_length = True
    clean = treated(ct())
    clean.StudyDescription = "Kopf mit Gefäßen"
    clean.EncryptedAttributesSequence = [foreign(modified, implicit)]
    back = written(encrypted.restore(written(clean), *OFFICE))
    assert back.PatientName == "Люкceмбypг"
    assert back.ProcedureCodeSequence[0].CodeValue == "T-1"
    assert back.SOPInstanceUID == clean.SOPInstanceUID
    assert not any(keyword in back for keyword in encrypted.MARKS)
    assert "EncryptedAttributesSequence" not in back


def test_the_last_item_is_applied_first():
    items = []
    for name in ("First^Pass", "Second^Pass"):
        modified = Dataset()
        modified.PatientName = name
        items.append(foreign(modified))
    clean = treated(ct())
    clean.EncryptedAttributesSequence = items
    assert encrypted.restore(clean, *OFFICE).PatientName == "First^Pass"


def test_a_second_pass_keeps_the_envelope_of_the_first_and_both_lead_back():
    first = treated(ct(), BOARD)
    before = copy.deepcopy(first)
    second = treated(first, OFFICE, policy="research")
    assert len(second.EncryptedAttributesSequence) == 2
    assert second.EncryptedAttributesSequence[0] == before.EncryptedAttributesSequence[0]
    half = written(encrypted.restore(second, *OFFICE))
    assert differences(before, half) == []
    assert differences(ct(), written(encrypted.restore(half, *BOARD))) == []
    both = treated(treated(ct(), OFFICE), OFFICE)
    assert differences(ct(), written(encrypted.restore(both, *OFFICE))) == []


def test_elements_that_only_the_output_has_go_and_marks_of_before_stay():
    source = ct()
    source.PatientIdentityRemoved, source.DeidentificationMethod = "YES", "by hand"
    before = encrypted.as_read(source)
    after, _ = dicom.deidentify(source, key=KEY)
    after.BurnedInAnnotation = "NO"
    encrypted.add_envelope(before, after, (OFFICE.pem,))
    back = encrypted.restore(written(after), *OFFICE)
    assert "BurnedInAnnotation" not in back
    assert back.DeidentificationMethod == "by hand"
    assert differences(before, back) == []


def test_how_changed_pixels_are_to_be_read_stays():
    source = dicom.read(FOLDER / "examples_ybr_color.dcm")
    before = encrypted.as_read(source)
    after, _ = dicom.deidentify(source, key=KEY)
    after.PhotometricInterpretation, after.ImageType = "RGB", ["DERIVED", "PRIMARY"]
    encrypted.add_envelope(before, after, (OFFICE.pem,))
    back = encrypted.restore(after, *OFFICE)
    assert back.PhotometricInterpretation == "RGB"
    assert back.ImageType == before.ImageType


NAMED = Dataset()
NAMED.PatientName = "Doe^Jane"


def explicit(*elements):
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    dataset = Dataset()
    for tag, vr, value in elements:
        dataset.add_new(tag, vr, value)
    write_dataset(buffer, dataset)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Doe^Jane",
        explicit((0x00100010, "PN", "Doe^Jane")),
        explicit((0x04000550, "SQ", Sequence([NAMED, NAMED]))),
        explicit((0x04000550, "SQ", Sequence([]))),
        explicit((0x04000550, "SQ", Sequence([NAMED])), (0x7FE00010, "OW", b"\0\0")),
        explicit((0x04000550, "SQ", Sequence([NAMED])))[:-3],
        explicit((0x04000550, "SQ", Sequence([NAMED]))) + b"Doe",
        explicit((0x04000550, "OB", b"\xfe\xff\0\xe0\4\0\0\0abcd")),
        explicit((0x04000550, "SQ", Sequence([NAMED]))).replace(b"PN", b"??"),
    ],
)
def test_content_that_is_not_what_the_standard_asks_is_refused(content):
    clean = treated(ct())
    clean.EncryptedAttributesSequence = [item_of(content)]
    with pytest.raises(RefusedError) as caught:
        encrypted.restore(clean, *OFFICE)
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "", "Doe"])
def test_content_in_another_transfer_syntax_is_refused(syntax):
    clean = treated(ct(), OFFICE)
    with quiet_pydicom():
        clean.EncryptedAttributesSequence[0].EncryptedContentTransferSyntaxUID = syntax
        with pytest.raises(RefusedError):
            encrypted.restore(clean, *OFFICE)


def test_an_item_without_content_is_refused():
    clean = treated(ct(), OFFICE)
    clean.EncryptedAttributesSequence[0].EncryptedContent = None
    with pytest.raises(RefusedError):
        encrypted.restore(clean, *OFFICE)


@pytest.mark.needs("dcmtk", "openssl")
def test_dcmdump_reads_the_content(tmp_path):
    clean = treated(ct(), OFFICE)
    key, certificate = OFFICE.write(tmp_path, "office")
    words = ["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey"]
    value = clean.EncryptedAttributesSequence[0].EncryptedContent
    (tmp_path / "plain").write_bytes(openssl(*words, key, "-recip", certificate, given=value))
    words = ["dcmdump", "-f", "-te", str(tmp_path / "plain")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert re.search(r"\(0010,0010\) PN \[CompressedSamples\^CT1\]", done.stdout)
    assert not done.stderr


@pytest.mark.needs("dicom3tools")
def test_dciodvfy_shows_no_error_that_the_output_without_envelope_does_not_have(tmp_path):
    errors = []
    for whose in ((), (OFFICE, BOARD)):
        path = tmp_path / "out.dcm"
        source = ct()
        clean = treated(source, *whose) if whose else dicom.deidentify(source, key=KEY)[0]
        path.write_bytes(dicom.to_bytes(clean))
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
        errors.append({line for line in done.stderr.splitlines() if "Error" in line})
    assert errors[1] <= errors[0]


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "reportsi.dcm"])
def test_a_data_set_as_read_keeps_what_is_changed_in_the_other(name):
    source = dicom.read(FOLDER / name)
    other = encrypted.as_read(source)
    before = dicom.to_bytes(encrypted.as_read(source))
    for element in other.iterall():
        if element.VR not in ("SQ", "OB", "OW", "OB or OW", "US or SS", "UN"):
            element.clear()
    other.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    assert dicom.to_bytes(other) != before
    assert dicom.to_bytes(source) == before
