"""Writes a model folder for ONNX runtimes, which need neither torch nor this program."""

from __future__ import annotations

import importlib.util
import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.export import Dim

from stargan_fw.errors import ModelError
from stargan_fw.interfaces import Generator, TranslatesAcross
from stargan_fw.models.hub import ONNX
from stargan_fw_registry import quote_name
from stargan_fw_share.card import first_names, render, write_card
from stargan_fw_share.model_folder import new_model_folder

if TYPE_CHECKING:
    from pathlib import Path

    from stargan_fw.interfaces import Method
    from stargan_fw.models.model_config import ModelConfig
    from stargan_fw_registry import LabelSpace
    from stargan_fw_share.card import Facts

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
BATCHES = (1, 3, 16)  # sizes that the file is compared with torch at
TOLERANCE = 1e-3  # of values in [-1, 1]
LARGEST_BATCH, LARGEST_SIDE = 4096, 4096


def check_packages() -> None:
    """Raises ModelError if a package that ONNX needs is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"ONNX needs {', '.join(missing)}. Install them: pip install 'stargan-fw[onnx]'")


def write_onnx(target: Path, config: ModelConfig, method: Method, facts: Facts) -> None:
    """Writes the generator of a method, which holds its weights.

    Args:
        target: the folder, which appears whole or not at all.
        config: what the model is.
        method: owns the generator.
        facts: what the card says beyond the configuration.

    Raises:
        ModelError: ONNX's packages are missing, the method translates with other networks than one generator, or the
            target is a file or is not empty.
        RuntimeError: onnxruntime's output differs from torch's.
    """
    generator = method.networks[method.translating[0]]
    if len(method.translating) != 1 or not isinstance(generator, Generator):
        raise ModelError(
            f"The method '{method.name}' translates with other networks than one generator of labels. Leave --format out."
        )
    with new_model_folder(target) as folder:
        _convert(generator, config, folder / ONNX)
        difference = _difference(generator, config, folder / ONNX)
        if difference > TOLERANCE:
            raise RuntimeError(f"onnxruntime's output differs from torch's by {difference:.1e}.")
        usage = render(
            "onnx_usage.md",
            file=ONNX,
            space=config.space,
            quote=quote_name,
            image_size=config.image_size,
            multiple=generator.size_multiple,
            batches=BATCHES,
            difference=difference,
            example=_example(config.space, 1),
            across=_example(config.space, 2),
            passes=_count_passes(method, generator, config),
        )
        facts = replace(facts, usage=usage.rstrip(), tags=("onnx",))
        write_card(folder, config, method, facts, reads_labels=False)


def _count_passes(method: Method, generator: Generator, config: ModelConfig) -> int:
    """Returns how often the generator runs if a method translates to labels of all datasets; 0 if the method cannot."""
    if not isinstance(method, TranslatesAcross):
        return 0
    passes: list[None] = []
    labels = {
        name: torch.zeros(1, schema.dim)
        for name, schema in zip(config.space.datasets, config.space.schemas, strict=True)
    }
    with generator.register_forward_hook(lambda *_: passes.append(None)):
        method.translate_across(torch.zeros(1, 3, config.image_size, config.image_size), labels, labels)
    return len(passes)


def _example(space: LabelSpace, datasets: int) -> dict[str, float]:
    """Returns the values of the first label of each of the first datasets, a number in the middle of its range, and of their masks."""
    schemas = space.schemas[:datasets]
    labels = {
        name: 0.5 if schema.attributes[0].continuous else 1
        for schema, name in zip(schemas, first_names(space), strict=False)
    }
    return {**labels, **dict.fromkeys(space.unified_names[space.label_dim :][: len(schemas)], 1)}


def _convert(generator: Generator, config: ModelConfig, path: Path) -> None:
    side = config.image_size
    batch = Dim("batch", min=1, max=LARGEST_BATCH)
    shapes = {"images": {0: batch, **_sides(generator.size_multiple)}, "labels": {0: batch}}
    with warnings.catch_warnings(action="ignore"):  # notes on the names of axes
        program: Any = torch.onnx.export(
            generator.eval(),
            (torch.zeros(2, 3, side, side), torch.zeros(2, config.space.dim)),
            dynamo=True,
            verbose=False,
            input_names=["images", "labels"],
            output_names=["translated"],
            dynamic_shapes=shapes,
        )
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, with paths of this machine
    program.model.metadata_props.update(
        stargan_fw_format=str(config.format),
        made_with=config.made_with,
        labels=json.dumps(config.space.unified_names),
        label_space=json.dumps(config.labels),
        image_size=str(side),
        size_multiple=str(generator.size_multiple or ""),
    )
    program.save(path)


def _sides(multiple: int | None) -> dict[int, Any]:
    """Returns the axes of images whose length may vary, with what each length is a multiple of."""
    if multiple is None:
        return {}
    most = LARGEST_SIDE // multiple
    return {axis: multiple * Dim(name, min=1, max=most) for axis, name in ((2, "height"), (3, "width"))}


def _difference(generator: Generator, config: ModelConfig, path: Path) -> float:
    """Returns the largest difference between onnxruntime's output and torch's."""
    import onnxruntime  # noqa: PLC0415 - an extra

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    largest = 0.0
    for size in BATCHES:
        images = torch.rand(size, 3, config.image_size, config.image_size, generator=random) * 2 - 1
        labels = torch.rand(size, config.space.dim, generator=random)  # numbers, and strengths of other labels
        with torch.no_grad():
            expected = generator(images, labels)
        (output,) = session.run(None, {"images": images.numpy(), "labels": labels.numpy()})
        largest = max(largest, (torch.from_numpy(output) - expected).abs().max().item())
    return largest
