"""The hypergradient of Eq. 9: how the meta loss after a virtual step changes with the output.

The output of the perturbation network is delta, `(B, C)`, or a weight a sample, `(B,)`. All four
solvers return the derivative of the meta loss by it; the rest of the chain, from there to the
perturbation network, is an ordinary backward pass through a small MLP.

| solver | cost beyond Eqs. 8 and 10 | result |
|---|---|---|
| `exact` | meta forward and backward, one forward-mode pass | exact |
| `finite_difference` | meta forward and backward, one forward | one-sided difference |
| `last_layer` | meta forward | only the last layer looks ahead |
| `unroll` | meta forward and backward, a second-order backward | exact; the oracle for tests |

Derivation (arXiv 2505.15246, Eqs. 8 and 9): the output o enters only after the logits, so with J
the Jacobian of the batch's logits, c(o) the derivative of the training loss by them, s the
optimizer's sensitivity and v the gradient of the meta loss at W_hat,

    dL/do = d<c(o), a> / do   with   a = J (s * v)

    delta:    dL/d delta_i = q_i * (a_i - <q_i, a_i>) / n,   q_i = softmax(u_i + delta_i)
    weights:  dL/d w_i = (b_i - <w, b> / sum w) / sum w,   b_i = <softmax(u_i) - onehot(y_i), a_i>

Nothing second-order is ever built.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer

from causalogit.core import processes
from causalogit.core.classifier import Classifier, Parameters
from causalogit.core.forward_mode import Replay, Tape, load_rules
from causalogit.core.lookahead import LookAhead, look_ahead
from causalogit.core.training_loss import TrainingLoss

Solver = Literal["exact", "finite_difference", "last_layer", "unroll"]
MetaLoss = Callable[[Parameters], Tensor]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VirtualStep:
    """The training batch as Eq. 8 sees it.

    Attributes:
        classifier: the classifier at W.
        optimizer: its optimizer, whose update is mirrored.
        images: `(B, ...)`; of several processes each has its own part, and all that follows is of
            the whole batch.
        labels: `(B,)`.
        logits: u, `(B, C)`, with the graph of the one forward pass that Eq. 10 uses too.
        features: h, `(B, d)`.
        output: of the perturbation network: delta `(B, C)` or weights `(B,)`, detached.
        loss: the training loss, which says how the output enters.
        extra: gradients that do not depend on the output and are added to those of the loss.
        restore: brings back the random state from before that forward pass.
        buffers: of the classifier before that forward pass.
        known: gradients of the training loss by all parameters, where they are at hand already; the
            graph of the forward pass may be gone then.
        tape: of that forward pass, which spares the solver `exact` a part of its own.
    """

    classifier: Classifier
    optimizer: Optimizer
    images: Tensor
    labels: Tensor
    logits: Tensor
    features: Tensor
    output: Tensor
    loss: TrainingLoss
    extra: Mapping[str, Tensor]
    restore: Callable[[], None]
    buffers: Parameters
    known: Mapping[str, Tensor] | None = None
    tape: Tape | None = None

    def gradient(self, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
        """Gradient of the training loss by `parameters`; the graph is kept."""
        if self.known is not None:
            return {name: self.known[name] for name in parameters}
        cotangent = self.loss.cotangent(self.logits, self.output, self.labels)
        gradients = torch.autograd.grad(
            self.logits,
            list(parameters.values()),
            cotangent,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        named = self._with_extra(dict(zip(parameters, gradients, strict=True)))
        processes.sum_in_place(list(named.values()))
        return named

    def _with_extra(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        return {n: g + self.extra[n] if n in self.extra else g for n, g in gradients.items()}

    def logits_at(self, parameters: Parameters) -> Tensor:
        """The logits of the training batch at other parameters, all else as in that pass."""
        return self.classifier.probe(parameters, self.images, buffers=self.buffers, in_pieces=True)

    def look_ahead(self, parameters: Mapping[str, nn.Parameter]) -> LookAhead:
        """W_hat of Eq. 8."""
        return look_ahead(self.optimizer, parameters, self.gradient(parameters))


class MetaGradient(NamedTuple):
    """What the meta set says at W_hat, all detached.

    Attributes:
        loss: the meta loss.
        by_parameters: its gradient, by the names of the parameters that looked ahead and that it
            uses.
        sensitivity: derivative of those parameters by their own gradients, likewise.
    """

    loss: Tensor
    by_parameters: dict[str, Tensor]
    sensitivity: dict[str, Tensor]


class Hypergradient(NamedTuple):
    """What a look-ahead says, all detached.

    Attributes:
        by_output: derivative of the meta loss by the output, in the output's shape.
        loss: the meta loss at W_hat.
        by_parameters: its gradient there, by the names of the parameters that looked ahead.
    """

    by_output: Tensor
    loss: Tensor
    by_parameters: dict[str, Tensor]


def meta_gradient(step: VirtualStep, meta_loss: MetaLoss, solver: Solver) -> MetaGradient:
    """The meta loss and its gradient at W_hat: the part of Eq. 9 that no output enters.

    Args:
        step: the training batch and the virtual step on it.
        meta_loss: gives the scalar meta loss at other parameters (those missing stay at W).
        solver: with `last_layer` only the last layer looks ahead.
    """
    parameters = step.classifier.parameters()
    frozen: Parameters = {}
    if solver == "last_layer":
        # the frozen rest is passed detached, so that no graph is built through the backbone
        frozen = {n: p.detach() for n, p in parameters.items()}
        parameters = step.classifier.head_parameters()
    ahead = step.look_ahead(parameters)
    leaves = {n: p.detach().requires_grad_() for n, p in ahead.parameters.items()}
    loss, by_parameters = _by_parameters(step, meta_loss, {**frozen, **leaves}, leaves)
    by_parameters = processes.completed(by_parameters, leaves)
    processes.sum_in_place([loss, *by_parameters.values()])
    return MetaGradient(loss.detach(), by_parameters, ahead.sensitivity)


def _by_parameters(
    step: VirtualStep, meta_loss: MetaLoss, at: Parameters, leaves: Parameters
) -> tuple[Tensor, dict[str, Tensor]]:
    """The meta loss at some parameters, and its gradient by those of the leaves that it uses."""

    def work() -> tuple[Tensor, tuple[Tensor | None, ...]]:
        loss = meta_loss(at) / processes.count()
        return loss, torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)

    loss, gradients = step.classifier.at(at, work)
    return loss, {n: g for n, g in zip(leaves, gradients, strict=True) if g is not None}


def output_gradient(step: VirtualStep, meta_loss: MetaLoss, solver: Solver) -> Hypergradient:
    """The derivative of the meta loss at W_hat by the output of the perturbation network.

    Args:
        step: the training batch and the virtual step on it.
        meta_loss: see `meta_gradient`.
        solver: see the table above.

    Raises:
        ValueError: `unroll` in several processes.
    """
    if solver == "unroll":
        if processes.count() > 1:
            raise ValueError(
                "the solver 'unroll' is an oracle for tests in one process: take 'exact', which "
                "gives the same"
            )
        return _unroll(step, meta_loss)
    ahead = meta_gradient(step, meta_loss, solver)
    tangents = {n: ahead.sensitivity[n] * g for n, g in ahead.by_parameters.items()}
    with torch.no_grad(), step.classifier.random_state_kept(start=step.restore):
        change = _SOLVERS[solver](step, tangents)
    by_output = step.loss.output_gradient(step.logits, step.output, step.labels, change)
    return Hypergradient(by_output, ahead.loss, ahead.by_parameters)


def _exact(step: VirtualStep, tangents: dict[str, Tensor]) -> Tensor:
    """J t by forward-mode differentiation.

    Fused attention has no forward mode: its plain ("math") kernel is used here. An operation that
    has none at all falls back to the finite difference, with one warning for each classifier.
    """
    if not step.classifier.has_forward_mode:
        return _finite_difference(step, tangents)
    load_rules()
    parameters = step.classifier.parameters()
    primals = {n: parameters[n].detach() for n in tangents}  # in the same order
    try:
        # not `torch.func.jvp`, inside of which dropout drops other units of a tensor that is not
        # contiguous than it has in training
        with sdpa_kernel(SDPBackend.MATH), Replay(step.tape), dual_level():
            moved = {n: make_dual(p, tangents[n]) for n, p in primals.items()}
            logits, change = unpack_dual(step.logits_at(moved))
            if change is None:  # the meta loss uses no parameter that the logits do
                change = torch.zeros_like(logits)
    except RuntimeError as error:
        # an autograd.Function whose forward takes ctx is refused without a type of its own
        if not isinstance(error, NotImplementedError) and "setup_context" not in str(error):
            raise
        _log.warning("no forward-mode derivative (%s): using finite differences", error)
        step.classifier.has_forward_mode = False
        step.restore()  # the attempt may have drawn random numbers
        return _finite_difference(step, tangents)
    return processes.gathered(change)


def _finite_difference(step: VirtualStep, tangents: dict[str, Tensor]) -> Tensor:
    """J t by (u(W + h t) - u(W)) / h, h such that the step is small against the weights.

    Smaller than the usual root of the precision: a ReLU has kinks, and each one that the step
    crosses costs more than rounding does.
    """
    parameters = {n: p.detach() for n, p in step.classifier.parameters().items() if n in tangents}
    length = _norm(tangents)
    if not length > 0:
        return torch.zeros_like(step.logits)
    relative = 0.02 * torch.finfo(step.logits.dtype).eps ** 0.5
    size = _norm(parameters)
    h: Tensor = relative * torch.where(size > 0, size, 1.0) / length
    moved = {n: p + h * tangents[n] for n, p in parameters.items()}
    return (processes.gathered(step.logits_at(moved)) - step.logits.detach()) / h


def _last_layer(step: VirtualStep, tangents: dict[str, Tensor]) -> Tensor:
    """J t when only the last layer moves: a linear map of the features that are at hand."""
    change = torch.zeros_like(step.logits)
    for tangent in tangents.values():
        change = change + (step.features @ tangent.T if tangent.dim() == 2 else tangent)
    return change


_SOLVERS = {"exact": _exact, "finite_difference": _finite_difference, "last_layer": _last_layer}


def _unroll(step: VirtualStep, meta_loss: MetaLoss) -> Hypergradient:
    """The textbook way: keep the graph of the gradient, step, and differentiate through it all."""
    parameters = step.classifier.parameters()
    output = step.output.clone().requires_grad_()
    # fused attention has no second derivative
    with step.classifier.random_state_kept(start=step.restore), sdpa_kernel(SDPBackend.MATH):
        logits = step.logits_at(parameters)
    loss = step.loss(logits, output, step.labels)
    gradients = torch.autograd.grad(
        loss,
        list(parameters.values()),
        create_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    named = step._with_extra(dict(zip(parameters, gradients, strict=True)))
    ahead = look_ahead(step.optimizer, parameters, named)
    wanted = {**ahead.parameters, "": output}  # no parameter is called that
    meta, found = _by_parameters(step, meta_loss, ahead.parameters, wanted)
    return Hypergradient(found.pop("", torch.zeros_like(output)).detach(), meta.detach(), found)


def _norm(tensors: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([t.square().sum() for t in tensors.values()]).sum().sqrt()
