import numpy as np
import pixel_images as made
import pytest
from pixel_labels import clean, image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medlab.errors import RefusedError


def test_overlays_icons_and_curves_are_gone_and_the_source_is_not_touched():
    icon = made.gray(np.full((8, 8), 9, np.uint8))
    ds = image(IconImageSequence=Sequence([icon]))
    ds.add_new(0x60000010, "US", 100)
    ds.add_new(0x60003000, "OW", b"\xff" * 2500)
    ds.add_new(0x50000010, "US", 2)
    inner = Dataset()
    inner.IconImageSequence = Sequence([icon])
    ds.ReferencedImageSequence = Sequence([inner])
    done = clean(ds)
    assert not [tag for tag in done.dataset.keys() if tag.group in (0x6000, 0x5000)]  # noqa: SIM118
    assert "IconImageSequence" not in done.dataset
    assert "IconImageSequence" not in done.dataset.ReferencedImageSequence[0]
    assert {finding.kind for finding in done.findings} >= {"overlay", "icon"}
    assert "IconImageSequence" in ds
    assert 0x60003000 in ds


def test_pixels_in_a_sequence_withhold_the_object():
    ds = image()
    ds.ReferencedImageSequence = Sequence([made.gray(np.zeros((8, 8), np.uint8))])
    with pytest.raises(RefusedError, match="inside a sequence"):
        clean(ds)


@pytest.mark.parametrize(
    ("keyword", "option"),
    [("EncapsulatedDocument", None), ("WaveformSequence", None),
     ("GraphicAnnotationSequence", "clean-graphics"),
     ("ContentSequence", "clean-structured-content")],
)  # fmt: skip
def test_documents_reports_and_annotations_are_withheld_unless_cleaned(keyword, option):
    ds = Dataset()
    ds.PatientName = "OKAFOR^JANE"
    value = b"%PDF" if keyword == "EncapsulatedDocument" else Sequence([Dataset()])
    setattr(ds, keyword, value)
    with pytest.raises(RefusedError) as caught:
        clean(ds)
    assert "OKAFOR" not in str(caught.value)
    if option:
        done = clean(ds, header_options=[option])
        assert not done.checked


def test_an_object_without_pixels_passes_and_is_not_claimed():
    done = clean(made.header(1, 1))
    assert not done.checked
    assert [finding.kind for finding in done.findings] == ["no pixels"]
