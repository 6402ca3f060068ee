"""Partners of LISA share what they must and differ where they must."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from causalogit.config import ControlsConfig
from causalogit.methods import build_method
from causalogit.methods.lisa import Partners
from causalogit.methods.mixup import mixed_loss, mixing_shares

# (label, attribute) of each image: cells of several sizes; label 2 has one attribute,
# attribute 3 one label
IMAGES = [(0, 0)] * 9 + [(0, 1)] * 2 + [(1, 0)] + [(1, 1)] * 5 + [(1, 2)] * 3 + [(2, 1)] * 2
IMAGES = [IMAGES[i * 5 % 22] for i in range(22)] + [(1, 3)]
LABELS, ATTRIBUTES = (torch.tensor(column) for column in zip(*IMAGES, strict=True))


@pytest.mark.parametrize("same_label", [True, False])
def test_every_fitting_cell_is_drawn_alike_and_every_image_in_it(same_label):
    pairs = Partners(LABELS, ATTRIBUTES, 4)
    for anchor, (label, attribute) in enumerate(IMAGES):
        fits = [
            i
            for i, (y, a) in enumerate(IMAGES)
            if (y == label and a != attribute if same_label else a == attribute and y != label)
        ]
        anchors = torch.full((3000,), anchor)
        drawn = pairs.draw(anchors, same_label, torch.Generator().manual_seed(anchor))
        if not fits:
            assert torch.equal(drawn, anchors)
            continue
        assert set(drawn.tolist()) == set(fits)
        cells = {IMAGES[i] for i in fits}
        for i in fits:
            mates = sum(IMAGES[j] == IMAGES[i] for j in fits)
            expected = 3000 / len(cells) / mates
            assert abs((drawn == i).sum().item() - expected) < 5 * expected**0.5


@pytest.mark.parametrize("same_label", [True, False])
def test_a_step_mixes_partners_of_one_kind(same_label, make_task):
    controls = ControlsConfig(lisa_same_label=float(same_label))
    task = make_task(method="lisa", controls=controls)
    batch = task.data.train.batch(torch.arange(30) * 29)
    twin, draws = copy.deepcopy(task.model), torch.Generator().manual_seed(0)
    torch.rand((), generator=draws)
    train = task.data.train
    places = Partners(train.labels, train.groups % 5, 5).draw(batch.indices, same_label, draws)
    other = train.batch(places)
    if same_label:
        assert torch.equal(other.labels, batch.labels)
        assert (other.groups != batch.groups).all()
    else:
        assert (other.labels != batch.labels).all()
        assert torch.equal(other.groups % 5, batch.groups % 5)
    expected = mixed_loss(twin, batch, other, mixing_shares(2.0, 30, draws)).item()
    assert build_method(task).step(batch)["loss/train"] == expected


def test_both_kinds_come_in_their_share_and_groups_equally_often(make_task):
    method = build_method(make_task(method="lisa", controls=ControlsConfig(lisa_same_label=0.7)))
    kinds = []
    draw = method.partners.draw
    method.partners.draw = lambda a, same, g: kinds.append(same) or draw(a, same, g)
    batch = method.task.data.train.batch(torch.arange(4))
    for _ in range(200):
        method.step(batch)
    assert 0.6 < sum(kinds) / 200 < 0.8
    weights = method.sampling_weights()
    groups = method.task.data.train.groups
    sums = torch.zeros(25, dtype=torch.float64).index_add(0, groups, weights)
    assert torch.allclose(sums[sums > 0], torch.ones(1, dtype=torch.float64))


def test_labels_are_those_that_training_sees(make_task):
    """A wrong label moves an image to another group, whatever its recorded group is."""
    task = make_task(method="lisa")
    train = task.data.train
    other = replace(train, labels=(train.labels + 1) % 5)
    task = replace(task, data=replace(task.data, train=other))
    method = build_method(task)
    drawn = method.partners.draw(torch.arange(900), True, task.generator)
    assert torch.equal(task.data.train.labels[drawn], task.data.train.labels)


@pytest.mark.parametrize("name", ["lisa", "group_dro", "group_balanced", "logit_correction"])
def test_data_without_groups_are_refused(name, make_task):
    task = make_task(method=name)
    task = replace(task, data=replace(task.data, attribute_names=("all",)))
    with pytest.raises(ValueError, match=f"method '{name}' needs groups, and digits has none"):
        build_method(task)
