"""What README shows is what works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

from causalogit.cli.parser import build_parser, with_preset_files
from causalogit.models import LeNet

README = Path(__file__).parents[2] / "README.md"
SCALE = README.parent / "docs" / "scale.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_python_blocks_run_as_they_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = torch.rand(40, 3, 28, 28), torch.arange(40) % 10
    masks = (torch.rand(40, 1, 28, 28) > 0.5).float()
    model = LeNet(10)
    names = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.01, momentum=0.9),
        "loader": DataLoader(TensorDataset(images, labels), batch_size=20),
        "meta_loader": DataLoader(TensorDataset(images, labels), batch_size=10),
        "epochs": 2,
        "dataset": TensorDataset(images, labels, masks),
    }
    looked_at, first, second = blocks("python")
    exec(looked_at, names)
    assert (tmp_path / "audit.html").is_file()
    assert len(names["table"]) == 10
    exec(first, names)
    assert "loss/meta" in names["metrics"]
    names["meta_loader"] = DataLoader(TensorDataset(images, labels, masks), batch_size=10)
    exec(second, names)
    metrics = names["clp"].step(images[:8], labels[:8])
    assert "loss/meta_counterfactual" in metrics


@pytest.mark.parametrize(
    "line",
    [
        line.split("#")[0].split()[1:]
        for block in blocks("bash")
        for line in block.splitlines()
        if line.startswith(".venv/bin/causalogit")
    ],
)
def test_commands_are_understood(line, tmp_path):
    if line[0] == "evaluate":
        line = [line[0], "some.ckpt"]
    assert build_parser().parse_args(with_preset_files(line)).command == line[0]


def test_local_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def trainings_together():
    """Commands of docs/scale.md that several processes run, as words."""
    text = SCALE.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if "torchrun" in line and "train --config" in line]
    manifest = yaml.safe_load(re.search(r"command: (\[torchrun.*?\])", text, re.DOTALL)[1])
    return [*map(shlex.split, lines), manifest]


@pytest.mark.parametrize(("number", "processes"), [(0, 4), (1, 2 * 4), (2, 2 * 4)])
def test_trainings_on_several_processes_have_what_they_need(number, processes):
    words = trainings_together()[number]
    line = words[words.index("causalogit") + 1 :]
    config = build_parser().parse_args(with_preset_files(line)).train
    assert config.data.path
    assert config.data.mask_path
    assert config.optimizer.batch_size % processes == 0
    assert config.clp.meta_batch_size % processes == 0
