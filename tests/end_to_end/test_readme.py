"""What README and the pages for users show is what works."""

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

ROOT = Path(__file__).parents[2]
SCALE = ROOT / "docs" / "scale.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the pages take as given."""
    monkeypatch.chdir(tmp_path)
    images, labels = torch.rand(40, 3, 28, 28), torch.arange(40) % 10
    masks = (torch.rand(40, 1, 28, 28) > 0.5).float()
    model = LeNet(10)
    return {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.01, momentum=0.9),
        "loader": DataLoader(TensorDataset(images, labels), batch_size=20),
        "meta_loader": DataLoader(TensorDataset(images, labels), batch_size=10),
        "masked_meta_loader": DataLoader(TensorDataset(images, labels, masks), batch_size=10),
        "masked_loader": DataLoader(TensorDataset(images, labels, masks), batch_size=20),
        "site_loader": DataLoader(TensorDataset(images, labels, labels % 3), batch_size=20),
        "num_sites": 3,
        "train_sites": labels % 3,
        "train_labels": labels,
        "epochs": 2,
        "dataset": TensorDataset(images, labels, masks),
    }


def test_three_lines_in_a_loop_of_ones_own(names):
    [lines] = blocks(ROOT / "README.md", "python")
    exec(lines, names)
    assert "loss/meta" in names["metrics"]


def test_the_page_on_loops(names):
    plain, masked, replaced, told = blocks(ROOT / "docs" / "loop.md", "python")
    exec(plain, names)
    assert "loss/meta" in names["metrics"]
    names["meta_loader"] = names["masked_meta_loader"]
    exec(masked, names)
    images, labels, _ = names["dataset"].tensors
    metrics = names["clp"].step(images[:8], labels[:8])
    assert "loss/meta_counterfactual" in metrics
    exec(replaced, names)
    assert names["metrics"]["skipped"] == 0
    exec(told, names)
    assert 0 < names["metrics"]["delta/alpha"] < 1


def test_the_audit_in_python(names):
    [lines] = blocks(ROOT / "docs" / "photos.md", "python")
    exec(lines, names)
    assert Path("audit.html").is_file()
    assert len(names["table"]) == 10


@pytest.mark.parametrize(
    "line",
    [
        line.split("#")[0].split()[1:]
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.splitlines()
        if line.startswith(".venv/bin/causalogit")
    ],
)
def test_commands_are_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if line[0] == "evaluate":
        line = [line[0], "some.ckpt"]
    for word in line:
        if word.endswith("/best.yaml") and "=" not in word:  # which another command has written
            (tmp_path / word).parent.mkdir()
            (tmp_path / word).write_text("method: erm\nseed: 0\n")
    assert build_parser().parse_args(with_preset_files(line)).command == line[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


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
