"""Cases that several tests of this room share."""

import pandas as pd
from click.testing import CliRunner

from medlab import tabular
from medlab.cli import commands


def table(**columns):
    return pd.DataFrame(columns)


def losses(released, name, original, hierarchies=None):
    """Return the penalty of each cell of a column."""
    rows = [released.iloc[[i]] for i in range(len(released))]
    return [tabular.gcp(row, name, original, hierarchies) for row in rows]


def call(*arguments):
    return CliRunner().invoke(commands, [str(word) for word in arguments])
