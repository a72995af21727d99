"""Loads a dataset with the library `datasets` of Hugging Face, from the Hub or from local files."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from stargan_fw.errors import DataError, PluginError
from stargan_fw_plugins.datasets.imagefolder import keep_class_folders
from stargan_fw_plugins.datasets.location import write_location
from stargan_fw_plugins.datasets.table_files import find_tables
from stargan_fw_plugins.datasets.table_reading import read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
SAVED = ("dataset_dict.json", "state.json")


def load_splits(
    location: Path, *, config_name: str | None, revision: str | None, streaming: bool, first: int | None
) -> dict[str, Any]:
    """Returns split name → `datasets.Dataset`.

    Args:
        location: a Hub id, a parquet file, or a folder: parquet files, an imagefolder, or what `save_to_disk` wrote.
        config_name: the configuration, if there are several.
        revision: the commit, branch or tag on the Hub.
        streaming: reads the images one by one and stores them in the library's cache.
        first: how many images of each split to read; None means all.

    Raises:
        DataError: there is no such dataset, the library cannot load it, or the Hub cannot be reached. A line to paste names
            the dataset ALIAS.
        PluginError: the library is not installed.
    """
    try:
        from datasets.exceptions import DatasetsError  # noqa: PLC0415 - takes a second to import
    except ImportError:
        raise PluginError(
            "Datasets of Hugging Face need the package 'datasets'. Run: pip install 'stargan-fw[huggingface]'"
        ) from None
    try:
        with _quiet_loggers():
            if streaming:
                return _store_streams(location, config_name, revision, first)
            loaded = _load(location, config_name, revision)
            return {name: split.take(min(first or len(split), len(split))) for name, split in loaded.items()}
    except ConnectionError as error:
        raise DataError(
            f"{location}: neither a file or folder here nor in the cache of the datasets library, and the Hub cannot be"
            f" reached ({str(error).splitlines()[0]}). Load it once while there is a network, or name a folder. With"
            " HF_HUB_OFFLINE=1 the network is not tried."
        ) from None
    except (OSError, ValueError, RuntimeError, LookupError, DatasetsError) as error:
        _raise_data_error(location, error)


def _load(location: Path, config_name: str | None, revision: str | None) -> dict[str, Any]:
    import datasets  # noqa: PLC0415 - as above

    if any((location / name).is_file() for name in SAVED):
        loaded = datasets.load_from_disk(str(location))
        return dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    loaded = dict(datasets.load_dataset(**_loader_arguments(location, config_name, revision)))
    return keep_class_folders(location, loaded) if location.is_dir() else loaded


def _store_streams(location: Path, config_name: str | None, revision: str | None, first: int | None) -> dict[str, Any]:
    """Stores the first images of each stream, since training reads each of them again and again."""
    import datasets  # noqa: PLC0415 - as above

    if any((location / name).is_file() for name in SAVED):
        raise DataError(f"{location}: is a local folder, so there is nothing to stream. Leave out `streaming`.")
    builder = datasets.load_dataset_builder(**_loader_arguments(location, config_name, revision))
    splits = {}
    for name, stream in builder.as_streaming_dataset().items():
        raw = stream.decode(False)
        rows = raw if first is None else raw.take(first)
        images = [column for column, feature in rows.features.items() if isinstance(feature, datasets.Image)]
        splits[name] = datasets.Dataset.from_generator(
            lambda rows=rows, images=images: (_add_image_bytes(row, images) for row in rows),
            features=rows.features,
            fingerprint=datasets.fingerprint.Hasher.hash([str(builder.cache_dir), name, first]),
        )
    return splits


def _add_image_bytes(row: dict[str, Any], images: Sequence[str]) -> dict[str, Any]:
    """Returns a streamed row with the bytes of images that the row only points to."""
    return row | {name: _fetch_image(row[name]) for name in images}


def _fetch_image(image: Any) -> Any:
    cell = {"path": image, "bytes": None} if isinstance(image, str) else image
    if cell is None or cell["bytes"] is not None or cell["path"] is None:
        return cell
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    with fsspec.open(cell["path"], "rb") as file:
        return {"path": None, "bytes": file.read()}  # no path: the library would prefer a local file, which may vanish


def _loader_arguments(location: Path, config_name: str | None, revision: str | None) -> dict[str, Any]:
    """Returns the arguments that name the data to the library."""
    if location.is_file():
        kind = location.suffix.lower().removeprefix(".")
        if kind not in {"parquet", "arrow"}:
            raise DataError(f"{location}: not a parquet file. Name a parquet or arrow file, a folder or a Hub id.")
        return {"path": kind, "data_files": str(location)}
    if location.is_dir():
        return {"path": str(location), "name": config_name}
    if not HUB_ID.fullmatch(location.as_posix()):
        raise DataError(
            f"{location}: no such file or folder, and not an id of the Hub. Name one of them, as in"
            " --datasets faces=huggingface:flwrlabs/celeba."
        )
    return {"path": location.as_posix(), "name": config_name, "revision": revision}


def _raise_data_error(location: Path, error: Exception) -> NoReturn:
    cause = error.__cause__ or error
    message = " ".join(str(cause).split()).rstrip(".")
    remedy = "Check the location."
    if "onfig" in message and "available" in message.lower():
        remedy = "Set `config_name` to one."
    elif location.is_dir() and _is_readable_table(location):
        remedy = (
            "The dataset `table` reads this folder's table in other encodings and with other separators, and learns its"
            f" columns, but no names of folders. Use --datasets {write_location('ALIAS=table', location)}"
        )
    raise DataError(f"{location}: the datasets library cannot load it: {message}. {remedy}") from None


def _is_readable_table(folder: Path) -> bool:
    """Returns whether a folder has a table that the dataset `table` can read."""
    try:
        read_tables(find_tables(folder))
    except DataError:
        return False
    return True


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Silences messages of the library that its exceptions repeat."""
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
