"""Causal Logit Perturbation as the paper has it, its ablation Meta-LP, and our recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from causalogit.methods.base import Method, Metrics, Task, method
from causalogit.methods.masked import counterfactual, factual
from causalogit.methods.spurious import spurious_expert


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
    budget = "B"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.settings = self.pinned(task.config.clp)
        self.clp = self._build(self.settings)

    @classmethod
    def pinned(cls, config: ClpConfig) -> ClpConfig:
        """The config with what makes this method this method."""
        return config

    def step(self, batch: Batch) -> Metrics:
        """Eqs. 8-10 on the batch."""
        return self.clp.step(batch.images, batch.labels, batch.masks)

    def end_epoch(self) -> None:
        """Roll the class averages."""
        self.clp.end_epoch()

    def perturbation(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Characteristics `(B, K)` and delta `(B, C)` of a batch, as the run's last epoch sees it."""
        return self.clp.perturbation(batch.images, batch.labels, batch.masks)

    def state_dict(self) -> dict[str, Any]:
        """Perturbation network, its optimizer, class statistics, expert."""
        return self.clp.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.clp.load_state_dict(state)

    def _build(self, settings: ClpConfig) -> CausalLogitPerturbation:
        task, net = self.task, settings.network
        names = choose_characteristics(settings)
        network = PerturbationNetwork(
            len(names),
            task.data.num_classes,
            net.form,
            hidden=net.hidden,
            depth=net.depth,
            activation=net.activation,
            bound=net.bound,
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
    budget = "A"

    @classmethod
    def pinned(cls, config: ClpConfig) -> ClpConfig:
        """No factual and no counterfactual images."""
        return replace(config, factual="none", counterfactual="none")
