"""What the classifier says of every photo: as it is, and taken apart. Nothing is kept but answers.

Two rounds over the photos. The first shows each as it is, without its object, and its background
alone; only then is it known which backgrounds speak for which class, and the second shows every
object on two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.auditing.donors import Donors, choose_donors, log_odds
from causalogit.auditing.journal import Journal, OnStep, Rows
from causalogit.auditing.subject import Subject, texture_layer, textures_of
from causalogit.augment import Grey, Tile, box_masks, counterfactual, dilate_masks, factual
from causalogit.data import Images

LEAST_PART: Final = 0.01
"""Of a photo must be object, and as much background, for a swap to say anything."""

_LEAST_LEFT = 0.25  # part of a photo that its background is made up from, if there is as much


@dataclass(frozen=True)
class Measured:
    """Answers and what else is known of N photos; all classes are the classifier's outputs.

    Attributes:
        labels: `(N,)`.
        area: part of each photo that its object takes, `(N,)`.
        boxed: masks that are boxes, `(N,)` bool.
        as_is, gone, alone: answers to the photo, to the photo without its object (which leaves its
            outline), and to its background alone, `(N,)`.
        confidence: of the answers to the photos as they are, `(N,)`, in [0, 1].
        own, other: answers to the object on a background from its own class and from another one,
            `(N,)`; -1 where there was none.
        doubt: probability of the label on the own background less that on the other, `(N,)`.
        looks: what the backgrounds look like, `(N, d)`: textures, or colours where the classifier
            cannot be looked into.
        donors: whose backgrounds were used.
    """

    labels: Tensor
    area: Tensor
    boxed: Tensor
    as_is: Tensor
    gone: Tensor
    alone: Tensor
    confidence: Tensor
    own: Tensor
    other: Tensor
    doubt: Tensor
    looks: Tensor
    donors: Donors

    @property
    def apart(self) -> Tensor:
        """Photos with an object and a background to take apart, `(N,)` bool."""
        return separable(self.area)

    @property
    def swapped(self) -> Tensor:
        """Photos that were seen on two other backgrounds, `(N,)` bool."""
        return self.donors.found


def measure(
    subject: Subject,
    images: Images,
    labels: Tensor,
    journal: Journal,
    *,
    batch_size: int,
    seed: int,
    on_step: OnStep | None = None,
) -> Measured:
    """Show all photos to the classifier, in both rounds.

    Args:
        subject: the classifier.
        images: N photos with masks.
        labels: `(N,)`, numbers of the classifier's outputs.
        journal: what is known already, and gets what is not.
        batch_size: photos in a batch.
        seed: of the draw of backgrounds.
        on_step: told how far it is.
    """
    places = torch.arange(len(labels))
    layer = texture_layer(subject, images.read(places[:1])[0])
    first = partial(_first_round, subject, layer, images)
    seen = journal.rows("photos", places, batch_size, first, on_step)
    donors = choose_donors(seen.pop("odds"), labels, separable(seen["area"]), seed)
    found = donors.found.nonzero().squeeze(1)
    answers = {name: torch.full((len(labels),), -1) for name in ("own", "other")}
    doubt = torch.zeros(len(labels))
    if len(found):
        second = partial(_second_round, subject, images, labels, donors)
        swapped = journal.rows("backgrounds", found, batch_size, second, on_step)
        for name, values in answers.items():
            values[found] = swapped[name].long()
        doubt[found] = swapped["doubt"]
    for name in ("as_is", "gone", "alone"):
        seen[name] = seen[name].long()
    return Measured(labels, donors=donors, doubt=doubt, **answers, **seen)


def separable(area: Tensor) -> Tensor:
    """Whether there is both an object and a background, by the object's part of the photo."""
    return (area >= LEAST_PART) & (area <= 1 - LEAST_PART)


def crisp(masks: Tensor) -> Tensor:
    """Masks of 0 and 1: a soft edge would leave a halo of the object in its background."""
    return (masks >= 0.5).to(masks)


def without_object(images: Tensor, masks: Tensor) -> Tensor:
    """Photos whose objects are filled with grey: what is left, and the outline of what was there.

    Args:
        images: `(B, K, H, W)` in [0, 1].
        masks: `(B, 1, H, W)`, 0 and 1.
    """
    return counterfactual(images, masks, _fill(Grey(), images, masks))


def background_alone(images: Tensor, masks: Tensor) -> Tensor:
    """Photos whose objects are covered with background, so that not even an outline is left.

    What is covered is the object's box, a little grown, since masks are rarely exact at their edge;
    where that leaves too little background, the grown outline.
    """
    grow = max(1, min(images.shape[2:]) // 32)
    covered = dilate_masks(box_masks(masks), grow)
    for smaller in (dilate_masks(masks, grow), masks):
        crowded = covered.mean((1, 2, 3), keepdim=True) > 1 - _LEAST_LEFT
        covered = torch.where(crowded, smaller, covered)
    return counterfactual(images, covered, _fill(Tile(), images, covered))


def on_background_of(images: Tensor, masks: Tensor, donors: Tensor, donor_masks: Tensor) -> Tensor:
    """Objects pasted on the backgrounds of other photos, all `(B, ...)`.

    An object takes a thin rim of its old background along. With EfficientNet-Lite0 at 96 pixels,
    a mask that is two pixels too narrow costs the object its outline, and a classifier that does
    not rely on the background then turns in 14 of 100 answers; with the rim in 8, and with exact
    masks in 2 instead of 6. Those of a classifier that does rely on it go down in proportion.
    """
    rim = min(images.shape[2:]) // 48
    return factual(images, dilate_masks(masks, rim), background_alone(donors, donor_masks))


def read(images: Images, places: Tensor) -> tuple[Tensor, Tensor]:
    """Photos `(B, K, H, W)` and crisp masks `(B, 1, H, W)` at `places` `(B,)`."""
    photos, masks = images.read(places)
    if masks is None:
        raise ValueError("an audit needs to know where the objects are: give masks or a segmenter")
    return photos, crisp(masks)


def _first_round(subject: Subject, layer: nn.Conv2d | None, images: Images, places: Tensor) -> Rows:
    photos, masks = read(images, places)
    backgrounds = background_alone(photos, masks)
    as_is = subject.answer(photos)
    gone = subject.answer(without_object(photos, masks))
    with textures_of(layer) as textures:
        alone = subject.answer(backgrounds)
    return {
        "area": masks.mean((1, 2, 3)),
        "boxed": (masks == box_masks(masks)).flatten(1).all(1),
        "as_is": as_is.argmax(1).int(),
        "confidence": as_is.softmax(1).amax(1),
        "gone": gone.argmax(1).int(),
        "alone": alone.argmax(1).int(),
        "odds": log_odds(alone),
        "looks": textures[0] if textures else _colours(backgrounds),
    }


def _second_round(
    subject: Subject, images: Images, labels: Tensor, donors: Donors, places: Tensor
) -> Rows:
    photos, masks = read(images, places)
    rows: Rows = {}
    certainty = []
    for name, sources in (("own", donors.own), ("other", donors.other)):
        logits = subject.answer(on_background_of(photos, masks, *read(images, sources[places])))
        rows[name] = logits.argmax(1).int()
        certainty.append(logits.softmax(1).gather(1, labels[places, None]).squeeze(1))
    rows["doubt"] = certainty[0] - certainty[1]
    return rows


def _fill(fill: Grey | Tile, images: Tensor, masks: Tensor) -> Tensor:
    """Both fills take neither labels nor chance."""
    return fill(images, masks, torch.zeros(len(images)), torch.Generator())


def _colours(images: Tensor) -> Tensor:
    """Mean, spread and edges of the channels in a 2 x 2 grid, `(B, 12 K)`."""
    edges = torch.zeros_like(images)
    edges[..., 1:] += (images[..., 1:] - images[..., :-1]).abs()
    edges[..., 1:, :] += (images[..., 1:, :] - images[..., :-1, :]).abs()
    pool = partial(F.adaptive_avg_pool2d, output_size=2)
    means = pool(images)
    spread = (pool(images**2) - means**2).clamp_min(0).sqrt()
    return torch.cat([means, spread, pool(edges)], 1).flatten(1)
