"""Saved screens wait for a person: seen, edited, approved or left out; nothing else is lost.

Driven by the page's own controls and by orders; outputs are read by pydicom.
"""

import csv
import io
import zipfile

import numpy as np
import pytest
from app_study import NAME, NUMBER, study
from pydicom import dcmread
from saved_screens import saved_screen

from medlab.app import work
from medlab.app.order import clean_up
from medlab.app.panels import _Page, _summary
from medlab.errors import RefusedError

pytestmark = pytest.mark.slow  # each run reads its pictures twice


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
    page._ended(asked, work.do(asked, told))
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
    result = work.do(asked, told)
    page._ended(asked, result)
    return result


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


def test_what_was_not_decided_goes_on_waiting_and_is_named(waiting, session):
    decide(waiting, 1, approve=True)
    result = finish(waiting)
    assert (result.outputs, list(result.waiting)) == (2, [2])
    assert "review in step 5: 1 image;" in waiting.outcome.told.value
    decide(waiting, 0, approve=True)
    assert finish(waiting).withheld == 0
    assert len(screens(session)) == 2


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


def test_a_cancelled_review_keeps_the_result_from_before_and_can_be_finished(waiting, session):
    decide(waiting, 0, approve=True)
    order = waiting.review.order()
    run = work.Run(order)
    with pytest.raises(RefusedError, match="the result from before stands"):
        run.wait(lambda *_: run.cancel())
    clean_up(order)
    waiting._ended(order, RefusedError("cancelled"))
    assert len(images(session)) == 1
    assert waiting.review.leave_out.disabled
    assert finish(waiting).outputs == 2


def test_a_saved_screen_alone_is_no_failure_and_without_a_review_it_is_withheld(session, order):
    alone = saved_screen(session / "files" / "alone" / "SAVED.dcm").parent
    result = work.do(order(source=alone, text="remove", review=True), told)
    assert (result.outputs, list(result.waiting)) == (0, [1])
    asked = order(source=alone, target=session / "out" / "b", text="remove")
    with pytest.raises(RefusedError, match="1 file withheld: a screen save or dose report"):
        work.do(asked, told)


def test_of_a_named_folder_no_key_is_left_beside_the_result(session, source, order, tmp_path):
    target = tmp_path / "clean"
    asked = order(source=source, target=target, zipped=False, text="remove", review=True)
    result = work.do(asked, told)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("clean")] == ["clean"]
    assert "They stand in the folder" in _summary(asked, result)


def test_with_re_identification_the_zip_of_it_knows_the_approved_image(session, source, order):
    page = _Page(session)
    asked = order(source=source, text="remove", review=True, way_back=True)
    page._ended(asked, work.do(asked, told))
    decide(page, 0, approve=True)
    finish(page)
    with zipfile.ZipFile(session / "private.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("map.csv").decode())))
    assert sorted(row["status"] for row in rows) == ["done", "done", "quarantined"]


def test_where_faces_are_cut_a_capture_waits_too_and_approving_it_lets_it_pass(session, order):
    """No face can be cut out of a capture: a person who saw it whole says that it shows none."""
    folder = session / "files" / "captures"
    for number in (1, 2):
        saved_screen(folder / f"SAVED_{number}.dcm")
    page = _Page(session)
    asked = order(source=folder, text="remove", head="deface", review=True)
    page._ended(asked, work.do(asked, told))
    assert "review in step 5: 2 images" in page.outcome.told.value
    decide(page, 0, approve=True)
    result = finish(page)
    assert (result.outputs, list(result.waiting)) == (1, [2])
    (screen,) = screens(session)
    assert len(np.unique(screen.pixel_array[22:60, 30:330])) == 1
    decide(page, 0, approve=True)
    assert finish(page).outputs == 2
