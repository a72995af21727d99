"""Weights in a safetensors file, checked against the network before and after they are read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from stargan_fw.errors import ModelError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

CONFIG, TRANSLATING, READING = "config.json", "model.safetensors", "classifier.safetensors"  # in a model folder
FORMAT_KEY = "stargan_fw_format"  # in the metadata of both weight files
LONGEST_HEADER = 2**22  # bytes. A tensor takes about a hundred; safetensors needs much more memory to read them.
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
class StoredWeights:
    """A network's weights on disk.

    Attributes:
        path: the file.
        prefix: the beginning of the names of the network's tensors, if the file holds several networks.
        successor: finds the folder of the file that replaces this one, if this one is gone: training that goes on may have
            replaced the checkpoint.
    """

    path: Path
    prefix: str = ""
    successor: Callable[[], Path] | None = None

    def load_into(self, network: nn.Module, device: torch.device | str = "cpu") -> None:
        """Gives a network, which may be on the meta device, its weights on `device`.

        Raises:
            ModelError: the weights are missing, damaged or not finite, or have other names, shapes or types.
        """
        network.load_state_dict(self.read(network.state_dict(), device), assign=True)
        if any(value.is_meta for value in (*network.parameters(), *network.buffers())):
            raise self._unusable("the network has buffers that it does not save; its plugin must register them to")

    def read(self, expected: Mapping[str, Tensor], device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """Returns the weights, with the names, shapes and types of `expected`, or raises ModelError as `load_into` does."""
        with self._open(expected, device) as file:
            weights = {name: file.get_tensor(self.prefix + name) for name in expected}
        wild = next((name for name, value in weights.items() if not value.isfinite().all()), None)
        if wild:
            raise self._unusable(f"the tensor '{wild}' has values that are not finite")
        return weights

    def read_metadata(self, expected: Mapping[str, Tensor]) -> Mapping[str, str]:
        """Reads only the file's header, and checks names, shapes and types as `read` does."""
        with self._open(expected) as file:
            return file.metadata() or {}

    @contextmanager
    def _open(self, expected: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Iterator[Any]:
        """Opens the file. Safetensors checks the header and that the tensors fill the file end to end."""
        path = self.path if self.path.exists() or self.successor is None else self.successor() / self.path.name
        if not path.is_file():  # opening a pipe would wait for somebody to write
            raise self._unusable("there is no such file")
        try:
            with path.open("rb") as start:
                if int.from_bytes(start.read(8), "little") > LONGEST_HEADER:
                    raise self._unusable("it is no safetensors file: its header is too long")
            with safe_open(path, framework="pt", device=str(device)) as file:
                self._check(file, expected)
                yield file
        except SafetensorError as error:
            why = str(error).removeprefix("Error while deserializing header: ")
            raise self._unusable(f"it is no safetensors file, or is damaged ({why})") from None
        except (OSError, RuntimeError) as error:
            raise self._unusable(str(error).partition("\n")[0]) from None

    def _check(self, file: Any, expected: Mapping[str, Tensor]) -> None:
        own = [name.removeprefix(self.prefix) for name in file.keys() if name.startswith(self.prefix)]  # noqa: SIM118 - no mapping
        for name, value in expected.items():
            if name not in own:
                raise self._unusable(f"the tensor '{name}' is missing")
            header = file.get_slice(self.prefix + name)
            dtype = header.get_dtype()
            stored, needed = (header.get_shape(), DTYPES.get(dtype, dtype)), (list(value.shape), value.dtype)
            if stored != needed:
                raise self._unusable(
                    f"the tensor '{name}' is {_describe(*stored)}, and the labels and networks that the model is said "
                    f"to have need {_describe(*needed)}"
                )
        stranger = next((name for name in own if name not in expected), None)
        if stranger:
            raise self._unusable(f"the network has no tensor '{stranger}'")

    def _unusable(self, why: str) -> ModelError:
        return ModelError(f"The weights '{self.path}' cannot be used: {one_line(why)}. Restore the file from a copy.")


def weights_in_file(path: Path, networks: Sequence[str]) -> dict[str, StoredWeights]:
    """Returns where each network's weights are in a file of a model folder. Of several, each has its name as a prefix."""
    return {name: StoredWeights(path, f"{name}." if len(networks) > 1 else "") for name in networks}


def _describe(shape: Sequence[int], dtype: torch.dtype | str) -> str:
    return f"{'x'.join(map(str, shape)) or 'a number'} {str(dtype).removeprefix('torch.')}"
