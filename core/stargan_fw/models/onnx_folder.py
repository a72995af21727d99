"""Writes a model folder for ONNX runtimes, which need neither torch nor this program."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.export import Dim

from stargan_fw.errors import ModelError
from stargan_fw.interfaces import Generator
from stargan_fw.models.adoption import unified_names
from stargan_fw.models.card import write_card
from stargan_fw.models.model_folder import check_free, new_model_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stargan_fw.interfaces import Method
    from stargan_fw.models.card import Facts
    from stargan_fw.models.model_config import ModelConfig

FILE = "model.onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
BATCHES = (1, 3, 16)
TOLERANCE = 1e-3  # of values in [-1, 1]
LARGEST_BATCH, LARGEST_SIDE = 4096, 4096

USAGE = """## How to use it

`{file}` takes `images`, float32 of shape (B, 3, H, W) in [-1, 1], and `labels`, float32 of shape (B, {dim}), and gives
`translated`, as `images`. {size} Its metadata names the labels in order (`labels`, a JSON list), and
the `image_size`.

A label is 1 where the result should have it, and 0 elsewhere: the file has no classifier, so say also what should stay.
{mask}

```python
import json, numpy, onnxruntime

session = onnxruntime.InferenceSession("{file}")
names = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
wanted = {wanted}
labels = numpy.float32([[name in wanted for name in names]])
images = numpy.zeros((1, 3, {image_size}, {image_size}), "float32")
translated = session.run(None, {{"images": images, "labels": labels}})[0]
```

Checked against torch with onnxruntime at batches of {batches}: values in [-1, 1] are at most {difference:.0e} apart."""

MASK = "All are of one dataset, whose `mask.<dataset>` is 1; the labels and masks of the others are 0."


def check_packages() -> None:
    """Raises ModelError where what ONNX needs is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"ONNX needs {', '.join(missing)}. Install them: pip install 'stargan-fw[onnx]'")


def write_onnx(target: Path, config: ModelConfig, method: Method, _: Sequence[str], facts: Facts) -> None:
    """Writes the generator of a method, which holds its weights; as `model_folder.write_model`.

    Raises:
        ModelError: ONNX's packages are missing, the method translates with other networks than one generator, or the
            target holds something.
        RuntimeError: onnxruntime gives something else than torch.
    """
    check_packages()
    check_free(target)
    generator = method.networks[method.translating[0]]
    if len(method.translating) != 1 or not isinstance(generator, Generator):
        raise ModelError(f"The method '{method.name}' translates with other networks than one generator of labels.")
    with new_model_folder(target) as folder:
        _convert(generator, config, folder / FILE)
        difference = _difference(generator, config, folder / FILE)
        if difference > TOLERANCE:
            raise RuntimeError(f"onnxruntime's output differs from torch's by {difference:.1e}.")
        write_card(folder, config, replace(facts, usage=_usage(generator, config, difference), tags=("onnx",)))


def _convert(generator: Generator, config: ModelConfig, path: Path) -> None:
    side, dim = config.image_size, config.space.dim
    examples = torch.zeros(2, 3, side, side), torch.zeros(2, dim)
    batch = Dim("batch", min=1, max=LARGEST_BATCH)
    shapes = {"images": {0: batch, **_sides(generator)}, "labels": {0: batch}}
    with _quietly():
        program: Any = torch.onnx.export(
            generator.eval(),
            examples,
            dynamo=True,
            input_names=["images", "labels"],
            output_names=["translated"],
            dynamic_shapes=shapes,
        )
    for node in program.model.graph:
        node.metadata_props.clear()  # stack traces, with paths of this machine
    program.model.metadata_props.update(_metadata(generator, config))
    program.save(path)


def _sides(generator: Generator) -> dict[int, Any]:
    if generator.size_multiple is None:
        return {}
    most = LARGEST_SIDE // generator.size_multiple
    return {
        2: generator.size_multiple * Dim("height", min=1, max=most),
        3: generator.size_multiple * Dim("width", min=1, max=most),
    }


def _metadata(generator: Generator, config: ModelConfig) -> dict[str, str]:
    return {
        "stargan_fw_format": str(config.format),
        "made_with": config.made_with,
        "labels": json.dumps(unified_names(config.space)),
        "label_space": json.dumps(config.labels),
        "image_size": str(config.image_size),
        "size_multiple": str(generator.size_multiple or ""),
    }


def _difference(generator: Generator, config: ModelConfig, path: Path) -> float:
    """Returns how far onnxruntime's output is from torch's, at most."""
    import onnxruntime  # noqa: PLC0415 - an extra

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    furthest = 0.0
    for size in BATCHES:
        images = torch.rand(size, 3, config.image_size, config.image_size, generator=random) * 2 - 1
        labels = torch.rand(size, config.space.dim, generator=random).round()
        with torch.no_grad():
            expected = generator(images, labels)
        (given,) = session.run(None, {"images": images.numpy(), "labels": labels.numpy()})
        furthest = max(furthest, (torch.from_numpy(given) - expected).abs().max().item())
    return furthest


def _usage(generator: Generator, config: ModelConfig, difference: float) -> str:
    multiple, dataset = generator.size_multiple, config.space.datasets[0]
    size = f"H and W are multiples of {multiple}." if multiple else f"H and W are {config.image_size}."
    wanted = [config.space.names[0], *([f"mask.{dataset}"] if config.space.mask_dim else [])]
    return USAGE.format(
        file=FILE,
        dim=config.space.dim,
        size=size,
        mask=MASK if config.space.mask_dim else "All of them belong to one dataset.",
        wanted="{" + ", ".join(f'"{name}"' for name in wanted) + "}",
        image_size=config.image_size,
        batches=", ".join(map(str, BATCHES)),
        difference=difference,
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the exporter's progress and its notes on axis names from the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
