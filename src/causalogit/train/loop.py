"""One training run: epochs, validation, checkpoints, and the test at the end."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from causalogit.config import RunConfig, config_from_dict, config_to_dict
from causalogit.config.check import one_line
from causalogit.core import Divergence, processes
from causalogit.data import epoch_batches, read_ahead, steps_in_epoch
from causalogit.evaluate.metrics import (
    Metrics,
    RunningMeans,
    classification_metrics,
    test_metrics,
)
from causalogit.methods import Task, build_method, run_data
from causalogit.models import build_model
from causalogit.train.begin import check_fit, make_fabric
from causalogit.train.checkpoint import ANEW, check_same_data, load_checkpoint, save_checkpoint
from causalogit.train.environment import git_revision
from causalogit.train.folder import RunFolder
from causalogit.train.optimizer import build_optimizer, build_schedule
from causalogit.train.passes import measure_noise
from causalogit.train.together import (
    check_meta_shared,
    check_seen_by_all,
    from_first,
    gathered_objects,
    part_of,
    predict_together,
)

OnStep = Callable[[int, int], None]
"""`(steps done, steps in all)`."""

OnEpoch = Callable[[int, float], None]
"""`(epochs done, the validation metric select_by)`."""

SELECTORS = ("accuracy/mean", "accuracy/worst_group")


class Trainer:
    """Runs the method of a config on its data and keeps everything in a folder.

    Of several processes each has a part of every batch, and the first one writes the folder.

    Args:
        config: what to run.
        folder: where to keep it.

    Raises:
        ValueError: the config names something that does not exist or does not fit.
    """

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        self.config = config
        self.folder = folder
        self.fabric = make_fabric(config)
        self.device = self.fabric.device
        self.part = part_of(config)
        self.data = run_data(config, self.device)
        check_meta_shared(len(self.data.meta), self.part)
        model = build_model(
            config.model,
            self.data.num_classes,
            self.data.channels,
            config.seed,
            config.weights,
            mean=config.mean,
            std=config.std,
        )
        self.model: nn.Module = self.fabric.to_device(model)
        few = self.data.train.batch(torch.arange(2)).to(self.device)
        check_fit(self.model, few.images, config)
        self.optimizer = build_optimizer(self.model, config.optimizer)
        self.schedule = build_schedule(self.optimizer, config.optimizer)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.method = build_method(
            Task(
                config,
                self.data,
                self.model,
                self.optimizer,
                self.generator,
                self.device,
                self.part,
            )
        )
        self.split = self.method.training_split()
        self.epoch = 0
        self.steps_in_epoch = 0
        self.means = RunningMeans()
        self.history: list[dict[str, float]] = []
        self.best: dict[str, dict[str, float]] = {}
        self.seconds = 0.0

    def run(self, on_step: OnStep | None = None) -> dict[str, Any]:
        """Train to the last epoch, test, and return the run's row of `results.json`.

        The global random state of the caller is left alone.

        Raises:
            Divergence: training left the numbers; the last good checkpoint stays.
        """
        with self._own_random_state():
            while self.epoch < self.config.optimizer.epochs:
                self._train_epoch(on_step)
            return self._test()

    def validate(
        self, on_step: OnStep | None = None, on_epoch: OnEpoch | None = None
    ) -> dict[str, float]:
        """Train to the last epoch and stop before the test, whose images are not read.

        Args:
            on_step: called after every training step.
            on_epoch: called after every epoch, those of a resumed run first; what it raises ends
                the run.

        Returns:
            Validation metrics of the selected epoch, after the method's last touch.

        Raises:
            Divergence: training left the numbers; the last good checkpoint stays.
        """
        with self._own_random_state():
            told = 0
            while True:
                for row in self.history[told:]:
                    if on_epoch:
                        on_epoch(int(row["epoch"]), row[f"validation/{self.config.select_by}"])
                told = len(self.history)
                if self.epoch >= self.config.optimizer.epochs:
                    break
                self._train_epoch(on_step)
            model = self._best(self.config.select_by)
            self.method.finish(model)
            return self._evaluate(model, "validation")

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        """The run's random state and what its folder holds of it; then the caller's, as it was."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.config.seed + self.part.rank)
            if self.folder.state.is_file():
                self._load_state()
                place = f"epoch {self.epoch}, step {self.steps_in_epoch}"
                check_seen_by_all(str(self.folder.state), place)
            yield

    def _train_epoch(self, on_step: OnStep | None) -> None:
        started = time.perf_counter()
        weights = self.method.sampling_weights()
        size = self.config.optimizer.batch_size
        steps = steps_in_epoch(len(self.split), size, self.part)
        batches = epoch_batches(
            self.split,
            size,
            self.config.seed,
            self.epoch,
            weights=weights,
            start=self.steps_in_epoch,
            part=self.part,
        )
        self.model.train()
        for batch in read_ahead(batches):
            with self.fabric.autocast():
                self.means.add(self.method.step(batch.to(self.device)))
            self.steps_in_epoch += 1
            done = self.epoch * steps + self.steps_in_epoch
            if on_step:
                on_step(done, self.config.optimizer.epochs * steps)
            every = self.config.checkpoint_every
            if every and done % every == 0 and self.steps_in_epoch < steps:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()
                self._save_state()
        self.method.end_epoch()
        rate = self.optimizer.param_groups[0]["lr"]
        self.schedule.step()
        self.epoch += 1
        self.seconds += time.perf_counter() - started
        trained = {f"train/{name}": value for name, value in self.means.take().items()}
        self.steps_in_epoch = 0
        self._end_epoch({"learning_rate": rate} | trained)

    def _end_epoch(self, trained: dict[str, float]) -> None:
        metrics = self._evaluate(self.model, "validation")
        row = {"epoch": float(self.epoch), **trained}
        row |= {f"validation/{name}": value for name, value in metrics.items()}
        self.history.append(row)
        self._check_finite()
        for selector in SELECTORS:
            if selector not in self.best or metrics[selector] > self.best[selector]["value"]:
                self.best[selector] = {"value": metrics[selector], "epoch": self.epoch}
                self._save_model(self.folder.best(selector), self.model, self.epoch)
        # before the state: a run that is killed in between logs this row once more
        if self.part.rank == 0:
            self.folder.log_epoch(row, self.history)
        self._save_state()

    def _evaluate(self, model: nn.Module, split: str) -> Metrics:
        samples = getattr(self.data, split)
        with self.fabric.autocast():
            logits = predict_together(model, samples, self.device)
        return classification_metrics(
            logits, samples.labels, samples.groups, self.data.group_counts
        )

    def _test(self) -> dict[str, Any]:
        """Finish and test the last weights and every selected ones; write the run's row."""
        model, last = self._finished(self.model, self.epoch)
        self._save_model(self.folder.last, model, self.epoch)
        by_epoch, selected = {self.epoch: (model, last)}, {}
        for selector, best in self.best.items():
            epoch = int(best["epoch"])
            if epoch not in by_epoch:
                by_epoch[epoch] = self._finished(self._best(selector), epoch)
            model, selected[selector] = by_epoch[epoch]
            self._save_model(self.folder.selected(selector), model, epoch)
        row = {
            "method": self.config.method,
            "title": self.method.title,
            "budget": self._budget(),
            "dataset": self.data.name,
            "data": self.data.fingerprint,
            "seed": self.config.seed,
            "last": last,
            "selected": selected[self.config.select_by],
            "selected_by": f"validation {self.config.select_by}",
            "selections": {selector: selected[selector] for selector in SELECTORS},
            "seconds": round(self.seconds, 2),
            "epochs": self.epoch,
            "folder": str(self.folder.path),
            "revision": git_revision(),
        }
        if self.part.rank == 0:
            noise = measure_noise(self.method, self.folder.last)
            if noise is not None:
                row["noise"] = noise
            self.folder.finish(row, self.method, self.data.train)
        return from_first(row)

    def _best(self, selector: str) -> nn.Module:
        """A copy of the model with the weights of the best epoch."""
        from_first(None)  # it has written the file by then
        model = copy.deepcopy(self.model)
        state = load_checkpoint(self.folder.best(selector), ANEW)
        model.load_state_dict(state["model"])
        return model

    def _budget(self) -> str:
        """What the run was told; masks learned from the meta set's are no more than budget B."""
        budget = self.method.information()
        return "B" if budget == "C" and self.config.data.masks == "learned" else budget

    def _finished(self, model: nn.Module, epoch: int) -> tuple[nn.Module, dict[str, float]]:
        """A copy of the model after the method's last touch, and its test."""
        model = copy.deepcopy(model)
        self.method.finish(model)
        processes.copy_from_first(model.state_dict().values())
        return model, {"epoch": epoch, **test_metrics(self._evaluate(model, "test"))}

    def _check_finite(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                state = self.folder.state
                good = f"the last good checkpoint is {state}" if state.is_file() else "none is kept"
                raise Divergence(
                    f"epoch {self.epoch}: the weights '{name}' are not finite; {good}: begin a run "
                    "with a lower learning rate"
                )

    def _save_model(self, path: Path, model: nn.Module, epoch: int) -> None:
        if self.part.rank > 0:
            return
        save_checkpoint(
            path,
            {
                "config": config_to_dict(self.config),
                "class_names": list(self.data.class_names),
                "data": self.data.fingerprint,
                "model": model.state_dict(),
                "epoch": epoch,
            },
        )

    def _save_state(self) -> None:
        self._check_finite()
        random = gathered_objects(self._random_state())
        if self.part.rank > 0:
            return
        save_checkpoint(
            self.folder.state,
            {
                "config": config_to_dict(self.config),
                "class_names": list(self.data.class_names),
                "data": self.data.fingerprint,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "method": self.method.state_dict(),
                "streams": [stream.state_dict() for stream in self.method.task.streams],
                "epoch": self.epoch,
                "steps_in_epoch": self.steps_in_epoch,
                "means": self.means.state_dict(),
                "history": self.history,
                "best": self.best,
                "seconds": self.seconds,
                "random": random,
            },
        )

    def _random_state(self) -> dict[str, Tensor | None]:
        cuda = self.device.type == "cuda"
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if cuda else None,
            "generator": self.generator.get_state(),
        }

    def _load_state(self) -> None:
        state = load_checkpoint(self.folder.state, ANEW)
        writers = state.get("random")
        if isinstance(writers, list) and len(writers) != self.part.count:
            raise ValueError(
                f"{self.folder.state} was written by {len(writers)} processes: go on with "
                f"as many (torchrun --nproc_per_node), not with {self.part.count}"
            )
        check_same_data(state, self.data, self.folder.state)
        try:
            if config_from_dict(state["config"]) != self.config:
                raise ValueError("its config is another one")
            self._restore(state)
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"{self.folder.state} was written by another version of causalogit, or by another "
                f"run, and cannot be gone on with ({one_line(error)}): {ANEW}"
            ) from error

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.method.load_state_dict(state["method"])
        # none in those of a version that drew meta batches along with everything else
        for stream, own in zip(self.method.task.streams, state.get("streams", ()), strict=False):
            stream.load_state_dict(own)
        self.epoch, self.steps_in_epoch = int(state["epoch"]), int(state["steps_in_epoch"])
        if not 0 <= self.epoch <= self.config.optimizer.epochs:
            raise ValueError(f"it has {self.epoch} epochs")
        self.means.load_state_dict(state["means"])
        self.history = [dict(row) for row in state["history"]]
        self.best = {name: {**best} for name, best in state["best"].items()}
        self.seconds = float(state["seconds"])
        random: dict[str, Tensor] = state["random"][self.part.rank]
        torch.set_rng_state(random["torch"])
        if self.device.type == "cuda" and random["cuda"] is not None:
            torch.cuda.set_rng_state(random["cuda"], self.device)
        self.generator.set_state(random["generator"])
