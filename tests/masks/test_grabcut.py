"""GrabCut finds an object inside of its box."""

from __future__ import annotations

import sys

import pytest
import torch

from causalogit.masks.grabcut import grabcut


def disc(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A noisy disc on other noise, `(3, 80, 100)`, and where it is."""
    rows, columns = torch.meshgrid(torch.arange(80), torch.arange(100), indexing="ij")
    on = (rows - 40) ** 2 + (columns - 45) ** 2 < 25**2
    image = torch.randint(0, 90, (3, 80, 100), generator=generator)
    image += torch.where(on, torch.tensor([120, 60, 0])[:, None, None], 0)
    return image.to(torch.uint8), on


def overlap(first: torch.Tensor, second: torch.Tensor) -> float:
    return ((first > 0.5) & second).sum().item() / ((first > 0.5) | second).sum().item()


def test_it_is_better_than_the_box_on_every_image():
    pytest.importorskip("cv2")
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        image, on = disc(generator)
        box = torch.zeros(80, 100)
        box[15:66, 20:71] = 1
        found = grabcut(image, (20, 15, 71, 66))
        assert found.shape == (80, 100)
        assert not found[box == 0].any()
        assert overlap(box, on) < 0.8
        assert overlap(found, on) > 0.9


def test_what_came_before_does_not_matter():
    pytest.importorskip("cv2")
    image, _ = disc(torch.Generator().manual_seed(0))
    other, _ = disc(torch.Generator().manual_seed(1))
    first = grabcut(image, (20, 15, 71, 66))
    grabcut(other, (10, 10, 90, 70))
    assert torch.equal(grabcut(image, (20, 15, 71, 66)), first)


def test_nothing_to_find_is_empty():
    pytest.importorskip("cv2")
    image, _ = disc(torch.Generator().manual_seed(0))
    assert not grabcut(image, (0, 0, 100, 80)).any()
    assert not grabcut(torch.full((3, 40, 40), 90, dtype=torch.uint8), (10, 10, 30, 30)).any()


def test_opencv_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match=r"GrabCut needs OpenCV.*pip install 'causalogit\[masks"):
        grabcut(torch.zeros(3, 8, 8, dtype=torch.uint8), (2, 2, 5, 5))
