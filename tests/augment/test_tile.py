"""The largest object-free rectangle against brute force, and its tiling against a loop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from causalogit.augment import Grey, Tile
from causalogit.augment.tile import largest_free_rectangles


def brute_force(mask: Tensor) -> list[int]:
    """Every rectangle in turn: the largest, then leftmost, then ending highest, then tallest."""
    rows, columns = mask.shape
    object_pixels = torch.zeros(rows + 1, columns + 1, dtype=torch.int64)
    object_pixels[1:, 1:] = (mask != 0).cumsum(0).cumsum(1)
    count = object_pixels.tolist()
    best, found = (0, 0, 0, 0), [0, 0, 0, 0]
    for top, left in product(range(rows), range(columns)):
        for bottom, right in product(range(top + 1, rows + 1), range(left + 1, columns + 1)):
            inside = count[bottom][right] - count[top][right]
            if inside == count[bottom][left] - count[top][left]:
                height, width = bottom - top, right - left
                rank = (height * width, -left, -bottom, height)
                if found == [0, 0, 0, 0] or rank > best:
                    best, found = rank, [top, left, height, width]
    return found


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    share=st.sampled_from([0.05, 0.15, 0.3, 0.6, 0.95]),
)
def test_no_rectangle_is_larger(seed: int, size: tuple[int, int], share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = (torch.rand(6, 1, *size, generator=generator) < share).float()
    assert largest_free_rectangles(masks).tolist() == [brute_force(mask[0]) for mask in masks]


@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
def test_no_rectangle_is_larger_in_larger_images(share: float, generator: torch.Generator) -> None:
    masks = (torch.rand(2, 1, 21, 34, generator=generator) < share).float()
    assert largest_free_rectangles(masks).tolist() == [brute_force(mask[0]) for mask in masks]


@pytest.mark.parametrize(
    ("mask", "rectangle"),
    [
        ("... / ...", [0, 0, 2, 3]),
        ("### / ###", [0, 0, 0, 0]),
        ("### / #.#", [1, 1, 1, 1]),
        ("..#.. / ..#..", [0, 0, 2, 2]),  # leftmost
        ("#. / .#", [1, 0, 1, 1]),  # leftmost before highest
        (".# / ## / .#", [0, 0, 1, 1]),  # ends highest
        (".. / .#", [0, 0, 1, 2]),  # ends highest before tallest
        (".# / ..", [0, 0, 2, 1]),  # tallest
    ],
)
def test_ties_are_broken_as_documented(mask: str, rectangle: list[int]) -> None:
    rows = [[float(pixel == "#") for pixel in row.strip()] for row in mask.split("/")]
    assert largest_free_rectangles(torch.tensor([[rows]])).tolist() == [rectangle]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 3, 6, 9), (4, 1, 9, 5)])
def test_the_rectangle_is_repeated_from_its_own_place(
    make_batch: Callable[..., tuple[Tensor, Tensor, Tensor]],
    shape: tuple[int, ...],
    generator: torch.Generator,
) -> None:
    images, masks, labels = make_batch(*shape, dtype=torch.float64)
    masks[0] = 0
    fill = Tile()(images, masks, labels, generator)
    for b, mask in enumerate(masks):
        top, left, height, width = brute_force(mask[0])
        for i, j in product(range(shape[2]), range(shape[3])):
            source = images[b, :, top + (i - top) % height, left + (j - left) % width]
            assert torch.equal(fill[b, :, i, j], source)
        rectangle = (b, slice(None), slice(top, top + height), slice(left, left + width))
        assert torch.equal(fill[rectangle], images[rectangle])


def test_a_trace_of_object_is_object(generator: torch.Generator) -> None:
    images = torch.arange(4.0).reshape(1, 1, 1, 4)
    masks = torch.tensor([[[[1e-6, 0.0, 0.0, 0.5]]]])
    fill = Tile()(images, masks, torch.zeros(1), generator)
    assert fill.flatten().tolist() == [2, 1, 2, 1]


def test_only_images_without_a_free_pixel_fall_back(generator: torch.Generator) -> None:
    images = torch.rand(3, 3, 4, 5, generator=generator)
    masks = torch.zeros(3, 4, 5)
    masks[1] = 0.5
    fill = Tile(fallback=Grey(0.25))(images, masks, torch.zeros(3), generator)
    assert torch.equal(fill[[0, 2]], images[[0, 2]])
    assert torch.equal(fill[1], torch.full((3, 4, 5), 0.25))
    assert torch.equal(Tile()(images, masks, torch.zeros(3), generator)[1], fill[1] + 0.25)
