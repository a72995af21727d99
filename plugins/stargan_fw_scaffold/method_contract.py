"""What methods promise: see `stargan_fw.Method`. Here for training; translation_contract.py has what a trained one promises."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING

import torch

from stargan_fw_registry import LabelSpace
from stargan_fw_scaffold.faults import FaultError
from stargan_fw_scaffold.method_subject import (
    IMAGES,
    SCHEMAS,
    MethodSubject,
    changed,
    due,
    labels_of,
    optimizers_of,
    state_of,
)
from stargan_fw_scaffold.translation_contract import TRANSLATION_CHECKS

if TYPE_CHECKING:
    from stargan_fw import Batch, Losses, Method
    from stargan_fw.training.optimisation import PhaseOptimizer
    from stargan_fw_scaffold.faults import Check

RATE = 1e-3
IGNORE_UNKNOWN = (
    "Leave out what `labels.isnan()` marks, as stargan_fw_plugins.losses.classification.classification_loss does."
)


def it_is_built_from_its_components(subject: MethodSubject) -> None:
    method = subject.build()
    if not getattr(method, "networks", None) or not getattr(method, "phases", None):
        raise FaultError(
            "has no networks or no phases",
            'Set self.networks = {"generator": …} in __init__, and phases = (Phase("g", ("generator",)),).',
        )


def its_phases_name_its_networks(subject: MethodSubject) -> None:
    method = subject.build()
    named = {network for phase in method.phases for network in phase.networks}
    listed = {*named, *method.translating, *method.reading, *method.auxiliary, *method.compilable}
    for name in sorted(listed - {*method.networks}):
        raise FaultError(
            f"names the network '{name}', and self.networks has {', '.join(method.networks)}",
            "Add it to self.networks, or correct the name in phases, translating, reading, auxiliary or compilable.",
        )
    if method.averaged not in {None, *method.translating}:
        raise FaultError(
            f"averages the network '{method.averaged}', which does not translate",
            "Set `averaged` to one of `translating`, or to None.",
        )
    learning = {key for key, network in method.networks.items() if any(p.requires_grad for p in network.parameters())}
    for name in sorted(learning - named):
        raise FaultError(
            f"has the network '{name}', which no phase trains",
            f'Name it in a phase, or freeze it: self.networks["{name}"].requires_grad_(False).',
        )


def its_phases_have_optimizers(subject: MethodSubject) -> None:
    phases = subject.build().phases
    names = [phase.name for phase in phases]
    for name, count in Counter(names).items():
        if count > 1:
            raise FaultError(f"has {count} phases named '{name}'", "Give each phase a name of its own.")
    for number, phase in enumerate(phases):
        own = [each.name for each in phases[:number] if not isinstance(each.optimizer, str)]
        if isinstance(phase.optimizer, str) and phase.optimizer not in own:
            raise FaultError(
                f"shares in phase '{phase.name}' the optimiser of '{phase.optimizer}', and no earlier phase of that name has one",
                "Name an earlier phase with an OptimizerSpec.",
            )
        if phase.interval != "n_critic" and phase.interval < 1:
            raise FaultError(
                f"has the interval {phase.interval} of phase '{phase.name}'", 'Give it 1 or more, or "n_critic".'
            )


def its_batches_are_of_training_images(subject: MethodSubject) -> None:
    method = subject.build()
    for dataset in method.space.datasets:
        kinds = method.batches(dataset, labels_of(dataset))
        if not kinds or not all(len(indices) for sets in kinds for indices in sets):
            raise FaultError(
                f"draws from no image of the dataset '{dataset}'",
                "Return at least one kind in batches(), and leave out empty sets; raise DataError if images are missing.",
            )
        places = torch.cat([indices for sets in kinds for indices in sets])
        if places.min() < 0 or places.max() >= IMAGES:
            raise FaultError(
                f"draws image {int(places.max())} of {IMAGES} in batches()", "Return indices into the rows of `labels`."
            )


def no_context_is_open_at_a_yield(subject: MethodSubject) -> None:
    method = subject.build()
    for batch in subject.batches(method):
        losses = method.losses(batch, due(method))
        try:
            while _next_closed(method, losses):
                pass
        finally:
            losses.close()  # type: ignore[attr-defined]
            torch.set_grad_enabled(True)
            torch.set_autocast_enabled("cpu", False)


def _next_closed(method: Method, losses: object) -> bool:
    """Takes a step to the next yield, as the trainer does, and returns whether there was one."""
    with torch.autocast("cpu", torch.bfloat16):
        item = next(losses, None)  # type: ignore[call-overload]
        own = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    at = f"yields phase '{item[0]}'" if item else "ends losses()"
    inference = torch.is_inference_mode_enabled()
    contexts = {
        "torch.no_grad()": not torch.is_grad_enabled() and not inference,
        "torch.inference_mode()": inference,
        "torch.autocast": not own or torch.is_autocast_enabled("cpu"),
    }
    for context, is_open in contexts.items():
        if is_open:
            raise FaultError(
                f"{at} inside of {context}, so that the trainer's update would run in it",
                "End the `with` block before the yield.",
            )
    for name, network in method.networks.items():
        if not all(module.training for module in network.modules()):
            raise FaultError(
                f"{at} with the network '{name}' in evaluation mode",
                "Use `with stargan_fw.evaluating(network):`, which puts the mode back, and yield after it.",
            )
    return item is not None


def every_loss_is_finite_and_trains(subject: MethodSubject) -> None:
    method = subject.build()
    order = [phase.name for phase in method.phases]
    seen: set[str] = set()
    for batch in subject.batches(method):
        phases = []
        for phase, losses in method.losses(batch, due(method)):
            _check_losses(phase, losses, order)
            phases.append(phase)
        if phases != sorted(phases, key=order.index):
            raise FaultError(
                f"yields its phases in the order {', '.join(phases)}, and `phases` lists {', '.join(order)}",
                "Use the same order in both.",
            )
        seen.update(phases)
    for name in order:
        if name not in seen:
            raise FaultError(
                f"never yields its phase '{name}'",
                f'Write `if "{name}" in due:` and a yield, or take it out of `phases`.',
            )


def _check_losses(phase: str, losses: Losses, order: list[str]) -> None:
    if phase not in order:
        raise FaultError(f"yields phase '{phase}', and `phases` lists {', '.join(order)}", "Correct one of the two.")
    for name, value in {"total": losses.total, **losses.terms}.items():
        if value.shape != () or not value.isfinite():
            raise FaultError(
                f"yields in phase '{phase}' the {name} {value.detach()}, and not one finite number",
                "Take the mean over images, and look for a division, a root or a logarithm of 0.",
            )
    if not losses.total.requires_grad:
        raise FaultError(
            f"yields in phase '{phase}' a total without gradients",
            "Compute it from the networks of the phase, outside of no_grad, and without detach or item.",
        )


def its_metrics_have_names_of_their_own(subject: MethodSubject) -> None:
    method = subject.build()
    owners: dict[str, tuple[str, str]] = {}
    for batch in subject.batches(method):
        complete: set[str] = set()
        for phase, losses in method.losses(batch, due(method)):
            if phase in complete:
                raise FaultError(
                    f"yields phase '{phase}' again after its last losses, so that its metrics are overwritten",
                    "Yield each phase once a step, or its parts with last=False, or make two phases of it.",
                )
            complete |= {phase} if losses.last else set()
            for term in losses.terms:
                name = f"{phase}/{term}"
                if owners.setdefault(name, (phase, term)) != (phase, term):
                    raise FaultError(
                        f"has two metrics named '{name}': term '{term}' of phase '{phase}', and "
                        f"'{owners[name][1]}' of '{owners[name][0]}'",
                        "Use no slash in the names of phases and terms.",
                    )


def micro_batches_add_up_to_the_batch(subject: MethodSubject) -> None:
    for batch in subject.batches(subject.build()):
        whole, order, _ = _sums(subject, batch)
        added, phases, completed = _sums(subject, dataclasses.replace(batch, micro_batch=3))
        if phases != order or completed != order:
            raise FaultError(
                f"yields the phases {', '.join(phases)} in micro-batches, of which {', '.join(completed) or 'none'} end, and "
                f"{', '.join(order)} without",
                "Yield each part with Losses.share(fraction, last=part is the_last).",
            )
        for name, value in whole.items():
            if not math.isclose(added[name], value, rel_tol=1e-3, abs_tol=1e-5):
                raise FaultError(
                    f"has the metric {name} = {added[name]:.6g} in micro-batches, and {value:.6g} in one batch",
                    "Draw random numbers before Batch.cut, and yield Losses.share of means over images. A method whose networks "
                    "compare images may take the whole batch: slice(None).",
                )


def _sums(subject: MethodSubject, batch: Batch) -> tuple[Counter[str], list[str], list[str]]:
    """Returns the sums of the terms, the phases in turn, and those that were complete."""
    method = subject.build()  # anew, since some remember images of earlier steps
    subject.batches(method)
    torch.manual_seed(1)
    sums: Counter[str] = Counter()
    phases, completed = [], []
    for phase, losses in method.losses(batch, due(method)):
        sums.update({f"{phase}/{term}": value.item() for term, value in losses.terms.items()})
        phases.append(phase)
        completed += [phase] * losses.last
    return sums, [phase for phase, _ in itertools.groupby(phases)], completed


def what_is_not_due_is_left_out(subject: MethodSubject) -> None:
    method = subject.build()
    always = {phase.name for phase in method.phases if phase.interval == 1}
    for batch in subject.batches(method):
        for phase, _ in method.losses(batch, always):
            if phase not in always:
                raise FaultError(
                    f"yields phase '{phase}' at a step at which it is not due",
                    f'Write `if "{phase}" in due:` before it.',
                )


def every_parameter_learns(subject: MethodSubject) -> None:
    method = subject.build()
    optimizers = optimizers_of(method)
    own = {phase.name: set(phase.networks) for phase in method.phases}
    first = state_of(method)
    learning = {
        f"{n}/{key}"
        for n, network in method.networks.items()
        for key, p in network.named_parameters()
        if p.requires_grad
    }
    for batch in subject.batches(method):
        for phase, losses in method.losses(batch, due(method)):
            before = state_of(method)
            optimizers[phase].update(losses, RATE)
            moved = {name.split("/")[0] for name in changed(before, state_of(method)) if name in learning}
            for network in sorted(own[phase] - moved):
                raise FaultError(
                    f"does not move the network '{network}' in phase '{phase}', which no gradient reaches",
                    "Compute the phase's total from it, without detach or no_grad on the way.",
                )
            for network in sorted(moved - own[phase]):
                raise FaultError(
                    f"moves the network '{network}' in phase '{phase}', which does not name it",
                    "Name it in the phase, or share no parameters between the two networks.",
                )
    for name in sorted(learning - {*changed(first, state_of(method))}):
        network, parameter = name.split("/", 1)
        raise FaultError(
            f"never moves the parameter '{parameter}' of the network '{network}'",
            "Let a loss depend on it; or remove it.",
        )


def a_run_goes_on_from_its_networks_and_optimizers(subject: MethodSubject) -> None:
    first = subject.build()
    optimizers = optimizers_of(first)
    _train(subject, first, optimizers, seed=1)
    second = subject.build()
    for key, network in second.networks.items():
        network.load_state_dict(copy.deepcopy(first.networks[key].state_dict()))
    continued = optimizers_of(second)
    for phase, optimizer in continued.items():
        optimizer.load_state({key: value.clone() for key, value in optimizers[phase].state().items()})
    expected = _train(subject, first, optimizers, seed=2)
    for (phase, one), (_, other) in zip(expected, _train(subject, second, continued, seed=2), strict=True):
        if one != other and not (math.isnan(one) and math.isnan(other)):
            raise FaultError(
                f"goes on otherwise after its state is saved and restored: the loss of phase '{phase}' is {other:.6g}, not {one:.6g}",
                "Keep what lasts from step to step in register_buffer of a network in self.networks: a checkpoint saves no more.",
            )


def _train(
    subject: MethodSubject, method: Method, optimizers: dict[str, PhaseOptimizer], *, seed: int
) -> list[tuple[str, float]]:
    found = []
    for number, batch in enumerate(subject.batches(method, seed)):
        torch.manual_seed(number + 100 * seed)
        for phase, losses in method.losses(batch, due(method)):
            optimizers[phase].update(losses, RATE)
            found.append((phase, losses.total.item()))
    return found


def unknown_labels_are_ignored(subject: MethodSubject) -> None:
    method = subject.build()
    optimizers = optimizers_of(method)
    for batch, every in itertools.product(subject.batches(method), (1, 2)):
        labels = batch.labels.clone()
        labels[::every] = torch.nan
        for phase, losses in method.losses(dataclasses.replace(batch, labels=labels), due(method)):
            gradients = torch.autograd.grad(
                losses.total, optimizers[phase].parameters, retain_graph=True, allow_unused=True
            )
            if not all(value.isfinite().all() for value in (losses.total, *gradients) if value is not None):
                raise FaultError(
                    f"has a loss or gradient in phase '{phase}' that is not finite if labels are unknown (NaN)",
                    IGNORE_UNKNOWN,
                )


def unknown_labels_teach_no_classifier(subject: MethodSubject) -> None:
    """The first term "cls" is that of real images: without a known label, nothing is to learn from them."""
    method = subject.build()
    for batch in subject.batches(method):
        unknown = dataclasses.replace(batch, labels=torch.full_like(batch.labels, torch.nan))
        terms = [
            (phase, losses.terms["cls"])
            for phase, losses in method.losses(unknown, due(method))
            if "cls" in losses.terms
        ]
        if terms and terms[0][1].abs() > 1e-6 and terms[0][1].isfinite():
            raise FaultError(
                f"learns labels that nobody knows: {terms[0][0]}/cls is {terms[0][1].item():.3g} for a batch without known labels",
                IGNORE_UNKNOWN,
            )


def one_dataset_is_enough(subject: MethodSubject) -> None:
    try:
        method = subject.build(LabelSpace(SCHEMAS[:1]))
        for batch in subject.batches(method):
            for _ in method.losses(batch, due(method)):
                pass
    except Exception as error:
        raise FaultError(
            f"fails if there is one dataset, and so no mask: {type(error).__name__}: {error}",
            "Use space.dim for the generator, space.label_dim for labels, and space.join, which knows of the mask.",
        ) from error


# The first seven must hold for the others to say anything else.
METHOD_CHECKS: tuple[Check, ...] = (
    it_is_built_from_its_components,
    its_phases_name_its_networks,
    its_phases_have_optimizers,
    its_batches_are_of_training_images,
    no_context_is_open_at_a_yield,
    every_loss_is_finite_and_trains,
    its_metrics_have_names_of_their_own,
    micro_batches_add_up_to_the_batch,
    what_is_not_due_is_left_out,
    every_parameter_learns,
    a_run_goes_on_from_its_networks_and_optimizers,
    unknown_labels_are_ignored,
    unknown_labels_teach_no_classifier,
    one_dataset_is_enough,
    *TRANSLATION_CHECKS,
)
PREREQUISITES = 7
