"""Weights in a safetensors file, checked against the network before they are read and after."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from stargan_fw.errors import ModelError, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

CONFIG, TRANSLATING, READING = "config.json", "model.safetensors", "classifier.safetensors"  # of a model folder
FORMAT_KEY = "stargan_fw_format"  # of the metadata of both weight files
LONGEST_HEADER = 2**22  # bytes; a header takes about a hundred for each tensor
MOST_AXES = 16
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What a file's header says of a tensor.

    Attributes:
        dtype: of its values.
        shape: its sizes.
        begin: first byte, counted from the end of the header.
        end: the byte after its last.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int

    @classmethod
    def read(cls, name: str, entry: Any) -> StoredTensor:
        """Reads an entry of a header; ValueError where it contradicts itself."""
        try:
            dtype, shape, (begin, end) = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"its header does not describe the tensor '{name}'") from None
        numbers = (*shape, begin, end)
        if len(shape) > MOST_AXES or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
            raise ValueError(f"the tensor '{name}' has no possible shape or place")
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the tensor '{name}' of shape {list(shape)} does not fill its {end - begin} bytes")
        return cls(dtype, shape, begin, end)


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file holds.

    Attributes:
        tensors: by name.
        metadata: texts by key.
    """

    tensors: Mapping[str, StoredTensor]
    metadata: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Header:
        """Reads a file's header, and nothing that it makes room for.

        Raises:
            ValueError: it is no safetensors file, or is not whole; the message says why, without the path.
            OSError: it cannot be read.
        """
        if not path.is_file():
            raise ValueError("there is no such file")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(size - 8, LONGEST_HEADER):
                raise ValueError("it is no safetensors file, or is cut off")
            text = file.read(length)
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("it is no safetensors file: its header is not JSON") from None
        if not isinstance(entries, dict):
            raise ValueError("it is no safetensors file: its header is not an object")  # noqa: TRY004 - of the file
        metadata = entries.pop("__metadata__", None) or {}
        tensors = {name: StoredTensor.read(name, entry) for name, entry in entries.items()}
        _check_places(tensors, size - 8 - length)
        return cls(tensors, metadata if isinstance(metadata, dict) else {})


def _check_places(tensors: Mapping[str, StoredTensor], size: int) -> None:
    """Raises ValueError unless the tensors fill the file end to end."""
    places = sorted((tensor.begin, tensor.end, name) for name, tensor in tensors.items())
    for (_, end, first), (begin, _, second) in pairwise([(0, 0, ""), *places]):
        if begin < end:
            raise ValueError(f"the tensors '{first}' and '{second}' overlap")
        if begin > end:
            raise ValueError(f"it has a gap before the tensor '{second}'")
    last = places[-1][1] if places else 0
    if last != size:
        raise ValueError("it is cut off" if last > size else "it has bytes that belong to no tensor")


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """A network's weights on disk.

    Attributes:
        path: of the file.
        prefix: of the network's tensors in it, where it holds those of several networks.
    """

    path: Path
    prefix: str = ""

    def load_into(self, network: nn.Module, device: torch.device | str = "cpu") -> None:
        """Gives a network, which may be on the meta device, its weights on `device`.

        Raises:
            ModelError: they are missing, damaged, of other names or shapes, or not finite.
        """
        network.load_state_dict(self.read(network.state_dict(), device), assign=True)
        if any(value.is_meta for value in (*network.parameters(), *network.buffers())):
            raise self._unusable("the network has buffers that it does not save; its plugin must register them to")

    def read(self, expected: Mapping[str, Tensor], device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """Returns the weights, which have the names, shapes and types of `expected`.

        Raises:
            ModelError: as `load_into`.
        """
        self.check(expected)
        try:
            with safe_open(self.path, framework="pt", device=str(device)) as file:
                weights = {name: file.get_tensor(self.prefix + name) for name in expected}
        except (OSError, SafetensorError, RuntimeError) as error:
            raise self._unusable(str(error).splitlines()[0]) from None
        wild = next((name for name, value in weights.items() if not value.isfinite().all()), None)
        if wild:
            raise self._unusable(f"the tensor '{wild}' has values that are not finite")
        return weights

    def check(self, expected: Mapping[str, Tensor]) -> None:
        """Raises ModelError unless the file's header promises the names, shapes and types of `expected`."""
        try:
            tensors = Header.read(self.path).tensors
        except (OSError, ValueError) as error:
            raise self._unusable(str(error)) from None
        own = {name.removeprefix(self.prefix): tensors[name] for name in tensors if name.startswith(self.prefix)}
        for name, value in expected.items():
            if name not in own:
                raise self._unusable(f"the tensor '{name}' is missing")
            was, now = (own[name].shape, own[name].dtype), (tuple(value.shape), value.dtype)
            if was != now:
                raise self._unusable(
                    f"the tensor '{name}' is {_described(*was)}, and the labels and networks that the model is said "
                    f"to have need {_described(*now)}"
                )
        stranger = next((name for name in own if name not in expected), None)
        if stranger:
            raise self._unusable(f"the network has no tensor '{stranger}'")

    def _unusable(self, why: str) -> ModelError:
        return ModelError(f"The weights '{self.path}' cannot be used: {one_line(why)}.")


def stored(path: Path, networks: Sequence[str]) -> dict[str, StoredWeights]:
    """Returns where a file of a model folder has each network's weights: below its name if the file has several."""
    return {name: StoredWeights(path, f"{name}." if len(networks) > 1 else "") for name in networks}


def _described(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return f"{'x'.join(map(str, shape)) or 'a number'} {str(dtype).removeprefix('torch.')}"
