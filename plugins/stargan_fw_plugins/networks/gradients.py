"""Which gradients a backward pass is asked for."""

from collections.abc import Iterable
from typing import Any

import torch


def asked_for(ctx: Any, arguments: Iterable[int]) -> list[int]:
    """Returns those of the arguments of a `torch.autograd.Function` whose gradients this backward pass needs.

    `ctx.needs_input_grad` says whether any backward pass might: a gradient penalty, which differentiates by the images
    alone, would compute the weights' gradients in vain.

    Args:
        ctx: of the function's backward pass.
        arguments: the places of all tensors among the function's arguments.
    """
    if torch.compiler.is_compiling():
        return [place for place in arguments if ctx.needs_input_grad[place]]
    nodes = (node for node, _ in ctx.next_functions)
    return [place for place, node in zip(arguments, nodes, strict=True) if ctx.needs_input_grad[place] and _runs(node)]


def _runs(node: Any) -> bool:
    try:
        return bool(torch._C._will_engine_execute_node(node))  # noqa: SLF001 - what torch.autograd.graph asks
    except (AttributeError, RuntimeError):  # which it raises of a leaf whose gradient `autograd.grad` is to return
        return True
