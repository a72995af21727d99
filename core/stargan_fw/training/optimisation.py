"""Adam for each phase, the learning rate's fall to zero, and the moving average of weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stargan_fw.interfaces import Losses, Method, Phase


@dataclass(frozen=True, slots=True)
class LinearDecay:
    """A constant rate, then a straight line to zero (Sec. 5.3).

    Attributes:
        rate: before it falls.
        steps: of the whole run; the rate of the last one is 0.
        share: of the steps over which it falls.
    """

    rate: float
    steps: int
    share: float

    def at(self, step: int) -> float:
        """Returns the rate of a step, counted from 1."""
        falling = self.share * self.steps
        left = self.steps - step
        return self.rate * min(1.0, max(0.0, left / falling)) if falling else self.rate


class PhaseOptimizer:
    """Updates the networks of one phase.

    Attributes:
        phase: whose it is.
        adam: the optimiser.
    """

    def __init__(self, phase: Phase, method: Method, betas: tuple[float, float]) -> None:
        self.phase = phase
        self.parameters = [p for name in phase.networks for p in method.networks[name].parameters()]
        self.adam = torch.optim.Adam(self.parameters, lr=0.0, betas=betas, fused=True)

    def update(self, losses: Losses, rate: float) -> None:
        """Takes one step of `losses` at the learning rate `rate`, of micro-batches with the last."""
        self.differentiate(losses)
        if losses.last:
            self.step(rate)

    def differentiate(self, losses: Losses) -> None:
        """Adds to the gradients; no other network gets any."""
        losses.total.backward(inputs=self.parameters)  # type: ignore[no-untyped-call]

    def step(self, rate: float) -> None:
        """Takes one step, and lets go of the gradients, since those of the paper's discriminator have 179 MB."""
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Returns Adam's state by parameter number and name."""
        state = self.adam.state_dict()["state"]
        return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}

    def load_state(self, flat: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned, whatever its layout was: the fused Adam wants that of the parameters."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in flat.items():
            number, name = key.split(".")
            state.setdefault(int(number), {})[name] = value
        self.adam.load_state_dict({**self.adam.state_dict(), "state": state})
        for parameter, values in self.adam.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


class MovingAverage:
    """An exponential moving average of a network's weights.

    Attributes:
        weights: the averaged copy of the network's state.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self._source = network
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._averaged = [name for name, value in self.weights.items() if value.is_floating_point()]
        self._copied = self.weights.keys() - self._averaged  # a count of batches has no average

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average a step towards the network."""
        current = self._source.state_dict()
        torch._foreach_lerp_(
            [self.weights[name] for name in self._averaged],
            [current[name] for name in self._averaged],
            1 - self._decay,
        )
        for name in self._copied:
            self.weights[name].copy_(current[name])
