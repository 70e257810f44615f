"""What the page is made of and shows: text that stays text, and nothing of a person unasked."""

import nibabel as nib
import numpy as np
import pytest

from medlab.app import views
from medlab.app.intake import Item
from medlab.errors import InputError, RefusedError


@pytest.mark.parametrize("say", [views.alert, views.done])
def test_what_is_said_is_text_and_no_html(say):
    assert "<b onclick>" not in say("<b onclick>")
    assert "&lt;b onclick&gt;" in say("<b onclick>")


def test_a_refusal_is_read_at_once_and_good_news_when_there_is_time():
    assert "role='alert'" in views.alert("no such folder")
    assert "role='status'" in views.done("3 files written")


def test_a_button_does_its_verb_and_a_hidden_control_is_gone():
    pressed = []
    button = views.button("Run", lambda: pressed.append(1), primary=True)
    button.click()
    assert pressed == [1]
    views.hide(button, True)
    assert button.layout.display == "none"
    views.hide(button, False)
    assert button.layout.display == ""


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
    masked, shown = (views._nifti_header(item, reveal=reveal) for reveal in (False, True))
    assert "Okafor" not in masked
    assert "Okafor Ngozi" in shown
    assert "<b>1962" not in shown  # a value is text, never markup
