"""Parts of a pool: sizes, shares, and images of every class spread over its groups."""

from __future__ import annotations

import pytest
import torch

from causalogit.data.carve import PerClass, carve

NAMES = ("cat, sea", "cat, land", "dog, sea", "dog, land")


def pool(*sizes: int) -> torch.Tensor:
    return torch.cat([torch.full((size,), group) for group, size in enumerate(sizes)])


def parts(sizes, wanted, seed=0, **options):
    groups = pool(*sizes)
    draws = torch.Generator().manual_seed(seed)
    carved = carve(groups, wanted, draws, NAMES, attributes=2, **options)
    together = torch.cat(list(carved.values())).sort().values
    assert torch.equal(together, torch.arange(len(groups)))
    return {
        name: torch.bincount(groups[places], minlength=4).tolist()
        for name, places in carved.items()
    }


def test_large_groups_share_alike():
    found = parts((100, 50, 30, 20), {"meta": PerClass(10), "test": 0.2})
    assert found["meta"] == [5, 5, 5, 5]
    assert found["test"] == [20, 10, 6, 4]


def test_small_groups_keep_half_and_their_class_gives_the_rest():
    assert parts((100, 3, 7, 20), {"meta": PerClass(10)})["meta"] == [9, 1, 3, 7]
    assert parts((100, 1, 0, 20), {"meta": PerClass(10)})["meta"] == [10, 0, 0, 10]


def test_halves_that_do_not_suffice():
    found = parts((8, 5, 20, 20), {"meta": PerClass(10)})
    assert sum(found["meta"][:2]) == 10
    assert found["meta"][2:] == [5, 5]
    assert sum(found["rest"][:2]) == 3


def test_chance_decides_who_gives_one_more():
    seen = {
        tuple(parts((40, 40, 40, 40), {"meta": PerClass(5)}, seed)["meta"]) for seed in range(9)
    }
    assert {sum(counts[:2]) for counts in seen} == {5}
    assert {counts[:2] for counts in seen} == {(2, 3), (3, 2)}


def test_a_share_may_pass_over_a_tiny_group_but_not_over_a_class():
    found = parts((50, 2, 50, 1), {"validation": 0.1, "test": 0.2})
    assert found["validation"] == [5, 0, 5, 0]
    assert found["test"] == [10, 0, 10, 0]
    assert found["rest"] == [35, 2, 35, 1]


def test_nothing_needs_to_be_left_where_that_is_said():
    assert parts((8, 5, 5, 9), {"test": 20}, use_up=True)["rest"] == [3, 0, 0, 4]
    assert parts((5, 5, 5, 5), {"test": 20}, use_up=True)["rest"] == [0] * 4
    with pytest.raises(
        ValueError, match=r"group cat, land has 4 images, .* set data\.test_size lower$"
    ):
        parts((8, 4, 5, 9), {"test": 20}, use_up=True)


@pytest.mark.parametrize(
    ("sizes", "wanted", "message"),
    [
        (
            (9, 1, 50, 50),
            {"meta": PerClass(10)},
            "the class of group cat, sea has 10 images, but meta ask for 10: add images of it, or "
            r"set data\.meta\.per_class lower, so that some are left",
        ),
        (
            (1, 1, 50, 50),
            {"validation": 0.1, "test": 0.2},
            r"class of group cat, sea has 2 images, .* set data\.validation_size or data\.test_siz",
        ),
        ((8, 1, 50, 50), {"test": 40}, "group cat, sea has 8 images, but test ask for 10"),
        ((80, 10, 50, 50), {"test": 40}, "group cat, land has 10 images, but test ask for 10"),
        (
            (80, 10),
            {"meta": PerClass(10)},
            "the class of group dog, sea has no images that the meta set could be taken from",
        ),
        ((80, 10, 50, 50), {"test": 42}, "which 4 classes or groups cannot share evenly"),
    ],
)
def test_what_cannot_be_shared_is_named(sizes, wanted, message):
    with pytest.raises(ValueError, match=message):
        parts(sizes, wanted)


def test_a_class_that_is_too_small_is_told_how_many_are_asked_of_it():
    groups = torch.tensor([0] * 3 + [1] * 50)
    with pytest.raises(ValueError, match="class cat has 3 images, but meta ask for 10:"):
        carve(groups, {"meta": PerClass(10)}, torch.Generator(), ("cat", "dog"))
