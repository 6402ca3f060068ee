"""What README shows is what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from causalogit.cli.parser import build_parser, with_preset_files
from causalogit.models import LeNet

README = Path(__file__).parents[2] / "README.md"


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
