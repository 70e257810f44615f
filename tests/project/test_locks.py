"""The lock files: one resolution, hashes, no addresses, nothing that must stay out."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement)[0].lower().replace("_", "-")


def entries(lock: Path) -> list[str]:
    return [
        block for block in re.split(r"(?m)^(?=[A-Za-z0-9])", lock.read_text()) if block.strip()
    ]


def versions(lock: Path) -> set[str]:
    return {entry.split()[0] for entry in entries(lock)}


def names(lock: Path) -> set[str]:
    return {version.split("==")[0] for version in versions(lock)}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_no_address(lock):
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_entry_of_a_lock_is_one_version_with_a_hash(lock):
    for entry in entries(lock):
        assert re.match(r"[a-z0-9-]+==[^\s]+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_base_lock_holds_every_dependency_of_the_project_and_its_tests():
    groups = PROJECT["dependency-groups"]
    wanted = [*PROJECT["project"]["dependencies"], *groups["dev"]]
    wanted += PROJECT["project"]["optional-dependencies"]["pixels"]
    assert {name_of(requirement) for requirement in wanted} <= names(ROOT / "requirements.lock")


@pytest.mark.parametrize("extra", ["neuro", "scale", "teach", "app", "dp", "federated"])
def test_the_lock_of_an_extra_adds_what_the_base_lacks(extra):
    wanted = PROJECT["project"]["optional-dependencies"][extra]
    base, added = names(ROOT / "requirements.lock"), names(ROOT / f"requirements-{extra}.lock")
    assert {name_of(requirement) for requirement in wanted} <= base | added
    first_lines = [
        {e.splitlines()[0] for e in entries(lock)}
        for lock in (
            LOCKS[0].with_name("requirements.lock"),
            LOCKS[0].with_name(f"requirements-{extra}.lock"),
        )
    ]
    assert not first_lines[0] & first_lines[1]


def test_no_lock_holds_a_copyleft_decoder_or_a_second_opencv():
    for lock in LOCKS:
        assert "pylibjpeg-libjpeg" not in names(lock)
        for entry in entries(lock):
            if entry.startswith("opencv-python=="):
                assert "sys_platform == 'never'" in entry.splitlines()[0]


def test_an_override_that_names_a_package_of_the_locks_is_met_by_its_version():
    # uv applies overrides to lock files too, and would else look for another version
    held = dict(version.split("==") for lock in LOCKS for version in versions(lock))
    for requirement in PROJECT["tool"]["uv"]["override-dependencies"]:
        name, _, floor = requirement.partition(">=")
        if "'never'" not in requirement:
            assert [*map(int, held[name].split("."))] >= [*map(int, floor.split("."))], name


@pytest.mark.parametrize(("name", "oldest"), [("cryptography", 50), ("packaging", 26)])
def test_no_extra_takes_a_package_of_the_base_back(name, oldest):
    # flwr asks for older ones: without its overrides the whole lock would get them
    found = next(v for v in versions(ROOT / "requirements.lock") if v.startswith(f"{name}=="))
    assert int(found.split("==")[1].split(".")[0]) >= oldest


def conda_names(requirement: str) -> str:
    others = {"matplotlib": "matplotlib-base", "lazy-loader": "lazy_loader"}
    return others.get(name_of(requirement), name_of(requirement))


def test_the_conda_environment_agrees_with_the_project():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [item for item in conda["dependencies"] if isinstance(item, str)]
    given = {item.split()[0]: "".join(item.split()[1:]) for item in plain}
    wanted = {
        conda_names(item): re.sub(r"^[A-Za-z0-9_.-]+", "", item)
        for item in PROJECT["project"]["dependencies"]
    }
    assert given.pop("pip") == ""
    # repo2docker (Binder) takes the Python from "=X.Y" alone, and 3.10 where it reads none.
    exact = re.fullmatch(r"=(\d+\.\d+)", given.pop("python"))
    assert exact
    assert exact[1] in SpecifierSet(PROJECT["project"]["requires-python"])
    from_pip = next(item["pip"] for item in conda["dependencies"] if isinstance(item, dict))
    assert from_pip.pop() == "-e ."
    given |= {name_of(item): re.sub(r"^[a-z0-9-]+", "", item) for item in from_pip}
    assert given == wanted


@pytest.mark.needs("federated")
def test_flwr_loads_beside_newer_packages_than_it_asks_for():
    from flwr.clientapp import ClientApp
    from flwr.serverapp.strategy import FedAvg

    assert callable(ClientApp())
    assert FedAvg().summary


@pytest.mark.needs("dp")
def test_opendp_loads_without_its_own_extras():
    from opendp import mod, prelude

    mod.enable_features("contrib")
    domain, distance = prelude.atom_domain(T=int), prelude.absolute_distance(T=int)
    assert prelude.m.make_laplace(domain, distance, 1.0).map(1) == 1.0
