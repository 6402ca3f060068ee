"""The classifier that is to be mended, as training can begin with it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from causalogit.auditing import ModelConfig
from causalogit.auditing.checkpoint import is_state_dict, load_subject, require_own_input
from causalogit.auditing.foreign import SCRIPTS
from causalogit.auditing.outputs import labels_in_outputs, output_names
from causalogit.auditing.subject import Subject, of_module
from causalogit.config import RunConfig
from causalogit.core.classifier import Classifier, find_head
from causalogit.models import MODELS, Normalized, is_function
from causalogit.modes import eval_mode
from causalogit.train.begin import check_training
from causalogit.train.load import load_classifier, load_model

_UNTRAINABLE = {".onnx": "ONNX", ".pt2": "a program of torch.export"}


@dataclass(frozen=True)
class Start:
    """A classifier that can be trained.

    Attributes:
        subject: the classifier as an audit sees it, on the CPU.
        architecture: its name for `build_model`.
        run: the config of the run that made it; None for a classifier from elsewhere.
    """

    subject: Subject
    architecture: str
    run: RunConfig | None

    @property
    def whole(self) -> nn.Module:
        """Takes photos in [0, 1]."""
        assert self.subject.module is not None
        return self.subject.module

    @property
    def network(self) -> nn.Module:
        """The user's own network, which takes normalised photos."""
        return self.whole.model if isinstance(self.whole, Normalized) else self.whole

    def normalisation(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and std as a run's config has them; empty where nothing is to be done."""
        if isinstance(self.whole, Normalized):
            return _values(self.whole.mean), _values(self.whole.std)
        if self.architecture in MODELS or is_function(self.architecture):
            return (), ()
        return (0.0,) * channels, (1.0,) * channels  # else its usual ones would be taken


@dataclass(frozen=True)
class Aligned:
    """A classifier whose outputs are the photos' classes, in their order.

    Attributes:
        start: with a last layer of C outputs.
        order: `(C,)`, class of each output of the file that is written in the end.
        left_out: outputs of the user's classifier that no photo is of.
    """

    start: Start
    order: Tensor
    left_out: int


def read_start(place: str, config: ModelConfig, own_data: bool) -> Start:
    """The classifier of a file or function.

    Args:
        place: as for an audit.
        config: how to read it.
        own_data: its photos are those of its own run.

    Raises:
        ValueError: it cannot be read, or not be trained.
    """
    path = Path(place)
    ours = path.suffix.lower() == ".ckpt" and config.architecture is None
    if own_data and not ours:
        raise ValueError(
            "which photos? Give data.source, a folder CLASS/PHOTO or a table; only a checkpoint of "
            "a run (.ckpt) names its own"
        )
    if path.is_file():
        _refuse_programs(path, config)
    if ours:
        require_own_input(path, config)
        if own_data:
            module, run, data = load_model(path)
            names: tuple[str, ...] | None = data.class_names
        else:
            module, run, names = load_classifier(path)
        subject = replace(
            of_module(module, name=f"{run.method}, {run.model}"),
            size=run.data.image_size,
            outputs=output_names(config.outputs) or names,
        )
        return Start(subject, run.model, run)
    subject = load_subject(place, config, torch.device("cpu"))
    if subject.module is None:
        raise ValueError(_refusal(place, "TorchScript"))
    return Start(subject, config.architecture or place, None)


def _refuse_programs(path: Path, config: ModelConfig) -> None:
    kind = path.suffix.lower()
    if kind in _UNTRAINABLE:
        raise ValueError(_refusal(path, _UNTRAINABLE[kind]))
    weights_alone = config.architecture is not None or kind not in SCRIPTS
    if not weights_alone and not is_state_dict(path):
        raise ValueError(_refusal(path, "TorchScript, or a module that was pickled whole"))


def _refusal(place: Path | str, what: str) -> str:
    return (
        f"{place} is {what}, which can be audited but not trained: give its weights (.safetensors, "
        ".pth) with model.architecture, or module:function"
    )


def align(start: Start, class_names: tuple[str, ...], photos: Tensor) -> Aligned:
    """The classifier with one output a class of the photos, in their order.

    Args:
        start: the classifier.
        class_names: C of them.
        photos: two of them, `(2, K, H, W)` in [0, 1].

    Raises:
        ValueError: it does not take the photos, its outputs do not fit their classes, or it does
            not end in a linear layer.
    """
    subject, count = start.subject, start.subject.answer(photos).shape[1]
    every = torch.arange(len(class_names))
    places = labels_in_outputs(every, class_names, subject.outputs, count)[0]
    left_out = count - len(class_names)
    if left_out and is_function(start.architecture):
        raise ValueError(
            f"{start.architecture} has {count} outputs, the photos {len(class_names)} classes: let "
            "it return a model with one output a class, to be trained"
        )
    whole = copy.deepcopy(start.whole)
    _check_trains(whole, count, photos)
    head = find_head(whole, count)[1]
    with torch.no_grad():
        for name, values in list(head.named_parameters()):
            setattr(head, name, nn.Parameter(values[places].clone()))
    head.out_features = len(class_names)
    order = every if left_out else places.argsort()
    again = of_module(whole, name=subject.name, input_words=subject.input)
    return Aligned(replace(start, subject=replace(again, size=subject.size)), order, left_out)


def _check_trains(module: nn.Module, count: int, photos: Tensor) -> None:
    with eval_mode(module), torch.no_grad():
        Classifier(module, count)(photos)
    check_training(module, photos)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ValueError("the classifier has no weights that can be trained (requires_grad)")


def _values(buffer: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in buffer.flatten().tolist())
