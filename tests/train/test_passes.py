"""What is measured on the training images after the last epoch."""

from __future__ import annotations

import json

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from causalogit.config import AttributeConfig, ClpConfig, DataConfig, MetaConfig, NoiseConfig
from causalogit.data import InMemory, Split
from causalogit.train import load_run, train
from causalogit.train.folder import RunFolder
from causalogit.train.load import load_model
from causalogit.train.passes import kept_places, over_mixed_batches

NOISY = DataConfig(
    attribute=AttributeConfig(kind="none"),
    noise=NoiseConfig("flip", 0.4),
    meta=MetaConfig(per_class=10),
    validation_size=50,
    test_size=4500,
)


def test_values_come_back_in_order_from_mixed_batches():
    labels = torch.arange(1203)
    split = Split(InMemory(torch.zeros(1203, 1, 1, 1)), labels, labels)
    seen = []

    def measure(batch):
        seen.append(batch.labels)
        return batch.labels * 2, batch.labels.float()

    doubled, same = over_mixed_batches(measure, split, torch.device("cpu"))
    assert torch.equal(doubled, 2 * labels)
    assert torch.equal(same, labels.float())
    assert not torch.equal(seen[0], labels[:500])
    places = kept_places(1203, most=700)
    doubled, same = over_mixed_batches(measure, split, torch.device("cpu"), places)
    assert torch.equal(doubled, 2 * places)
    assert torch.equal(same, places.float())


def test_all_images_are_kept_or_some_from_everywhere():
    assert torch.equal(kept_places(5), torch.arange(5))
    places = kept_places(1_000_000, most=2000)
    assert len(places.unique()) == 2000
    assert torch.equal(places, places.sort().values)
    in_tenths = torch.bincount(places // 100_000, minlength=10)
    assert in_tenths.min() > 140


def test_of_many_images_a_run_keeps_what_is_said_of_some(tiny, tmp_path, monkeypatch):
    """The same numbers as where all are kept, but for batches that are mixed anew."""
    config = tiny(method="clp", data=NOISY)
    whole = train(config, tmp_path / "whole")
    monkeypatch.setattr("causalogit.train.folder.kept_places", lambda size: torch.arange(3, 103))
    row = train(config, tmp_path / "some")
    assert row["noise"] == whole["noise"]  # of all images, whatever is kept
    (whole, some) = (load_run(tmp_path / name).perturbations for name in ("whole", "some"))
    assert whole is not None
    assert some is not None
    assert some.output.shape == (100, 5)
    assert some.characteristics.shape == (100, 10)
    for name in ("labels", "groups", "true_labels"):
        assert torch.equal(getattr(some, name), getattr(whole, name)[3:103])
    loss = whole.names.index("loss")
    torch.testing.assert_close(some.characteristics[:, loss], whole.characteristics[3:103, loss])


@pytest.mark.parametrize("method", ["erm", "clp", "meta_weight_net"])
def test_wrong_labels_are_measured_and_kept(method, tiny, tmp_path):
    row = train(tiny(method=method, data=NOISY), tmp_path)
    assert json.loads(RunFolder(tmp_path).results.read_text())["runs"] == [row]
    run = load_run(tmp_path)
    split = run.data.train
    assert row["noise"]["wrong_share"] == pytest.approx(split.wrong.double().mean().item())
    model, _, _ = load_model(RunFolder(tmp_path).last)
    with torch.no_grad():
        losses = F.cross_entropy(model(split.everything().images), split.labels, reduction="none")
    expected = roc_auc_score(split.wrong.numpy(), losses.numpy())
    assert row["noise"]["auroc_loss"] == pytest.approx(expected, abs=1e-4)
    if method == "erm":
        assert set(row["noise"]) == {"wrong_share", "auroc_loss"}
        return
    kept = run.perturbations
    assert kept is not None
    assert kept.true_labels is not None
    assert torch.equal(kept.true_labels != kept.labels, split.wrong)
    expected = roc_auc_score(split.wrong.numpy(), kept.suspicion.numpy())
    assert row["noise"]["auroc"] == pytest.approx(expected, abs=1e-6)


def test_clean_labels_have_nothing_to_tell_apart(tiny, tmp_path):
    row = train(tiny(method="clp", clp=ClpConfig(meta_batch_size=8)), tmp_path)
    assert "noise" not in row
    run = load_run(tmp_path)
    assert run.perturbations is not None
    assert run.perturbations.true_labels is None
