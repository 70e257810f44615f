from hypothesis import given
from hypothesis import strategies as st

from medlab.dicom.uids import made_by, replace_uid

KEY = b"k" * 32


@given(st.from_regex(r"[12]\.[0-9]{1,3}(\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True))
def test_a_new_uid_is_short_under_2_25_and_known_to_its_key(uid):
    new = replace_uid(KEY, uid)
    if uid.startswith("1.2.840.10008."):
        assert new == uid
        return
    assert new.startswith("2.25.")
    assert len(new) <= 44
    assert int(new[5:]) < 2**128
    assert made_by(KEY, new)
    assert not made_by(b"z" * 32, new)
    assert replace_uid(KEY, new) == new
    assert replace_uid(b"z" * 32, uid) != new
