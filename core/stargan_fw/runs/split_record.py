"""Records the split of a run's images, so that resuming and evaluating hold out the same images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stargan_fw.data.images import noted_range
from stargan_fw.data.source import Source, label_space
from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw.config import Config
    from stargan_fw.data.store import Store
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.runs.run_folder import RunFolder


def describe_split(source: Source, store: Store | None = None) -> dict[str, Any]:
    """Returns a dataset's entry in `splits.json`.

    `test` has the names of the held-out examples, `training` the number of the others and `training_hash` a hash of their
    names; all three include unreadable images. If there is a store, `skipped` has the names of unreadable images, and
    `grey_range` the range of deep greys, if there are any, `own_crops` describes the examples' own crops, and
    `label_counts` says how many of the readable training examples are known not to have, and to have, each label.
    """
    digest = hashlib.sha256("\n".join(source.name_of(i) for i in source.train).encode(errors="surrogateescape"))
    split: dict[str, Any] = {
        "test": [source.name_of(i) for i in source.test],
        "training": len(source.train),
        "training_hash": digest.hexdigest()[:16],
    }
    if store is not None:
        split["skipped"] = [source.name_of(i) for i in store.errors]
        readable = [i for i in source.train if i not in store.errors] if store.errors else source.train
        split["label_counts"] = source.count_labels(readable)
        grey = noted_range(store.notes.values())
        split |= {"grey_range": grey} if grey else {}
        split |= {"own_crops": source.dataset.own_crops} if source.dataset.own_crops else {}
    return split


def check_splits(run: RunFolder, sources: Sequence[Source], stores: Mapping[str, Store] | None = None) -> None:
    """Raises RunError if the data is divided in another way than when the run began.

    Args:
        run: the run to continue.
        sources: the datasets now.
        stores: the decoded images by dataset, or None before they are decoded.
    """
    before = run.splits()
    for source in sources:
        then, now = before.get(source.alias), describe_split(source, stores[source.alias] if stores else None)
        # The others follow from the images and the configuration.
        compared = now.keys() - {"grey_range", "own_crops", "label_counts"}
        if isinstance(then, dict) and any(key in then and then[key] != now[key] for key in compared):
            raise RunError(
                f"The images of the dataset '{source.alias}' at '{source.dataset.root}' are not those that '{run.path}' "
                f"began with: {_difference(then, now)}. Restore the data, or start a new run with another --out."
            )


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if then.get("training") != now["training"]:
        return f"{then.get('training')} were trained on, now there are {now['training']}"
    for key, state in (("test", "held out"), ("skipped", "unreadable")):
        was = set(then.get(key, []))
        changed = min(was.symmetric_difference(now.get(key, [])), default=None)
        if changed is not None:
            return f"'{changed}' {'is no longer' if changed in was else 'is now'} {state}"
    if then.get("training_hash", now["training_hash"]) != now["training_hash"]:
        return "others are trained on, or in another order"
    return "the held-out images are in another order"


def recorded_sources(run: RunFolder, plugins: PluginManager) -> list[Source]:
    """Returns a run's datasets, divided as when the run began. Images that are new since then are training images.

    Raises:
        RunError: if a held-out image is gone, or if the labels are not those of the run.
        RequestError: if a dataset cannot be listed.
    """
    config = run.config()
    sources = [_recorded_source(run, alias, config, plugins) for alias in config.datasets]
    if label_space(sources).to_dict() != run.labels().to_dict():
        raise RunError(f"The datasets' labels are not those that '{run.path}' was trained with. Restore the data.")
    return sources


def _recorded_source(run: RunFolder, alias: str, config: Config, plugins: PluginManager) -> Source:
    entry = run.splits().get(alias)
    source = Source.open(alias, config.datasets[alias], config.data.path, plugins, entry)
    if entry is None:  # the run is older than the record
        return source
    names = [source.name_of(index) for index in range(len(source.examples))]
    present, skipped = set(names), set(entry.get("skipped", ()))
    absent = next((name for name in entry["test"] if name not in present), None)
    if absent:
        raise RunError(
            f"The image '{absent}' of the dataset '{alias}', which '{run.path}' holds out, is no longer at "
            f"'{source.dataset.root}'. Restore the data, or name pictures."
        )
    train, test = ([index for index in side if names[index] not in skipped] for side in (source.train, source.test))
    return replace(source, train=train, test=test)
