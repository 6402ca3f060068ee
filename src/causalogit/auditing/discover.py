"""Groups of backgrounds, found where nobody named them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy
import torch
from torch import Tensor

CLEAR: Final = 0.1
"""Least silhouette of groups worth the name: directions drawn at random stay below it."""

TYPICAL: Final = 8
"""Backgrounds that stand for a group, at most."""

_DIRECTIONS = 16  # that the groups are looked for in
_JUDGED = 2000  # that directions and the silhouette, which looks at all pairs, are taken of


@dataclass(frozen=True)
class Discovered:
    """Backgrounds sorted by what they look like.

    Attributes:
        group: of every photo, from 0, the largest first; -1 where it was not sorted, `(N,)`.
        silhouette: how much closer a background is to its own group than to the next, in [-1, 1].
        typical: places of the photos nearest to each group's centre.
    """

    group: Tensor
    silhouette: float
    typical: tuple[tuple[int, ...], ...]


def discover(looks: Tensor, usable: Tensor, most: int, seed: int) -> Discovered | None:
    """K-means of standardised looks, with the number of groups that has the largest silhouette.

    Args:
        looks: what the backgrounds look like, `(N, d)`.
        usable: photos that have a background, `(N,)` bool.
        most: groups, at most.
        seed: of the starting points.

    Returns:
        The groups; None where the backgrounds do not fall into any, or are fewer than 20.
    """
    from sklearn.cluster import KMeans

    places = usable.nonzero().squeeze(1)
    if len(places) < 20:
        return None
    judged = torch.linspace(0, len(places) - 1, min(len(places), _JUDGED)).round().long()
    points = _directions(looks, places, places[judged], seed)
    distinct = len(numpy.unique(points.round(6), axis=0))  # painted backgrounds are often the same
    best: tuple[float, KMeans] | None = None
    for count in range(2, min(most, distinct) + 1):
        found = KMeans(count, n_init=4, random_state=seed).fit(points)
        silhouette = _silhouette(points[judged.numpy()], found.labels_[judged.numpy()])
        if best is None or silhouette > best[0]:
            best = silhouette, found
    if best is None or best[0] < CLEAR:
        return None
    silhouette, found = best
    order = numpy.argsort(-numpy.bincount(found.labels_), kind="stable")
    distances = found.transform(points)[:, order]
    group = torch.full((len(looks),), -1)
    group[places] = torch.from_numpy(numpy.argsort(order)[found.labels_]).long()
    typical = []
    for number in range(len(order)):
        own = (group[places] == number).numpy().nonzero()[0]
        nearest = own[numpy.argsort(distances[own, number], kind="stable")][:TYPICAL]
        typical.append(tuple(places[torch.from_numpy(nearest)].tolist()))
    return Discovered(group, silhouette, tuple(typical))


def _directions(looks: Tensor, places: Tensor, judged: Tensor, seed: int) -> numpy.ndarray:
    """Principal directions of standardised looks, every point at the same distance from 0.

    Taken of the `judged` places alone, and of all `places` piece by piece: copies of all looks
    would be most of what an audit holds.
    """
    from sklearn.decomposition import PCA

    some = looks[judged].double().numpy()
    mean, spread = some.mean(0), some.std(0)
    varied = spread > 0
    if not varied.any():
        return numpy.zeros((len(places), 1))

    def standard(values: numpy.ndarray) -> numpy.ndarray:
        return numpy.asarray((values[:, varied] - mean[varied]) / spread[varied])

    count = min(_DIRECTIONS, len(some), int(varied.sum()))
    found = PCA(count, random_state=seed).fit(standard(some))
    points = numpy.concatenate(
        [
            found.transform(standard(looks[piece].double().numpy()))
            for piece in places.split(len(judged))
        ]
    )
    lengths = numpy.linalg.norm(points, axis=1, keepdims=True)
    return numpy.asarray(points / numpy.maximum(lengths, numpy.finfo(float).tiny))


def _silhouette(points: numpy.ndarray, groups: numpy.ndarray) -> float:
    from sklearn.metrics import silhouette_score

    found = len(numpy.unique(groups))
    return float(silhouette_score(points, groups)) if 1 < found < len(points) else -1.0
