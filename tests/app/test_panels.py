"""The parts of the page, without a server around them, and saved screens that wait for a person.

Those are seen, edited, approved or left out, and nothing else is lost: driven by the page's own
controls and by orders; outputs are read by pydicom.
"""

import csv
import io
import zipfile
from pathlib import Path

import ipywidgets as ipw
import numpy as np
import pytest
from app_study import NAME, NUMBER, study
from pydicom import dcmread
from saved_screens import saved_screen

from medlab.app import intake, views
from medlab.app.order import Result, Run, _do, clean_up
from medlab.app.panels import _Page
from medlab.app.views import _before_and_after, _summary
from medlab.errors import RefusedError


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
    masked = views._headers(coded, restored, reveal=False, restored=True)
    assert NUMBER not in masked
    assert masked.index("before") < masked.index("after")
    assert NUMBER in views._headers(coded, restored, reveal=True, restored=True)


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
    pairs = [(path, tmp_path / path.name) for path in item.paths[1:]]
    ((before, after),) = _before_and_after([item], pairs)
    assert [path.name for path in before.paths] == [path.name for path in after.paths]
    assert _before_and_after([item], []) == []


def told(*what):
    pass


@pytest.fixture
def source(session):
    """Two saved screens of a patient, and one image that waits for nobody."""
    folder = study(session / "files" / "ward", files=1)
    for number in (1, 2):
        saved_screen(folder / "screens" / f"SAVED_{number}.dcm")
    return folder


@pytest.fixture
def waiting(session, source, order):
    """The page after a run that left both saved screens waiting."""
    page = _Page(session)
    asked = order(source=source, text="remove", review=True)
    page.choices.running(True)
    page._ended(asked, _do(asked, told))
    return page


def images(session):
    with zipfile.ZipFile(session / "result.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        return [dcmread(io.BytesIO(archive.read(name))) for name in names]


def screens(session):
    return [image for image in images(session) if image.Columns == 400]


def decide(page, number, *, approve):
    page.review.picture.index = number
    page.review.reveal.value = True
    (page.review.approve if approve else page.review.leave_out).click()


def finish(page):
    asked = page.review.order()
    result = _do(asked, told)
    page._ended(asked, result)
    return result


@pytest.mark.slow  # each run reads its pictures twice
def test_what_waits_is_named_first_and_the_job_is_kept_for_the_session(waiting, session):
    told = waiting.outcome.told.value
    assert "Waiting for your review in step 5: 2 images; not checked: face" in told
    assert "medlab-ok" not in told
    with zipfile.ZipFile(session / "result.zip") as archive:
        assert "2 files withheld: a saved screen" in archive.read("report.html").decode()
    assert len(images(session)) == 1
    assert waiting.review.widget.layout.display == ""
    # the private folder of the job stays in the session alone
    assert (session / "waiting" / "key").is_file()
    assert (session / "waiting").stat().st_mode & 0o777 == 0o700
    assert not (session / "out" / "result.job").exists()
    waiting.files.wipe()
    assert not [path for path in session.rglob("*") if path.is_file()]
    assert waiting.review.widget.layout.display == "none"


@pytest.mark.slow  # each run reads its pictures twice
def test_nothing_is_approved_unseen_and_a_decision_can_be_changed_until_it_is_sent(
    waiting, session
):
    review = waiting.review
    assert review.approve.disabled
    assert review.go.disabled
    assert review._editor.children == ()
    review.reveal.value = True
    assert not review.approve.disabled
    assert "<figure" in review._editor.children[0].view.value
    review.approve.click()
    review._editor.children[0].controls["added"].value = "1,2,3"
    waiting._start_again()
    assert "four numbers" in review._status.value
    decide(waiting, 0, approve=False)
    assert "left out" in review._status.value
    assert review.order().left_out == {2}
    assert not (session / "waiting" / "pixels-approved.csv").exists()


@pytest.mark.slow  # each run reads its pictures twice
def test_an_approved_image_is_filled_one_left_out_stays_out_and_neither_waits(waiting, session):
    decide(waiting, 0, approve=True)
    decide(waiting, 1, approve=False)
    result = finish(waiting)
    assert (result.outputs, result.withheld, result.waiting) == (2, 1, {})
    assert any(
        "1 file withheld: a saved screen, photograph or dose report that you left" in one
        for one in result.cautions
    )
    (screen,) = screens(session)
    assert len(np.unique(screen.pixel_array[22:60, 30:330])) == 1
    assert "text boxes approved by a person" in screen.DeidentificationMethod
    assert NAME not in str(screen)
    assert NUMBER not in str(screen)
    assert not (session / "waiting").exists()
    assert not (session / "out" / "result.job").exists()
    assert waiting.review.widget.layout.display == "none"


@pytest.mark.slow  # each run reads its pictures twice
def test_what_was_not_decided_goes_on_waiting_and_is_named(waiting, session):
    decide(waiting, 1, approve=True)
    result = finish(waiting)
    assert (result.outputs, list(result.waiting)) == (2, [2])
    assert "review in step 5: 1 image;" in waiting.outcome.told.value
    decide(waiting, 0, approve=True)
    assert finish(waiting).withheld == 0
    assert len(screens(session)) == 2


@pytest.mark.slow  # each run reads its pictures twice
def test_a_box_that_a_person_adds_is_filled_and_one_unticked_stays(waiting, session):
    decide(waiting, 0, approve=True)
    editor = waiting.review._editor.children[0]
    for name, control in editor.controls.items():
        if name.startswith("box"):
            control.value = False
    editor.controls["added"].value = "0,150,400,200"
    finish(waiting)
    (screen,) = screens(session)
    assert len(np.unique(screen.pixel_array[150:])) == 1
    assert screen.pixel_array[22:60, 30:330].max() > 200
    assert screen.get("BurnedInAnnotation") != "NO"
    assert "not checked: text in pixels in 1 image" in waiting.outcome.told.value.lower()


@pytest.mark.slow  # each run reads its pictures twice
def test_a_cancelled_review_keeps_the_result_from_before_and_can_be_finished(waiting, session):
    decide(waiting, 0, approve=True)
    order = waiting.review.order()
    run = Run(order)
    with pytest.raises(RefusedError, match="the result from before stands"):
        run.wait(lambda *_: run.cancel())
    clean_up(order)
    waiting._ended(order, RefusedError("cancelled"))
    assert len(images(session)) == 1
    assert waiting.review.leave_out.disabled
    assert finish(waiting).outputs == 2


@pytest.mark.slow  # each run reads its pictures twice
def test_a_saved_screen_alone_is_no_failure_and_without_a_review_it_is_withheld(session, order):
    alone = saved_screen(session / "files" / "alone" / "SAVED.dcm").parent
    result = _do(order(source=alone, text="remove", review=True), told)
    assert (result.outputs, list(result.waiting)) == (0, [1])
    asked = order(source=alone, target=session / "out" / "b", text="remove")
    with pytest.raises(RefusedError, match="1 file withheld: a screen save or dose report"):
        _do(asked, told)


@pytest.mark.slow  # each run reads its pictures twice
def test_of_a_named_folder_no_key_is_left_beside_the_result(session, source, order, tmp_path):
    target = tmp_path / "clean"
    asked = order(source=source, target=target, zipped=False, text="remove", review=True)
    result = _do(asked, told)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("clean")] == ["clean"]
    assert "They stand in the folder" in _summary(asked, result)


@pytest.mark.slow  # each run reads its pictures twice
def test_with_re_identification_the_zip_of_it_knows_the_approved_image(session, source, order):
    page = _Page(session)
    asked = order(source=source, text="remove", review=True, way_back=True)
    page._ended(asked, _do(asked, told))
    decide(page, 0, approve=True)
    finish(page)
    with zipfile.ZipFile(session / "private.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("map.csv").decode())))
    assert sorted(row["status"] for row in rows) == ["done", "done", "quarantined"]


@pytest.mark.slow  # each run reads its pictures twice
def test_where_faces_are_cut_a_capture_waits_too_and_approving_it_lets_it_pass(session, order):
    """No face can be cut out of a capture: a person who saw it whole says that it shows none."""
    folder = session / "files" / "captures"
    for number in (1, 2):
        saved_screen(folder / f"SAVED_{number}.dcm")
    page = _Page(session)
    asked = order(source=folder, text="remove", head="deface", review=True)
    page._ended(asked, _do(asked, told))
    assert "review in step 5: 2 images" in page.outcome.told.value
    decide(page, 0, approve=True)
    result = finish(page)
    assert (result.outputs, list(result.waiting)) == (1, [2])
    (screen,) = screens(session)
    assert len(np.unique(screen.pixel_array[22:60, 30:330])) == 1
    decide(page, 0, approve=True)
    assert finish(page).outputs == 2
