"""A run that starts from given weights, and its checkpoints without them."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from causalogit.config import (
    ClpConfig,
    OptimizerConfig,
    RunConfig,
    config_from_dict,
    config_to_dict,
)
from causalogit.core import Divergence
from causalogit.evaluate.attention import attention_maps
from causalogit.methods.fixed import ProductOfExperts
from causalogit.models import Normalized
from causalogit.train import load_run, train
from causalogit.train.checkpoint import load_checkpoint
from causalogit.train.folder import RunFolder
from causalogit.train.loop import Trainer


@pytest.fixture
def backbone(tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=9).state_dict(), path)
    return path


def test_config_keeps_weights_and_does_without():
    config = RunConfig(model="cnn", weights="backbone.pth")
    assert config_from_dict(config_to_dict(config)) == config
    old = config_to_dict(RunConfig())
    del old["weights"]
    assert config_from_dict(old) == RunConfig()


def test_classifier_and_expert_start_from_the_file(tiny, backbone, tmp_path):
    config = tiny(
        method="product_of_experts",
        model="test_resnet",
        weights=str(backbone),
        clp=ClpConfig(expert_learning_rate=1e-30),  # the expert stays where it starts
    )
    trainer = Trainer(config, RunFolder(tmp_path / "run"))
    method = trainer.method
    assert isinstance(method, ProductOfExperts)
    networks = [trainer.model, *method.expert.networks]
    for name, value in load_file(backbone).items():
        for network in networks:
            own = network.get_submodule("model").state_dict()[name]
            if name.startswith("fc."):
                assert own.shape[0] == 5
            elif "running" not in name and "num_batches" not in name:
                torch.testing.assert_close(own, value, rtol=0, atol=1e-20)
    heads = [network.get_submodule("model.fc").weight for network in networks]
    assert not torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_run_is_read_back_without_the_file(tiny, backbone, tmp_path):
    config = tiny(
        method="clp",
        model="test_resnet",
        weights=str(backbone),
        optimizer=OptimizerConfig(epochs=1),
    )
    train(config, tmp_path / "run")
    backbone.unlink()
    run = load_run(tmp_path / "run")
    assert isinstance(run.model, Normalized)
    kept = load_checkpoint(RunFolder(tmp_path / "run").selected(config.select_by))["model"]
    state = run.model.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in state.items())
    two = run.data.test.batch(torch.arange(2))
    images, labels = two.images, two.labels
    for how in ("grad_cam", "occlusion"):
        assert attention_maps(run.model, images, labels, how).amax() == 1


def test_run_with_weights_goes_on_bit_for_bit(tiny, backbone, tmp_path):
    config = tiny(
        method="erm",
        model="test_resnet",
        weights=str(backbone),
        checkpoint_every=4,
        optimizer=OptimizerConfig(epochs=1),
    )
    train(config, tmp_path / "whole")

    def stop(done, total):
        if done == 6:
            raise Divergence("cut")

    with pytest.raises(Divergence, match="cut"):
        train(config, tmp_path / "cut", on_step=stop)
    train(config, tmp_path / "cut", resume=True)
    whole, cut = (load_checkpoint(tmp_path / n / "last.ckpt")["model"] for n in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_missing_file_leaves_no_folder(tiny, tmp_path):
    config = tiny(method="erm", weights=str(tmp_path / "gone.pth"))
    with pytest.raises(ValueError, match=r"gone\.pth: there is no such file"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
