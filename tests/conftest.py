"""Files marked `slow` and the browser come first, so that two processes end together."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    def is_short(item):
        return not any(item.get_closest_marker(name) for name in ("slow", "browser"))

    items.sort(key=is_short)
