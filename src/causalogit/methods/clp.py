"""Causal Logit Perturbation as the paper has it, its ablation Meta-LP, and our recipe."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor
from torch.optim import Adam

from causalogit.config import ClpConfig
from causalogit.core import (
    GROUPS,
    THE_TEN,
    CausalLogitPerturbation,
    Guard,
    MetaObjective,
    PerturbationNetwork,
)
from causalogit.data import Batch, endless_batches
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.masked import counterfactual, factual
from causalogit.methods.spurious import spurious_expert
from causalogit.models import seeded


def choose_characteristics(config: ClpConfig) -> tuple[str, ...]:
    """The paper's ten or the config's own, less those left out, with those replaced.

    Raises:
        ValueError: a name to leave out or to replace is not among them.
    """
    chosen = config.characteristics or THE_TEN
    leave = {name for entry in config.without for name in GROUPS.get(entry, (entry,))}
    strangers = sorted((leave | set(config.replace)) - set(chosen))
    if strangers:
        raise ValueError(
            f"clp.without and clp.replace name {strangers}, not among the characteristics "
            f"{list(chosen)} and the groups {list(GROUPS)}"
        )
    return tuple(config.replace.get(name, name) for name in chosen if name not in leave)


@method
class Clp(Method):
    """CLP to the letter of the paper; every option of the config's `clp` section counts."""

    name = "clp"
    title = "CLP, as published"
    budget: ClassVar[Budget] = "B"
    network: ClassVar[dict[str, Any]] = {"form": "vector", "bound": 1.0, "learning_rate": 1e-3}

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.clp = self._build(self.settings(task.config.clp))

    @classmethod
    def settings(cls, config: ClpConfig) -> ClpConfig:
        """The config with the method's own choices where the config leaves them open."""
        open_ones = {k: v for k, v in cls.network.items() if getattr(config.network, k) is None}
        return replace(config, network=replace(config.network, **open_ones))

    def step(self, batch: Batch) -> Metrics:
        """Eqs. 8-10 on the batch."""
        return self.clp.step(batch.images, batch.labels, batch.masks)

    def end_epoch(self) -> None:
        """Roll the class averages."""
        self.clp.end_epoch()

    def perturbation(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Characteristics `(B, K)` and delta `(B, C)` of a batch; nothing is learned."""
        return self.clp.perturbation(batch.images, batch.labels, batch.masks)

    def state_dict(self) -> dict[str, Any]:
        """Perturbation network, its optimizer, class statistics, expert."""
        return self.clp.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.clp.load_state_dict(state)

    def _build(self, settings: ClpConfig) -> CausalLogitPerturbation:
        task, net = self.task, settings.network
        assert net.form and net.bound and net.learning_rate  # `settings` has filled them in
        names = choose_characteristics(settings)
        with seeded(task.config.seed):
            network = PerturbationNetwork(
                len(names),
                task.data.num_classes,
                net.form,
                hidden=net.hidden,
                depth=net.depth,
                activation=net.activation,
                bound=None if math.isinf(net.bound) else net.bound,
            ).to(task.device)
        guard = Guard(settings.on_divergence)
        guard.limits["hypergradient"] = settings.max_hypergradient
        meta = endless_batches(
            task.data.meta, settings.meta_batch_size, task.generator, task.device
        )
        return CausalLogitPerturbation(
            task.model,
            task.optimizer,
            ((batch.images, batch.labels, batch.masks) for batch in meta),
            task.data.num_classes,
            network=network,
            network_optimizer=Adam(
                network.parameters(), net.learning_rate, weight_decay=net.weight_decay
            ),
            characteristics=names,
            class_counts=task.data.class_counts,
            solver=settings.solver,
            expert=spurious_expert(task) if net.form == "expert" else None,
            objective=MetaObjective(
                factual(task, settings.factual),
                counterfactual(task, settings.counterfactual),
                settings.clean_weight,
                settings.factual_weight,
                settings.counterfactual_weight,
            ),
            saliency_weight=settings.saliency_weight,
            saliency_fraction=settings.saliency_fraction,
            guard=guard,
        )


@method
class MetaLp(Clp):
    """CLP with the clean term of the meta loss only: the ablation that every table carries."""

    name = "meta_lp"
    title = "Meta-LP"
    budget: ClassVar[Budget] = "A"

    @classmethod
    def settings(cls, config: ClpConfig) -> ClpConfig:
        """No factual and no counterfactual images."""
        return replace(super().settings(config), factual="none", counterfactual="none")


@method
class ClpFactual(Clp):
    """CLP on training images whose backgrounds are replaced: our recipe where masks are exact.

    Factual augmentation takes the background away from every image; what it leaves to CLP is the
    size of each sample's margin, which the form `target` learns from the augmented meta set.
    """

    name = "clp_factual"
    title = "CLP + factual augmentation"
    budget: ClassVar[Budget] = "C"
    network: ClassVar[dict[str, Any]] = {"form": "target", "bound": 1.0, "learning_rate": 1e-2}

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.factual = factual(task, task.config.controls.train_fill)

    def step(self, batch: Batch) -> Metrics:
        """Eqs. 8-10 on the batch with new backgrounds."""
        return super().step(self._on_new_backgrounds(batch))

    def perturbation(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Characteristics and delta of the batch with new backgrounds."""
        return super().perturbation(self._on_new_backgrounds(batch))

    def _on_new_backgrounds(self, batch: Batch) -> Batch:
        if self.factual is None or batch.masks is None:
            return batch
        return batch._replace(images=self.factual(batch.images, batch.masks, batch.labels))
