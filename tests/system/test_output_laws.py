"""What holds of every plan of files that `translate` writes."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from stargan_fw.errors import DataError
from stargan_fw_translate.outputs import SUFFIXES, Animation, Grid, NamedPictures, Pictures

# A busy machine says nothing about the code.
quick = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # the folder is only named
)
ALIKE = st.sampled_from(["a b", "a_b", "a:b", "a?b"])  # become one name where what no file name has is replaced
LABELS = ALIKE | st.text("ab_ é:?*\\", min_size=1, max_size=3).filter(lambda label: label == label.strip())
PARTS = LABELS | LABELS.map(lambda label: f"{label}=0") | st.tuples(LABELS, LABELS).map("=".join)
EDITS = st.lists(st.lists(PARTS, min_size=1, max_size=2).map(",".join), min_size=1, max_size=4, unique=True)
STEMS = st.text("ab-", min_size=1, max_size=3)
FILES = st.lists(
    st.tuples(st.sampled_from(["", "x", "x/y"]), STEMS, st.sampled_from([".png", ".jpg", ".PNG"])),
    min_size=1,
    max_size=4,
    unique=True,
)
KINDS = st.sampled_from([Pictures, NamedPictures, Grid, Animation])


def plan(kind, edits, files, folder):
    """Returns the pictures and the files that each becomes; None where it is refused."""
    pictures = [(folder / "in" / below / (stem + end), Path(below) / (stem + end)) for below, stem, end in files]
    try:
        return kind(edits, folder / "out", 1.0, "model").plan(pictures)
    except DataError as error:
        assert str(error)  # noqa: PT017 - some plans are refused, most are not
        return None


@quick
@given(KINDS, EDITS, FILES)
def test_no_two_translations_become_one_file(tmp_path, kind, edits, files):
    found = plan(kind, edits, files, tmp_path)
    written = [path for paths in (found or {}).values() for path in paths]
    assert len(set(written)) == len(written)


@quick
@given(KINDS, EDITS, FILES)
def test_every_picture_becomes_as_many_files_as_it_should_with_names_that_every_system_takes(
    tmp_path, kind, edits, files
):
    found = plan(kind, edits, files, tmp_path)
    if found is None:
        return
    assert len(found) == len(files)
    for source, paths in found.items():
        assert len(paths) == (len(edits) if issubclass(kind, Pictures) else 1)
        for path in paths:
            below = path.relative_to(tmp_path / "out")
            assert ".." not in below.parts
            assert not set(str(below)) & set(':?*\\"<>|\0\n')
            assert all(part == part.strip() for part in below.parts)
            assert path.suffix.lower() in SUFFIXES
            assert path != source


@quick
@given(KINDS, EDITS, FILES)
def test_a_plan_does_not_depend_on_the_order_of_the_pictures(tmp_path, kind, edits, files):
    found, again = plan(kind, edits, files, tmp_path), plan(kind, edits, files[::-1], tmp_path)
    assert found == again


@quick
@given(EDITS, FILES)
def test_a_picture_that_is_read_is_not_written_over(tmp_path, edits, files):
    pictures = [(tmp_path / below / (stem + end), Path(below) / (stem + end)) for below, stem, end in files]
    with pytest.raises(DataError, match="is read, and would be written over"):
        NamedPictures(edits[:1], tmp_path, 1.0, "model").plan(pictures)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing is made by planning
