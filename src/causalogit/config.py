"""One frozen, typed config: the config file, the command line's flags and a run's record alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from jsonargparse import ArgumentError, ArgumentParser

FillName = Literal["none", "grey", "random", "shuffle", "tile", "mixed_rand", "fgsm"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class DataConfig:
    """Which images, how biased, and how they are split.

    Args:
        source: name of the data set.
        correlation: share of a class's training images whose background agrees with the class.
        masks: masks that training images have: their exact outline, its box, or a dilated outline.
        meta: meta set balanced over the groups ("balanced"), or drawn like training ("biased").
        meta_size: images in the meta set.
        validation_size: images in the validation set, balanced over the groups.
        test_size: images in the test set, balanced over the groups; all others train.
    """

    source: str = "digits"
    correlation: float = 0.95
    masks: Literal["exact", "box", "dilated"] = "exact"
    meta: Literal["balanced", "biased"] = "balanced"
    meta_size: int = 100
    validation_size: int = 400
    test_size: int = 1000

    def __post_init__(self) -> None:
        _require(
            0 <= self.correlation <= 1,
            f"data.correlation is {self.correlation}: give a share between 0 and 1",
        )
        for name in ("meta_size", "validation_size", "test_size"):
            size = getattr(self, name)
            _require(size > 0, f"data.{name} is {size}: give a positive number of images")


@dataclass(frozen=True)
class OptimizerConfig:
    """How the classifier is optimized.

    Args:
        name: the optimizer.
        learning_rate: its rate at the start.
        momentum: of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: its weight decay.
        schedule: constant, one cosine to zero, or a tenth of the rate at each milestone.
        milestones: epochs at which the schedule "step" divides the rate.
        epochs: passes over the training images.
        batch_size: training images in a batch.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["constant", "cosine", "step"] = "constant"
    milestones: tuple[int, ...] = ()
    epochs: int = 20
    batch_size: int = 32

    def __post_init__(self) -> None:
        _require(
            self.learning_rate > 0,
            f"optimizer.learning_rate is {self.learning_rate}: give a positive rate",
        )
        _require(self.epochs > 0, f"optimizer.epochs is {self.epochs}: give at least 1")
        _require(self.batch_size > 0, f"optimizer.batch_size is {self.batch_size}: give at least 1")
        _require(
            not self.nesterov or self.momentum > 0,
            "optimizer.nesterov needs a momentum: set optimizer.momentum above 0",
        )


@dataclass(frozen=True)
class NetworkConfig:
    """The perturbation network and its optimizer (Adam).

    Args:
        form: what its outputs mean: a free vector, the label's logit, the same centred over the
            batch, an expert's strength, or the sample's weight in the loss; null for the method's
            own choice.
        bound: largest size of an element of delta (for "expert": of alpha; "weight" has none); .inf
            for none, null for the method's own choice.
        learning_rate: of its Adam; null for the method's own choice.
        weight_decay: of its Adam.
        hidden: units of a hidden layer.
        depth: linear layers.
        activation: between the layers.
    """

    form: Literal["vector", "target", "contrast", "expert", "weight"] | None = None
    bound: float | None = None
    learning_rate: float | None = None
    weight_decay: float = 0.0
    hidden: int = 100
    depth: int = 2
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"


@dataclass(frozen=True)
class ClpConfig:
    """Causal Logit Perturbation; the defaults are the paper's.

    Args:
        network: the perturbation network.
        characteristics: names of its inputs; empty for the paper's ten.
        without: characteristics, or groups of them (sample, class, relative), to leave out.
        replace: characteristics to replace, as {old: new}.
        solver: how the hypergradient is computed.
        meta_batch_size: meta images in a step.
        factual: fill of the factual meta images; "none" leaves the term out.
        counterfactual: fill of the counterfactual meta images; "none" leaves the term out.
        clean_weight: weight of the meta loss on clean images.
        factual_weight: weight of the meta loss on factual images.
        counterfactual_weight: weight of the meta loss on counterfactual images.
        expert_fill: fill of the expert's counterfactual images (form "expert").
        expert_learning_rate: rate of the expert's SGD.
        expert_epochs: passes of the expert over the training images, before it is frozen; too many,
            and it knows the images by heart.
        saliency_weight: lambda of the saliency regulariser; 0 is off.
        saliency_fraction: part of each batch that the regulariser looks at.
        on_divergence: what happens with an exploding loss, delta, weight or hypergradient.
        max_hypergradient: norm from which a hypergradient counts as exploding.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    characteristics: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    replace: dict[str, str] = field(default_factory=dict)
    solver: Literal["exact", "finite_difference", "last_layer", "unroll"] = "exact"
    meta_batch_size: int = 32
    factual: FillName = "random"
    counterfactual: FillName = "shuffle"
    clean_weight: float = 1.0
    factual_weight: float = 1.0
    counterfactual_weight: float = 1.0
    expert_fill: FillName = "grey"
    expert_learning_rate: float = 0.01
    expert_epochs: int = 3
    saliency_weight: float = 0.0
    saliency_fraction: float = 1.0
    on_divergence: Literal["clip", "skip", "raise"] = "clip"
    max_hypergradient: float = 10.0

    def __post_init__(self) -> None:
        _require(
            self.meta_batch_size > 0,
            f"clp.meta_batch_size is {self.meta_batch_size}: give at least 1",
        )
        _require(
            self.expert_epochs > 0, f"clp.expert_epochs is {self.expert_epochs}: give at least 1"
        )
        _require(
            0 < self.saliency_fraction <= 1,
            f"clp.saliency_fraction is {self.saliency_fraction}: give a share above 0, up to 1",
        )


@dataclass(frozen=True)
class ControlsConfig:
    """What single controls need.

    Args:
        train_fill: fill of the background where a method augments training images.
        product_alpha: fixed strength of the expert in the product of experts.
        group_dro_step: step size of GroupDRO's group weights.
    """

    train_fill: FillName = "random"
    product_alpha: float = 1.0
    group_dro_step: float = 0.01


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Args:
        method: what is trained with the images, see `causalogit methods`.
        model: "lenet", "resnet32", or any model of timm by its name.
        seed: of the split, the initial weights and every random draw.
        select_by: validation metric that picks the selected epoch; never a test metric.
        precision: as Lightning Fabric names it.
        accelerator: as Lightning Fabric names it.
        checkpoint_every: training steps between checkpoints; 0 for one an epoch.
        data: the images.
        optimizer: the classifier's optimizer.
        clp: Causal Logit Perturbation.
        controls: options of single controls.
    """

    method: str = "clp"
    model: str = "lenet"
    seed: int = 0
    select_by: Literal["accuracy/mean", "accuracy/worst_group"] = "accuracy/mean"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: str = "auto"
    checkpoint_every: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    clp: ClpConfig = field(default_factory=ClpConfig)
    controls: ControlsConfig = field(default_factory=ControlsConfig)


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """The config as nested plain values, as a YAML or JSON file holds it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def config_from_dict(content: Mapping[str, Any]) -> RunConfig:
    """The inverse of `config_to_dict`.

    Raises:
        ValueError: a key is not known, or a value does not fit; the message names it.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, "config")
    try:
        return cast(RunConfig, parser.instantiate(parser.parse_object({"config": content})).config)
    except ArgumentError as error:
        raise ValueError(f"config: {error}") from error
