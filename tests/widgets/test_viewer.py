"""The viewer: window, frames, swipe, masks and planes; the BET explorer, where BET runs twice."""

import asyncio
import base64
import io
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from medlab import neuro, samples, widgets
from medlab.errors import InputError
from medlab.viz.heads import Planes
from medlab.widgets import viewer as viewer_module

SIZE = 8


def image(values):
    """A DICOM image of these frames (frames, rows, columns)."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.NumberOfFrames, made.Rows, made.Columns = np.shape(values)
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = np.asarray(values, "<u2").tobytes()
    return made


@pytest.fixture
def ramp():
    """Three frames: 0 on top to 700 at the bottom, each frame 1000 more."""
    one = np.repeat(np.arange(0, 800, 100)[:, None], SIZE, axis=1)
    return image([one, one + 1000, one + 2000])


@pytest.fixture
def flat():
    return image(np.full((3, SIZE, SIZE), 1500))


def drawn(widget):
    """The picture of a viewer as an array, at the image's own size."""
    data = re.search(r"base64,([A-Za-z0-9+/=]+)", widget.view.value)[1]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    step = picture.shape[0] // SIZE
    return picture[step // 2 :: step, step // 2 :: step]


def test_the_window_decides_what_is_black_and_white(ramp):
    viewer = widgets.image_viewer(ramp)
    assert viewer.controls["frame"].value == 2
    viewer.controls["center"].value, viewer.controls["width"].value = 1350, 300
    assert drawn(viewer)[:, 0, 0].tolist() == [0, 0, 0, 85, 170, 255, 255, 255]


def test_each_frame_is_reached(ramp):
    viewer = widgets.image_viewer(ramp)
    viewer.controls["center"].value, viewer.controls["width"].value = 1000, 2000
    rows = []
    for frame in (1, 2, 3):
        viewer.controls["frame"].value = frame
        rows.append(drawn(viewer)[0, 0, 0])
    assert rows == [0, 127, 255]
    assert "frame 3 of 3" in viewer.view.value


def test_the_result_is_swiped_over_the_original(ramp, flat):
    viewer = widgets.image_viewer(ramp, flat)
    before, after = drawn(widgets.image_viewer(ramp)), drawn(viewer)
    assert np.array_equal(after[:, : SIZE // 2], before[:, : SIZE // 2])
    assert len(np.unique(after[:, SIZE // 2 + 1 :])) == 1
    viewer.controls["swipe"].value = 100
    assert np.array_equal(drawn(viewer), before)


def test_a_hidden_original_leaves_no_pixel(ramp, flat):
    viewer = widgets.image_viewer(ramp, flat, hide_original=True)
    assert not drawn(viewer)[:, : SIZE // 2].any()
    assert "set reveal to True" in viewer.view.value


def test_a_mask_is_outlined_and_its_inside_stays(ramp):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[2:7, 2:7] = True
    plain, marked = drawn(widgets.image_viewer(ramp)), drawn(widgets.image_viewer(ramp, mask=mask))
    changed = (plain != marked).any(axis=2)
    assert changed.sum() == 16
    assert not changed[3:6, 3:6].any()


def test_another_image_brings_its_own_frames(ramp):
    viewer = widgets.image_viewer([ramp, image(np.zeros((5, SIZE, SIZE)))])
    viewer.controls["image"].value = 2
    assert viewer.controls["frame"].max == 5
    assert "Image 2 of 2, frame 3 of 5" in viewer.view.value


def test_an_image_that_cannot_be_decoded_is_said_in_a_sentence(ramp):
    broken = image(np.zeros((1, SIZE, SIZE)))
    broken.PixelData = b"\0\0"
    viewer = widgets.image_viewer([ramp, broken])
    viewer.controls["image"].value = 2
    assert "2 bytes of pixel data, and the header promises" in viewer.status.value


def test_nothing_to_show_and_half_a_pair_are_refused(ramp):
    with pytest.raises(InputError, match="no image to show"):
        widgets.image_viewer([])
    with pytest.raises(InputError, match="2 images before and 1 after"):
        widgets.image_viewer([ramp, ramp], ramp)


def test_a_scan_whose_name_ends_in_capitals_is_opened(head, tmp_path):
    nib.save(head, tmp_path / "HEAD.NII")
    assert np.array_equal(
        viewer_module._open(tmp_path / "HEAD.NII").get_fdata(), np.asanyarray(head.dataobj)
    )


@pytest.fixture
def head():
    rng = np.random.default_rng(0)
    return nib.Nifti1Image(
        rng.integers(0, 900, (9, 10, 11)).astype("int16"), np.diag([2, 2, 2, 1])
    )


@pytest.fixture
def other(head):
    return nib.Nifti1Image(np.asanyarray(head.dataobj)[::-1], head.affine)


def test_the_line_at_the_left_edge_leaves_only_the_result(head, other):
    window = {"limits": (0, 900)}
    alone = Planes(other).show(**window)
    assert Planes(head, other).show(share=0, **window).png == alone.png
    assert Planes(head, other).show(share=0.5, **window).png != alone.png


def test_controls_move_through_a_volume_and_say_where_they_are(head):
    inner = np.zeros(head.shape, "uint8")
    inner[0:4, 3:7, 3:7] = 1
    viewer = widgets.image_viewer(head, mask=nib.Nifti1Image(inner, head.affine))
    viewer.controls["x"].value = 1
    assert "slice through 0, 10, 10 mm" in viewer.view.value
    first = viewer.view.value
    viewer.controls["outline"].value = False
    assert viewer.view.value != first


def test_a_series_of_volumes_has_a_control_for_them(head):
    data = np.stack([np.asanyarray(head.dataobj)] * 4, axis=-1)
    viewer = widgets.image_viewer(nib.Nifti1Image(data, head.affine))
    assert viewer.controls["volume"].max == 4


def test_three_dimensions_are_offered_only_where_they_can_be_drawn(head, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipyniivue", SimpleNamespace(__spec__=True))
    assert "solid" in widgets.image_viewer(head).controls
    assert "solid" not in widgets.image_viewer(head, hide_original=True).controls
    monkeypatch.setattr(viewer_module, "find_spec", lambda name: None)
    assert "solid" not in widgets.image_viewer(head).controls


def test_three_dimensions_show_the_result_and_never_a_hidden_original(head, other, monkeypatch):
    loaded = []

    class NiiVue(widgets.InteractiveWidget.__mro__[1]):
        def __init__(self, height):
            super().__init__()

        def set_slice_type(self, kind):
            assert kind == "render"

        def load_volumes(self, volumes):
            loaded.extend(np.asanyarray(nib.load(one["path"]).dataobj) for one in volumes)

    fake = SimpleNamespace(
        NiiVue=NiiVue, SliceType=SimpleNamespace(RENDER="render"), __spec__=True
    )
    monkeypatch.setitem(sys.modules, "ipyniivue", fake)
    viewer = widgets.image_viewer(head, other, hide_original=True)
    viewer.controls["solid"].value = True
    viewer.controls["x"].value = 2
    assert len(loaded) == 1
    assert np.array_equal(loaded[0], np.asanyarray(other.dataobj))


def test_a_color_image_has_no_window(ramp):
    color = image(np.zeros((1, SIZE, SIZE)))
    color.SamplesPerPixel, color.PhotometricInterpretation = 3, "RGB"
    color.PlanarConfiguration, color.BitsAllocated, color.BitsStored, color.HighBit = 0, 8, 8, 7
    color.PixelData = bytes(3 * SIZE * SIZE)
    assert widgets.image_viewer(color).controls["center"].disabled


@pytest.fixture(scope="module")
def img():
    return samples.head(1, spacing_mm=5.0).img


@pytest.fixture(scope="module")
def known(img):
    return [neuro.extract_brain(img, f=f, backend="builtin") for f in (0.5, 0.3)]


@pytest.fixture
def runs(monkeypatch, known):
    """Replaces BET by the result for f 0.3; returns the values it was called with."""
    called = []

    def extract(img, *, f, g, backend, watch):
        called.append((f, g, backend))
        watch(0.0)
        return known[1]

    monkeypatch.setattr(viewer_module, "extract_brain", extract)
    return called


@pytest.fixture
def explorer(img, known, runs):
    return widgets.bet_explorer(img, known, backend="builtin")


def test_results_at_hand_are_shown_without_a_run(explorer, runs):
    explorer.controls["f"].value = 0.3
    assert "ml more than at the start" in explorer.view.value
    assert "its result was at hand" in explorer.view.value
    assert explorer.view.value.count("<img") == 2
    assert runs == []


def test_another_f_runs_bet_and_tells_the_time(explorer, runs):
    async def move():
        explorer.controls["f"].value = 0.4
        await asyncio.sleep(1)

    asyncio.run(move())
    assert runs == [(0.4, 0.0, "builtin")]
    assert "BET (builtin): 0." in explorer.view.value


def test_without_results_at_hand_the_first_is_made_at_once(img, runs):
    explorer = widgets.bet_explorer(img, f=0.3)
    assert runs == [(0.3, 0.0, "auto")]
    assert "The brain found holds" in explorer._first


def test_the_planes_go_where_the_controls_say(explorer):
    before = explorer.view.value
    explorer.controls["x"].value -= 3
    assert explorer.view.value != before


def test_what_looks_wrong_is_said(img, known):
    report = {**known[0].report, "warnings": ["the mask is cut by the bottom of the image"]}
    explorer = widgets.bet_explorer(img, [replace(known[0], report=report)])
    assert "Warning: the mask is cut by the bottom of the image." in explorer.view.value


def test_a_hidden_head_is_not_shown_after_either_while_its_front_stands(img, known):
    left = replace(known[0], brain=img)
    explorer = widgets.bet_explorer(img, [left], hide_original=True)
    assert "100 % still stands where it stood; it is not shown" in explorer.view.value
    band = np.zeros(img.shape, np.float32)
    band[8:-8, :, 26:28] = np.asanyarray(img.dataobj)[8:-8, :, 26:28]
    band_img = replace(known[0], brain=nib.Nifti1Image(band, img.affine))
    explorer = widgets.bet_explorer(img, [band_img], hide_original=True)
    assert "4 % still stands where it stood; it is not shown" in explorer.view.value
    gone = widgets.bet_explorer(img, known, hide_original=True)
    assert "not shown" not in gone.view.value
