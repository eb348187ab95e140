"""Files that are sorted into folders, one folder a class."""

import os
import pathlib

from kerasmeta.episodes.class_filter import keep_classes

# What operating systems leave behind in folders, besides hidden files.
_SIDE_NAMES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx")


def find_class_folders(directory, suffixes):
    """Find files of some types, and read their classes off their folders.

    A folder that directly holds files is a class. Its name is its path below
    `directory`, as in `"Greek/character01"`, and the path of its parent is its
    group, here `"Greek"`. Where all classes lie directly in `directory` there
    are no groups; where only some do, those are of the group `"."`.

    Ignored is what has a name that begins with a point, and what operating
    systems leave behind: `Thumbs.db`, `ehthumbs.db`, `desktop.ini` and the
    folder `__MACOSX`, in upper or lower case. Nothing else is.

    Args:
        directory: Folder to look in.
        suffixes: File types to take, such as `(".png", ".jpg")`, in lower
            case; files may be written in upper case.

    Returns:
        `(paths, classes, groups)`: three lists as long as there are files, in
        the order of the names of folders and files, on every machine. `groups`
        is `None` where there are none.

    Raises:
        ValueError: If `directory` is no folder or holds no class folders, if a
            folder is empty, holds files beside folders or files of another
            type, or if a link leads out of `directory` or to a folder.
    """
    if not isinstance(directory, (str, os.PathLike)):
        raise ValueError(
            "`directory` must be the path of a folder with a folder for each "
            f"class. Received: directory={directory!r}"
        )
    root = pathlib.Path(directory)
    if not root.is_dir():
        raise ValueError(
            "`directory` must be a folder with a folder for each class. "
            f"Received: directory={str(directory)!r}, which is "
            f"{'no folder' if root.exists() else 'not there'}"
        )
    paths = list(_files_below(root, root.resolve(), tuple(suffixes)))
    folders = [path.parent.relative_to(root) for path in paths]
    if pathlib.Path() in folders:
        raise ValueError(
            "`directory` must hold a folder for each class, and no files. Move "
            "the files into folders with the names of their classes. "
            f"Received: directory={str(directory)!r}, which holds "
            f"{paths[0].name!r}"
        )
    classes = [folder.as_posix() for folder in folders]
    groups = [folder.parent.as_posix() for folder in folders]
    is_flat = set(groups) == {"."}
    return [str(path) for path in paths], classes, None if is_flat else groups


def labelled_files(directory, suffixes, classes=None):
    """Find files in class folders, as examples with labels and groups.

    Args:
        directory: Folder to look in.
        suffixes: File types to take, as for `find_class_folders`.
        classes: List of the names of the classes to keep, or `None` for all.

    Returns:
        `(paths, labels, groups)`: three lists, as of `find_class_folders`, in
        which a label is the name of a class without that of its group.
    """
    paths, names, groups = find_class_folders(directory, suffixes)
    kept = keep_classes(names, classes)
    paths, names = [paths[i] for i in kept], [names[i] for i in kept]
    if groups is None:
        return paths, names, None
    # An index of classes puts group and label together in its messages.
    labels = [name.rpartition("/")[2] for name in names]
    return paths, labels, [groups[i] for i in kept]


def _files_below(folder, root, suffixes):
    """Yield the files below a folder, in order."""
    entries = sorted(
        (entry for entry in folder.iterdir() if not _is_side_file(entry)),
        key=lambda entry: entry.name,
    )
    for entry in entries:
        _check_link(entry, root)
    files = [entry for entry in entries if not entry.is_dir()]
    folders = [entry for entry in entries if entry.is_dir()]
    for file in files:
        _check_file(file, suffixes)
    _check_folder(folder, files, folders)
    yield from files
    for child in folders:
        yield from _files_below(child, root, suffixes)


def _is_side_file(path):
    return path.name.startswith(".") or path.name.lower() in _SIDE_NAMES


def _check_link(path, root):
    if not path.is_symlink():
        return
    target = path.resolve()
    # A link to a folder would show its files twice, or for ever.
    if path.is_dir() or not target.is_relative_to(root):
        raise ValueError(
            "Links must lead to files inside `directory`. Put a copy in the "
            f"place of the link. Received: {str(path)!r}, a link to "
            f"{str(target)!r}"
        )


def _check_file(path, suffixes):
    if not path.is_file():
        raise ValueError(
            "Class folders must hold files that can be read. Remove what is "
            f"none, and links to nothing. Received: {str(path)!r}"
        )
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"Class folders must hold files {', '.join(suffixes)} and no "
            "others. Move it elsewhere, or convert it. "
            f"Received: {str(path)!r}"
        )


def _check_folder(folder, files, folders):
    if not files and not folders:
        raise ValueError(
            "A folder must hold the files of a class, or folders of classes. "
            f"Remove it or fill it. Received: {str(folder)!r}, which is empty"
        )
    if files and folders:
        raise ValueError(
            "A folder must hold either the files of one class or folders, not "
            f"both. Move the files into a folder. Received: {str(folder)!r}, "
            f"which holds the file {files[0].name!r} and the folder "
            f"{folders[0].name!r}"
        )
