import nibabel as nib
import numpy as np
import pytest

from medlab.app import views
from medlab.app.intake import Item
from medlab.errors import InputError, RefusedError


def test_an_error_of_another_library_is_told_by_its_kind_alone():
    @views.one_sentence
    def draw():
        raise ValueError("Okafor^Ngozi is no number")

    with pytest.raises(InputError) as caught:
        draw()
    assert "ValueError" in str(caught.value)
    assert "Okafor" not in str(caught.value)


def test_an_error_of_medlab_comes_through_as_it_is():
    @views.one_sentence
    def draw():
        raise RefusedError("the head moved")

    with pytest.raises(RefusedError, match="the head moved"):
        draw()


def test_what_a_nifti_header_says_is_masked_until_it_is_revealed(tmp_path):
    img = nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    img.header["descrip"] = b"Okafor Ngozi <b>1962</b>"
    path = tmp_path / "scan.nii"
    nib.save(img, path)
    item = Item("scan 1", (path,), "nifti")
    masked, shown = (views.nifti_header(item, reveal=reveal) for reveal in (False, True))
    assert "Okafor" not in masked
    assert "Okafor Ngozi" in shown
    assert "<b>1962" not in shown  # a value is text, never markup
