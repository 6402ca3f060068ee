"""One frozen, typed config: the config file, the command line's flags and a run's record alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from jsonargparse import ArgumentError, ArgumentParser

FillName = Literal["none", "grey", "random", "shuffle", "tile", "mixed_rand", "mixed_any", "fgsm"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class LongTailConfig:
    """Classes of unequal size, in an exponential profile.

    Args:
        ratio: images of the largest class over those of the smallest; 1 for none.
        order: which class is the largest: class 0 ("fixed", as the community has it) or one drawn
            by the seed ("shuffled", as the CLP paper has it).
    """

    ratio: float = 1.0
    order: Literal["fixed", "shuffled"] = "fixed"

    def __post_init__(self) -> None:
        _require(self.ratio >= 1, f"data.long_tail.ratio is {self.ratio}: give at least 1")


@dataclass(frozen=True)
class NoiseConfig:
    """Wrong labels on training images.

    Args:
        kind: any class ("uniform"), one other class ("flip"), or one of two others ("flip2").
        rate: chance that a label is drawn anew.
    """

    kind: Literal["none", "uniform", "flip", "flip2"] = "none"
    rate: float = 0.4

    def __post_init__(self) -> None:
        _require(
            0 <= self.rate <= 1, f"data.noise.rate is {self.rate}: give a share between 0 and 1"
        )


@dataclass(frozen=True)
class AttributeConfig:
    """A spurious attribute that is laid on the images.

    Args:
        kind: the background's colour, a textured background in that colour ("scene", another one
            behind every image), the object's colour, or its texture; null for what the source has
            by default (digits: background; all others: none).
        correlation: share of a class's training images whose attribute agrees with the class.
        ratio: above 1, instead of the correlation: a long tail of attributes inside of each class,
            most common over rarest (generalized long tail).
        protocol: of a generalized long tail. "clt": test attributes as in training; "glt": test
            balanced over attributes as well; "alt": training classes balanced, test as in "glt".
    """

    kind: Literal["none", "background", "scene", "colour", "texture"] | None = None
    correlation: float = 0.95
    ratio: float = 1.0
    protocol: Literal["clt", "glt", "alt"] = "glt"

    def __post_init__(self) -> None:
        _require(
            0 <= self.correlation <= 1,
            f"data.attribute.correlation is {self.correlation}: give a share between 0 and 1",
        )
        _require(self.ratio >= 1, f"data.attribute.ratio is {self.ratio}: give at least 1")


@dataclass(frozen=True)
class MetaConfig:
    """The meta set, disjoint from all others.

    Args:
        per_class: images of each class; null for the source's default (digits: 20, imagenet_glt: 2,
            others: 10).
        drawn: balanced over classes, and over attributes as far as there are images; or like the
            training set ("like_training", `per_class` on average).
        labels: clean, or as noisy as the training labels ("like_training").
        taken_from: the training images, or a source's own validation images; null for the source's
            default (imagenet_lt: validation, others: train).
    """

    per_class: int | None = None
    drawn: Literal["balanced", "like_training"] = "balanced"
    labels: Literal["clean", "like_training"] = "clean"
    taken_from: Literal["train", "validation"] | None = None

    def __post_init__(self) -> None:
        size = self.per_class
        _require(
            size is None or size > 0, f"data.meta.per_class is {size}: give at least one image"
        )
        _require(
            self.drawn == "balanced" or self.taken_from != "validation",
            "data.meta.drawn 'like_training' takes its images from the training set: set "
            "data.meta.taken_from to 'train'",
        )


@dataclass(frozen=True)
class DataConfig:
    """Which images, how biased, and how they are split.

    Args:
        source: name of a data set (see `causalogit data sources`), path of a folder of photos or
            of a CSV or Parquet file, or "hf:NAME" for a data set of Hugging Face.
        path: where a named data set lies, in place of its download.
        image_size: pixels of a side, for photos (the short side is resized, the middle kept); null
            for the source's default (photos: 224).
        memory: MiB of decoded photos that are kept; a set that needs more is decoded anew at every
            read.
        masks: masks that training images have: their exact outline, its box, the outline dilated or
            eroded by 2 pixels or shifted by 3; a box in the centre of every image, for sources
            without masks ("centre"); or what a small network finds that has learned the masks of
            the meta images ("learned": budget B does with it what budget C does).
        masked_share: share of training images that have a mask; of all others nothing is known, so
            that all of the image counts as object.
        mask_path: folder of masks for a folder of photos or waterbirds, with the photos' names.
        transform: what training and meta images go through whenever they are drawn: a crop out of
            the padded image, or a zoomed crop; both flip half of them.
        classes: new classes, each the union of some of the source's own, by their names, such as
            {top: [T-shirt, pullover], coat: [coat, shirt]}; all others are left out. Empty for the
            source's own.
        largest_class: most training images of a class; null for all.
        validation_size: images in the validation set, alike for all groups; null for the source's
            own, or a tenth of every group.
        test_size: images in the test set, alike for all groups; null for the source's own, or a
            fifth of every group. All others train.
        long_tail: classes of unequal size.
        noise: wrong labels.
        attribute: a spurious attribute.
        meta: the meta set.
    """

    source: str = "digits"
    path: str | None = None
    image_size: int | None = None
    memory: int = 2048
    masks: Literal["exact", "box", "dilated", "eroded", "shifted", "centre", "learned"] = "exact"
    masked_share: float = 1.0
    mask_path: str | None = None
    transform: Literal["none", "pad_crop_flip", "zoom_crop_flip"] = "none"
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    largest_class: int | None = None
    validation_size: int | None = None
    test_size: int | None = None
    long_tail: LongTailConfig = field(default_factory=LongTailConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    attribute: AttributeConfig = field(default_factory=AttributeConfig)
    meta: MetaConfig = field(default_factory=MetaConfig)

    def __post_init__(self) -> None:
        for name in ("image_size", "largest_class", "validation_size", "test_size"):
            size = getattr(self, name)
            _require(
                size is None or size > 0,
                f"data.{name} is {size}: give a positive number, or null for the default",
            )
        _require(self.memory >= 0, f"data.memory is {self.memory}: give a number of MiB, from 0 on")
        _require(
            0 <= self.masked_share <= 1,
            f"data.masked_share is {self.masked_share}: give a share between 0 and 1",
        )
        _require(
            self.masks != "learned" or self.masked_share == 1,
            f"data.masks is 'learned', which gives every image a mask, and data.masked_share is "
            f"{self.masked_share}: leave one of them out",
        )


@dataclass(frozen=True)
class OptimizerConfig:
    """How the classifier is optimized.

    Args:
        name: the optimizer.
        learning_rate: its rate at the start.
        momentum: of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: its weight decay.
        schedule: one cosine to zero, constant, or a step down at each milestone.
        milestones: epochs at which the schedule "step" lowers the rate.
        step_factor: what the schedule "step" multiplies the rate with.
        epochs: passes over the training images.
        batch_size: training images in a batch.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = ()
    step_factor: float = 0.1
    epochs: int = 20
    batch_size: int = 32

    def __post_init__(self) -> None:
        _require(
            self.learning_rate > 0,
            f"optimizer.learning_rate is {self.learning_rate}: give a positive rate",
        )
        _require(
            0 < self.step_factor <= 1,
            f"optimizer.step_factor is {self.step_factor}: give a factor above 0, up to 1",
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
        expert_learning_rate: of the experts' Adam at its start; it falls to 0.
        expert_epochs: passes of an expert over the training images, before it is frozen.
        pace: largest factor on the training loss where delta leaves the classifier little to learn;
            1 is off, null for the method's own choice.
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
    expert_learning_rate: float = 1e-3
    expert_epochs: int = 5
    pace: float | None = None
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
            self.pace is None or self.pace >= 1,
            f"clp.pace is {self.pace}: give at least 1, or null for the method's own choice",
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
        effective_number_beta: beta of the class weights of the class-balanced losses and of
            LDAM-DRW; 0 weighs all classes alike, 1 would weigh them by one over their size.
        focal_gamma: how much less the focal loss counts what the classifier is sure of; 0 is
            cross-entropy.
        logit_adjustment_tau: weight of the classes' log frequencies on the logits.
        ldam_drw_start: share of the epochs after which LDAM-DRW weighs the classes, best where the
            schedule lowers the rate; 1 is LDAM.
        mixup_alpha: of the Beta distribution of mixing shares; null for the method's own choice
            (mixup 1, LISA 2).
        lisa_same_label: share of LISA's batches that mix images of one label; the others mix images
            of one attribute.
        crt_epochs: passes that retrain the last layer (classifier re-training).
        jtt_epochs: passes after which JTT looks which training images are still wrong.
        jtt_weight: how many times as often those are drawn.
        co_teaching_forget_rate: share of each batch that co-teaching leaves out in the end: the
            share of wrong labels, as far as it is known.
    """

    train_fill: FillName = "random"
    product_alpha: float = 1.0
    group_dro_step: float = 0.01
    effective_number_beta: float = 0.9999
    focal_gamma: float = 1.0
    logit_adjustment_tau: float = 1.0
    ldam_drw_start: float = 0.8
    mixup_alpha: float | None = None
    lisa_same_label: float = 0.5
    crt_epochs: int = 10
    jtt_epochs: int = 1
    jtt_weight: float = 20.0
    co_teaching_forget_rate: float = 0.2

    def __post_init__(self) -> None:
        for name in ("effective_number_beta", "co_teaching_forget_rate"):
            share = getattr(self, name)
            _require(
                0 <= share < 1, f"controls.{name} is {share}: give a number from 0, and below 1"
            )
        for name in ("ldam_drw_start", "lisa_same_label"):
            share = getattr(self, name)
            _require(0 <= share <= 1, f"controls.{name} is {share}: give a share between 0 and 1")
        for name in ("focal_gamma", "logit_adjustment_tau"):
            value = getattr(self, name)
            _require(value >= 0, f"controls.{name} is {value}: give 0 or more")
        for name in ("crt_epochs", "jtt_epochs", "jtt_weight"):
            value = getattr(self, name)
            _require(value >= 1, f"controls.{name} is {value}: give at least 1")
        _require(
            self.mixup_alpha is None or self.mixup_alpha > 0,
            f"controls.mixup_alpha is {self.mixup_alpha}: give a number above 0, or null",
        )


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Args:
        method: what is trained with the images, see `causalogit methods`.
        model: "lenet", "cnn", "resnet8", "resnet20", "resnet32", "wrn16_1", "wrn28_10", or any
            model of timm by its name.
        weights: what the model starts from: null for fresh weights, "pretrained" for those that
            timm downloads, or a file of them, .safetensors or .pth. The last layer is fresh unless
            the file has one of the same shape. A model of timm with weights normalises its input.
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
    weights: str | None = None
    seed: int = 0
    select_by: Literal["accuracy/mean", "accuracy/worst_group"] = "accuracy/mean"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: str = "auto"
    checkpoint_every: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    clp: ClpConfig = field(default_factory=ClpConfig)
    controls: ControlsConfig = field(default_factory=ControlsConfig)

    def __post_init__(self) -> None:
        _require(
            0 <= self.seed < 2**62, f"seed is {self.seed}: give a number from 0 to below 2**62"
        )


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
