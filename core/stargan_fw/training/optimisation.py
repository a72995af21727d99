"""The optimiser of each phase, the schedule of its learning rate, and the moving average of weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from stargan_fw.errors import ConfigError, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stargan_fw.config import TrainingConfig
    from stargan_fw.interfaces import Losses, Method, OptimizerSpec, Phase

ALGORITHMS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True, slots=True)
class LinearDecay:
    """A constant learning rate that then falls linearly to zero (Sec. 5.3).

    Attributes:
        rate: the rate before it falls.
        steps: the length of the whole run; the rate of its last step is 0.
        share: the share of the steps, at the end, over which the rate falls.
    """

    rate: float
    steps: int
    share: float

    def factor(self, step: int) -> float:
        """Returns the factor on a rate at a step, counted from 1: first 1, in the end 0."""
        falling = self.share * self.steps
        return min(1.0, max(0.0, (self.steps - step) / falling)) if falling else 1.0

    def at(self, step: int) -> float:
        """Returns the rate of a step, counted from 1."""
        return self.rate * self.factor(step)


class PhaseOptimizer:
    """Updates the networks of one phase.

    Args:
        phase: the phase, which must have an optimiser of its own.
        method: owns the networks.
        betas: Adam's betas, unless the phase has its own.
        rate: the learning rate, before the phase's factor.

    Attributes:
        phase: the phase.
        parameters: the parameters of the phase's networks.
        optimizer: torch's optimiser.
    """

    def __init__(self, phase: Phase, method: Method, betas: tuple[float, float], rate: float = 0.0) -> None:
        if isinstance(phase.optimizer, str):
            raise TypeError(f"The phase '{phase.name}' shares the optimiser of '{phase.optimizer}'.")
        self.phase = phase
        self.parameters = [p for name in phase.networks for p in method.networks[name].parameters()]
        self.optimizer = _torch_optimizer(phase.optimizer, self.parameters, betas, rate)
        self._clip = phase.optimizer.clip

    def update(self, losses: Losses, rate: float | None = None) -> None:
        """Adds the gradients of `losses`, and takes a step after the last micro-batch."""
        self.differentiate(losses)
        if losses.last:
            self.step(rate)

    def differentiate(self, losses: Losses) -> None:
        """Adds gradients to the phase's own networks and to no other."""
        losses.total.backward(inputs=self.parameters)  # type: ignore[no-untyped-call]

    def gradient_norm(self) -> Tensor:
        """Returns the norm of all gradients together, a scalar; NaN or infinite if any gradient is."""
        return nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])

    def step(self, rate: float | None = None, norm: Tensor | None = None) -> None:
        """Takes one step and frees the gradients.

        Args:
            rate: the learning rate; None is the schedule's.
            norm: the result of `gradient_norm`, if it is known.
        """
        if rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        if self._clip is not None:
            norm = self.gradient_norm() if norm is None else norm
            nn.utils.clip_grads_with_norm_(self.parameters, self._clip, norm)
        self.optimizer.step()
        self.discard()

    def discard(self) -> None:
        """Frees the gradients."""
        self.optimizer.zero_grad(set_to_none=True)  # gradients take as much memory as the weights

    def schedule(self, factor: Callable[[int], float], done: int) -> LambdaLR:
        """Returns the schedule of the learning rate, set to the step after `done`. Call its `step` after every step.

        Args:
            factor: step → factor on the rate. Steps are the run's, counted from 1, even if the phase is not due.
            done: the number of steps that the run has taken.
        """
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        with warnings.catch_warnings(action="ignore"):  # torch warns of a schedule's step before any update
            schedule = LambdaLR(self.optimizer, factor, last_epoch=done - 1)
            schedule.step()
        return schedule

    def state(self) -> dict[str, Tensor]:
        """Returns the optimiser's state by parameter number and name ("0.exp_avg")."""
        state = self.optimizer.state_dict()["state"]
        return {
            f"{number}.{name}": torch.as_tensor(value)
            for number, values in state.items()
            for name, value in values.items()
            if value is not None
        }

    def load_state(self, flat: Mapping[str, Tensor]) -> None:
        """Restores the result of `state`, in the parameters' memory layout, which fused optimisers need."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in flat.items():
            number, name = key.split(".")
            state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _torch_optimizer(
    spec: OptimizerSpec, parameters: list[nn.Parameter], betas: tuple[float, float], rate: float
) -> torch.optim.Optimizer:
    if not isinstance(spec.algorithm, str):
        optimizer = spec.algorithm(parameters)
        for group in optimizer.param_groups:
            group["lr"] *= spec.rate * spec.lazy_ratio
        return optimizer
    beta1, beta2 = (
        default if own is None else own for own, default in zip((spec.beta1, spec.beta2), betas, strict=True)
    )
    betas = (beta1**spec.lazy_ratio, beta2**spec.lazy_ratio)
    options: dict[str, Any] = {
        "lr": rate * spec.rate * spec.lazy_ratio,
        "betas": betas,
        "weight_decay": spec.weight_decay,
    }
    return ALGORITHMS[spec.algorithm](parameters, fused=True, **options)


def phase_optimizers(method: Method, training: TrainingConfig) -> dict[str, PhaseOptimizer]:
    """Returns phase → optimiser; phases that share an optimiser have the same object. Raises as `check_phases` does."""
    made: dict[str, PhaseOptimizer] = {}
    for phase in _configured_phases(method, training):
        shared = phase.optimizer if isinstance(phase.optimizer, str) else None
        betas = (training.beta1, training.beta2)
        made[phase.name] = made[shared] if shared else PhaseOptimizer(phase, method, betas, training.learning_rate)
    return made


def check_phases(method: Method, training: TrainingConfig) -> None:
    """Raises ConfigError if `[training.optimizers]` does not fit the method's phases, or `training.ema` its networks."""
    _configured_phases(method, training)
    if training.ema and method.averaged is None:
        raise ConfigError(f"training.ema = {training.ema}: the method '{method.name}' averages none. Set it to 0.")


def _configured_phases(method: Method, training: TrainingConfig) -> list[Phase]:
    """Returns the method's phases, with the changes of `[training.optimizers]`."""
    names = [phase.name for phase in method.phases]
    for name in training.optimizers:
        if name not in names:
            raise ConfigError(
                f"training.optimizers.{name}: the method '{method.name}' has no such phase; {closest(name, names)}"
            )
    return [_configured(phase, training) for phase in method.phases]


def _configured(phase: Phase, training: TrainingConfig) -> Phase:
    changes = training.optimizers[phase.name].changes if phase.name in training.optimizers else {}
    if not changes:
        return phase
    if isinstance(phase.optimizer, str):
        raise ConfigError(
            f"training.optimizers.{phase.name}: this phase shares the optimiser of '{phase.optimizer}'. Set "
            f"training.optimizers.{phase.optimizer} instead."
        )
    unused = next(iter(changes.keys() - {"rate", "clip"}), None)
    if unused and "algorithm" not in changes and not isinstance(phase.optimizer.algorithm, str):
        raise ConfigError(
            f"training.optimizers.{phase.name}.{unused}: the method sets this itself. Leave it out, or choose an "
            f'algorithm with training.optimizers.{phase.name}.name, "adam" or "adamw".'
        )
    return replace(phase, optimizer=replace(phase.optimizer, **changes))


class MovingAverage:
    """An exponential moving average of a network's weights.

    Args:
        network: the network.
        decay: the share of the average that stays at each update, in [0, 1).

    Attributes:
        network: the network.
        weights: the averaged copy of the network's state.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.network = network
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._averaged = [name for name, value in self.weights.items() if value.is_floating_point()]
        self._copied = self.weights.keys() - self._averaged  # integers, such as counts of batches

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the network's weights."""
        current = self.network.state_dict()
        torch._foreach_lerp_(
            [self.weights[name] for name in self._averaged],
            [current[name] for name in self._averaged],
            1 - self._decay,
        )
        for name in self._copied:
            self.weights[name].copy_(current[name])
