"""Masks that a network has learned from the meta set."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from causalogit.config import DataConfig, RunConfig
from causalogit.data import build_data
from causalogit.data.images import Found, Masked, Unmasked
from causalogit.methods import learned_masks, run_data

CPU = torch.device("cpu")
SOME = torch.arange(200)


def config_with(**data):
    return RunConfig(data=DataConfig(masks="learned", validation_size=50, test_size=50, **data))


def overlap(found, true):
    """Intersection over union of two stacks of masks."""
    return ((found > 0.5) & (true > 0.5)).sum() / ((found > 0.5) | (true > 0.5)).sum()


def test_the_objects_of_training_images_are_found(monkeypatch):
    monkeypatch.setattr(learned_masks, "STEPS", 150)
    config = config_with()
    own, true = run_data(config, CPU), build_data(config.data, config.seed)
    found, exact = own.train.batch(SOME).masks, true.train.batch(SOME).masks
    assert overlap(found, exact) > 0.9
    assert not torch.equal(found, exact)
    assert torch.equal(own.train.batch(SOME).images, true.train.batch(SOME).images)
    assert torch.equal(own.meta.everything().masks, true.meta.everything().masks)


def test_they_depend_on_the_seed_alone(monkeypatch):
    monkeypatch.setattr(learned_masks, "STEPS", 5)
    state = torch.get_rng_state()
    first, again = (run_data(config_with(), CPU).train.batch(SOME).masks for _ in range(2))
    other = run_data(replace(config_with(), seed=1), CPU).train.batch(SOME).masks
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_masks_that_do_not_fit_in_memory_are_found_anew_and_the_same(monkeypatch):
    monkeypatch.setattr(learned_masks, "STEPS", 5)
    kept, anew = (run_data(config_with(memory=memory), CPU).train for memory in (2048, 0))
    assert isinstance(kept.images, Masked)
    assert isinstance(anew.images, Found)
    masks = kept.batch(SOME).masks
    monkeypatch.setattr(learned_masks, "_found", lambda *_: None)  # kept are those that were found
    again = kept.batch(SOME).masks
    monkeypatch.undo()
    monkeypatch.setattr(learned_masks, "STEPS", 5)
    assert torch.equal(again, masks)
    assert torch.equal(anew.batch(SOME).masks, masks)


def test_nothing_is_learned_where_no_mask_is_asked_for(monkeypatch):
    monkeypatch.setattr(learned_masks, "_learned", None)  # not to be called
    data = run_data(config_with(), CPU)
    assert data.train.has_masks
    assert len(data.test.batch(SOME[:5]).images) == 5


def test_meta_images_without_masks_teach_none(monkeypatch):
    def unmasked(*arguments):
        data = build_data(*arguments)
        return replace(data, meta=replace(data.meta, images=Unmasked(data.meta.images)))

    monkeypatch.setattr(learned_masks, "build_data", unmasked)
    with pytest.raises(ValueError, match=r"data.masks is 'learned'.*digits have no masks"):
        run_data(config_with(), CPU)


def test_every_image_gets_one_or_none_is_learned():
    with pytest.raises(ValueError, match=r"'learned', which gives every image a mask"):
        config_with(masked_share=0.5)
