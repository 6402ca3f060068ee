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
from causalogit.data.images import Found, Masked, as_float
from causalogit.models import MaskNet, seeded

STEPS = 600
BATCH = 32


def run_data(config: RunConfig, device: torch.device) -> Data:
    """The splits of a run; with `data.masks` "learned", training images have masks from the meta's.

    The network is trained when the first mask is asked for, and not where none ever is. The masks
    of all images are kept if they fit in `data.memory`, a byte a pixel, and found anew otherwise.

    Raises:
        ValueError: the config does not fit the source, or its meta images have no masks.
    """
    data = build_data(config.data, config.split_seed)
    if config.data.masks != "learned":
        return data
    if not data.meta.has_masks:
        raise ValueError(
            f"data.masks is 'learned', but the meta images of {config.data.source} have no masks "
            "to learn from: give them some, or set data.masks to 'centre' for a box in the middle "
            "of every image"
        )

    @cache
    def network() -> MaskNet:
        return _learned(data.meta, data.channels, config.seed, device)

    bare = data.train.images
    found = Found(bare, lambda images: _found(network(), images, device))
    _, height, width = bare.shape
    fits = len(bare) * height * width <= config.data.memory << 20
    return replace(data, train=replace(data.train, images=_kept(found) if fits else found))


def _kept(found: Found) -> Masked:
    """The same, but all masks are found when the first one is asked for."""

    @cache
    def masks() -> Tensor:
        parts = (found.read(places)[1] for places in torch.arange(len(found)).split(256))
        return torch.cat([(part * 255).to(torch.uint8) for part in parts if part is not None])

    return Masked(found.base, lambda _, index: as_float(masks()[index]))


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
def _found(network: MaskNet, images: Tensor, device: torch.device) -> Tensor:
    """Masks `(B, 1, H, W)` of images `(B, K, H, W)`, each pixel 0 or 1, on the CPU."""
    logits: Tensor = network(images.to(device))
    return logits.sigmoid().round().cpu()
