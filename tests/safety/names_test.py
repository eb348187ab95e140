"""Readers stay inside of the folder that they were given."""

import pytest

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
READERS = {
    ".png": km.episodes.image_episodes_from_directory,
    ".wav": km.episodes.audio_episodes_from_directory,
}


@pytest.fixture(params=READERS)
def suffix(request):
    return request.param


@pytest.fixture
def data(tmp_path, suffix):
    """A folder of two classes, and a file and a folder beside it."""
    for name in ("data/a/1", "data/b/1", "secret", "others/c/1"):
        path = (tmp_path / name).with_suffix(suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"never read")
    return tmp_path / "data"


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("target", ["secret", "others", "data"])
def test_links_out_of_the_folder_are_refused(data, suffix, target, is_absolute):
    name = f"a/2{suffix}" if target == "secret" else "c"
    target += suffix if target == "secret" else ""
    up = data.parent if is_absolute else "../" * (1 + name.count("/"))
    (data / name).symlink_to(f"{up}/{target}")
    with pytest.raises(ValueError, match="Links must lead to files inside"):
        READERS[suffix](data, SPEC)


@pytest.mark.parametrize("name", ["../others/c", "/etc", "a/../b"])
def test_classes_are_names_and_no_paths(data, suffix, name):
    with pytest.raises(ValueError, match="`classes` must be classes of these"):
        READERS[suffix](data, SPEC, classes=["a", name])
