"""What the tests can use beyond README's first command: how to tell that it is there.

A test says ``@pytest.mark.needs("scale", "chromium")`` and is skipped, with the command
that brings what is missing, where it can't run.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

CH2 = Path("/usr/share/mricron/templates/ch2.nii.gz")


def _modules(*names):
    return lambda: all(find_spec(name) for name in names)


def _program(*names):
    return lambda: any(shutil.which(name) for name in names)


def _extra(name):
    return f"python lab.py setup {name}"


# Name: (is it there?, the command that brings it)
NEEDS = {
    "neuro": (_modules("fsl", "highdicom", "numba"), _extra("neuro")),
    "scale": (_modules("distributed", "pyarrow", "pynetdicom"), _extra("scale")),
    "teach": (_modules("nbgrader"), _extra("teach")),
    "app": (_modules("voila"), _extra("app")),
    "dp": (_modules("opendp"), _extra("dp")),
    "federated": (_modules("flwr"), _extra("federated")),
    "pyjpegls": (_modules("jpeg_ls"), "a Python that it has a wheel for, 3.13 or older"),
    "age": (_program("age"), "apt-get install age"),
    "chromium": (_program("chromium", "chromium-browser"), "apt-get install chromium"),
    "tesseract": (_program("tesseract"), "apt-get install tesseract-ocr"),
    "dicom3tools": (_program("dciodvfy"), "apt-get install dicom3tools"),
    "dcmtk": (_program("dcmdump"), "apt-get install dcmtk"),
    "openssl": (_program("openssl"), "apt-get install openssl"),
    "mricron-data": (CH2.is_file, "apt-get install mricron-data"),
}

# Tests that may be skipped even where everything of the table is installed: node id (or its
# beginning) and the reason.
_NO_WHEEL = "pyjpegls has no wheel for Python 3.14"
MAY_BE_SKIPPED = {
    "tests/pixels/test_frames.py"
    "::test_gdcm_reads_color_and_near_lossless_as_pyjpegls_does": _NO_WHEEL,
    "tests/pixels/test_effects.py"
    "::test_what_an_encoder_cannot_write_is_stored_as_it_is[1.2.840.10008.1.2.4.80]": _NO_WHEEL,
}


def missing(names) -> dict[str, str]:
    """Return what is not there of `names`, each with the command that brings it."""
    return {name: NEEDS[name][1] for name in names if not NEEDS[name][0]()}
