"""The server of the page: Voilà on the loopback address, for one person on this machine.

Whoever asks by another name than this machine's own is refused before anything else is
looked at (a page elsewhere could point its name at this machine: DNS rebinding), then comes
the token. The token is made at the start, lives in memory and in one file of mode 0600, and
is told once, in the address line.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import tempfile
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from medlab.app import folders
from medlab.errors import MedlabError, UnavailableError

try:
    from jupyter_core.utils import run_sync
    from jupyter_server.base.handlers import AuthenticatedFileHandler, JupyterHandler
    from tornado import web
    from tornado.httputil import HTTPServerRequest
    from tornado.ioloop import PeriodicCallback
    from tornado.routing import Matcher, Rule
    from traitlets.config import Config
    from voila.app import Voila
except ImportError:
    raise UnavailableError(
        "the page needs Voilà; install the extra with: python lab.py setup app"
    ) from None

_HEADERS = {
    # the browser itself holds the page to this machine
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SWEEP_MS = 2000
_LONGEST_TMP = 18  # characters: a socket's path holds 104, and 85 stand for folders and kernel ID


class _Foreign(Matcher):
    """Requests that name another host than the server's own address."""

    def __init__(self, server: Voila) -> None:
        self._server = server

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        own = {f"{name}:{self._server.port}" for name in ("127.0.0.1", "localhost")}
        return None if request.host.lower() in own else {}


class _Refuse(web.RequestHandler):
    """Say no, whatever was asked."""

    def prepare(self) -> None:
        self.set_status(403)
        self.finish("This page answers to its own address only.\n")


@web.stream_request_body
class _Upload(JupyterHandler):
    """Take one file into the inbox of a session, piece by piece."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if self._finished:
            return
        session = self.path_args[0]
        if session not in self.kernel_manager:
            raise web.HTTPError(404)
        name = self.get_query_argument("name", "")
        length = int(self.request.headers.get("Content-Length", folders.CAP + 1))
        try:
            self._path = folders.upload_place(session, name, length)
        except (MedlabError, OSError) as error:
            self.set_status(400)
            said = str(error) if not isinstance(error, OSError) else "the name cannot be used"
            self.finish(f"refused: {said}")
            raise web.Finish from None
        self.request.connection.set_max_body_size(folders.CAP)  # type: ignore[union-attr]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("xb")

    def data_received(self, chunk: bytes) -> None:
        self._file.write(chunk)

    @web.authenticated
    def post(self, session: str) -> None:
        self._file.close()
        self.finish("received")

    def on_connection_close(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
            self._path.unlink(missing_ok=True)


class _Alive(JupyterHandler):
    """Tell a page whether its session lives."""

    @web.authenticated
    def get(self, session: str) -> None:
        self.finish("yes" if session in self.kernel_manager else "no")


class _Result(AuthenticatedFileHandler):
    """Give a result of a session."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Content-Disposition", f'attachment; filename="medlab-{Path(path).name}"')
        self.set_header("Cache-Control", "no-store")


class _Server(Voila):  # type: ignore[misc]
    """Voilà with the guards and the two handlers of the page."""

    tell: Callable[[str], Any]
    folder: Path
    browser_wanted: bool

    def init_handlers(self) -> list[Any]:
        """Put the handlers of the page before Voilà's own."""
        base = rf"/medlab/({folders.SESSION})"
        own = [
            (f"{base}/upload", _Upload),
            (f"{base}/alive", _Alive),
            (
                rf"/medlab/({folders.SESSION}/(?:{'|'.join(folders.RESULTS)}))",
                _Result,
                {"path": str(self.folder)},
            ),
        ]
        return own + list(super().init_handlers())

    def listen(self) -> None:
        """Refuse foreign hosts, wipe what ended sessions leave, and serve until told to stop."""
        self.app.default_router.rules.insert(0, Rule(_Foreign(self), _Refuse))
        sessions = self.kernel_manager.list_kernel_ids
        PeriodicCallback(lambda: folders.wipe_ended(self.folder, sessions()), _SWEEP_MS).start()
        super().listen()

    def stop(self) -> None:
        """End the kernels at once, and then the rest."""
        with suppress(web.HTTPError):  # a kernel that never came up is not there to be ended
            run_sync(self.kernel_manager.shutdown_all)(now=True)
        super().stop()

    def launch_browser(self) -> None:
        """Tell the address, and open it through a file: a command line would show the token."""
        address = f"http://127.0.0.1:{self.port}/?token={self.token}"
        self.tell(f"The page is at {address}")
        self.tell(
            "It answers this computer only. Stop it with Ctrl-C; all uploads are then wiped."
        )
        start = self.folder / "open.html"
        start.touch(mode=0o600)
        start.write_text(f'<meta http-equiv="refresh" content="0; url={address}">')
        if self.browser_wanted:
            webbrowser.open(start.as_uri())


def _configuration(port: int, idle_seconds: int) -> Config:
    """Return what Voilà is told; no other configuration of this user is read."""

    def give_cookie(handler: Any, notebook: Any, cwd: str) -> None:
        """Give the browser the cookie without which nothing can be uploaded (XSRF)."""
        handler.xsrf_token  # noqa: B018 - read for its cookie

    config = Config()
    config.Voila.config_file_paths = []
    config.Voila.notebook_path = str(files("medlab.app").joinpath("page.ipynb"))
    config.Voila.ip = "127.0.0.1"
    config.Voila.port = port
    config.Voila.port_retries = 4
    config.Voila.log_level = logging.ERROR
    config.Voila.tornado_settings = {
        "headers": _HEADERS,
        "log_function": lambda _: None,  # an address holds the token
        "ws_ping_timeout": 30_000,
    }
    voila = config.VoilaConfiguration
    voila.template = "medlab"
    voila.allow_template_override = voila.allow_theme_override = "NO"
    voila.strip_sources = True
    voila.show_tracebacks = False
    voila.file_denylist = [".*"]
    voila.extension_denylist = ["@jupyter/nbgrader", "@jupyter-notebook/lab-extension"]
    voila.prelaunch_hook = give_cookie
    config.MappingKernelManager.cull_idle_timeout = idle_seconds
    config.MappingKernelManager.cull_interval = max(1, idle_seconds // 10)
    config.MappingKernelManager.cull_connected = False
    config.KernelRestarter.restart_limit = 0  # a new kernel would know nothing of the page
    if os.name == "posix" and len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_TMP:
        config.KernelManager.transport = "ipc"  # no port, nothing in plain text to overhear
    return config


def serve(
    tell: Callable[[str], Any],
    *,
    port: int = 8866,
    idle_seconds: int = 300,
    browser: bool = True,
) -> None:
    """Serve the page until Ctrl-C or a signal.

    Parameters
    ----------
    tell : callable
        Takes one line, such as ``click.echo``. The first line is the address; it holds the
        token and is told once.
    port : int
        Or one of the next few, where it is taken.
    idle_seconds : int
        How long a session lives after its page was closed; then its files are wiped.
    browser : bool
        Open the page.

    """
    logging.getLogger("tornado").setLevel(logging.ERROR)
    share = str(files("medlab.app").joinpath("share"))
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        filter(None, [share, os.environ.get("JUPYTER_PATH")])
    )
    with folders.server_folder() as folder:
        config = _configuration(port, idle_seconds)
        config.Voila.token = secrets.token_urlsafe(32)
        config.Voila.connection_dir_root = str(folder)
        server = _Server(config=config)
        server.tell, server.folder, server.browser_wanted = tell, folder, browser
        server.initialize([])
        if hasattr(signal, "SIGHUP"):  # the window of the terminal was closed
            signal.signal(signal.SIGHUP, signal.default_int_handler)
        server.start()
