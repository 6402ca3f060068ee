"""Runs in two processes, as torchrun starts them."""

from __future__ import annotations

import csv
import os
import shutil
import socket
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import spawn

from causalogit.cli import commands
from causalogit.cli.main import main
from causalogit.config import ClpConfig, DataConfig, MetaConfig, OptimizerConfig, RunConfig
from causalogit.data import Part
from causalogit.evaluate.metrics import predict
from causalogit.files import alone_in
from causalogit.train import train
from causalogit.train.checkpoint import load_checkpoint
from causalogit.train.folder import RunFolder
from causalogit.train.load import load_model, read_history
from causalogit.train.loop import Trainer
from causalogit.train.together import check_meta_shared, from_first
from tests.train.networks import DRAWS, SKIPS

CONFIG = RunConfig(
    method="erm",
    data=DataConfig(
        largest_class=10, validation_size=35, test_size=30, meta=MetaConfig(per_class=2)
    ),
    optimizer=OptimizerConfig(epochs=2, batch_size=20),
    clp=ClpConfig(meta_batch_size=8),
    checkpoint_every=4,
)
META_IMAGES = replace(
    CONFIG,
    method="erm_meta_augmented",
    clp=replace(CONFIG.clp, factual="none", counterfactual="none"),
)
RUNS = {
    "erm": CONFIG,
    "class_balanced": replace(CONFIG, method="class_balanced"),
    "meta_lp": replace(CONFIG, method="meta_lp"),
    "clp_factual": replace(CONFIG, method="clp_factual"),
    "draws": replace(CONFIG, model=DRAWS),
    "skips": replace(CONFIG, model=SKIPS),
    "resnet8": replace(CONFIG, model="resnet8"),
    "counterfactual": replace(
        CONFIG, method="erm_counterfactual", data=replace(CONFIG.data, masked_share=0.5)
    ),
    "meta images": META_IMAGES,
    "meta images, resnet8": replace(META_IMAGES, model="resnet8"),
}
EQUAL = {
    "erm": 1e-5,
    "skips": 1e-5,
    "class_balanced": 1e-5,
    "meta_lp": 1e-3,
    "counterfactual": 1e-5,
    "resnet8": 1e-3,
    "meta images": 1e-5,
    "meta images, resnet8": 0.02,
}
"""Those that draw nothing besides the order of images, which is the same for one process, and how
far rounding takes their weights; the first steps of Adam and batch norm enlarge it."""


class Stopped(Exception):
    """What ends a run between two checkpoints."""


def in_a_process(rank: int, folder: str, port: int) -> None:
    """All runs; one of them once more, stopped and gone on with; and what is refused."""
    torch.set_num_threads(1)
    there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}.items():
        there |= {name: str(value), "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    os.environ.update(there)
    path = Path(folder)
    for name, config in RUNS.items():
        row = train(config, path / name)
        torch.save(row, path / f"{name}-{rank}.pt")

    def stop(done: int, _: int) -> None:
        if done == 6:
            raise Stopped

    for name in ("clp_factual", "draws"):
        with pytest.raises(Stopped):
            train(RUNS[name], path / f"{name} stopped", on_step=stop)
        if rank == 0 and name == "clp_factual":
            shutil.copytree(path / f"{name} stopped", path / "early")
        from_first(None)
        train(RUNS[name], path / f"{name} stopped", resume=True)
    said = []
    for config in (
        replace(CONFIG, method="jtt"),
        replace(CONFIG, optimizer=OptimizerConfig(batch_size=21)),
    ):
        with pytest.raises(ValueError, match=r".+") as error:
            Trainer(config, RunFolder(path / "refused"))
        said.append(str(error.value))
    torch.save(said, path / f"refused-{rank}.pt")
    torch.save(unlike(rank, path), path / f"unlike-{rank}.pt")


def unlike(rank: int, path: Path) -> list[str]:
    """What is said where processes see different files, or one of them cannot begin."""
    if rank == 0:
        shutil.copytree(path / "clp_factual", path / "seen-0", ignore=lambda *_: ["results.json"])
        shutil.copytree(path / "early", path / "stale-1")
        shutil.copytree(path / "seen-0", path / "stale-0")
    with alone_in(path / "held", "training") if rank == 0 else nullcontext():
        from_first(None)  # it has the folder by now
        said = []
        for out, resume in (
            (path / f"seen-{rank}", True),
            (path / f"stale-{rank}", True),
            (path / "held", False),
        ):
            with pytest.raises(ValueError, match=r".+") as error:
                train(RUNS["clp_factual"], out, resume=resume)
            said.append(str(error.value))
            from_first(None)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have left."""
    path = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(in_a_process, (str(path), port), nprocs=2)
    return path


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of a run's last epoch."""
    state: dict[str, torch.Tensor] = torch.load(run / "last.ckpt")["model"]
    return state


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_learn_what_one_does(name: str, folder: Path, tmp_path: Path) -> None:
    train(RUNS[name], tmp_path / "alone")
    for key, value in weights(tmp_path / "alone").items():
        torch.testing.assert_close(weights(folder / name)[key], value, rtol=0, atol=EQUAL[name])


def test_every_process_has_the_same_row(folder: Path) -> None:
    for name, config in RUNS.items():
        rows: list[dict[str, Any]] = [torch.load(folder / f"{name}-{r}.pt") for r in range(2)]
        assert rows[0] == rows[1]
        assert RunFolder(folder / name).finished(config, resume=True) == rows[0]
        with (folder / name / "metrics.csv").open() as file:
            assert len(list(csv.DictReader(file))) == CONFIG.optimizer.epochs


@pytest.mark.parametrize("name", ["clp_factual", "draws"])
def test_a_stopped_run_goes_on_bit_for_bit(name: str, folder: Path) -> None:
    """In "draws" every process drops units of its own."""
    whole = weights(folder / name)
    for key, value in weights(folder / f"{name} stopped").items():
        assert torch.equal(value, whole[key]), key


def test_all_look_with_what_the_first_one_remembers(folder: Path) -> None:
    """A layer of the model remembers the images of its process: the first one's is kept."""
    best = RunFolder(folder / "draws").best("accuracy/mean")
    model, _, data = load_model(best)
    epoch = load_checkpoint(best)["epoch"]
    logits = predict(model, data.validation, torch.device("cpu"))
    loss = torch.nn.functional.cross_entropy(logits, data.validation.labels).item()
    history = {row["epoch"]: row for row in read_history(folder / "draws")}
    assert history[epoch]["validation/loss/mean"] == pytest.approx(loss, rel=1e-5)


def test_every_process_draws_units_of_its_own(folder: Path) -> None:
    states = load_checkpoint(folder / "draws" / "state.ckpt")["random"]
    assert not torch.equal(states[0]["torch"], states[1]["torch"])


@pytest.mark.parametrize("name", ["draws", "clp_factual"])
def test_all_test_the_weights_that_are_kept(name: str, folder: Path) -> None:
    """Each process makes the last touch with draws of its own: the first one's is kept."""
    model, _, data = load_model(folder / name / "last.ckpt")
    logits = predict(model, data.test, torch.device("cpu"))
    loss = torch.nn.functional.cross_entropy(logits, data.test.labels).item()
    tested = torch.load(folder / f"{name}-0.pt")["last"]
    assert tested["loss/test_mean"] == pytest.approx(loss, rel=1e-5)


def test_a_run_goes_on_with_as_many_processes_only(folder: Path) -> None:
    stopped = folder / "clp_factual stopped"
    (stopped / "results.json").unlink()
    with pytest.raises(ValueError, match="was written by 2 processes"):
        train(RUNS["clp_factual"], stopped, resume=True)


def test_what_cannot_be_shared_is_refused(folder: Path) -> None:
    for rank in range(2):
        method, size = torch.load(folder / f"refused-{rank}.pt")
        assert "'jtt' looks at whole batches" in method
        assert "optimizer.batch_size is 21" in size


def test_all_have_to_see_one_folder(folder: Path) -> None:
    for rank in range(2):
        unseen, stale, held = torch.load(folder / f"unlike-{rank}.pt")
        assert "process 0 sees config.yaml, state.ckpt of the run in" in unseen
        assert "process 1 nothing" in unseen
        assert "process 0 sees epoch 2, step 0" in stale
        assert "process 1 epoch" in stale
        assert "another process is training in" in held
    assert not (folder / "seen-1").exists()


def test_a_meta_set_has_an_image_for_every_process() -> None:
    check_meta_shared(3, Part(0, 3))
    check_meta_shared(0, Part(0, 3))  # some methods need none
    with pytest.raises(ValueError, match="the meta set has 2 images, fewer than the 3 processes"):
        check_meta_shared(2, Part(0, 3))


def test_a_process_that_is_left_alone_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer")

    monkeypatch.setattr(commands, "train", lost)
    with pytest.raises(RuntimeError, match="closed by peer"):
        main(["train", "--out", str(tmp_path / "run")])
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "causalogit: another process has stopped, and says why\n"


def test_other_commands_are_for_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["methods"]) == 1
    assert "start it without torchrun" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", [name for name in EQUAL if RUNS[name].model not in ("resnet8", SKIPS)]
)
def test_a_run_in_pieces_learns_the_same(name: str, tmp_path: Path) -> None:
    pieces = replace(CONFIG.optimizer, pieces=3)
    train(RUNS[name], tmp_path / "whole")
    train(replace(RUNS[name], optimizer=pieces), tmp_path / "pieces")
    for key, value in weights(tmp_path / "whole").items():
        torch.testing.assert_close(
            weights(tmp_path / "pieces")[key], value, rtol=0, atol=EQUAL[name]
        )


def test_methods_that_look_at_whole_batches_take_no_pieces(tmp_path: Path) -> None:
    config = replace(CONFIG, method="mixup", optimizer=OptimizerConfig(pieces=2))
    with pytest.raises(ValueError, match="'mixup' looks at whole batches"):
        train(config, tmp_path)
