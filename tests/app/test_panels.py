"""The parts of the page, without a server around them."""

from pathlib import Path

import ipywidgets as ipw
import pytest
from app_study import NUMBER, study

from medlab.app import intake, views
from medlab.app.order import Result
from medlab.app.panels import _before_and_after, _Page, _summary


def text_of(widget):
    """Return all that a widget and its parts show as HTML."""
    own = widget.value if isinstance(widget, ipw.HTML) else ""
    return own + "".join(text_of(child) for child in getattr(widget, "children", ()))


@pytest.fixture
def page(session, tmp_path):
    page = _Page(session)
    page.files.folder.value = str(study(tmp_path / "ward"))
    page.files.name()
    return page


def test_pictures_and_patients_are_hidden_until_they_are_asked_for(page):
    for tab in (1, 4):
        page.look.tabs.selected_index = tab
        assert "<figure" not in text_of(page.look.widget)
        assert NUMBER not in text_of(page.look.widget)
    page.look.reveal.value = True
    assert NUMBER in text_of(page.look.widget)
    page.look.tabs.selected_index = 1
    assert "<figure" in text_of(page.look.widget)


def test_other_files_are_hidden_again(page, tmp_path):
    page.look.tabs.selected_index = 4
    page.look.reveal.value = True
    page.files.folder.value = str(study(tmp_path / "other ward"))
    page.files.name()
    assert not page.look.reveal.value
    assert NUMBER not in text_of(page.widget)


def test_every_control_has_a_label(page):
    controls = (ipw.Text, ipw.Password, ipw.Dropdown, ipw.RadioButtons, ipw.Checkbox, ipw.Button)
    found = [page.widget]
    for widget in found:
        found.extend(getattr(widget, "children", ()))
    shown = [widget for widget in found if isinstance(widget, controls)]
    assert len(shown) > 15
    assert all(widget.description for widget in shown)


@pytest.mark.parametrize(
    ("target", "why"), [("here", "whole path"), ("/nowhere/at/all", "does not exist")]
)
def test_a_result_folder_that_cannot_be_made_is_refused_in_a_sentence(page, target, why):
    page.choices.target.value = target
    page.choices.go.click()
    assert "role='alert'" in text_of(page.choices.widget)
    assert why in text_of(page.choices.widget)


def test_a_result_folder_in_the_input_is_refused(page, tmp_path):
    page.choices.target.value = str(tmp_path / "ward" / "clean")
    page.choices.go.click()
    assert "lie within one another" in text_of(page.choices.widget)
    assert not (tmp_path / "ward" / "clean").exists()


def test_a_new_folder_beside_the_named_one_is_offered(page, tmp_path):
    assert page.choices.target.value == str(tmp_path / "ward-clean")
    (tmp_path / "ward-clean.job").mkdir()
    page.files.name()
    assert page.choices.target.value == str(tmp_path / "ward-clean-2")
    assert page.choices.order(page.files.source, tmp_path).target == tmp_path / "ward-clean-2"


def test_a_reload_is_asked_about_only_while_something_would_be_lost(page, session):
    assert "medlab-held" not in page.widget._dom_classes
    page.files.wipe()
    study(session / "inbox")
    page.files.take()
    assert "medlab-held" in page.widget._dom_classes
    page.files.wipe()
    assert "medlab-held" not in page.widget._dom_classes


def test_decryption_without_a_key_is_refused(page):
    page.choices.task.value = "decryption"
    page.choices.go.click()
    assert "needs the key" in text_of(page.choices.widget)


def test_wiping_takes_everything(page, session):
    study(session / "files" / "upload-1")
    page.files.wipe()
    assert not [path for path in session.rglob("*") if path.is_file()]
    assert page.files.items == []


def test_no_key_and_no_way_back_are_taken_over_to_other_files_and_wiping_takes_all_choices(page):
    choices = page.choices
    choices.key.value, choices.way_back.value, choices.text.value = "a key", True, "blur"
    page._renew()
    assert (choices.key.value, choices.way_back.value, choices.text.value) == ("", False, "blur")
    choices.key.value = "a key"
    page.files.wipe()
    assert (choices.key.value, choices.text.value) == ("", "remove")


@pytest.mark.parametrize(
    ("files", "more", "proposed"),
    [
        (20, {"Modality": "MR", "BodyPartExamined": "BRAIN"}, "deface"),
        (20, {"Modality": "MR"}, "deface"),
        (20, {"Modality": "CT", "BodyPartExamined": "ABDOMEN"}, "leave"),
        (3, {"Modality": "MR", "BodyPartExamined": "HEAD"}, "leave"),
        (20, {"Modality": "US", "BodyPartExamined": "HEAD"}, "leave"),
    ],
)
def test_removal_is_the_default_and_defacing_where_heads_may_be(
    page, tmp_path, files, more, proposed
):
    page.files.folder.value = str(study(tmp_path / "heads", files=files, **more))
    page.files.name()
    assert (page.choices.text.value, page.choices.head.value) == ("remove", proposed)
    order = page.choices.order(page.files.source, tmp_path / "session")
    assert (order.text, order.head) == ("remove", proposed)


def test_what_was_not_checked_is_told_before_what_was_written(page):
    order = page.choices.order(page.files.source, page.files.source.parent / "session")
    cautions = ("keep the second zip apart", "not checked: face in 3 images")
    said = _summary(order, Result(3, 0, (), cautions, ()))
    assert said.startswith("<p role='alert'>")
    assert said.index("Not checked: face in 3 images. 3 files written") < said.index("second zip")
    assert "Not checked" not in _summary(order, Result(3, 0, (), cautions[:1], ()))


@pytest.mark.parametrize(
    ("result", "done"),
    [
        (Result(3, 0, (), ()), True),
        (Result(3, 0, (), ("keep the second zip apart",)), True),
        (Result(3, 0, (), ("not checked: face in 3 images",)), False),
        (Result(3, 0, (), ("this is no de-identification: 1 of 1 file",)), False),
        (Result(3, 1, (), ()), False),
        (Result(3, 1, (), (), (), {1: Path("a")}), False),
    ],
)
def test_done_is_said_only_where_nothing_is_left_to_do_or_to_check(page, result, done):
    order = page.choices.order(page.files.source, page.files.source.parent / "session")
    page._ended(order, result)
    assert ("Done" in text_of(page.choices.widget)) == done
    assert ("medlab-ok" in page.outcome.told.value) == done


def test_what_decryption_brought_back_is_masked_until_it_is_shown(tmp_path):
    folders = study(tmp_path / "a", number="code"), study(tmp_path / "b", number=NUMBER)
    coded, restored = (intake.inventory(folder)[0] for folder in folders)
    masked = views.headers(coded, restored, reveal=False, restored=True)
    assert NUMBER not in masked
    assert masked.index("before") < masked.index("after")
    assert NUMBER in views.headers(coded, restored, reveal=True, restored=True)


def control(widget, label):
    """The slider of that label in a widget or its parts."""
    found = [widget]
    for one in found:
        found.extend(getattr(one, "children", ()))
    (slider,) = [w for w in found if isinstance(w, ipw.IntSlider) and w.description == label]
    return slider


def test_each_image_of_a_series_can_be_looked_at_and_its_text_with_it(page):
    page.look.reveal.value = True
    tab = page.look.tabs
    for tab.selected_index in (1, 2):
        front = tab.children[tab.selected_index]
        slider = control(front, "image")
        assert (slider.min, slider.value, slider.max) == (1, 2, 3)
        assert "<figure" in text_of(front)
        slider.value = 3
        assert "role='alert'" not in text_of(front)


def test_before_and_after_are_the_same_file_though_one_was_withheld(page, tmp_path):
    (item,) = page.files.items
    outputs = {path: tmp_path / path.name for path in item.paths[1:]}
    before, after = _before_and_after(item, outputs)
    assert [path.name for path in before.paths] == [path.name for path in after.paths]
    assert _before_and_after(item, {}) is None
