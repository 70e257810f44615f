"""A valid BIDS tree in, a valid BIDS tree out: the rules that a cleaning can break.

Rules of BIDS 1.11 (file names, inheritance, required fields, tables that point at files), written
from the specification; read here with nibabel and json alone.
"""

import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest

from medlab import pipeline

NAME = re.compile(
    r"(sub-(?P<sub>\w+?)/(ses-(?P<ses>[a-zA-Z0-9]+)/)?(anat|func|dwi|fmap|perf)/)"
    r"sub-(?P=sub)(_ses-(?P=ses))?(_(task|acq|dir|run)-[a-zA-Z0-9]+)*"
    r"_(T1w|bold|events|dwi|epi|asl|aslcontext)\.(nii\.gz|json|tsv|bval|bvec)"
)
ABOVE = re.compile(
    r"participants\.(tsv|json)|dataset_description\.json|(task-[a-zA-Z0-9]+_)?(bold|T1w)\.json|"
    r"(?P<sub>sub-\w+?)/(?P=sub)_sessions\.tsv|sourcedata/.*|"
    r"(?P<of>sub-\w+?)/(?P<ses>ses-\w+?)/(?P=of)_(?P=ses)_scans\.tsv"
)


def put(root, name, text=None, shape=(4, 5, 6), **keys):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), path)
    else:
        path.write_text(json.dumps(keys) if text is None else text)


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A tree with what real ones have, its clean copy, and what the job said."""
    root = tmp_path_factory.mktemp("bids") / "tree"
    put(root, "dataset_description.json", Name="Sleep of the Does", BIDSVersion="1.9.0")
    put(root, "participants.tsv", "participant_id\tage\tsite\nsub-doe\t34.5\tX\nsub-roe\t93\tX\n")
    put(root, "participants.json", age={"Units": "years"})
    put(root, "task-rest_bold.json", TaskName="rest", RepetitionTime=2.0, AcquisitionTime="10:00")
    put(root, "task-nightmare_bold.json", TaskName="Nightmare", RepetitionTime=2.0)
    for sub in ("doe", "roe"):
        at, stem = f"sub-{sub}/ses-jan", f"sub-{sub}_ses-jan"
        put(root, f"{at}/anat/{stem}_acq-DrPetrov_T1w.nii.gz")
        (root / f"{at}/anat/{stem}_acq-DrPetrov_T1w.json").write_bytes(
            '{"Manufacturer": "Siemens", "EchoTime": NaN, "Note": "Zoë"}'.encode("latin-1")
        )
        for task in ("rest", "nightmare"):
            put(root, f"{at}/func/{stem}_task-{task}_bold.nii.gz", shape=(4, 5, 6, 3))
        events = (
            "onset\tduration\ttrial_type\tnote\n0\t1.5\tgo\tdoe\n2\t1\tgo\t-\n3\tn/a\tJane\t-\n"
        )
        put(root, f"{at}/func/{stem}_task-nightmare_events.tsv", events)
        put(root, f"{at}/func/{stem}_task-rest_physio.tsv.gz", "a table in pieces")
        put(root, f"{at}/fmap/{stem}_dir-AP_epi.nii.gz")
        target = f"ses-jan/func/{stem}_task-rest_bold.nii.gz"
        links = [target, f"bids::sub-{sub}/{target}"][: 1 + (sub == "doe")]
        put(root, f"{at}/fmap/{stem}_dir-AP_epi.json", IntendedFor=links, TotalReadoutTime=0.03)
        put(root, f"{at}/dwi/{stem}_dwi.nii.gz", shape=(4, 5, 6, 2))
        put(root, f"{at}/dwi/{stem}_dwi.bval", "0 1000\n")
        put(root, f"{at}/dwi/{stem}_dwi.bvec", "0 1\n0 0\n0 0\n")
        put(root, f"{at}/perf/{stem}_asl.nii.gz", shape=(4, 5, 6, 2))
        put(root, f"{at}/perf/{stem}_aslcontext.tsv", "volume_type\ncontrol\nlabel\n")
        asl = {"M0Type": "Absent", "ArterialSpinLabelingType": "PASL", "PostLabelingDelay": 1.8}
        put(root, f"{at}/perf/{stem}_asl.json", **asl)
        put(root, f"sub-{sub}/sub-{sub}_sessions.tsv", "session_id\tacq_time\nses-jan\t2024\n")
        scans = [p.relative_to(root / at).as_posix() for p in (root / at).rglob("*.nii.gz")]
        lines = "".join(f"{name}\t2024-01-31T10:00:00\n" for name in sorted(scans))
        put(root, f"{at}/{stem}_scans.tsv", "filename\tacq_time\n" + lines)
    put(root, "derivatives/x/sub-doe/doe_brain.nii.gz")
    clean = root.with_name("clean")
    return root, clean, pipeline.deidentify(root, clean)


def rows(path):
    header, *lines = path.read_text().splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def strict(path):
    return json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def inherited(root, image):
    """The fields that hold for an image: sidecars of its suffix whose entities it all has."""
    *entities, suffix = image.name.removesuffix(".nii.gz").split("_")
    found = {}
    for folder in reversed([p for p in image.parents if p == root or root in p.parents]):
        for path in sorted(folder.glob(f"*{suffix}.json")):
            if set(path.stem.split("_")[:-1]) <= set(entities):
                found |= strict(path)
    return found


def test_only_what_cannot_be_cleaned_is_withheld_and_said(trees):
    source, _, summary = trees
    count = sum(1 for p in source.rglob("*") if p.is_file())
    assert summary.statuses == {"done": count - 2, "no-cleaner": 2}
    assert not summary.ok


def test_each_name_is_one_of_bids(trees):
    _, clean, _ = trees
    names = [p.relative_to(clean).as_posix() for p in clean.rglob("*") if p.is_file()]
    assert [n for n in names if not (NAME.fullmatch(n) or ABOVE.fullmatch(n))] == []
    assert sum(n.startswith("sourcedata/") for n in names) == 1
    assert not [n for n in names if re.search("doe|roe|jan|petrov|nightmare", n.lower())]


def test_tables_point_at_what_is_there(trees):
    _, clean, _ = trees
    assert strict(clean / "dataset_description.json").keys() >= {"Name", "BIDSVersion"}
    subjects = {p.name for p in clean.glob("sub-*")}
    people = rows(clean / "participants.tsv")
    assert {row["participant_id"] for row in people} == subjects
    assert [row["age"] for row in people] == ["34", "89"]
    for table in clean.rglob("*_scans.tsv"):
        listed = {row["filename"] for row in rows(table)}
        there = {p.relative_to(table.parent).as_posix() for p in table.parent.rglob("*.nii.gz")}
        assert listed == there
    for table in clean.rglob("*_sessions.tsv"):
        assert all((table.parent / row["session_id"]).is_dir() for row in rows(table))
    for sidecar in clean.rglob("*_epi.json"):
        for link in strict(sidecar)["IntendedFor"]:
            assert (clean / link.removeprefix("bids::")).is_file() or (
                sidecar.parents[2] / link
            ).is_file()


def test_fields_that_bids_requires_are_inherited_as_before(trees):
    _, clean, _ = trees
    for image in clean.rglob("*_bold.nii.gz"):
        fields = inherited(clean, image)
        assert fields["RepetitionTime"] == 2
        assert f"_task-{fields['TaskName']}_" in image.name
    for image in clean.rglob("*_asl.nii.gz"):
        assert inherited(clean, image)["ArterialSpinLabelingType"] == "PASL"
        context = image.with_name(image.name.replace("_asl.nii.gz", "_aslcontext.tsv"))
        assert [row["volume_type"] for row in rows(context)] == ["control", "label"]
    for image in clean.rglob("*_dwi.nii.gz"):
        stem = image.name.removesuffix(".nii.gz")
        assert image.with_name(f"{stem}.bval").read_text() == "0 1000\n"
        assert image.with_name(f"{stem}.bvec").is_file()
    for image in clean.rglob("*_T1w.nii.gz"):
        assert inherited(clean, image) == {"Manufacturer": "Siemens"}


def test_events_keep_times_and_the_words_that_two_rows_say(trees):
    _, clean, _ = trees
    tables = list(clean.rglob("*_events.tsv"))
    assert len(tables) == 2
    assert [list(row.values()) for row in rows(tables[0])] == [
        ["0", "1.5", "go"], ["2", "1", "go"], ["3", "n/a", "n/a"],
    ]  # fmt: skip


def test_images_hold_the_voxels_they_held(trees):
    source, clean, _ = trees
    total = [
        sum(gzip.decompress(p.read_bytes())[352:].count(b"\1\0") for p in root.rglob("*.nii.gz"))
        for root in (source, clean)
    ]
    assert total[0] == total[1] > 0


@pytest.mark.parametrize("name", ["README", "README.md", "CHANGES", "LICENSE"])
def test_free_text_about_a_tree_is_withheld_under_its_own_name(tmp_path, name):
    put(tmp_path / "src", "dataset_description.json", Name="Sleep", BIDSVersion="1.9.0")
    put(tmp_path / "src", name, "Scans of Jane Doe")
    put(tmp_path / "src", f"sub-doe/anat/{name}", "Jane Doe")
    summary = pipeline.deidentify(tmp_path / "src", tmp_path / "dst")
    assert summary.statuses == {"done": 1, "free-text": 1, "no-cleaner": 1}
    assert [p.name for p in (tmp_path / "dst").rglob("*")] == ["dataset_description.json"]
    (tmp_path / "src" / "dataset_description.json").unlink()  # of no tree
    assert "free-text" not in pipeline.deidentify(tmp_path / "src", tmp_path / "other").statuses
