"""Removes what the cache keeps."""

from pathlib import Path

from stargan_fw.data.cache import CACHED_FILE, remove_leftovers


def clean(cache: Path) -> tuple[int, int, int]:
    """Removes stores, classifiers and unfinished files, and the folder if nothing else is in it.

    Returns:
        The number of stores, the number of classifiers and the number of bytes that were removed.
    """
    if not cache.is_dir():
        return 0, 0, 0
    remove_leftovers(cache)
    removed = [path for path in cache.iterdir() if CACHED_FILE.fullmatch(path.name) and path.is_file()]
    freed = sum(path.stat().st_size for path in removed)
    for path in removed:
        path.unlink()
    if not any(cache.iterdir()):
        cache.rmdir()
    stores = sum(path.suffix == ".arrow" for path in removed)
    return stores, len(removed) - stores, freed
