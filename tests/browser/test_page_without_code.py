"""The page without code: served, guarded, used in Chromium from upload to download."""

import http.client
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from saved_screens import NAME_BOX, saved_screen

pytestmark = pytest.mark.needs("app")

NAME = "Okafor^Ngozi"
SERVE = """
import click
from medlab.app import serve
serve(click.echo, port={port}, idle_seconds=15, browser=False)
"""


# Controls that are seen, but have no name for a screen reader or are out of reach of the keyboard.
NAMELESS = """() => {
    const all = [...document.querySelectorAll(
        '.medlab-page :is(input, button, select, a[href], [role=slider], [role=tab])')];
    const seen = all.filter(one => one.checkVisibility() && one.offsetWidth > 0);
    const named = one => [one.ariaLabel, one.title, one.innerText,
        one.closest('[role=radiogroup]')?.ariaLabel,
        ...[...(one.labels ?? [])].map(label => label.innerText)].some(words => words?.trim());
    const reached = one => one.disabled || one.tabIndex >= 0 || one.role === 'tab'
        || (one.type === 'radio' && !one.checked);
    if (seen.length < 20) return ['too few controls are seen: ' + seen.length];
    return seen.filter(one => !(named(one) && reached(one)))
        .map(one => one.outerHTML.slice(0, 160));
}"""


# Words of the page that stand out too little from what is behind them (WCAG 2, AA: 4.5 to 1).
FAINT = """() => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => parts(color).slice(0, 3).map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = one => {
        for (; one; one = one.parentElement) {
            const color = getComputedStyle(one).backgroundColor;
            if ((parts(color)[3] ?? 1) > 0.99) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const said = [...document.querySelectorAll('.medlab-page *')].filter(one =>
        one.checkVisibility() && !one.closest(':disabled') && (one.matches('input, select')
        || [...one.childNodes].some(node => node.nodeType == 3 && node.data.trim())));
    if (said.length < 60) return ['too few words are seen: ' + said.length];
    return said.filter(one => {
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    }).map(one => one.outerHTML.slice(0, 120));
}"""


class Served:
    """The page on a port of its own, its address and its folder."""

    def __init__(self, folder: Path, port: int):
        self.log = folder / "server.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE.format(port=port)],
            env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 120
        while not (found := re.search(r"http://127.0.0.1:(\d+)/\?token=(\S+)", self.told())):
            assert time.monotonic() < deadline, self.told()
            assert self.process.poll() is None, self.told()
            time.sleep(0.2)
        self.address, self.port, self.token = found[0], int(found[1]), found[2]
        (self.folder,) = folder.glob("medlab-app-*")

    def told(self) -> str:
        return self.log.read_text()

    def sessions(self) -> list[Path]:
        return [
            path for path in self.folder.iterdir() if re.fullmatch(r"[0-9a-f-]{36}", path.name)
        ]

    def ask(self, path, host="", method="GET", token=True, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        own = {"Host": host or f"127.0.0.1:{self.port}"} | headers
        own |= {"Authorization": f"token {self.token}"} if token else {}
        connection.request(method, path, body=b"x" if method == "POST" else None, headers=own)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


@pytest.fixture(scope="module")
def served():
    with tempfile.TemporaryDirectory() as folder:  # a short path: sockets of kernels lie there
        running = Served(Path(folder), 8971)
        yield running
        running.process.terminate()
        running.process.wait(60)
        assert not running.folder.exists()


@contextmanager
def opened(browser, served):
    """The page in a browser that notes what goes wrong and where requests go."""
    context = browser.new_context(viewport={"width": 1280, "height": 2600})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.dialogs = []
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.type), dialog.accept()))
    page.wrong, page.asked = [], []
    page.on("console", lambda said: said.type == "error" and page.wrong.append(said.text))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    context.on("request", lambda request: page.asked.append(request.url))
    page.goto(served.address)
    page.wait_for_selector(".medlab-drop")
    yield page
    context.close()


@pytest.fixture(scope="module")
def page(browser, served):
    with opened(browser, served) as page:  # each costs a kernel; the last test leaves it
        yield page


def wait_until(page, holds):
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        page.wait_for_timeout(250)


@pytest.fixture
def study(tmp_path):
    """A zip of two files of one patient."""
    path = tmp_path / "OKAFOR.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2):
            dataset = dcmread(get_testdata_file("CT_small.dcm", download=False))
            dataset.PatientName, dataset.SOPInstanceUID = NAME, f"1.2.3.{number}"
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            buffer = io.BytesIO()
            dataset.save_as(buffer)
            archive.writestr(f"OKAFOR/{number}.dcm", buffer.getvalue())
    return path


def upload(page, path):
    page.locator(".medlab-drop input").first.set_input_files(str(path))
    page.wait_for_selector(".medlab-card .medlab-ok, .medlab-card [role=alert]")


@pytest.mark.parametrize("path", ["/", "/voila/static/voila.js", "/api/kernels/x/channels"])
def test_a_foreign_host_is_refused_whatever_it_asks(served, path):
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", "127.0.0.1:1"):
        assert served.ask(path, host=host)[0] == 403


def test_nothing_is_served_without_the_token(served):
    assert served.ask("/", token=False)[0] == 302
    session = "0" * 8 + "-0000" * 3 + "-" + "0" * 12
    assert served.ask(f"/medlab/{session}/result.zip", token=False)[0] in (302, 403)
    assert served.ask(f"/medlab/{session}/upload?name=x", "", "POST", token=False)[0] == 403
    assert served.sessions() == []


def test_sources_and_files_of_the_machine_are_not_served(served):
    for path in ("/voila/files/page.ipynb", "/voila/files/server.py", "/medlab/../lock", "/lock"):
        assert served.ask(path)[0] in (302, 403, 404)


def test_too_much_is_refused_before_it_is_sent(page, tmp_path):
    large = tmp_path / "large.nii"
    with large.open("wb") as file:
        file.truncate(51_000_000)
    page.locator(".medlab-drop input").first.set_input_files(str(large))
    page.get_by_text("this page takes 50.0 MB").wait_for()
    assert not any("/upload" in url for url in page.asked)


def test_a_wrong_type_is_refused_in_the_page(page, tmp_path):
    letter = tmp_path / "OKAFOR.pdf"
    letter.write_bytes(b"%PDF Okafor")
    upload(page, letter)
    told = page.locator(".medlab-card [role=alert]").first.inner_text()
    assert told == "Not done: file 1 of 1: it is neither DICOM nor NIfTI nor a zip of such files."


def test_from_upload_to_download_in_the_browser(page, served, study):
    upload(page, study)
    assert "2 files to work on" in page.locator(".medlab-ok").first.inner_text()
    (session,) = served.sessions()
    assert session.stat().st_mode & 0o777 == 0o700
    page.get_by_role("tab", name="Images").first.click()
    page.get_by_text("Hidden: pictures show").first.wait_for()
    page.get_by_label("Show pictures").first.check()
    page.wait_for_selector("figure img[alt]")
    page.get_by_role("button", name="Run", exact=True).click()
    link = page.get_by_role("link", name="Download result and report")
    link.wait_for()
    assert "Compare" in page.locator(".medlab-card").nth(3).inner_text()
    with page.expect_download() as download:
        link.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = archive.namelist()
        images = [dcmread(archive.open(name)) for name in names if name.endswith(".dcm")]
        assert not any(b"Okafor" in archive.read(name) for name in names)
    assert {"report.html", "deidentification.html"} < set(names)
    assert len(images) == 2
    assert {image.PatientIdentityRemoved for image in images} == {"YES"}
    assert "token" not in page.url
    assert "from medlab import app" not in page.content()
    assert page.wrong == []
    assert {re.match(r"\w+://[^/]+", url)[0] for url in page.asked if "://" in url} == {
        f"http://127.0.0.1:{served.port}"
    }


def test_a_saved_screen_waits_is_approved_and_is_in_the_result_then(page, tmp_path, artifacts):
    """By keyboard and by the names that a screen reader says."""
    page.get_by_role("button", name="Wipe everything now").press("Enter")
    page.get_by_text("All files of this session are wiped").wait_for()
    upload(page, saved_screen(tmp_path / "OKAFOR.dcm", NAME))
    page.get_by_role("button", name="Run", exact=True).press("Enter")
    page.get_by_text("Waiting for your review in step 5: 1 image").wait_for()
    page.get_by_text("The run has ended. Step 4 says first what is not done.").wait_for()
    approve = page.get_by_role("button", name="Approve the ticked boxes")
    assert approve.is_disabled()
    page.get_by_label("Show the pictures and what was read").press("Space")
    page.get_by_role("img", name="The image with numbered boxes").wait_for()
    page.get_by_label("boxes to add").fill("0,150,400,200")
    page.get_by_label("boxes to add").press("Enter")
    page.get_by_text("Crossed boxes change").wait_for()
    assert page.evaluate(NAMELESS) == []
    dark = {}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(FAINT) == []
        dark[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark["dark"] != dark["light"]
    approve.press("Enter")
    page.screenshot(path=artifacts / "review.png", full_page=True)
    page.get_by_text("This image is approved").wait_for()
    page.get_by_role("button", name="Finish with these decisions").press("Enter")
    page.get_by_text("1 file written").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download result and report").press("Enter")
    with zipfile.ZipFile(download.value.path()) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dcm"))
        pixels = dcmread(archive.open(name)).pixel_array
    left, top, right, bottom = NAME_BOX
    assert len(np.unique(pixels[top:bottom, left:right])) == 1
    assert len(np.unique(pixels[150:])) == 1
    assert page.wrong == []


def test_a_page_asks_before_it_is_left_and_its_session_is_wiped_then(page, served, study):
    upload(page, study)
    assert any(path.is_file() for one in served.sessions() for path in one.rglob("*"))
    page.get_by_role("tab", name="Images").first.click()  # browsers ask only who has touched it
    page.goto("about:blank")
    assert page.dialogs == ["beforeunload"]
    wait_until(page, lambda: not served.sessions())


def test_a_session_whose_page_was_lost_is_culled_with_its_files(browser, served, study):
    with opened(browser, served) as page:
        upload(page, study)
        # A browser that crashes says no goodbye: its connection just ends.
        page.context.route("**/api/shutdown/**", lambda route: route.abort())
        page.goto("about:blank")
        assert served.sessions()
        wait_until(page, lambda: not served.sessions())


def test_the_token_is_told_once_and_nothing_of_a_patient_ever(served):
    assert served.told().count(served.token) == 1
    assert "kafor" not in served.told()
    assert "OKAFOR" not in served.told()
