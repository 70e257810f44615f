"""The table of rooms in docs/architecture.md is what stands in the code."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "medlab"
GROUND = {"errors", "disk", "arrays"}
ROW = re.compile(r"\| `medlab\.(\w+)` \|[^|]*\|([^|]*)\|")


def told():
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text())
    return {room: set(re.findall(r"\w+", arrows)) for room, arrows in rows}


def rooms():
    found = {path.stem for path in PACKAGE.glob("*.py")}
    found |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return found - {"__init__", "__main__"}


def imported(source):
    """The modules of medlab that a file imports, anywhere in it, or names in a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "medlab":
            yield from (f"medlab.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value if re.fullmatch(r"medlab(\.\w+)+", node.value) else ""


def arrows():
    found = {room: set() for room in rooms()}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imported(path.read_text()):
            parts = name.split(".")
            if parts[0] == "medlab" and len(parts) > 1 and parts[1] in found and room in found:
                found[room].add(parts[1])
    return {room: others - {room} - GROUND for room, others in found.items()}


def test_every_room_stands_in_the_table_with_the_arrows_that_it_has():
    assert told() == arrows()


def test_arrows_run_one_way():
    order = list(TopologicalSorter(arrows()).static_order())
    assert len(order) == len(rooms())


def test_the_ground_imports_no_room_and_the_samples_none_above_it():
    found = arrows()
    assert not any(found[room] for room in (*GROUND, "samples"))


def test_arrows_in_functions_and_in_texts_are_seen():
    source = "def f():\n from medlab import viz\n import medlab.dicom.tags\n load('medlab.app')"
    assert {"medlab.viz", "medlab.dicom.tags", "medlab.app"} <= set(imported(source))


def test_the_private_layout_of_pydicom_is_known_to_one_module():
    layout = re.compile(
        r"\._dict\b|_private_blocks|_read_charset|_parent_encoding|\._character_set"
    )
    names = {path.name for path in PACKAGE.rglob("*.py") if layout.search(path.read_text("utf-8"))}
    assert names == {"passthrough.py"}


def borrowed(source):
    """Private names that a file takes from other modules of medlab."""
    tree, modules = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("medlab"):
            names = {name.name: name.asname or name.name for name in node.names}
            yield from (name for name in names if name.startswith("_") and name[1] != "_")
            modules |= set(names.values())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
            and re.match("_[^_]", node.attr)
        ):
            yield node.attr


def test_no_module_takes_a_private_name_of_another():
    taken = {path: list(borrowed(path.read_text("utf-8"))) for path in PACKAGE.rglob("*.py")}
    assert not {str(path.relative_to(ROOT)): names for path, names in taken.items() if names}
    assert list(borrowed("from medlab import dicom\nfrom medlab.dicom.text import _a\n")) == ["_a"]
    assert list(borrowed("from medlab import dicom\ndicom._cache.clear()\n")) == ["_cache"]


def idle(source):
    """Private functions, classes and constants of a file that nothing in it speaks of."""
    for node in ast.parse(source).body:
        targets = getattr(node, "targets", [getattr(node, "target", node)])
        names = [inner for target in targets for inner in getattr(target, "elts", [target])]
        for name in (getattr(inner, "id", getattr(inner, "name", "")) for inner in names):
            is_private = re.match("_[^_]", name) and not getattr(node, "decorator_list", ())
            if is_private and len(re.findall(rf"\b{name}\b", source)) == 1:
                yield name


def test_each_private_name_has_a_use():
    names = {path: list(idle(path.read_text("utf-8"))) for path in PACKAGE.rglob("*.py")}
    assert not {str(path.relative_to(ROOT)): some for path, some in names.items() if some}
    example = "_a, _b = 1, 2\nprint(_b)\ndef _c(): pass\n_d: int = 3\n"
    assert list(idle(example)) == ["_a", "_c", "_d"]


def test_what_the_page_tells_to_find_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = page.partition("## Where to find")[2].partition("##")[0]
    places = re.findall(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", rows)
    names = [(path, name) for path, named in places for name in re.findall(r"\w+", named)]
    assert len(names) > 25
    for path, name in names:
        source = (PACKAGE / path).read_text("utf-8")
        assert re.search(rf"^(?:def|class) {name}\b|^{name}\b.* = ", source, re.MULTILINE), name
