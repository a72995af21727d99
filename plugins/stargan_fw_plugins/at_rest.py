"""Networks that are used and not trained, in the middle of training."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn


@contextmanager
def at_rest(*networks: nn.Module) -> Iterator[None]:
    """Puts networks in evaluation mode: a batch norm uses its averages and keeps them, and nothing is erased."""
    with ExitStack() as restoring:
        for network in networks:
            restoring.callback(network.train, network.training)
            network.eval()
        yield
