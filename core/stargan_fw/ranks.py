"""The processes that train one model together. `torchrun` starts them; each is a rank with an equal share of every batch.

A step computes the same on any number of ranks, up to rounding. Every rank draws the random numbers of the whole batch and
takes those of its own images. Gradients and losses are means over images, so those of the whole batch are averages over
ranks. Without `torchrun` there is one rank, and nothing here costs anything.
"""

from __future__ import annotations

import os
import time
import zlib
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

from stargan_fw.errors import ConfigError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, nn

Value = TypeVar("Value")

# How long a rank waits for another one: others may decode millions of images before the first step.
PATIENCE = timedelta(days=1)
SECONDS_FOR_A_MESSAGE = 10.0


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """Returns the number of ranks."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """Returns this process's number, from 0. Rank 0 writes the run folder and talks to the user."""
    return dist.get_rank() if _joined() else 0


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Joins the ranks that `torchrun` has started, for the block. Without `torchrun` it does nothing.

    Args:
        device: the device that the user or the machine chooses.

    Yields:
        This rank's own device: on CUDA the GPU of its number on this machine.

    Raises:
        ConfigError: the ranks cannot be joined.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1 or "RANK" not in os.environ:
        yield device
        return
    if device.type == "mps":  # gloo and NCCL cannot reduce its tensors
        raise ConfigError("Several processes cannot train on mps. Train with one process, or add --device cpu.")
    backend = "gloo"
    if device.type == "cuda":
        local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if device.index is None:
            device = torch.device("cuda", local % count)
        torch.cuda.set_device(device)
        # NCCL cannot have two ranks on one GPU. What is decided between steps goes through gloo, without the device.
        if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) <= count:
            backend = "cpu:gloo,cuda:nccl"
    # If there is a group already, this import keeps it, as a default argument: its threads may then abort a process that ends.
    from torch.distributed.nn import functional  # noqa: F401, PLC0415

    try:
        dist.init_process_group(backend, timeout=PATIENCE, **_own_part_of_the_store())
    except (RuntimeError, ValueError) as error:  # torch's own errors derive from RuntimeError
        raise ConfigError(f"The processes of torchrun cannot be joined: {error}. Start torchrun again.") from None
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _own_part_of_the_store() -> dict[str, Any]:
    """Returns a part of torchrun's store for this attempt alone, on one machine: the rest has addresses of earlier attempts.

    torchrun keeps its store when it restarts processes (`--max-restarts`), and the new ones would connect to the old. Its
    agents on several machines may count restarts differently; docs/scale.md has the setting that gives them a new store.
    """
    here, all_ranks = os.environ.get("LOCAL_WORLD_SIZE"), os.environ["WORLD_SIZE"]
    if here != all_ranks or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)  # type: ignore[attr-defined]  # torch exports it when built with it
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = PrefixStore(f"attempt {attempt}", store)
    return {"store": own, "rank": int(os.environ["RANK"]), "world_size": int(all_ranks)}


@contextmanager
def first_of_machine_first() -> Iterator[None]:
    """Lets the first rank of every machine run the block before the others: it makes what they only read."""
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0
    if not first:
        agree("the end of what one process per machine does")
    try:
        yield
    finally:
        if first:
            agree("the end of what one process per machine does")


@contextmanager
def together() -> Iterator[None]:
    """Fails on all ranks if the block fails on one, so that none waits for a rank that has given up.

    Rank 0 raises its own error, or else that of the first rank that failed. The others exit without a message.
    """
    if world_size() == 1:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as caught:  # noqa: BLE001 - raised below, once the other ranks know
        error = caught
    own = (str(error) or type(error).__name__, isinstance(error, RequestError)) if error else None
    failed: list[tuple[str, bool] | None] = [None] * world_size()
    dist.all_gather_object(failed, own)
    place, first = next(((number, one) for number, one in enumerate(failed) if one), (0, None))
    if first is None:
        return
    if rank():
        # torchrun ends all processes as soon as one fails, so rank 0 must fail first to have time for its message. The
        # signal that then ends this process ends the sleep.
        with suppress(BaseException):
            time.sleep(SECONDS_FOR_A_MESSAGE)
        raise SystemExit(2 if first[1] else 1)
    if error:
        raise error
    kind = RequestError if first[1] else RuntimeError
    raise kind(f"Process {place} of {world_size()} failed: {first[0]}")


def take(whole: Tensor) -> Tensor:
    """Returns this rank's part of a tensor with a row for each image of all ranks, in the order of ranks."""
    share = len(whole) // world_size()
    return whole[rank() * share : (rank() + 1) * share]


def draw(function: Callable[..., Tensor], count: int, *shape: int, device: torch.device | None = None) -> Tensor:
    """Draws random numbers for images so that an image gets the same ones on any number of ranks.

    Every rank must call this, with the same arguments.

    Args:
        function: `torch.rand`, `torch.randn` or the like.
        count: the number of this rank's images.
        shape: the shape of the numbers of one image.
        device: where to draw them.

    Returns:
        (count, *shape).
    """
    return take(function(count * world_size(), *shape, device=device))


def gather(own: Tensor) -> Tensor:
    """Returns the rows of all ranks' tensors, in the order of ranks and without gradients. All have the same shape."""
    if world_size() == 1:
        return own
    agree(f"gathering {tuple(own.shape)}")
    parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(parts, own.detach().contiguous())
    return torch.cat(parts)


def add_up(own: Tensor) -> Tensor:
    """Returns the sum of all ranks' tensors, without gradients."""
    if world_size() == 1:
        return own
    agree(f"adding up {tuple(own.shape)}")
    total = own.detach().clone()
    dist.all_reduce(total)
    return total


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replaces gradients with their averages over all ranks, in one reduction for each data type.

    A parameter without a gradient on some ranks counts as zero there; without one on all ranks, it stays without.
    """
    if world_size() == 1:
        return
    for dtype in {parameter.dtype for parameter in parameters}:
        _average_gradients([parameter for parameter in parameters if parameter.dtype == dtype])


def _average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    first = parameters[0]
    sizes = [parameter.numel() for parameter in parameters]
    flat = torch.empty(sum(sizes) + len(sizes), dtype=first.dtype, device=first.device)
    *gradients, present = torch.split(flat, [*sizes, len(sizes)])
    present.copy_(torch.tensor([parameter.grad is not None for parameter in parameters]))
    for parameter, place in zip(parameters, gradients, strict=True):
        if parameter.grad is None:
            place.zero_()
        else:
            place.copy_(parameter.grad.reshape(-1))
    dist.all_reduce(flat)
    flat /= world_size()
    for parameter, place, anywhere in zip(parameters, gradients, present.tolist(), strict=True):
        if not anywhere:
            continue
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(place.view(parameter.shape))


def average(values: Sequence[Tensor]) -> list[Tensor]:
    """Returns the averages of scalars over all ranks, which must have as many."""
    if world_size() == 1 or not values:
        return list(values)
    total = torch.stack([value.detach().double().reshape(()) for value in values])
    dist.all_reduce(total)
    return list(total / world_size())


def agree(what: str, *, stop: bool = False) -> bool:
    """Waits until every rank gets here, and returns whether `stop` is true on any.

    Args:
        what: the point that this rank has reached.
        stop: whether this rank wants to stop.

    Raises:
        RuntimeError: on every rank, if they have reached different points.
    """
    if world_size() == 1:
        return stop
    here = zlib.crc32(what.encode())
    seen = torch.tensor([here, -here, int(stop)])
    dist.all_reduce(seen, dist.ReduceOp.MAX)
    highest, lowest, stops = seen.tolist()
    if highest != -lowest:
        raise RuntimeError(
            f"The processes have reached different points: process {rank()} is at {what}. With several processes, a method must "
            "yield the same phases and losses on every rank: decide with `Batch.all_labels` instead of `Batch.labels`, or "
            "yield a loss of zero."
        )
    return bool(stops)


def share_from_first(tensors: Iterable[Tensor]) -> None:
    """Gives all ranks the values of rank 0."""
    if world_size() == 1:
        return
    for tensor in tensors:
        values = tensor.detach().contiguous()
        dist.broadcast(values, 0)
        tensor.detach().copy_(values)


def from_first(make: Callable[[], Value]) -> Value:
    """Returns on every rank what `make` returns on rank 0, which alone calls it. An error there is an error on all ranks."""
    made: list[Any] = [None]
    with together():
        if rank() == 0:
            made = [make()]
    if world_size() > 1:
        dist.broadcast_object_list(made, 0)
    value: Value = made[0]
    return value
