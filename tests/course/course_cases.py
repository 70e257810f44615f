"""Cases that several tests of this room share."""

import nbformat


def small(*sources):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
