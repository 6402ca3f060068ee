"""Causal Logit Perturbation: one training step, to be read beside Eqs. 8-10 of arXiv 2505.15246."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Adam, Optimizer

from causalogit.core import processes
from causalogit.core.characteristics import THE_TEN, CharacteristicTable, ClassStatistics
from causalogit.core.classifier import Classifier
from causalogit.core.forward_mode import Tape
from causalogit.core.guard import Guard
from causalogit.core.hypergradient import Solver, VirtualStep, meta_gradient, output_gradient
from causalogit.core.inputs import check_spurious, usable
from causalogit.core.lookahead import check_optimizer, check_owner
from causalogit.core.losses import precise, saliency_penalty
from causalogit.core.meta import MaskedTransform, MetaItem, MetaObjective, MetaStream
from causalogit.core.outcomes import Metrics, read
from causalogit.core.pace import Pace
from causalogit.core.perturbation import PerturbationNetwork
from causalogit.core.training_loss import PerturbedLogits, TrainingLoss, corrected
from causalogit.modes import eval_mode


class CausalLogitPerturbation:
    """Trains a classifier on logits perturbed by a meta-learned perturbation network.

        clp = CausalLogitPerturbation(model, optimizer, meta=meta_loader, num_classes=10)
        for images, labels in loader:
            metrics = clp.step(images, labels)
        clp.end_epoch()

    The classifier is used at test time as it is. After a step its weights, running statistics,
    `.grad` and the global random state are what a plain step with the same delta would leave.

    The same engine learns weights of the samples (Meta-Weight-Net, arXiv 1902.07379): give it a
    network of the form `weight`, and read "w * CE(u, y), w of mean 1" for "CE(u + delta, y)".

    In several processes (`torch.distributed`) each gives its part of every batch and of the meta
    batches: together they do what one process would with the whole.

    Args:
        model: any `nn.Module` that ends in `nn.Linear(d, num_classes)`.
        optimizer: SGD, Adam or AdamW of the model; its schedule stays yours.
        meta: batches `(images, labels)` or `(images, labels, masks)` of the meta set; begun anew
            when it ends.
        num_classes: C.
        factual: replaces backgrounds of meta images, `(images, masks, labels) -> images`.
        counterfactual: removes objects of meta images. With neither of the two this is Meta-LP.
        network: the perturbation network; by default ten characteristics to a `vector` delta. One
            whose parameters are frozen (`requires_grad_(False)`) is held: there is a perturbation
            and no hypergradient.
        network_optimizer: by default Adam at 1e-3.
        characteristics: names of the network's inputs, see `core.characteristics`.
        class_counts: training images of each class, `(C,)`; estimated from the stream without it.
        solver: how the hypergradient is computed, see `core.hypergradient`.
        lagged: take the real step (Eq. 10) with the delta from before the network's update, so that
            it is the virtual step (Eq. 8) itself: a backward pass less, and a delta that is one
            step of the network old.
        every: steps of the classifier to one of the network.
        pace: keeps training under a strong delta as fast as plain training; off by default.
        noise: share of the training labels that may be any class: they count by the chance that
            they are right, see `PerturbedLogits`. 0 is off, and the paper's.
        objective: the meta loss, instead of `factual` and `counterfactual`, to set its weights.
        meta_weight: of the meta loss's gradient, which Eq. 9 has at hand, in the real step: the
            classifier then learns from the meta images, too, whenever the network does (`every`). 0
            is off, and the paper's. With the solver `last_layer` only the last layer does.
        saliency_weight: lambda of the saliency regulariser; 0 is off. It needs masks in `step` and
            a double backward.
        saliency_fraction: the part of each batch that it looks at.
        pieces: how many parts a training batch goes through the classifier in. Its activations then
            take the memory of one part, for one more forward pass; the step is that of the whole
            batch, batch norm aside.
        guard: what to do with exploding or non-finite values.

    Raises:
        ValueError: the model has no such last layer or is wrapped for several processes, the
            optimizer cannot be mirrored, `network_optimizer` holds nothing of the network, the
            solver is not known, `every` or `pieces` is below 1, `class_counts` does not fit, or
            there is noise and the network gives weights.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        meta: Iterable[MetaItem],
        num_classes: int,
        *,
        factual: MaskedTransform | None = None,
        counterfactual: MaskedTransform | None = None,
        network: PerturbationNetwork | None = None,
        network_optimizer: Optimizer | None = None,
        characteristics: Sequence[str] = THE_TEN,
        class_counts: Tensor | None = None,
        solver: Solver = "exact",
        lagged: bool = False,
        every: int = 1,
        pace: Pace | None = None,
        noise: float = 0.0,
        objective: MetaObjective | None = None,
        meta_weight: float = 0.0,
        saliency_weight: float = 0.0,
        saliency_fraction: float = 1.0,
        pieces: int = 1,
        guard: Guard | None = None,
    ) -> None:
        check_optimizer(optimizer)
        processes.check_model(model)
        if every < 1 or every != int(every):
            raise ValueError(f"every is {every}: give a number of steps of the classifier")
        if solver not in get_args(Solver):
            raise ValueError(f"solver '{solver}' is not known: choose among {get_args(Solver)}")
        self.classifier = Classifier(model, num_classes, pieces)
        self.optimizer = optimizer
        device = self.classifier.head.weight.device
        self.statistics = ClassStatistics(num_classes, class_counts).to(device)
        self.table = CharacteristicTable(characteristics, self.statistics)
        self.network = network or PerturbationNetwork(len(characteristics), num_classes)
        self.network.to(device)
        processes.copy_from_first([*model.state_dict().values(), *self.network.parameters()])
        self.network_optimizer = network_optimizer or Adam(self.network.parameters(), lr=1e-3)
        check_owner(self.network_optimizer, self.network)
        objective = objective or MetaObjective(factual, counterfactual)
        self.meta = MetaStream(meta, objective, self.classifier)
        self.solver: Solver = solver
        self.lagged, self.every, self.steps = lagged, every, 0
        self.pace = pace or Pace()
        self.loss = corrected(self.network.form.loss, noise)
        self.meta_weight = meta_weight
        self.saliency_weight = saliency_weight
        self.saliency_fraction = saliency_fraction
        self.guard = guard or Guard()

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        masks: Tensor | None = None,
        spurious: Tensor | None = None,
        replaced: Tensor | None = None,
    ) -> Metrics:
        """One update of the perturbation network and of the classifier.

        Args:
            images: `(B, K, H, W)`.
            labels: `(B,)`.
            masks: `(B, 1, H, W)` in [0, 1], 1 on the object; for the regulariser.
            spurious: `(B, C)`, for the form `expert`: log-probabilities of the labels by what is
                spurious in these images, such as their background, or the class's frequency.
            replaced: `(B, C)`, for the characteristic `background_shift`: log-probabilities by the
                classifier for these objects on other backgrounds.

        Returns:
            Losses (`loss/...`; `loss/train` is the perturbed or weighted cross-entropy), mean
            delta (`delta/label`, `delta/others`) or weights (`weight/...`), `hypergradient/norm`
            where the network learned, `delta/alpha` where there is an expert, `pace` where it is
            on, and `skipped`: 1 where the guard left the step out, alone then, else 0.

        Raises:
            Divergence: see `Guard`.
            ValueError: labels or masks that do not fit, or something that is missing.
        """
        device = images.device
        processes.check_alike(len(images), device)
        if not processes.everywhere(
            usable(self.guard, self.classifier.num_classes, images, labels, masks), device
        ):
            return {"skipped": 1.0}
        restore, buffers = self.classifier.random_state(), self.classifier.buffer_state()
        extra, saliency = self._saliency(images, masks, labels)
        with self._tape() as tape:
            logits, features = map(processes.gathered, self.classifier(images))  # for Eqs. 8, 10
        labels = processes.gathered(labels)
        if spurious is not None:
            check_spurious(spurious, len(images), self.classifier.num_classes)
            spurious = processes.gathered(spurious)
        replaced = None if replaced is None else processes.gathered(replaced)
        plain_loss = F.cross_entropy(precise(logits.detach()), labels)
        if not self._sound(plain_loss, spurious):
            self.classifier.set_buffers(buffers)
            return {"skipped": 1.0}
        weights = self.classifier.head.weight
        values = self.table(logits, features, weights, labels, spurious, replaced)
        if not self.guard.finite("characteristics", values):
            self.classifier.set_buffers(buffers)
            return {"skipped": 1.0}
        inputs = self.network.normalised(values)
        output, sound = self._checked(self.network(inputs, labels, spurious))  # delta(Omega), or w
        loss = self._paced(output.detach(), labels)

        # Eq. 8: W_hat = W - eta1 * grad_W mean CE(u + delta(Omega), y)
        virtual = VirtualStep(
            self.classifier, self.optimizer, images, labels, logits, features,
            output.detach(), loss, extra, restore, buffers, tape=tape,
        )  # fmt: skip
        # Eq. 10 has the delta of Eq. 8 in all three
        lagged = self.lagged or not self._learnable or not sound
        if lagged:
            virtual = self._differentiated(virtual)

        # Eq. 9: Omega <- Omega - eta2 * grad_Omega L_meta(W_hat(Omega))
        metrics: dict[str, Tensor] = {}
        of_meta: Mapping[str, Tensor] = {}
        if sound and self._turn and (self._learnable or self.meta_weight):
            metrics, of_meta = self._look_ahead(output, virtual)
        self.steps += 1

        # Eq. 10: W <- W - eta1 * grad_W mean CE(u + delta(Omega_new), y)
        if not lagged:
            with torch.no_grad():
                delta = self.network(inputs, labels, spurious)
                # beyond the limit the one that was looked at; a GPU need not be waited for
                within = self.loss.size(delta) <= self.guard.limit(self.loss.name)
                delta = torch.where(within, delta, output)
            virtual = self._differentiated(replace(virtual, output=delta))
        self._add(of_meta, self.meta_weight)  # not in the paper, and 0 there
        self.optimizer.step()

        metrics |= self._describe(plain_loss, virtual, spurious) | saliency
        given = {"pace": loss.pace} if isinstance(loss, PerturbedLogits) and self.pace.on else {}
        return {**read(metrics), **given, "skipped": 0.0}

    def end_epoch(self) -> None:
        """Class averages of this epoch become those of "the previous epoch"."""
        self.statistics.end_epoch()

    @torch.no_grad()
    def perturbation(
        self,
        images: Tensor,
        labels: Tensor,
        spurious: Tensor | None = None,
        replaced: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Characteristics `(B, K)` and delta `(B, C)` of these samples; nothing is updated.

        With noise delta has that in it, too, see `PerturbedLogits.total`. The form `weight` gives
        weights in (0, 1) instead, `(B,)`, not yet divided by their mean.
        """
        with eval_mode(self.classifier.model), eval_mode(self.network):
            logits, features = self.classifier(images)
            weights = self.classifier.head.weight
            values = self.table(logits, features, weights, labels, spurious, replaced, update=False)
            output = self.network(self.network.normalised(values), labels, spurious)
            return values, self.loss.total(logits, output, labels)

    def state_dict(self) -> dict[str, Any]:
        """All that lives as long as the run, but classifier, optimizer and place in the loaders."""
        return {
            "network": self.network.state_dict(),
            "network_optimizer": self.network_optimizer.state_dict(),
            "statistics": self.statistics.state_dict(),
            "skipped": dict(self.guard.skipped),
            "pace": self.pace.left,
            "steps": self.steps,
            "random": self.meta.random,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.network_optimizer.load_state_dict(state["network_optimizer"])
        self.statistics.load_state_dict(state["statistics"])
        self.guard.skipped = dict(state["skipped"])
        self.pace.left = state["pace"]
        self.steps = state["steps"]
        self.meta.random = state["random"]

    @property
    def _turn(self) -> bool:
        """Whether the meta set is looked at in this step."""
        return self.steps % self.every == 0

    @property
    def _learnable(self) -> list[Tensor]:
        """Omega; empty where the network is held."""
        return [p for p in self.network.parameters() if p.requires_grad]

    def _tape(self) -> Tape | nullcontext[None]:
        """Around the forward pass whose values the hypergradient takes up again."""
        learns = self._turn and bool(self._learnable)
        wanted = learns and self.solver == "exact" and self.classifier.pieces == 1
        return Tape() if wanted else nullcontext()

    def _paced(self, delta: Tensor, labels: Tensor) -> TrainingLoss:
        """The training loss of this step, at its pace."""
        if not self.pace.on or not isinstance(self.loss, PerturbedLogits):
            return self.loss
        return replace(self.loss, pace=self.pace.after(delta, labels))

    def _look_ahead(
        self, output: Tensor, virtual: VirtualStep
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Eq. 9: what to log of it, and the gradient of the meta loss at W_hat."""
        meta_loss = self.meta.draw()
        metrics: dict[str, Tensor] = {}
        if self._learnable:
            by_output, loss, of_meta = output_gradient(virtual, meta_loss, self.solver)
            gradients = torch.autograd.grad(output, self._learnable, by_output)
            norm = metrics["hypergradient/norm"] = torch.stack([g.norm() for g in gradients]).norm()
            sizes = torch.stack((loss.to(norm), norm)).tolist()  # one read from a GPU
        else:
            loss, of_meta, _ = meta_gradient(virtual, meta_loss, self.solver)
            gradients, sizes = (), [loss.item(), 0.0]
        sound = self.guard.factor("meta loss", sizes[0])
        factor = sound and self.guard.factor("hypergradient", sizes[1])
        if factor and gradients:
            for weight, gradient in zip(self._learnable, gradients, strict=True):
                weight.grad = processes.mean(gradient * factor)  # alike but for rounding
            self.network_optimizer.step()
        metrics["loss/meta"] = loss
        for name, part in meta_loss.parts.items():
            metrics[f"loss/meta_{name}"] = processes.mean(part)
        return metrics, {n: sound * g for n, g in of_meta.items()} if factor else {}

    def _differentiated(self, step: VirtualStep) -> VirtualStep:
        """Leaves the gradients of Eq. 10 in `.grad`, by one backward pass that frees the graph."""
        self.optimizer.zero_grad()
        step.logits.backward(step.loss.cotangent(step.logits, step.output, step.labels))
        self._add(step.extra)
        parameters = self.classifier.parameters()
        processes.sum_gradients(parameters)
        known = {
            n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in parameters.items()
        }
        return replace(step, known=known)

    def _add(self, gradients: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Add to what the real step goes along."""
        if not weight:
            return
        parameters = self.classifier.parameters()
        for name, gradient in gradients.items():
            own, more = parameters[name].grad, weight * gradient
            parameters[name].grad = more if own is None else own + more

    def _saliency(
        self, images: Tensor, masks: Tensor | None, labels: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the regulariser adds to the gradient, by parameter, and what to log of it."""
        if not self.saliency_weight:
            return {}, {}
        if masks is None:
            raise ValueError("the saliency regulariser needs masks: give them to `step`")
        count = max(1, round(self.saliency_fraction * len(images)))
        some = images[:count].detach().requires_grad_()
        parameters = self.classifier.parameters()
        # fused attention has no second derivative: its plain ("math") kernel is used
        with self.classifier.random_state_kept(), sdpa_kernel(SDPBackend.MATH):
            logits = self.classifier.probe(parameters, some)
        penalty = saliency_penalty(logits.log_softmax(1), some, masks[:count], labels[:count])
        share = self.saliency_weight / processes.count()
        gradients = torch.autograd.grad(
            share * penalty, list(parameters.values()), allow_unused=True
        )
        named = {n: g for n, g in zip(parameters, gradients, strict=True) if g is not None}
        return named, {"loss/saliency": processes.mean(penalty)}

    def _sound(self, plain_loss: Tensor, spurious: Tensor | None) -> bool:
        """Whether the guard lets loss and expert pass; both are one read from a GPU."""
        if spurious is None:
            return self.guard.factor("loss", plain_loss.item()) > 0
        size = (plain_loss + 0 * spurious.sum()).item()
        suspect = not math.isfinite(size)
        known = self.guard.finite("answers of the expert", spurious, suspect=suspect)
        return known and self.guard.factor("loss", size) > 0

    def _checked(self, output: Tensor) -> tuple[Tensor, bool]:
        """The network's output, clipped where the guard says so, and whether there is any."""
        factor = self.guard.factor(self.loss.name, self.loss.size(output).item())
        return self.loss.clipped(output, factor), factor > 0

    def _describe(
        self, plain_loss: Tensor, step: VirtualStep, spurious: Tensor | None
    ) -> dict[str, Tensor]:
        logits, output, labels = step.logits.detach(), step.output, step.labels
        metrics = {
            "loss/train": self.loss(logits, output, labels),
            "loss/classifier": plain_loss,
            **self.loss.describe(output, labels),
        }
        if spurious is not None and self.network.form.needs_expert:
            # at the label there may be more than the expert's part
            others = 1 - F.one_hot(labels, output.shape[1])
            scale = (others * spurious).norm(dim=1).clamp_min(torch.finfo(spurious.dtype).tiny)
            metrics["delta/alpha"] = ((others * output).norm(dim=1) / scale).mean()
        return metrics
