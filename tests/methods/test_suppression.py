"""Removed, blank, or one value for all: what stays fits its VR."""

import pandas as pd
import pytest
from pydicom.valuerep import FLOAT_VR, INT_VR, STR_VR

from medlab.errors import InputError
from medlab.methods import (
    suppression,
    values,
)


@pytest.mark.parametrize("vr", sorted(vr.value for vr in STR_VR | INT_VR | FLOAT_VR))
def test_every_dummy_fits_its_vr(vr):
    assert values.is_valid(suppression.fixed("x", vr), vr)


def test_suppression_removes_blanks_or_fixes_one_value_and_a_column():
    column = pd.Series(["a", "", None, "b"], index=[3, 4, 5, 6], name="PatientName")
    assert suppression.remove("a") is None
    assert suppression.blank("a") == ""
    assert (suppression.blank(column) == "").all()
    fixed = suppression.fixed(column, "PN", value="Anon^")
    assert fixed.fillna("-").to_list() == ["Anon^", "", "-", "Anon^"]
    assert fixed.index.to_list() == [3, 4, 5, 6]


def test_a_dummy_that_does_not_fit_is_refused_without_being_repeated():
    with pytest.raises(InputError, match="VR DA") as caught:
        suppression.fixed("20240101", "DA", value="Doe^Jane")
    assert "Doe" not in str(caught.value)
