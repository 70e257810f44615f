"""Two steps: no more is replaced than l needs."""

import pytest

from medlab import tabular
from medlab.errors import InputError


def test_two_steps_replace_only_what_is_needed_and_say_how_much(ward, quasi):
    plain = tabular.mondrian(ward, quasi, "Diagnosis", k=5)
    release = tabular.two_step(ward, quasi, "Diagnosis", k=5, l=4)
    assert (release.class_of == plain.class_of).all()
    changed = (release.table["Diagnosis"] != ward["Diagnosis"]).mean()
    assert 0 < changed < 0.5
    assert release.facts["replaced"] == {"Diagnosis": pytest.approx(changed)}
    assert set(release.table["Diagnosis"]) <= set(ward["Diagnosis"])
    with pytest.raises(InputError, match="take l up to k"):
        tabular.two_step(ward, quasi, "Diagnosis", k=2, l=3)
