"""What methods promise when they translate and read labels: see `stargan_fw.Method`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stargan_fw import evaluating
from stargan_fw.interfaces import ReadsLabels, TranslatesAcross
from stargan_fw_scaffold.faults import FaultError
from stargan_fw_scaffold.method_subject import changed, labels_of, state_of

if TYPE_CHECKING:
    from stargan_fw_scaffold.faults import Check
    from stargan_fw_scaffold.method_subject import MethodSubject


def it_translates(subject: MethodSubject) -> None:
    method = subject.build()
    for dataset in method.space.datasets:
        source, images, before = labels_of(dataset, 6), subject.images(6), state_of(method)
        with evaluating(*method.networks.values()):
            result = method.translate(images, dataset, source.roll(1, 0), source)
        if result.shape != images.shape or not result.isfinite().all() or result.abs().max() > 1:
            raise FaultError(
                f"translates images {tuple(images.shape)} to {tuple(result.shape)} with values up to {result.abs().max():.2f}",
                "Return images of the same shape in [-1, 1].",
            )
        if result.requires_grad:
            raise FaultError("keeps gradients in translate()", "Mark it @torch.no_grad().")
        if torch.equal(result, images):
            raise FaultError(
                f"leaves images as they are if other labels of '{dataset}' are asked for",
                "Give the networks space.join(dataset, target).",
            )
        for name in changed(before, state_of(method)):
            raise FaultError(f"changes '{name}' in translate()", "Leave weights and buffers alone there.")


def it_translates_across_datasets_as_within_one(subject: MethodSubject) -> None:
    method = subject.build()
    if not isinstance(method, TranslatesAcross):
        return
    images = subject.images(6)
    sources = {dataset: labels_of(dataset, 6) for dataset in method.space.datasets}
    targets = {dataset: labels.roll(1, 0) for dataset, labels in sources.items()}
    name = method.space.datasets[0]
    with evaluating(*method.networks.values()):
        both = method.translate_across(images, targets, sources)
        one = method.translate_across(images, {name: targets[name]}, sources)
        alone = method.translate(images, name, targets[name], sources[name])
    if not torch.allclose(one, alone, atol=1e-5):
        raise FaultError(
            "translates otherwise in translate_across than in translate if labels of one dataset are named",
            "Use space.join_all(targets), which is space.join for one dataset.",
        )
    if both.shape != images.shape or both.requires_grad or torch.equal(both, alone):
        raise FaultError(
            "ignores in translate_across the labels of all datasets but one, keeps gradients, or changes the size",
            "Mark it @torch.no_grad(), and give the networks space.join_all(targets).",
        )


def it_reads_zeros_and_ones(subject: MethodSubject) -> None:
    method = subject.build()
    if not isinstance(method, ReadsLabels):
        return
    for dataset in method.space.datasets:
        with evaluating(*method.networks.values()):
            found = method.read_labels(subject.images(5), dataset)
        shape = (5, method.space.schema(dataset).dim)
        if found.shape != shape or not ((found == 0) | (found == 1) | found.isnan()).all():
            raise FaultError(
                f"reads labels of '{dataset}' as {tuple(found.shape)} numbers that are not all 0, 1 or NaN, or not of shape {shape}",
                "Return space.decode(dataset, logits).",
            )


def it_is_opened_without_weights(subject: MethodSubject) -> None:
    method = subject.build_empty()
    for name, network in method.networks.items():
        if not all(parameter.is_meta for parameter in network.parameters()):
            raise FaultError(
                f"makes weights of the network '{name}' on a device of its own choice",
                "Name no device in __init__, and load what only training needs in prepare().",
            )


TRANSLATION_CHECKS: tuple[Check, ...] = (
    it_translates,
    it_translates_across_datasets_as_within_one,
    it_reads_zeros_and_ones,
    it_is_opened_without_weights,
)
