"""The training of an inpainter: holes in backgrounds, and never an object to paint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from torch import Tensor
from torch.optim import Adam

from causalogit.augment.inpainters import (
    Contextual,
    InpaintingNetwork,
    covering_masks,
    inpainter_bytes,
    settings_for,
)
from causalogit.config import RunConfig
from causalogit.config.check import one_line
from causalogit.data import Data
from causalogit.data.streams import draws_at
from causalogit.files import (
    alone_in,
    require_vacant,
    sweep,
    write_bytes,
    write_json,
    write_text,
)
from causalogit.inpainting.config import InpaintingConfig
from causalogit.inpainting.critic import Critic, critic_loss
from causalogit.inpainting.holes import drawn_holes
from causalogit.inpainting.report import report_on
from causalogit.methods import run_data
from causalogit.models import seeded
from causalogit.train.begin import find_device
from causalogit.train.checkpoint import load_checkpoint, save_checkpoint

OnStep = Callable[[int, int], None]
"""`(steps done, steps in all)`."""

NAME: Final = "inpainter.safetensors"
RECORD: Final = "inpainter.yaml"

_RATE = 1e-3
_SAVE_EVERY = 200


def train_inpainter(
    config: InpaintingConfig, folder: Path, on_step: OnStep | None = None
) -> dict[str, Any]:
    """Train an inpainter on the backgrounds of a data set's training images.

    `folder` gets inpainter.safetensors, inpainter.yaml, report.json and sheet.png; a call that was
    stopped goes on where it was (CPU: and ends with the same weights), one that is complete gives
    its report.

    Args:
        config: the images, and for how long.
        folder: new, or of the same config.
        on_step: told how far it is.

    Returns:
        The content of report.json; see `report_on`.

    Raises:
        ValueError: the images have no masks, or `folder` is of another config.
    """
    _check_folder(config, folder)
    if (folder / "report.json").is_file():
        return _report(folder / "report.json")
    device = find_device(config.device)
    data = run_data(RunConfig(seed=config.seed, data=config.data), device)
    if not (data.train.has_masks and data.validation.has_masks):
        raise ValueError(
            f"an inpainter learns from what is no object, and {config.data.source} has no masks: "
            "give some (a mask column, data.mask_path), see `causalogit masks`"
        )
    with alone_in(folder, "training"):
        _check_folder(config, folder)  # another process may have begun one since
        return _trained(Training(config, data, device), data, folder, on_step)


def _trained(
    training: Training, data: Data, folder: Path, on_step: OnStep | None
) -> dict[str, Any]:
    """From where it is to the end."""
    config = training.config
    sweep(folder)
    state = folder / "state.ckpt"
    if state.is_file():
        training.load_state_dict(load_checkpoint(state))
    while training.done < config.steps:
        training.step()
        if on_step:
            on_step(training.done, config.steps)
        if training.done % _SAVE_EVERY == 0 and training.done < config.steps:
            write_text(folder / RECORD, _record(config))
            save_checkpoint(state, training.state_dict())
    write_text(folder / RECORD, _record(config))
    network = training.network.cpu()
    about = {"trained on": data.name, "steps": str(config.steps), "seed": str(config.seed)}
    content = inpainter_bytes(network, about)
    write_bytes(folder / NAME, content)
    report = report_on(Contextual(network), data, config.seed, folder / "sheet.png")
    write_json(folder / "report.json", report)
    state.unlink(missing_ok=True)
    return report


class Training:
    """The network, its critic, and how far they are.

    Args:
        config: of the training.
        data: with masks.
        device: where it is trained.
    """

    def __init__(self, config: InpaintingConfig, data: Data, device: torch.device) -> None:
        self.config, self.split, self.device = config, data.train, device
        size = min(self.split.images.shape[1:])
        with seeded(config.seed):
            network = InpaintingNetwork(settings_for(data.channels, size, config.width))
            critic = Critic(data.channels, 2 * config.width, 3 if size <= 64 else 5)
        self.network, self.critic = network.to(device), critic.to(device)
        self.optimizers = [
            Adam(model.parameters(), _RATE, betas=(0.5, 0.9))
            for model in (self.network, self.critic)
        ]
        self.done = 0

    def step(self) -> dict[str, float]:
        """One step of the critic, and one of the network; gives their losses."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 - self.done / self.config.steps)
        draws = draws_at(self.config.seed, 0, self.done)
        count = min(self.config.batch_size, len(self.split))
        places = torch.randperm(len(self.split), generator=draws)[:count]
        batch = self.split.batch(places, draws)
        assert batch.masks is not None
        objects = covering_masks((batch.masks > 0).float())
        holes = drawn_holes(batch.masks, draws)
        images, objects, holes = (v.to(self.device) for v in (batch.images, objects, holes))
        covered = torch.maximum(objects, holes)
        coarse, fine = self.network(images, covered)
        painted = torch.where(covered == 1, fine, images)
        compared = (holes * (1 - objects)).expand_as(images)
        loss = _distance(coarse, images, compared) + _distance(fine, images, compared)
        told = {"l1": loss.item()}
        if self.config.adversarial_weight:
            asked = critic_loss(
                self.critic(images, covered, objects),
                self.critic(painted.detach(), covered, objects),
            )
            _descend(self.optimizers[1], asked)
            told["critic"] = asked.item()
            praise = self.critic(painted, covered, objects).mean()
            loss = loss - self.config.adversarial_weight * praise
        _descend(self.optimizers[0], loss)
        self.done += 1
        return told

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed training needs."""
        return {
            "config": _plain(self.config),
            "model": self.network.state_dict(),
            "critic": self.critic.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "done": self.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["model"])
        self.critic.load_state_dict(state["critic"])
        for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own)
        self.done = state["done"]


def _distance(guess: Tensor, images: Tensor, compared: Tensor) -> Tensor:
    """Mean absolute difference where it is known what was there."""
    return ((guess - images).abs() * compared).sum() / compared.sum().clamp_min(1)


def _descend(optimizer: Adam, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _report(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_bytes()))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({one_line(error)}): delete it, and the same command makes it anew"
        ) from error


def _plain(config: InpaintingConfig) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def _record(config: InpaintingConfig) -> str:
    text: str = yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)
    return text


def _check_folder(config: InpaintingConfig, folder: Path) -> None:
    record = folder / RECORD
    if not record.is_file():
        return require_vacant(folder)
    try:
        there = yaml.safe_load(record.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{record} is damaged ({one_line(error)}): choose another folder, or delete this one"
        ) from error
    if there != _plain(config):
        raise ValueError(
            f"{folder} holds an inpainter of other options: go on with --config {record}, choose "
            "another folder, or delete this one"
        )
