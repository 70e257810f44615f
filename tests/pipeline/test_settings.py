import pytest

from medlab.errors import InputError
from medlab.pipeline.settings import Settings

KEY = bytes(range(32))


def test_settings_that_make_no_sense_are_refused():
    for wrong in (
        {"policy": "all"}, {"codes": "x"}, {"quarantine": "x"}, {"cohort_k": 1, "quasi": ("Age",)},
        {"cohort_k": 5}, {"codes": "random", "vault": False},
    ):  # fmt: skip
        with pytest.raises(InputError):
            Settings(**wrong)


def test_another_option_or_key_is_another_job():
    one = Settings(options=("clean-descriptors",)).fingerprint(KEY)
    assert one == Settings(options=("clean-descriptors",)).fingerprint(KEY)
    assert one != Settings().fingerprint(KEY)
    assert one != Settings(options=("clean-descriptors",)).fingerprint(bytes(32))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("clean-pixel-data", {"clean_pixels": True}),
        ("clean-recognizable-visual-features", {"head": "deface"}),
    ],
)
def test_an_option_about_pixels_is_the_setting_that_does_it(named, said):
    others = ("clean-descriptors",)
    assert Settings(options=(named, *others)) == Settings(options=others, **said)
