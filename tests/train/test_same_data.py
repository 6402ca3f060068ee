"""A checkpoint goes with the images that its run was trained on, and with no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from causalogit.config import DataConfig, MetaConfig, OptimizerConfig, RunConfig
from causalogit.train import compare, train
from causalogit.train.load import load_model
from tests.fixing.conftest import write_photos


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Of a run on a folder of small photos, beside which it is started."""
    write_photos(tmp_path, count=60)
    monkeypatch.chdir(tmp_path)
    data = DataConfig(
        source="photos", mask_path="masks", image_size=28, meta=MetaConfig(per_class=4)
    )
    return RunConfig(method="erm", data=data, optimizer=OptimizerConfig(epochs=1, batch_size=8))


def rename(old: str, new: str) -> None:
    for kind in ("photos", "masks"):
        (Path(kind) / old).rename(Path(kind) / new)


def remove(name: str) -> None:
    for kind in ("photos", "masks"):
        (Path(kind) / name).unlink()


def first_photo(label: str) -> str:
    return f"{label}/{min(path.name for path in Path('photos', label).iterdir())}"


def test_a_folder_that_has_changed_is_refused(config: RunConfig) -> None:
    run = Path("run")
    train(config, run)
    name = first_photo("hot")
    rename(name, "hot/zz.png")
    for checkpoint in ("last.ckpt", "selected-mean.ckpt"):
        with pytest.raises(ValueError, match=r"was trained on other images: photos.* has changed"):
            load_model(run / checkpoint)
    rename("hot/zz.png", name)
    load_model(run / "last.ckpt")
    remove(name)
    with pytest.raises(ValueError, match="training images would be tested on"):
        load_model(run / "last.ckpt")


def test_classes_of_other_names_are_refused(config: RunConfig) -> None:
    train(config, Path("run"))
    rename("hot", "a_hot")
    with pytest.raises(ValueError, match="on the classes cold, hot, and its data has a_hot, cold"):
        load_model(Path("run/last.ckpt"))


def test_a_run_does_not_go_on_with_other_images(config: RunConfig) -> None:
    run = Path("run")
    train(config, run)
    (run / "results.json").unlink()  # as if it were not done
    rename(first_photo("hot"), "hot/zz.png")
    with pytest.raises(ValueError, match=r"state\.ckpt was trained on other images"):
        train(config, run, resume=True)


def test_runs_on_other_images_are_not_compared(config: RunConfig) -> None:
    compare(config, ["erm"], [0], Path("both"), jobs=1)
    remove(first_photo("hot"))
    with pytest.raises(ValueError, match="were trained on other images: photos has changed"):
        compare(config, ["erm", "erm_meta"], [0], Path("both"), jobs=1)
    compare(config, ["erm_meta"], [0, 1], Path("both"), jobs=1)  # other seeds, other splits


def test_a_folder_may_move(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    train(config, Path("run"))
    Path("home").mkdir()
    for name in ("photos", "masks", "run"):
        Path(name).rename(Path("home") / name)
    with pytest.raises(ValueError, match="those of the folder where the run was started"):
        load_model(Path("home/run/last.ckpt"))
    monkeypatch.chdir("home")
    load_model(Path("run/last.ckpt"))


def test_fingerprints_of_data_in_memory_differ_with_the_seed(config: RunConfig) -> None:
    digits = replace(config, data=DataConfig(test_size=4500, validation_size=50))
    first, second = Path("first"), Path("second")
    assert train(digits, first)["data"] != train(replace(digits, seed=1), second)["data"]
    load_model(first / "last.ckpt")
