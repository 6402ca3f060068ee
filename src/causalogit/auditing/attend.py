"""Where the classifier looks: attention on the object, of some of the photos."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.auditing.journal import Journal, OnStep, Rows
from causalogit.auditing.measure import Measured, read
from causalogit.auditing.subject import Subject
from causalogit.data import Images
from causalogit.evaluate.attention import (
    LARGE,
    AttentionMethod,
    attention_inside,
    attention_maps,
    suitable_method,
)

_CELLS = 5  # along a side of a map, at least: of fewer none is on the object alone
_AT_ONCE = 16  # maps of large photos hold every activation of a layer


def method_for(subject: Subject, images: Images) -> AttentionMethod | None:
    """The method that suits; None where only the answers of a classifier are known."""
    if subject.module is None:
        return None
    photo, _ = images.read(torch.arange(1))
    return suitable_method(subject.module, photo.to(subject.device), _CELLS)


def maps_of(
    subject: Subject,
    photos: Tensor,
    answers: Tensor,
    method: AttentionMethod,
    *,
    fine: bool = False,
) -> Tensor:
    """Evidence for the answers by place, `(B, H, W)`, on the CPU; see `attention_maps`.

    Args:
        subject: the classifier; it has a module.
        photos: `(B, K, H, W)`.
        answers: `(B,)`.
        method: how.
        fine: for the eye: the hidden square takes small steps, on large photos half its width;
            otherwise it takes its own width.
    """
    assert subject.module is not None
    side = min(photos.shape[2:])
    window = max(2, side // 7)
    small = max(1, side // 20) if side < LARGE else window // 2  # hundreds of passes a photo
    where = subject.device
    return attention_maps(
        subject.module,
        photos.to(where),
        answers.to(where),
        method,
        window=window,
        stride=small if fine else window,
    ).cpu()


def attention_on_objects(
    subject: Subject,
    images: Images,
    measured: Measured,
    most: int,
    journal: Journal,
    on_step: OnStep | None = None,
) -> tuple[Tensor, AttentionMethod | None]:
    """Share of the attention that lies on the object, `(N,)`; nan where it was not looked at.

    Looked at are at most `most` photos with object and background, as many of every class.
    """
    inside = torch.full((len(measured.labels),), float("nan"))
    places = _evenly(measured.labels, measured.apart, most)
    method = method_for(subject, images) if len(places) else None
    if method is None:
        return inside, None

    def measure(some: Tensor) -> Rows:
        photos, masks = read(images, some)
        maps = maps_of(subject, photos, measured.as_is[some], method)
        return {"inside": attention_inside(maps, masks)}

    inside[places] = journal.rows("attention", places, _AT_ONCE, measure, on_step)["inside"]
    return inside, method


def _evenly(labels: Tensor, usable: Tensor, most: int) -> Tensor:
    """Places of the first, second, ... usable photo of every class in turn, in their order."""
    by_class = [((labels == c) & usable).nonzero().squeeze(1) for c in labels.unique().tolist()]
    each = max(map(len, by_class), default=0)
    turns = [own[turn] for turn in range(min(each, most)) for own in by_class if turn < len(own)]
    return torch.stack(turns[:most]).sort().values if turns else labels[:0]
