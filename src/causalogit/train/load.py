"""A finished run, read back."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from causalogit.config import RunConfig, config_from_dict
from causalogit.config.check import one_line
from causalogit.core import PerturbedLogits, WeightedSamples
from causalogit.core.classifier import find_head
from causalogit.data import Data
from causalogit.methods import run_data
from causalogit.models import build_model
from causalogit.train.checkpoint import ANEW, OURS, check_same_data, load_checkpoint
from causalogit.train.folder import OUTPUTS, RunFolder

_logger = logging.getLogger(__name__)


def load_model(checkpoint: Path) -> tuple[nn.Module, RunConfig, Data]:
    """The classifier of a checkpoint in eval mode on the CPU, with its config and data.

    The weights that the run started from are not read again.

    Raises:
        ValueError: the file is missing, truncated or foreign, or does not fit its own config; or
            its data is missing, or no longer what it was.
    """
    state = load_checkpoint(checkpoint)
    config = _config_of(state, checkpoint)
    try:
        data = run_data(config, torch.device("cpu"))
    except ValueError as error:
        raise ValueError(
            f"{checkpoint}: the data of its run cannot be read ({error}); paths in its config are "
            "those of the folder where the run was started: go there, or give other data "
            "(data.source) where the command has it"
        ) from error
    check_same_data(state, data, checkpoint)
    model = _empty(config, data.num_classes, data.channels, state)
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise _unfit(checkpoint, config, error) from error
    return model.eval(), config, data


def load_classifier(
    checkpoint: Path, channels: int = 3, remedy: str = OURS
) -> tuple[nn.Module, RunConfig, tuple[str, ...] | None]:
    """The classifier of a checkpoint without its data, for photos other than the run's own.

    Args:
        checkpoint: of a run.
        channels: of the images it was trained on.
        remedy: what to do where it is no checkpoint of ours.

    Returns:
        The classifier in eval mode on the CPU, its config, and the names of its classes in the
        order of its outputs; None where neither the file nor the run's own data tells them.

    Raises:
        ValueError: the file is missing, truncated or foreign, or does not fit its own config.
    """
    state = load_checkpoint(checkpoint, remedy)
    config = _config_of(state, checkpoint)
    name = find_head(_empty(config, 2, channels, state), None)[0]
    try:  # how many classes, its last layer tells
        count = len(state["model"][f"{name}.weight"])
        model = _empty(config, count, channels, state)
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError) as error:
        raise _unfit(checkpoint, config, error) from error
    return model.eval(), config, _class_names(state, config, checkpoint, count)


def _class_names(
    state: dict[str, Any], config: RunConfig, checkpoint: Path, count: int
) -> tuple[str, ...] | None:
    """Names of the outputs; of files that older versions wrote, those of the run's own data."""
    if "class_names" in state:
        return tuple(map(str, state["class_names"]))
    try:
        names = run_data(config, torch.device("cpu")).class_names
    except (ValueError, OSError):  # its photos may have moved since, or lie on another machine
        names = ()
    if len(names) == count:
        return names
    _logger.warning(
        "%s was written by a version that kept no class names, and its own data does not tell "
        "them: its outputs are taken for the photos' classes in alphabetical order, unless "
        "model.outputs names them",
        checkpoint,
    )
    return None


def _config_of(state: dict[str, Any], checkpoint: Path) -> RunConfig:
    try:
        return config_from_dict(state["config"])
    except ValueError as error:
        raise ValueError(
            f"{checkpoint}: its config cannot be read ({one_line(error)}): it is damaged, or was "
            "written by another version of causalogit; use that one"
        ) from error


def _unfit(checkpoint: Path, config: RunConfig, error: Exception) -> ValueError:
    return ValueError(
        f"{checkpoint}: the weights do not fit {config.model} ({one_line(error)}): give the file "
        "as the run has written it"
    )


def _empty(config: RunConfig, num_classes: int, channels: int, state: dict[str, Any]) -> nn.Module:
    """The classifier of a config, for the weights of a checkpoint to be loaded into."""
    return build_model(
        config.model,
        num_classes,
        channels,
        config.seed,
        config.weights,
        mean=config.mean,
        std=config.std,
        state=state["model"],
    )


@dataclass(frozen=True)
class Perturbations:
    """What a CLP run's perturbation network made of the training images, or 50,000 of them.

    Attributes:
        names: of the characteristics.
        characteristics: `(N, K)`.
        output: delta `(N, C)`, or weights `(N,)` of the form "weight".
        labels, groups: `(N,)`.
        true_labels: `(N,)`, where some labels may be wrong.
    """

    names: list[str]
    characteristics: Tensor
    output: Tensor
    labels: Tensor
    groups: Tensor
    true_labels: Tensor | None = None

    @property
    def suspicion(self) -> Tensor:
        """How little each sample counts on its label, `(N,)`; see `TrainingLoss.suspicion`."""
        loss = WeightedSamples() if self.output.dim() == 1 else PerturbedLogits()
        return loss.suspicion(self.output.float(), self.labels)


@dataclass(frozen=True)
class LoadedRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        config: what was run.
        data: its splits.
        model: the tested classifier, in eval mode on the CPU.
        history: one row an epoch, as in `metrics.csv`.
        row: the run's row of `results.json`.
        perturbations: for CLP methods.
    """

    folder: Path
    config: RunConfig
    data: Data
    model: nn.Module
    history: list[dict[str, float]]
    row: dict[str, Any]
    perturbations: Perturbations | None


def load_run(path: Path) -> LoadedRun:
    """Read a finished run, with the classifier of its selected epoch.

    Raises:
        ValueError: the folder holds no finished run, or files of it are missing or damaged.
    """
    folder = RunFolder(path)
    if not folder.results.is_file():
        raise ValueError(f"{path}: no finished run here (no {folder.results.name})")
    row = folder.row()
    selector = row["selected_by"].removeprefix("validation ")
    model, config, data = load_model(folder.selected(selector))
    history = read_history(path)
    return LoadedRun(path, config, data, model, history, row, _perturbations(folder))


def read_history(path: Path) -> list[dict[str, float]]:
    """One row an epoch, as in `metrics.csv` of a run's folder; without the cells that are empty.

    Raises:
        ValueError: the file is missing or damaged.
    """
    table = path / "metrics.csv"
    with _of_a_run(table, ANEW), table.open(newline="") as file:
        return [
            {name: float(value) for name, value in line.items() if value}
            for line in csv.DictReader(file)
        ]


def _perturbations(folder: RunFolder) -> Perturbations | None:
    if not folder.perturbation.is_file():
        return None
    again = f"delete {folder.results.name} beside it, and train --resume writes both"
    with _of_a_run(folder.perturbation, again):
        with safe_open(folder.perturbation, "pt") as file:
            names = json.loads(file.metadata()["characteristics"])
        tensors = load_file(folder.perturbation)
        output = next(tensors.pop(name) for name in OUTPUTS if name in tensors)
        return Perturbations(names, output=output, **tensors)


@contextmanager
def _of_a_run(path: Path, remedy: str) -> Iterator[None]:
    """While a file of a finished run is read."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, StopIteration, SafetensorError) as error:
        raise ValueError(f"{path} is missing or damaged ({one_line(error)}): {remedy}") from error
