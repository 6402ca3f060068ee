"""One training run, and its config as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal, cast

from jsonargparse import ArgumentError, ArgumentParser

from causalogit.config.check import (
    Section,
    one_line,
    require,
    require_normalisation,
    require_sections,
    require_seed,
)
from causalogit.config.clp import ClpConfig
from causalogit.config.controls import ControlsConfig
from causalogit.config.data import DataConfig
from causalogit.config.optimizer import OptimizerConfig


@dataclass(frozen=True)
class RunConfig(Section):
    """One training run.

    Args:
        method: what is trained with the images, see `causalogit methods`.
        model: "lenet", "cnn", "resnet8", "resnet20", "resnet32", "wrn16_1", "wrn28_10", any model
            of timm by its name, "torchvision:NAME", or "module:function" for what that returns.
        weights: what the model starts from: null for fresh weights, "pretrained" for those that
            timm downloads, or a file of them, .safetensors or .pth. The last layer is fresh unless
            the file has one of the same shape. A model of timm or torchvision with weights
            normalises its input.
        mean: of the channels, subtracted from images in [0, 1]; empty for what the model with its
            weights is known to need, and nothing for all others.
        std: of the channels, divided by, with `mean`.
        seed: of the split (unless data.seed is), the initial weights and every random draw.
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
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
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
        super().__post_init__()
        require_seed("seed", self.seed)
        require(
            self.checkpoint_every >= 0,
            f"checkpoint_every is {self.checkpoint_every}: give a number of steps, or 0",
        )
        require_normalisation("", self.mean, self.std)

    @property
    def split_seed(self) -> int:
        """What decides which images train, and which test."""
        return self.seed if self.data.seed is None else self.data.seed


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """The config as nested plain values, as a YAML or JSON file holds it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def config_from_dict(content: Mapping[str, Any]) -> RunConfig:
    """The inverse of `config_to_dict`.

    Raises:
        ValueError: a key is not known, or a value does not fit; the message names it.
    """
    require_sections(RunConfig, content)
    parser = _parser()
    try:
        return cast(RunConfig, parser.instantiate(parser.parse_object({"config": content})).config)
    except ArgumentError as error:
        raise ValueError(f"config: {error}") from error
    except (TypeError, OverflowError) as error:  # what the parser trips over
        raise ValueError(
            f"config: a value or a section does not fit its field ({one_line(error)})"
        ) from error


@cache
def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, "config")
    return parser
