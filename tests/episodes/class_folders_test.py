import pytest

from kerasmeta.episodes.class_folders import find_class_folders
from kerasmeta.episodes.class_folders import labelled_files


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_flat_folders_are_classes_without_groups(tmp_path):
    write(tmp_path, "dog/2.png", "dog/10.PNG", "cat/1.jpg")
    paths, classes, groups = find_class_folders(tmp_path, (".png", ".jpg"))
    assert classes == ["cat", "dog", "dog"]
    assert groups is None
    names = ["cat/1.jpg", "dog/10.PNG", "dog/2.png"]
    assert paths == [str(tmp_path / name) for name in names]


def test_the_folder_above_is_the_group(tmp_path):
    write(tmp_path, "Greek/a b/1.png", "Braille/x/1.png", "old/Greek/a/1.png")
    _, classes, groups = find_class_folders(str(tmp_path), [".png"])
    assert classes == ["Braille/x", "Greek/a b", "old/Greek/a"]
    assert groups == ["Braille", "Greek", "old/Greek"]


def test_classes_beside_groups_are_of_the_top_group(tmp_path):
    write(tmp_path, "a/1.png", "b/c/1.png")
    assert find_class_folders(tmp_path, [".png"])[2] == [".", "b"]


def test_labels_are_without_their_groups(tmp_path):
    write(tmp_path, "a/x/1.png", "a/y/1.png", "b/x/1.png")
    paths, labels, groups = labelled_files(
        tmp_path, [".png"], classes=["a/x", "b/x"]
    )
    names = ["a/x/1.png", "b/x/1.png"]
    assert paths == [str(tmp_path / name) for name in names]
    assert (labels, groups) == (["x", "x"], ["a", "b"])
    assert labelled_files(tmp_path / "a", [".png"])[1:] == (["x", "y"], None)
    with pytest.raises(ValueError, match="`classes`.*'c'"):
        labelled_files(tmp_path, [".png"], classes=["c"])


def test_side_files_are_ignored(tmp_path):
    write(
        tmp_path,
        "a/1.png",
        "a/Thumbs.db",
        "a/ehthumbs.db",
        "a/.DS_Store",
        "desktop.ini",
        ".git/config",
        "__MACOSX/a/._1.png",
    )
    assert find_class_folders(tmp_path, [".png"])[1] == ["a"]


@pytest.mark.parametrize(
    "names, words",
    [
        (["a/1.png", "a/notes.txt"], "notes.txt"),
        (["a/1.png", "README.md"], "README.md"),
        (["a/1.png", "a/b/1.png"], "not both.*'1.png'.*'b'"),
        (["a/1.png", "b/.hidden"], "b', which is empty"),
        (["1.png", "2.png"], "a folder for each class.*holds '1.png'"),
        ([], "is empty"),
    ],
)
def test_what_is_not_sorted_into_classes_is_named(tmp_path, names, words):
    write(tmp_path, *names)
    with pytest.raises(ValueError, match=words):
        find_class_folders(tmp_path, [".png"])


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere', which is not there"):
        find_class_folders(tmp_path / "nowhere", [".png"])
    write(tmp_path, "file")
    with pytest.raises(ValueError, match="file', which is no folder"):
        find_class_folders(tmp_path / "file", [".png"])


def test_links_stay_inside(tmp_path):
    root = tmp_path / "data"
    write(tmp_path, "data/a/1.png", "secret.png")
    (root / "a" / "2.png").symlink_to(root / "a" / "1.png")
    assert len(find_class_folders(root, [".png"])[0]) == 2
    (root / "a" / "3.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="3.png', a link to .*secret.png"):
        find_class_folders(root, [".png"])


def test_links_to_folders_and_to_nothing_are_named(tmp_path):
    write(tmp_path, "a/1.png")
    (tmp_path / "b").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="b', a link to"):
        find_class_folders(tmp_path, [".png"])
    (tmp_path / "b").unlink()
    (tmp_path / "a" / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="links to nothing.*2.png"):
        find_class_folders(tmp_path, [".png"])


def test_a_linked_directory_itself_is_fine(tmp_path):
    write(tmp_path, "data/a/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert find_class_folders(tmp_path / "link", [".png"])[1] == ["a"]
