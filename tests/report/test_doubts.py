"""Meta images of whose label the shown classifiers say something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from causalogit.report import write_report
from causalogit.report.doubts import meta_doubts
from causalogit.report.lineup import line_up
from causalogit.report.scene import describe_scene
from causalogit.train import LoadedRun


class KnowsByHeart(nn.Module):
    """Gives every known image the logits of its row."""

    def __init__(self, images: Tensor, logits: Tensor) -> None:
        super().__init__()
        self.images, self.logits = images.flatten(1), logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits[torch.cdist(images.flatten(1), self.images).argmin(1)]


def sure_but_of(run: LoadedRun, doubts: dict[int, float]) -> LoadedRun:
    """The run with a classifier that is right, but says the next class of these meta images."""
    meta = run.data.meta
    classes = run.data.num_classes
    logits = 5.0 * torch.eye(classes)[meta.labels]
    for index, strength in doubts.items():
        logits[index] = strength * torch.eye(classes)[(meta.labels[index] + 1) % classes]
    return replace(run, model=KnowsByHeart(meta.batch(torch.arange(len(meta))).images, logits))


def test_only_what_all_doubt_is_shown_the_surest_first(erm: LoadedRun, clp: LoadedRun) -> None:
    plain = sure_but_of(erm, {3: 2.0, 5: 2.0, 7: 4.0})
    taught = sure_but_of(clp, {5: 2.0, 7: 3.0, 9: 9.0})
    meta, scene = clp.data.meta, describe_scene(clp)
    true_labels = meta.labels.clone()
    true_labels[7] = (meta.labels[7] + 1) % clp.data.num_classes
    wrong = replace(meta, true_labels=true_labels)
    runs = [plain, replace(taught, data=replace(taught.data, meta=wrong))]
    strip = meta_doubts(line_up(runs).pair(), scene)
    assert strip is not None
    assert f"both call 2 of the {len(meta)} something else" in strip.note
    said = [picture.caption for picture in strip.pictures]
    names = [scene.classes[label] for label in meta.labels[[7, 5]].tolist()]
    others = [scene.classes[(label + 1) % len(scene.classes)] for label in meta.labels[[7, 5]]]
    assert said == [
        f"{names[0]}; said: {others[0]}; in truth {others[0]}",
        f"{names[1]}; said: {others[1]}",
    ]  # fmt: skip


@pytest.mark.parametrize("doubted", [True, False])
def test_the_page_shows_them_if_there_are_any(
    doubted: bool, erm: LoadedRun, clp: LoadedRun, tmp_path: Path
) -> None:
    doubts = {0: 2.0} if doubted else {}
    runs = [sure_but_of(erm, doubts), sure_but_of(clp, doubts)]
    page = write_report(runs, tmp_path).read_text()
    assert ("Meta images whose label is doubted" in page) == doubted
