"""Folders that are made when they are first needed: what may stand in their way is known before."""

from pathlib import Path


def find_file_in_place(folder: Path) -> Path | None:
    """Return the file that stands where a folder, or one above it, would have to be; none where nothing does."""
    standing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    return standing if standing is not None and not standing.is_dir() else None
