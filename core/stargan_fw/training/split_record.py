"""What a run remembers of its split, so that resuming and evaluating hold the same images out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.training.run_folder import RunFolder


def record(source: Source, store: Store | None = None) -> dict[str, Any]:
    """Returns a dataset's entry of `splits.json`.

    `test` names the held-out examples and `training` counts the others, whether or not they can be read; `skipped`, once
    there is a store, names those of both that cannot.
    """
    split: dict[str, Any] = {"test": [source.name_of(i) for i in source.test], "training": len(source.train)}
    return split if store is None else {**split, "skipped": [source.name_of(i) for i in store.errors]}


def check_splits(run: RunFolder, sources: Sequence[Source], stores: Mapping[str, Store] | None = None) -> None:
    """Raises RunError where the data is divided otherwise than when the run began.

    Args:
        run: that is continued.
        sources: as they are now.
        stores: by dataset, once the images are decoded.
    """
    before = run.splits()
    for source in sources:
        then, now = before.get(source.alias), record(source, stores[source.alias] if stores else None)
        if isinstance(then, dict) and any(then.get(key) != value for key, value in now.items()):
            raise RunError(
                f"The images of the dataset '{source.alias}' at '{source.dataset.root}' are not those that '{run.path}' "
                f"began with: {_difference(then, now)}. Restore the data, or start a new run with another --out."
            )


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if then.get("training") != now["training"]:
        return f"{then.get('training')} were trained on, now there are {now['training']}"
    for key, said in (("test", "held out"), ("skipped", "unreadable")):
        was, become = set(then.get(key, [])), set(now.get(key, []))
        if was != become:
            return f"'{min(was ^ become)}' {'is no longer' if min(was ^ become) in was else 'is now'} {said}"
    return "the held-out images are in another order"
