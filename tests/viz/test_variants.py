"""The bars of a comparison are as long as its figures."""

import numpy as np
import pandas as pd

from medlab.viz import variants


def test_bars_are_the_figures_and_an_empty_one_says_so():
    table = pd.DataFrame(
        {"AUC": [0.7, 0.9], "attacker is right": [np.nan, 0.75]}, index=["alone", "together"]
    )
    fig = variants.draw_variants(table)
    assert [[bar.get_width() for bar in ax.patches] for ax in fig.axes] == [[0.7, 0.9], [0, 0.75]]
    words = [[text.get_text() for text in ax.texts] for ax in fig.axes]
    assert words == [["0.70", "0.90"], ["no update to attack", "0.75"]]
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == ["alone", "together"]
