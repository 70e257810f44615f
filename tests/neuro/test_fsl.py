"""The FSL backend, with a stand-in for FSL that writes what `bet` would write."""

import stat
import sys

import numpy as np
import pytest
from neuro_phantoms import phantom

from medlab import neuro
from medlab.errors import InputError
from medlab.neuro import fsl

pytestmark = pytest.mark.needs("neuro")
FAKE = """#!{python}
import sys
from pathlib import Path
import nibabel as nib, numpy as np
Path({log!r}).write_text(" ".join(sys.argv[3:]))
if {fails}:
    sys.exit("no brain")
img = nib.load(sys.argv[1])
assert np.linalg.det(img.affine) < 0
data = img.get_fdata()
stem = sys.argv[2].removesuffix(".nii.gz")
mask = (data > 60).astype(np.uint8)
mask[:, :, 40:] = 0
nib.save(nib.Nifti1Image(mask, img.affine), stem + "_mask.nii.gz")
mesh = "# vtk DataFile Version 3.0\\nx\\nASCII\\nDATASET POLYDATA\\nPOINTS 4 float\\n"
mesh += "10 10 10\\n100 10 10\\n10 100 10\\n10 10 100\\n"
mesh += "POLYGONS 4 16\\n3 0 1 2\\n3 0 1 3\\n3 0 2 3\\n3 1 2 3\\n"
Path(stem + "_mesh.vtk").write_text(mesh)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    def install(fails=False):
        bet = tmp_path / "fsl" / "bin" / "bet"
        bet.parent.mkdir(parents=True, exist_ok=True)
        log = tmp_path / "log.txt"
        bet.write_text(FAKE.format(python=sys.executable, log=str(log), fails=fails))
        bet.chmod(bet.stat().st_mode | stat.S_IXUSR)
        (tmp_path / "fsl" / "etc").mkdir(exist_ok=True)
        (tmp_path / "fsl" / "etc" / "fslversion").write_text("6.0.7:abc\n")
        monkeypatch.setenv("FSLDIR", str(tmp_path / "fsl"))
        return log

    return install


def test_fsl_is_taken_when_it_is_there_and_its_version_is_told(fake):
    log = fake()
    img, _ = phantom()
    found = neuro.extract_brain(img, f=0.4, g=0.1, radius_mm=70, center=(40, 48, 39))
    assert found.report["backend"] == "fsl"
    assert found.report["version"] == "6.0.7"
    told = log.read_text().split()
    assert [told[told.index(k) + 1] for k in ("-f", "-g", "-r")] == ["0.4", "0.1", "70"]
    at = told.index("-c")
    assert [float(v) for v in told[at + 1 : at + 4]] == [39.0, 48.0, 39.0]  # mirrored: 79 - 40
    assert {"-m", "-e"} <= set(told)
    mask = np.asanyarray(found.mask.dataobj) > 0
    assert mask.any()
    assert not mask[:, :, 40:].any()
    assert found.mesh.vertices.shape == (4, 3)


def test_a_failing_bet_is_said_in_one_sentence(fake):
    fake(fails=True)
    with pytest.raises(InputError, match="failed"):
        neuro.extract_brain(phantom()[0], backend="fsl")


def test_nothing_is_left_in_the_environment(fake, monkeypatch):
    import os

    fake()
    monkeypatch.delenv("FSLOUTPUTTYPE", raising=False)
    neuro.extract_brain(phantom()[0], backend="fsl")
    assert "FSLOUTPUTTYPE" not in os.environ
    assert fsl.find() is not None


def test_a_bet_that_nothing_can_call_is_as_good_as_none(fake, monkeypatch):
    from medlab.errors import UnavailableError

    fake()
    monkeypatch.setattr(fsl, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "fsl.wrappers", None)
    assert neuro.extraction.settled_backend("auto") == "builtin"
    with pytest.raises(UnavailableError, match="fslpy"):
        neuro.extract_brain(phantom()[0], backend="fsl")


def test_a_bet_without_permission_to_run_is_none(fake, monkeypatch):
    fake()
    assert fsl.find() is not None
    monkeypatch.setenv("PATH", "")
    bet = fsl.find()
    bet.chmod(0o644)
    assert fsl.find() is None


def test_a_plain_folder_called_fsl_is_not_fslpy(fake, tmp_path, monkeypatch):
    fake()
    (tmp_path / "here" / "fsl").mkdir(parents=True)
    for name in [name for name in sys.modules if name.split(".")[0] == "fsl"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as alone:
        alone.setattr(sys, "path", [str(tmp_path / "here")])
        assert fsl.find_spec("fsl") is not None
        assert fsl.find() is None
    sys.modules.pop("fsl", None)
