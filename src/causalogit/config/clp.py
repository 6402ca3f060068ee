"""Causal Logit Perturbation and its perturbation network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from causalogit.config.check import Section, require
from causalogit.config.names import ExpertName, FillName, FormName, LookName


@dataclass(frozen=True)
class NetworkConfig(Section, prefix="clp.network.", unlimited=("bound",)):
    """The perturbation network and its optimizer (Adam).

    Args:
        form: what its outputs mean: a free vector, the label's logit, the same centred over the
            batch, an expert's strength, that and the label's logit, or the sample's weight in the
            loss; null for the method's own choice.
        bound: largest size of an element of delta (for "expert": of alpha; for "expert_target": of
            what is added at the label; "weight" has none); .inf for none, null for the method's own
            choice.
        learning_rate: of its Adam; null for the method's own choice. At 0 it is held as it begins,
            and no hypergradient is computed: an expert counts with 0.9 * bound then, or with 1
            where that is less.
        weight_decay: of its Adam; null for the method's own choice.
        gated: of every step of Adam take the part that stands out of the noise; null is false.
        hidden: units of a hidden layer.
        depth: linear layers.
        activation: between the layers.
    """

    form: FormName | None = None
    bound: float | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    gated: bool | None = None
    hidden: int = 100
    depth: int = 2
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"


@dataclass(frozen=True)
class InpainterConfig(Section, prefix="clp.inpainter."):
    """What the fill "inpainter" paints with.

    Args:
        model: a .safetensors file that `causalogit inpainter train` has written; LaMa as an .onnx
            file or as TorchScript (.pt); or hf:NAME for an inpainting pipeline of diffusers.
        path: folder of the model of hf:NAME, in place of its download.
        prompt: what hf:NAME is told to paint.
        trust: read TorchScript, which may run code: only for files whose origin you know.
        kept: folder where the images of all but .safetensors files are kept: these are slow, and
            paint every image once.
    """

    model: str | None = None
    path: str | None = None
    prompt: str = "background, empty scene, nobody, nothing"
    trust: bool = False
    kept: str = "runs/painted"


@dataclass(frozen=True)
class ClpConfig(Section, prefix="clp.", unlimited=("max_hypergradient",)):
    """Causal Logit Perturbation; the defaults are the paper's.

    Args:
        network: the perturbation network.
        characteristics: names of its inputs; empty for the paper's ten.
        without: characteristics, or groups of them (sample, class, relative), to leave out.
        replace: characteristics to replace, as {old: new}.
        solver: how the hypergradient is computed.
        lagged: take the real step with the delta from before the network's update: a backward pass
            less.
        every: steps of the classifier to one of the network.
        meta_batch_size: meta images in a step.
        factual: fill of the factual meta images' background; where the spurious attribute is the
            object's own colour or texture, another look of the object ("greyscale", "recolour",
            "smooth", "retexture"); "none" leaves the term out.
        counterfactual: fill of the counterfactual meta images; "shuffle" keeps the object's
            colours, "patches" its texture; "opencv" and "inpainter" paint the background on; "none"
            leaves the term out.
        inpainter: what the fill "inpainter" paints with.
        clean_weight: weight of the meta loss on clean images.
        factual_weight: weight of the meta loss on factual images.
        counterfactual_weight: weight of the meta loss on counterfactual images.
        meta_weight: of the meta loss's gradient in the classifier's own step, so that it learns
            from the meta images, too; where an expert says what is spurious in an image, times the
            share of the labels' information that it has, or what `meta_until` says if that is more;
            only in the steps that `every` names; 0 is off, null for the method's own choice.
        meta_until: share of the labels' information that the classifier has when what the meta loss
            counts for its sake has fallen from 1, at chance, to 0; 0 is off, null for the method's
            own choice.
        meta_patience: take the classifier to have that share at first, so that it has the meta loss
            for its sake only where it is still at chance some 50 steps on; null for the method's
            own choice.
        refit: share of a logistic regression on the meta images and factual copies of them (DFR) in
            the last layer, mixed in when training is over; 0 is off, 1 puts it in the layer's
            place, null for the method's own choice.
        meta_statistics: take batch norm's running statistics from the meta images and factual
            copies of them when training is over, and before the refit.
        expert: who says what is spurious, for the forms "expert" and "expert_target" and the
            characteristics "spurious_loss" and "spurious_gap": networks of its own, of the image
            without its object ("background") or of what still shows of that after the training
            images' augmentation ("visible"); the classifier, of the image without its object; or
            the class sizes ("frequency"); null for the method's own choice.
        expert_fill: fill of the expert's counterfactual images.
        expert_learning_rate: of the experts' Adam at its start; it falls to 0.
        expert_epochs: passes of an expert over the training images, before it is frozen.
        pace: largest factor on the training loss where delta leaves the classifier little to learn;
            1 is off, null for the method's own choice.
        noise: share of the training labels that may be any class, from 0 to below 1: each label
            counts by the chance that it is right (forward correction); null for the method's own
            choice.
        saliency_weight: lambda of the saliency regulariser; 0 is off.
        saliency_fraction: part of each batch that the regulariser looks at.
        on_divergence: what happens with an exploding loss, delta, weight or hypergradient.
        max_hypergradient: norm from which a hypergradient counts as exploding; .inf for none.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    characteristics: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    replace: dict[str, str] = field(default_factory=dict)
    solver: Literal["exact", "finite_difference", "last_layer", "unroll"] = "exact"
    lagged: bool = False
    every: int = 1
    meta_batch_size: int = 32
    factual: LookName = "random"
    counterfactual: FillName = "shuffle"
    inpainter: InpainterConfig = field(default_factory=InpainterConfig)
    clean_weight: float = 1.0
    factual_weight: float = 1.0
    counterfactual_weight: float = 1.0
    meta_weight: float | None = None
    meta_until: float | None = None
    meta_patience: bool | None = None
    refit: float | None = None
    meta_statistics: bool = False
    expert: ExpertName | None = None
    expert_fill: FillName = "grey"
    expert_learning_rate: float = 1e-3
    expert_epochs: int = 5
    pace: float | None = None
    noise: float | None = None
    saliency_weight: float = 0.0
    saliency_fraction: float = 1.0
    on_divergence: Literal["clip", "skip", "raise"] = "clip"
    max_hypergradient: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.meta_batch_size > 0,
            f"clp.meta_batch_size is {self.meta_batch_size}: give at least 1",
        )
        require(
            self.meta_weight is None or self.meta_weight >= 0,
            f"clp.meta_weight is {self.meta_weight}: give 0 or more, or null",
        )
        for name in ("meta_until", "refit"):
            share = getattr(self, name)
            require(
                share is None or 0 <= share <= 1,
                f"clp.{name} is {share}: give a share between 0 and 1, or null",
            )
        for name in (
            "clean_weight", "factual_weight", "counterfactual_weight", "saliency_weight",
        ):  # fmt: skip
            value = getattr(self, name)
            require(value >= 0, f"clp.{name} is {value}: give 0 or more")
        for name in ("expert_learning_rate", "max_hypergradient"):
            value = getattr(self, name)
            require(value > 0, f"clp.{name} is {value}: give a number above 0")
        require(self.every > 0, f"clp.every is {self.every}: give at least 1")
        require(
            self.expert_epochs > 0, f"clp.expert_epochs is {self.expert_epochs}: give at least 1"
        )
        require(
            self.pace is None or self.pace >= 1,
            f"clp.pace is {self.pace}: give at least 1, or null for the method's own choice",
        )
        require(
            self.noise is None or 0 <= self.noise < 1,
            f"clp.noise is {self.noise}: give a share from 0 to below 1, or null for the method's "
            "own choice",
        )
        require(
            self.inpainter.model is not None
            or "inpainter" not in (self.counterfactual, self.expert_fill),
            "the fill 'inpainter' needs one: set clp.inpainter.model to the file that `causalogit "
            "inpainter train` writes, or choose the fill 'opencv'",
        )
        require(
            0 < self.saliency_fraction <= 1,
            f"clp.saliency_fraction is {self.saliency_fraction}: give a share above 0, up to 1",
        )
