"""How much arithmetic something takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Counter(TorchDispatchMode):
    """Counts by torch's own formulas; its `FlopCounterMode` hooks modules and refuses `autograd.grad` inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count:
            self.total += int(count(*args, **(kwargs or {}), out_val=out))
        return out


def operations(work: Callable[[], object]) -> int:
    """Runs `work` and returns its multiplications and additions in convolutions and matrix products.

    Networks must not be compiled: a compiler hides what it does.
    """
    counter = _Counter()
    with counter:
        work()
    return counter.total
