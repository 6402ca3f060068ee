"""One training batch in several processes: what has to cross between them.

Every process holds the same weights and its part of the batch. Logits, features and labels are
small: each process gathers them all, so that characteristics, class statistics, perturbations and
the update of the perturbation network are those of the whole batch, everywhere alike. Gradients of
the classifier are summed. With one process nothing of this does anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def count() -> int:
    """How many processes share each batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def gathered(own: Tensor) -> Tensor:
    """The parts `(B, ...)` of all processes in their order, `(P * B, ...)`; the own has its graph.

    A gradient that goes back from it is this process's share of the whole batch's.
    """
    if count() == 1:
        return own
    parts = [torch.empty_like(own, requires_grad=False) for _ in range(count())]
    dist.all_gather(parts, own.detach().contiguous())
    parts[rank()] = own
    return torch.cat(parts)


def sum_in_place(tensors: Sequence[Tensor]) -> None:
    """Let each tensor become its sum over the processes: in one message for each type."""
    if count() == 1:
        return
    for kind in dict.fromkeys(tensor.dtype for tensor in tensors):
        alike = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
        dist.all_reduce(flat)
        pieces = flat.split([tensor.numel() for tensor in alike])
        for tensor, piece in zip(alike, pieces, strict=True):
            tensor.detach().copy_(piece.view_as(tensor))


def completed(gradients: Mapping[str, Tensor], among: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients, and zeros where another process alone has one, in the order of `among`.

    A block that a process skips leaves it without a gradient there; its place must be kept, as sums
    over the processes go by order.
    """
    if count() == 1 or not among:
        return dict(gradients)
    device = next(iter(among.values())).device
    anywhere = torch.tensor([name in gradients for name in among], dtype=torch.int, device=device)
    dist.all_reduce(anywhere, dist.ReduceOp.MAX)
    return {
        name: gradients[name] if name in gradients else torch.zeros_like(own)
        for (name, own), known in zip(among.items(), anywhere.tolist(), strict=True)
        if known
    }


def sum_gradients(parameters: Mapping[str, nn.Parameter]) -> None:
    """Let every `.grad` become its sum over the processes; None stays where no process has one."""
    if count() == 1:
        return
    own = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    gradients = completed(own, {name: p.detach() for name, p in parameters.items()})
    sum_in_place(list(gradients.values()))
    for name, gradient in gradients.items():
        parameters[name].grad = gradient


def mean(value: Tensor) -> Tensor:
    """Of the value over the processes, detached."""
    if count() == 1:
        return value.detach()
    value = value.detach() / count()
    dist.all_reduce(value)
    return value


def everywhere(yes: bool, device: torch.device) -> bool:
    """Whether it is so in every process."""
    if count() == 1:
        return yes
    votes = torch.tensor(int(yes), device=device)
    dist.all_reduce(votes, dist.ReduceOp.MIN)
    return bool(votes)


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Give every process the tensors of the first."""
    if count() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.detach(), 0)


def check_model(model: nn.Module) -> None:
    """Refuse a wrapped model.

    Raises:
        ValueError: it is wrapped in DistributedDataParallel or DataParallel.
    """
    if isinstance(model, DistributedDataParallel | nn.DataParallel):
        raise ValueError(
            f"the model is wrapped in {type(model).__name__}: give the model itself "
            "(model.module); the gradients of all processes of torchrun are summed here"
        )


def check_alike(size: int, device: torch.device, batch: str = "batch") -> None:
    """Refuse parts of a batch, as it is called, that differ in size.

    Raises:
        ValueError: the processes' parts of a batch have different sizes.
    """
    if count() == 1:
        return
    sizes = gathered(torch.tensor([size], device=device)).tolist()
    if len(set(sizes)) > 1:
        raise ValueError(
            f"the processes have {sizes} images of this {batch}: give every one as many "
            "(torch.utils.data.DistributedSampler does, or drop_last=True)"
        )
