"""The eight patients of the paper on Anatomy."""

import pandas as pd

# Xiao and Tao 2006, table 1: eight patients, two groups, the query "pneumonia, age up to 30,
# zip 10001 to 20000" has the true answer 1.
HOSPITAL = pd.DataFrame(
    {
        "Age": [23, 27, 35, 59, 61, 65, 65, 70],
        "Sex": list("MMMMFFFF"),
        "Zip": [11000, 13000, 59000, 12000, 54000, 25000, 25000, 30000],
        "Disease": [
            "pneumonia",
            "dyspepsia",
            "dyspepsia",
            "pneumonia",
            "flu",
            "gastritis",
            "flu",
            "bronchitis",
        ],
    }
)
