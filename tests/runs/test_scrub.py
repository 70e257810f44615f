"""What slips out of a cell is in no output of a run."""

import pytest
from runs_cases import MADE, SECRET, everything_in, execute

pytestmark = pytest.mark.slow


SLIPS = """\
import logging, sys, warnings
import ipywidgets, pydicom
warnings.warn(secret)
print(secret, file=sys.stderr)
logging.getLogger("x").warning(secret)
ipywidgets.Text(value=secret)
---
ds = pydicom.Dataset()
ds.PatientName = secret
ds
---
ipywidgets.Text(value=secret)
---
assert not secret, secret"""


def test_a_value_that_slips_out_is_not_in_any_output(notebook, study, tmp_path, capfd):
    slipping = notebook(MADE, *SLIPS.split("---"), name="slipping")
    out = tmp_path / "out"
    (outcome,) = execute([slipping], out, data=study)
    assert outcome.failure.cell == 8
    assert SECRET not in everything_in(out)
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err


def test_errors_are_kept_when_asked_for(notebook, study, tmp_path):
    path = notebook(f"{MADE}\nraise ValueError(secret)")
    execute([path], tmp_path / "out", data=study, show_errors=True)
    assert SECRET in (tmp_path / "out" / "tiny.ipynb").read_text()
