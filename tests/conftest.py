"""What holds for all tests: their order, what they need, and which of them are to run."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from needs import MAY_BE_SKIPPED, missing

# A grammar of IRIs that jsonschema, and with it nbformat, builds for a second if it can.
sys.modules.setdefault("rfc3987_syntax", None)

# The same examples each time; many and new ones with --hypothesis-profile=thorough. No clock:
# a busy machine is no fault of what is tested.
settings.register_profile(
    "quick",
    max_examples=20,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("quick"), max_examples=500, derandomize=False
)
settings.load_profile("quick")


def pytest_addoption(parser):
    group = parser.getgroup("medlab")
    group.addoption("--skipped-to", metavar="FILE", help="write the ids of skipped tests there")
    group.addoption(
        "--only-from", metavar="FILE", help="run the tests of these ids; one that is skipped fails"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(name, ...): see tests/needs.py")
    path = config.getoption("--skipped-to")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkippedTests(Path(path).resolve()))


class SkippedTests:
    """Keeps the ids of skipped tests in a file, one a line."""

    def __init__(self, path: Path):
        self.path, self.ids = path, []

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            self.ids.append(report.nodeid)

    def pytest_sessionfinish(self):
        self.path.write_text("".join(f"{name}\n" for name in self.ids), "utf-8")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Files marked `slow` come first, then the browser, so that two processes end together."""

    def place(item):
        return [not item.get_closest_marker(name) for name in ("slow", "browser")]

    items.sort(key=place)
    if path := config.getoption("--only-from"):
        ids = set(Path(path).read_text("utf-8").splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ids])
        items[:] = [item for item in items if item.nodeid in ids]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    absent = missing(name for marker in item.iter_markers("needs") for name in marker.args)
    if absent:
        reason = "; ".join(f"no {name}: {command}" for name, command in absent.items())
        required = os.environ.get("MEDLAB_BROWSER") == "required" and "chromium" in absent
        (pytest.fail if required else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    allowed = item.nodeid.startswith(tuple(MAY_BE_SKIPPED))
    if report.skipped and item.config.getoption("--only-from") and not allowed:
        report.outcome, report.longrepr = "failed", f"skipped, {report.longrepr[-1]}"
    return report
