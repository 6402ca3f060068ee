"""Training: on backgrounds alone, resumed bit for bit, and written down."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from causalogit.augment import Grey, find_inpainter
from causalogit.augment.inpainters import Contextual
from causalogit.config import AttributeConfig, DataConfig, RunConfig
from causalogit.data.images import InMemory
from causalogit.files import LOCK, alone_in, unfinished
from causalogit.inpainting import InpaintingConfig, reconstruction, train_inpainter
from causalogit.inpainting.critic import Critic, critic_loss
from causalogit.inpainting.holes import drawn_holes
from causalogit.inpainting.train import Training
from causalogit.methods import run_data
from tests.devices import needs_gpu

CONFIG = InpaintingConfig(
    DataConfig(attribute=AttributeConfig(kind="scene")), steps=4, batch_size=4, width=2
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return run_data(RunConfig(data=CONFIG.data), CPU)


def test_holes_have_the_shapes_of_the_objects_of_others():
    masks = torch.zeros(64, 1, 12, 12)
    masks[:, 0, 3:9, 5] = 1
    masks[:, 0, 8, 5:8] = 1  # a letter L
    masks[1] = 0
    draws = torch.Generator().manual_seed(0)
    holes = drawn_holes(masks, draws)
    assert set(holes.unique().tolist()) == {0.0, 1.0}
    assert not holes[2].any()
    sizes = holes.sum((1, 2, 3)).tolist()
    assert max(sizes) == 18  # a box
    assert sizes.count(18) > 4
    assert sizes.count(8) > 4  # the shape itself
    assert not torch.equal(drawn_holes(masks, draws), holes)
    again = drawn_holes(masks, torch.Generator().manual_seed(0))
    assert torch.equal(again, holes)


def test_no_pixel_of_an_object_is_learned_from(data):
    batch = data.train.everything()
    noise = torch.rand(batch.images.shape, generator=torch.Generator().manual_seed(1))
    hidden = torch.where(batch.masks > 0, noise, batch.images)
    networks = []
    for images in (batch.images, hidden):
        split = replace(data.train, images=InMemory(images, batch.masks))
        training = Training(CONFIG, replace(data, train=split), CPU)
        for _ in range(3):
            losses = training.step()
        networks.append((training.network.state_dict(), losses))
    (one, told), (other, told_other) = networks
    assert told == told_other
    assert all(torch.equal(one[name], other[name]) for name in one)


@needs_gpu
def test_a_gpu_learns_what_the_cpu_does(tmp_path):
    reports = [
        train_inpainter(replace(CONFIG, device=device), tmp_path / device)
        for device in ("cpu", "cuda")
    ]
    errors = [report["held_out"]["inpainter"] for report in reports]
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


def test_a_stopped_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("causalogit.inpainting.train._SAVE_EVERY", 2)
    steps = []
    report = train_inpainter(CONFIG, tmp_path / "whole", lambda done, _: steps.append(done))
    assert steps == [1, 2, 3, 4]

    def stop(done, total):
        assert total == 4
        if done == 3:
            raise KeyboardInterrupt

    (tmp_path / "stopped").mkdir()
    unfinished(tmp_path / "stopped").touch()  # of one that was killed in its first write
    with pytest.raises(KeyboardInterrupt):
        train_inpainter(CONFIG, tmp_path / "stopped", stop)
    assert train_inpainter(CONFIG, tmp_path / "stopped") == report
    weights = [
        load_file(tmp_path / name / "inpainter.safetensors") for name in ("whole", "stopped")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == [LOCK, "inpainter.safetensors", "inpainter.yaml", "report.json", "sheet.png"]
    assert json.loads((tmp_path / "whole" / "report.json").read_text()) == report
    assert list(report["held_out"]) == ["mean colour", "opencv", "smooth guess", "inpainter"]
    (tmp_path / "stopped" / "report.json").unlink()
    with (
        alone_in(tmp_path / "stopped", "training"),
        pytest.raises(ValueError, match="another process is training in"),
    ):
        train_inpainter(CONFIG, tmp_path / "stopped")
    with pytest.raises(ValueError, match="holds an inpainter of other options: go on with --conf"):
        train_inpainter(replace(CONFIG, steps=5), tmp_path / "whole")
    (tmp_path / "whole" / "report.json").write_text('{"held_out": ')
    with pytest.raises(ValueError, match=r"report\.json is damaged .*: delete it, and the same"):
        train_inpainter(CONFIG, tmp_path / "whole")
    (tmp_path / "whole" / "report.json").unlink()
    assert train_inpainter(CONFIG, tmp_path / "whole") == report


def test_the_report_is_of_the_file(data, tmp_path):
    found = train_inpainter(CONFIG, tmp_path / "inpainter")["held_out"]
    assert found["smooth guess"]["l1"] < found["mean colour"]["l1"]
    fill = find_inpainter(str(tmp_path / "inpainter" / "inpainter.safetensors"))
    measured = reconstruction(fill, data.validation, CONFIG.seed)
    assert measured.l1 == pytest.approx(found["inpainter"]["l1"], rel=1e-5)
    assert measured.l1 != found["smooth guess"]["l1"]


def test_it_learns_what_goes_on_behind_the_holes(data):
    phase = 6 * torch.rand(64, 1, 1, 1)
    stripes = (0.5 + 0.3 * torch.sin(torch.arange(28) * 1.2 + phase)).expand(64, 3, 28, 28)
    images = InMemory(stripes, data.train.batch(torch.arange(64)).masks)
    split = replace(data.train.take(torch.arange(64)), images=images)
    config = replace(CONFIG, steps=80, batch_size=8, width=4, adversarial_weight=0.0)
    training = Training(config, replace(data, train=split), CPU)
    before = reconstruction(Contextual(deepcopy(training.network)), split, 0)
    for _ in range(config.steps):
        training.step()
    assert reconstruction(Contextual(training.network), split, 0).l1 < 0.7 * before.l1


def test_what_is_measured_is_the_background_in_the_holes(data):
    batch = data.validation.batch(torch.arange(8))
    split = replace(
        data.validation.take(torch.arange(8)),
        images=InMemory(torch.where(batch.masks > 0, 1.0, 0.5), batch.masks),
    )
    nothing = reconstruction(Grey(0.5), split, 0)
    assert (nothing.l1, nothing.psnr) == (0, float("inf"))
    found = reconstruction(Grey(0.6), split, 0)
    assert found.l1 == pytest.approx(0.1)
    assert found.psnr == pytest.approx(20)
    assert 0 < found.pixels < batch.images.numel()


def test_the_critic_sees_no_object():
    critic = Critic(3, 4, 3).eval()
    images, objects = torch.rand(2, 3, 28, 28), torch.zeros(2, 1, 28, 28)
    objects[..., 5:20, 5:20] = 1
    other = torch.where(objects == 1, 0.0, images)
    assert torch.equal(critic(images, objects, objects), critic(other, objects, objects))
    loss = critic_loss(torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 0.0]))
    assert loss.item() == 1.0


def test_bad_input_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="exists already and is not empty"):
        train_inpainter(CONFIG, tmp_path / "other")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "inpainter.yaml").write_text("x: [")
    with pytest.raises(ValueError, match=r"inpainter\.yaml is damaged .*: choose another folder"):
        train_inpainter(CONFIG, tmp_path / "damaged")
    with pytest.raises(ValueError, match="device 'nowhere' cannot be used here"):
        train_inpainter(replace(CONFIG, device="nowhere"), tmp_path / "new")
    with pytest.raises(ValueError, match="batch_size is 1: give at least 2"):
        replace(CONFIG, batch_size=1)
