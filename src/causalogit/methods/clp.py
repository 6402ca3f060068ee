"""Causal Logit Perturbation as the paper has it, its ablation Meta-LP, and our recipe."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from causalogit.config import ClpConfig, ExpertName
from causalogit.core import (
    CAUSAL,
    FORMS,
    GROUPS,
    LIMITS,
    THE_TEN,
    CausalLogitPerturbation,
    GatedAdam,
    Guard,
    MetaObjective,
    Pace,
    PerturbationNetwork,
)
from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.masked import factual, meta_objective
from causalogit.methods.refit import estimate_statistics, refit_last_layer
from causalogit.methods.spurious import Information, answers_of, spurious_expert
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
    """CLP to the letter of the paper; every option of the config's `clp` section counts.

    Attributes:
        form, bound, learning_rate, weight_decay: of the perturbation network where the config
            leaves them open. At the rate 0 it is held, and no hypergradient is computed.
        pace: largest factor on the training loss, likewise.
        noise: share of the labels that may be any class, likewise.
        meta_weight: of the meta loss's gradient in the classifier's step, likewise.
        meta_until: share of the labels' information from which on it needs none, likewise.
        meta_patience: whether it is taken to have that share at first, likewise.
        expert_name: who says what is spurious, likewise.
        normalise: whether that network's inputs are normalised over the batch.
    """

    name = "clp"
    title = "CLP, as published"
    budget: ClassVar[Budget] = "B"
    parallel = True
    form: ClassVar[str] = "vector"
    bound: ClassVar[float] = 1.0
    learning_rate: ClassVar[float] = 1e-3
    weight_decay: ClassVar[float] = 0.0
    pace: ClassVar[float] = 1.0
    noise: ClassVar[float] = 0.0
    meta_weight: ClassVar[float] = 0.0
    meta_until: ClassVar[float] = 0.0
    meta_patience: ClassVar[bool] = False
    expert_name: ClassVar[ExpertName] = "background"
    normalise: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        config = task.config.clp
        names = self.characteristics(config)
        network = self._network(len(names))
        self.clp = CausalLogitPerturbation(
            task.model,
            task.optimizer,
            ((batch.images, batch.labels, batch.masks) for batch in task.meta_batches()),
            task.data.num_classes,
            network=network,
            network_optimizer=self._optimizer(network),
            characteristics=names,
            class_counts=task.data.class_counts,
            solver=config.solver,
            lagged=config.lagged,
            every=config.every,
            pace=Pace(self._chosen("pace")),
            noise=self._chosen("noise"),
            objective=self.objective(),
            meta_weight=self._chosen("meta_weight"),
            saliency_weight=config.saliency_weight,
            saliency_fraction=config.saliency_fraction,
            pieces=task.config.optimizer.pieces,
            guard=Guard(config.on_divergence, LIMITS | {"hypergradient": config.max_hypergradient}),
        )
        expert = self.expert_of(config)
        self.expert = None if expert is None else spurious_expert(expert, task, self.augmented)
        granted = self._chosen("meta_patience") * self._chosen("meta_until")
        frequencies = task.log_frequencies()
        self.known = Information(frequencies, noise=self._chosen("noise"))
        self.learned = Information(frequencies, noise=self._chosen("noise"), at_first=granted)
        shifts = "background_shift" in names
        self.replace = factual(task, task.config.controls.train_fill) if shifts else None

    @classmethod
    def output_form(cls, config: ClpConfig) -> str:
        """The output form of a run with this config."""
        return config.network.form or cls.form

    @classmethod
    def characteristics(cls, config: ClpConfig) -> tuple[str, ...]:
        """Names of the network's inputs in a run with this config."""
        return choose_characteristics(config)

    @classmethod
    def expert_of(cls, config: ClpConfig) -> ExpertName | None:
        """Who says what is spurious in a run with this config; None where nobody is asked."""
        form = FORMS[cls.output_form(config)](2, None)
        asked = form.needs_expert or not set(CAUSAL).isdisjoint(cls.characteristics(config))
        return config.expert or cls.expert_name if asked else None

    def information(self) -> Budget:
        """C where something reads masks of training images: expert, characteristic, regulariser."""
        by_expert = self.expert is not None and self.expert.reads_masks
        uses_masks = by_expert or self.replace is not None or self.clp.saliency_weight > 0
        return "C" if uses_masks else self.budget

    def objective(self) -> MetaObjective:
        """The meta loss: clean, factual and counterfactual images as the config has them."""
        return meta_objective(self.task)

    def augmented(self, batch: Batch) -> Batch:
        """What the classifier sees of a training batch: all of it, as it is."""
        return batch

    def step(self, batch: Batch) -> Metrics:
        """Eqs. 8-10 on the batch; `.../information` are what scales the meta loss's own part."""
        batch = self.augmented(batch)
        besides = self._besides(batch)
        weighed = self.expert is not None and self.expert.reads_masks
        metrics: Metrics = {}
        if weighed:
            said = F.nll_loss(besides["spurious"], batch.labels)
            known = metrics["expert/information"] = self.known.after(said, batch.labels)
            self.clp.meta_weight = self._chosen("meta_weight") * max(known, self._unlearned)
        metrics |= self.clp.step(batch.images, batch.labels, batch.masks, **besides)
        if weighed and "loss/classifier" in metrics:  # not left out
            learned = self.learned.after(metrics["loss/classifier"], batch.labels)
            metrics["classifier/information"] = learned
        return metrics

    def end_epoch(self) -> None:
        """Roll the class averages."""
        self.clp.end_epoch()

    def refit_share(self) -> float:
        """Of a logistic regression on the meta set in the last layer, unless the config has one."""
        return 0.0

    def finish(self, model: nn.Module) -> None:
        """Fit running statistics and the last layer to the meta set, where that is asked for."""
        config = self.task.config.clp
        if config.meta_statistics:
            estimate_statistics(self.task, model, self.objective().factual)
        share = self.refit_share() if config.refit is None else config.refit
        if share:
            refit_last_layer(self.task, model, self.objective().factual, share)

    def perturbation(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Characteristics `(B, K)` and delta `(B, C)` of a batch; nothing is learned.

        The form "weight" gives the samples' weights in (0, 1), `(B,)`, in place of delta.
        """
        batch = self.augmented(batch)
        return self.clp.perturbation(batch.images, batch.labels, **self._besides(batch))

    def suspicion(self, batch: Batch) -> Tensor:
        """How little each sample counts on its label, `(B,)`, higher for less; nothing is learned.

        For delta it is delta at the label less its mean at the other classes, for weights the
        negative weight. The scale is the method's own, so only the order says anything. The form
        "contrast" and random backgrounds look at the whole batch: compare samples of one batch.
        """
        _, output = self.perturbation(batch)
        return self.clp.loss.suspicion(output, batch.labels)

    def state_dict(self) -> dict[str, Any]:
        """Perturbation network, its optimizer, class statistics, expert, and what is known."""
        expert = {} if self.expert is None else {"expert": self.expert.state_dict()}
        known = {"known": self.known.means, "learned": self.learned.means}
        return self.clp.state_dict() | expert | known

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.clp.load_state_dict(state)
        self.known.means, self.learned.means = state["known"], state["learned"]
        if self.expert is not None:
            self.expert.load_state_dict(state["expert"])

    def _chosen(self, option: str) -> Any:
        """Of the config's `clp` section, or the method's own where that leaves it open."""
        chosen = getattr(self.task.config.clp, option)
        return getattr(self, option) if chosen is None else chosen

    @property
    def _unlearned(self) -> float:
        """From 1, where the classifier knows nothing of the labels yet, down to 0."""
        until: float = self._chosen("meta_until")
        return max(0.0, 1 - self.learned.share / until) if until else 0.0

    def _besides(self, batch: Batch) -> dict[str, Tensor]:
        """What a step is told besides images, labels and masks, where it is asked for."""
        told = {}
        if self.expert is not None:
            told["spurious"] = self.expert.log_probabilities(batch)
        if self.replace is not None:
            told["replaced"] = self._on_other_backgrounds(batch)
        return told

    def _on_other_backgrounds(self, batch: Batch) -> Tensor:
        if self.replace is None or batch.masks is None:
            raise ValueError(
                "the characteristic 'background_shift' needs masks on the training images, and a "
                "fill (controls.train_fill): give both, or leave it out"
            )
        images = self.replace(batch.images, batch.masks, batch.labels)
        return answers_of(self.task.model, images)

    def _network(self, num_characteristics: int) -> PerturbationNetwork:
        config = self.task.config.clp.network
        bound = self.bound if config.bound is None else config.bound
        with seeded(self.task.config.seed):
            return PerturbationNetwork(
                num_characteristics,
                self.task.data.num_classes,
                self.output_form(self.task.config.clp),
                hidden=config.hidden,
                depth=config.depth,
                activation=config.activation,
                bound=None if math.isinf(bound) else bound,
                normalise=self.normalise,
            ).to(self.task.device)

    def _optimizer(self, network: PerturbationNetwork) -> Adam:
        config = self.task.config.clp.network
        rate = self.learning_rate if config.learning_rate is None else config.learning_rate
        decay = self.weight_decay if config.weight_decay is None else config.weight_decay
        network.requires_grad_(rate > 0)  # else held
        kind = GatedAdam if config.gated else Adam
        return kind(network.parameters(), rate, weight_decay=decay)


@method
class MetaLp(Clp):
    """CLP with the clean term of the meta loss only: the ablation that every table carries."""

    name = "meta_lp"
    title = "Meta-LP"
    budget: ClassVar[Budget] = "A"

    def objective(self) -> MetaObjective:
        """Cross-entropy on the clean meta images."""
        return MetaObjective(clean_weight=self.task.config.clp.clean_weight)


@method
class ClpAdjusted(MetaLp):
    """Meta-LP on top of logit adjustment: our recipe where there are labels alone.

    The classes' log frequencies are known and need not be learned; the network says how far they
    count, and adds at the label what tells wrong labels and hard images from others.
    """

    name = "clp_adjusted"
    title = "CLP + logit adjustment"
    form: ClassVar[str] = "expert_target"
    expert_name: ClassVar[ExpertName] = "frequency"


@method
class ClpFactual(Clp):
    """CLP on training images whose backgrounds are replaced: our recipe where there are masks.

    Factual augmentation takes away what it can of the background. The perturbation says what still
    shows of it (`VisibleExpert`), so that the classifier has nothing to learn from that either,
    and the network learns how far to believe it. The classifier learns from the meta loss as well:
    all the more while it is at chance itself, and then the more the more of the labels the expert
    knows, for where masks are exact little is left to learn from a small set that is soon known by
    heart. In the end its last layer is drawn to a refit on the meta images, by the share that the
    expert knows, but by a quarter of the way at least.
    """

    name = "clp_factual"
    title = "CLP + factual augmentation"
    budget: ClassVar[Budget] = "C"
    form: ClassVar[str] = "expert"
    pace: ClassVar[float] = 10.0
    meta_weight: ClassVar[float] = 1.0
    meta_until: ClassVar[float] = 0.25
    expert_name: ClassVar[ExpertName] = "visible"

    def __init__(self, task: Task) -> None:
        self.factual = factual(task, task.config.controls.train_fill)
        super().__init__(task)

    def augmented(self, batch: Batch) -> Batch:
        """The batch with new backgrounds."""
        if self.factual is None or batch.masks is None:
            return batch
        return batch._replace(images=self.factual(batch.images, batch.masks, batch.labels))

    def refit_share(self) -> float:
        """What the expert knows of the labels; a quarter at least."""
        return max(0.25, self.known.share)
