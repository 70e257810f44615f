"""Cases that several tests of this room share."""

import pandas as pd
from hypothesis import strategies as st

DAYS = st.dates(min_value=pd.Timestamp(1900, 1, 1).date()).map(lambda day: f"{day:%Y%m%d}")


KEY, OTHER = bytes(range(32)), bytes(32)
