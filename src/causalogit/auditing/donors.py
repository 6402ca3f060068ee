"""Whose background each photo gets: drawn once, so that an audit can go on and be made again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_POOL = 3  # one in so many backgrounds is drawn from


@dataclass(frozen=True)
class Donors:
    """Places of the photos whose backgrounds are used.

    Attributes:
        own: `(N,)`, a photo of the same class; -1 where there is none.
        other: `(N,)`, a photo of another class; -1 where there is none.
    """

    own: Tensor
    other: Tensor

    @property
    def found(self) -> Tensor:
        """Photos that have both, `(N,)` bool."""
        return (self.own >= 0) & (self.other >= 0)


def choose_donors(for_class: Tensor, labels: Tensor, usable: Tensor, seed: int) -> Donors:
    """Backgrounds that speak for a photo's class, and backgrounds that speak against it.

    A photo of class c gets the background of another photo of c, drawn from the third of them that
    the classifier, shown the background alone, takes most for c; and that of a photo of another
    class, drawn from the third that it takes least for c. Without that choice a set whose scenes
    come equally often with every class would show nothing, however much a classifier goes by them.

    Args:
        for_class: log-odds of every class, by the background alone, `(N, C)`.
        labels: `(N,)`.
        usable: photos with an object and a background, `(N,)` bool.
        seed: of the draws.
    """
    draws = torch.Generator().manual_seed(seed)
    own = torch.full((len(labels),), -1)
    other = own.clone()
    for label in labels.unique().tolist():
        photos = ((labels == label) & usable).nonzero().squeeze(1)
        strangers = ((labels != label) & usable).nonzero().squeeze(1)
        if len(photos) < 2 or not len(strangers):
            continue
        scores = for_class[:, label]
        speaking_for = photos[scores[photos].argsort(descending=True, stable=True)]
        against = strangers[scores[strangers].argsort(stable=True)]
        # no photo gets its own background: of two at least, one is another's
        pool = speaking_for[: max(2, -(-len(photos) // _POOL))]
        pick = torch.randint(len(pool), (len(photos),), generator=draws)
        pick = torch.where(pool[pick] == photos, (pick + 1) % len(pool), pick)
        own[photos] = pool[pick]
        pool = against[: -(-len(strangers) // _POOL)]
        other[photos] = pool[torch.randint(len(pool), (len(photos),), generator=draws)]
    return Donors(own, other)


def log_odds(logits: Tensor) -> Tensor:
    """Of every class against all others, `(N, C)`, float32, from logits `(N, C)`."""
    shares = logits.double().softmax(1)
    tiny = torch.finfo(torch.float32).tiny
    return (shares.clamp_min(tiny).log() - (1 - shares).clamp_min(tiny).log()).float()
