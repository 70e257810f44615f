"""Cases that several tests of this room share."""

import pandas as pd
from click.testing import CliRunner

from medlab.cli import commands


def table(**columns):
    return pd.DataFrame(columns)


def call(*arguments):
    return CliRunner().invoke(commands, [str(word) for word in arguments])
