"""Masks of training images by a network that has learned them from the meta set."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import LinearLR

from causalogit.augment import Factual, MixedRand, RandomColour
from causalogit.config import RunConfig
from causalogit.data import Batch, Data, Split, build_data, endless_batches
from causalogit.data.images import Masked, as_float
from causalogit.models import MaskNet, seeded

STEPS = 600
BATCH = 32


def run_data(config: RunConfig, device: torch.device) -> Data:
    """The splits of a run; with `data.masks` "learned", training images have masks from the meta's.

    The network is trained when the first mask is asked for, and not where none ever is.

    Raises:
        ValueError: the config does not fit the source, or its meta images have no masks.
    """
    data = build_data(config.data, config.seed)
    if config.data.masks != "learned":
        return data
    if not data.meta.has_masks:
        raise ValueError(
            f"data.masks is 'learned', but the meta images of {config.data.source} have no masks "
            "to learn from: give them some, or set data.masks to 'centre' for a box in the middle "
            "of every image"
        )

    @cache
    def learned() -> Tensor:
        network = _learned(data.meta, data.channels, config.seed, device)
        return _predicted(network, data.train, device)

    images = Masked(data.train.images, lambda _, index: as_float(learned()[index]))
    return replace(data, train=replace(data.train, images=images))


def _learned(meta: Split, channels: int, seed: int, device: torch.device) -> MaskNet:
    """Trained on the meta images, as they are and on other backgrounds, mirrored at random."""
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        network = MaskNet(channels).to(device)
    optimizer = Adam(network.parameters(), 3e-3)
    decay = LinearLR(optimizer, 1.0, 0.0, STEPS)
    for batch in islice(endless_batches(meta, BATCH, generator, device), STEPS):
        images, masks = _varied(batch, generator)
        loss = F.binary_cross_entropy_with_logits(network(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
    return network.eval()


_BACKGROUNDS = (None, Factual(MixedRand()), Factual(RandomColour()))


def _varied(batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    assert batch.masks is not None
    images, masks = batch.images, batch.masks
    other = _BACKGROUNDS[int(torch.randint(len(_BACKGROUNDS), (), generator=generator))]
    if other is not None:
        images = other(images, masks, batch.labels, generator)
    if torch.rand((), generator=generator) < 0.5:
        images, masks = images.flip(3), masks.flip(3)
    return images, masks


@torch.no_grad()
def _predicted(network: MaskNet, split: Split, device: torch.device) -> Tensor:
    """Masks of all images of a split, `(N, 1, H, W)`, 8 bits, so that each is found once."""
    parts = []
    for index in torch.arange(len(split)).split(256):
        images = split.batch(index).images.to(device)
        parts.append((network(images).sigmoid().round() * 255).to(torch.uint8).cpu())
    return torch.cat(parts)
