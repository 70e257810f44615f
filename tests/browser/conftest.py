"""A real JupyterLab in a real Chromium; every test opens its own copy of a notebook."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LAB_CONFIG = NOTEBOOKS.parent / "medlab" / "runs" / "lab_config.py"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
FLAGS += ["--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]
QUIET = {
    "labconfig/page_config.json": {
        "disabledExtensions": {
            "@jupyterlab/apputils-extension:announcements": True,
            "@jupyterlab/extensionmanager-extension": True,
        }
    }
}
SETTINGS = {
    # Every cell stands in the page, seen or not; nothing is saved behind the test's back.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
}
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
# JupyterLab shows a cell's error as it shows what the kernel writes to stderr.
ERRORS = """[...document.querySelectorAll(
        "[data-mime-type='application/vnd.jupyter.stderr']"
    )].map(output => output.textContent).filter(text => text.includes('Traceback (most recent'))"""
RUN_THROUGH = f"""() => {ERRORS}.length > 0
    || [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].every(
        prompt => /^\\[\\d+\\]:$/.test(prompt.textContent))"""
UNNUMBERED = """() => document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')
    .forEach(prompt => { prompt.textContent = '[ ]:'; })"""
# What a screen reader calls a control; a value that can be typed over is no name.
NAME = """part => part.getAttribute('aria-label') || part.title
    || [...(part.labels ?? [])].map(label => label.textContent).join(' ').trim()
    || (part.matches('button') ? part.textContent.trim() : '')"""
CLOCK = """view => {
    const clock = window.medlabClock = {pressed: 0, drawn: 0};
    // Not the release: a quick kernel draws before a busy browser lets go of the key.
    document.addEventListener('keydown', () => { clock.pressed = performance.now(); }, true);
    const drawn = async () => {
        await Promise.all([...view.querySelectorAll('img')].map(img => img.decode()));
        clock.drawn = performance.now();
    };
    new MutationObserver(drawn).observe(view, {childList: true, subtree: true});
}"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            if "chromium" in item.fixturenames:
                item.add_marker(pytest.mark.needs("chromium"))


@pytest.fixture(scope="session")
def chromium():
    """Path of Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser(chromium):
    """One Chromium for a module: while it runs, its event loop holds the thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


class Server:
    """JupyterLab on a free port of the loopback, with folders of its own."""

    def __init__(self, folder: Path):
        self.root, self.token = folder / "notebooks", secrets.token_hex(16)
        self.root.mkdir()
        for name, content in QUIET.items():
            _write(folder / "config" / name, content)
        for name, content in SETTINGS.items():
            _write(folder / "settings" / name, content)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.log = folder / "server.log"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={urlsplit(self.address).port}"),
                *("--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}"),
                f"--config={LAB_CONFIG}",
                f"--ServerApp.root_dir={self.root}",
            ],
            env=os.environ | _folders(folder),
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(240):
            try:
                return self.ask("status")
            except OSError:
                time.sleep(0.25)
            if self.process.poll() is not None:
                break
        pytest.fail("JupyterLab did not start:\n" + self.log.read_text()[-2000:])

    def ask(self, what: str, method: str = "GET"):
        """Call the server's own API and return its answer."""
        request = urllib.request.Request(
            f"{self.address}/api/{what}",
            headers={"Authorization": f"token {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def _folders(folder: Path) -> dict[str, str]:
    parts = ("config", "data", "runtime", "ipython")
    own = {f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in parts[:3]}
    lab = {
        f"JUPYTERLAB_{name.upper()}_DIR": str(folder / name) for name in ("settings", "workspaces")
    }
    return own | lab | {"IPYTHONDIR": str(folder / "ipython")}


def _write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="session")
def server(chromium, tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


class Notebook:
    """A notebook open in a tab of JupyterLab.

    `complaints` are the browser's console errors, `foreign` the requests to any address but
    the server's.
    """

    def __init__(self, page, server: Server, name: str, artifacts: Path):
        self.page, self.server, self.name, self.artifacts = page, server, name, artifacts
        self.complaints, self.foreign = [], []
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._note(request.url))
        self.open()

    def _note(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not self._own(url):
            self.foreign.append(url)

    def _own(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self.server.address).netloc

    def open(self, seconds: float = 60) -> None:
        """Open the notebook in a workspace of its own and wait for its kernel."""
        space = f"lab/workspaces/{secrets.token_hex(4)}"
        self.page.goto(f"{self.server.address}/{space}/tree/{self.name}?token={self.server.token}")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=1000 * seconds)
        self.wait_until_idle(seconds)

    def wait_until_idle(self, seconds: float = 60) -> None:
        """Wait until the page is connected to a kernel, and the kernel rests."""
        # The sign in the toolbar says "idle" even before there is a kernel.
        status = self.page.locator("#jp-main-statusbar").get_by_text(" | Idle")
        status.wait_for(timeout=1000 * seconds)

    def write(self, number: int, source: str) -> str:
        """Write a cell anew and run it, by keyboard; return what it answers."""
        cell = self.page.locator(".jp-Cell").nth(number)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        return self.run(number)

    def run(self, number: int) -> str:
        """Run a cell by keyboard and return what it answers."""
        cell = self.page.locator(".jp-Cell").nth(number)
        cell.locator(".cm-content").click()
        before = cell.locator(".jp-InputPrompt").inner_text()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            "([prompt, before]) => prompt.textContent !== before"
            " && /^\\[\\d+\\]:$/.test(prompt.textContent)",
            arg=[cell.locator(".jp-InputPrompt").element_handle(), before],
            timeout=60_000,
        )
        return cell.locator(".jp-OutputArea").inner_text()

    def choose(self, menu: str, entry: str) -> None:
        """Choose an entry of JupyterLab's menu bar."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=entry, exact=True).click()

    def in_another_tab(self) -> "Notebook":
        """Open the notebook, as it was saved, a second time."""
        page = self.page.context.new_page()
        return Notebook(page, self.server, self.name, self.artifacts)

    def save(self) -> None:
        """Save, and wait until that is done."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and self.name in answer.url
        ):
            self.page.keyboard.press("Control+s")

    def restart_kernel(self) -> None:
        """Restart the kernel from the menu, as a reader would."""
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_role("menuitem", name="Restart Kernel…").first.click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_selector(".jupyter-widgets-disconnected")
        self.wait_until_idle()

    def run_all(self, seconds: float = 300) -> None:
        """Run all cells; return when the last one is done or one has failed."""
        self.page.evaluate(UNNUMBERED)
        self.choose("Run", "Run All Cells")
        until = time.monotonic() + seconds
        while not self.page.evaluate(RUN_THROUGH):
            if time.monotonic() > until:
                self.screenshot("not-run")
                prompts = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
                pytest.fail(f"JupyterLab has not run all cells in {seconds} s: {prompts}")
            self.page.wait_for_timeout(100)

    def errors(self) -> list[str]:
        """Return the texts of all error outputs."""
        return self.page.evaluate(ERRORS)

    def widget(self, title: str) -> "Moved":
        """Return the widget of that title."""
        widgets = self.page.locator(".medlab-widget")
        return Moved(widgets.filter(has=self.page.locator("h4", has_text=title)).last)

    def screenshot(self, name: str, of=None) -> Path:
        """Keep a picture of the page, or of a part of it, among the artifacts."""
        path = self.artifacts / f"{name}.png"
        (of or self.page).screenshot(path=path)
        return path


class Moved:
    """A widget on the page, moved by its labels and by keys alone."""

    def __init__(self, box):
        self.box, self.page = box, box.page
        self.view = box.locator(".medlab-view")
        self.status = box.locator(".medlab-status")
        self.view.scroll_into_view_if_needed()
        self.view.evaluate(CLOCK)

    def control(self, label: str):
        """Return what the keyboard reaches of the control with that label."""
        named = self.box.get_by_label(label, exact=True)
        row = self.box.locator(".widget-slider").filter(
            has=self.page.locator(f"label:text-is('{label}')")
        )
        return named.or_(row.locator(".noUi-handle")).first

    def names(self) -> list[str]:
        """Return what a screen reader says of each thing that the keyboard reaches, in order."""
        reached = self.box.locator("input, select, button, [tabindex='0'], [contenteditable=true]")
        names = []
        for part in reached.all():
            if part.is_visible() and part.is_enabled():
                part.focus()
                names.append(part.evaluate(NAME))
        return names

    def picture(self) -> str:
        """Return what is shown, as HTML."""
        return self.view.inner_html()

    def press(self, label: str, *keys: str, seconds: float = 120) -> float:
        """Press keys on a control; return the ms from the last press to the new picture.

        They are counted as on a machine of its own. Fails if nothing new is shown.
        """
        before = self.picture()
        control = self.control(label)
        control.focus()
        for key in keys:
            control.press(key)
        self.page.wait_for_function(
            "([view, before]) => view.innerHTML !== before"
            " && window.medlabClock.drawn > window.medlabClock.pressed",
            arg=[self.view.element_handle(), before],
            timeout=1000 * seconds,
        )
        taken = self.page.evaluate("() => medlabClock.drawn - medlabClock.pressed")
        return taken * share_of_a_core()


def share_of_a_core() -> float:
    """Return how much of a core a process gets just now: 1 on an idle machine."""
    wall, work = time.perf_counter(), time.process_time()
    while time.process_time() - work < 0.05:
        pass
    return (time.process_time() - work) / (time.perf_counter() - wall)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """Where screenshots stay: MEDLAB_ARTIFACTS, else a folder of pytest's."""
    asked = os.environ.get("MEDLAB_ARTIFACTS")
    folder = Path(asked) if asked else tmp_path_factory.mktemp("artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _opened(server, browser, artifacts):
    """A function that opens a notebook of the project, or one of the cells given, or `nb`.

    Values given by name replace those in the cell of parameters.
    """
    context = browser.new_context(viewport={"width": 1400, "height": 1800})

    def open_notebook(
        name: str, cells: list[str] | None = None, nb: NotebookNode | None = None, **parameters
    ) -> Notebook:
        if nb is not None:
            file = f"{name}.ipynb"
        elif cells is None:
            (source,) = NOTEBOOKS.glob(f"{name}*.ipynb")
            nb, file = nbformat.read(source, as_version=4), source.name
            set_parameters(nb, parameters)
        else:
            nb, file = nbformat.v4.new_notebook(metadata=KERNEL), f"{name}.ipynb"
            nb.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        nbformat.write(nb, server.root / file)
        return Notebook(context.new_page(), server, file, artifacts)

    yield open_notebook
    context.close()
    for session in server.ask("sessions"):
        server.ask(f"sessions/{session['id']}", "DELETE")


opened = pytest.fixture(name="opened")(_opened)
opened_once = pytest.fixture(name="opened_once", scope="module")(_opened)


def set_parameters(nb, parameters: dict) -> None:
    """Write values into the cell of parameters, as a reader would."""
    (cell,) = [cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", [])]
    lines = cell.source.splitlines()
    for name, value in parameters.items():
        (number,) = [i for i, line in enumerate(lines) if line.startswith(f"{name}:")]
        lines[number] = f"{lines[number].split(' = ')[0]} = {value!r}"
    cell.source = "\n".join(lines)
