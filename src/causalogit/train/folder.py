"""A run's folder: what is in it, and under which name."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from safetensors.torch import save as save_tensors
from torch.utils.tensorboard import SummaryWriter

from causalogit.config import RunConfig, config_from_dict, config_to_dict
from causalogit.config.check import one_line
from causalogit.data import Split
from causalogit.files import alone_in, cannot_write, sweep, write_bytes, write_json, write_text
from causalogit.methods import Method
from causalogit.methods.clp import Clp
from causalogit.train.environment import describe_environment
from causalogit.train.passes import kept_places, over_mixed_batches

OUTPUTS = ("delta", "weight")
"""What a perturbation network gives; a run's file has one of them, under its name."""


class RunFolder:
    """Names and writes the files of one run.

    | file | content |
    |---|---|
    | `config.yaml`, `environment.json` | what was run, with what |
    | `metrics.csv`, `tensorboard/` | one row an epoch |
    | `state.ckpt` | everything that a resumed run needs |
    | `best-*.ckpt` | weights of the best epoch by each validation metric |
    | `last.ckpt`, `selected-*.ckpt` | the tested weights, after the method's last touch |
    | `perturbation.safetensors` | what CLP's network says of training images, of 50,000 at most |
    | `results.json` | the test; it exists once the run is complete |
    | `.lock` | held by the process that trains here |
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.state = path / "state.ckpt"
        self.last = path / "last.ckpt"
        self.results = path / "results.json"
        self.perturbation = path / "perturbation.safetensors"
        self._board: SummaryWriter | None = None
        self._alone = ExitStack()

    def best(self, selector: str) -> Path:
        """Raw weights of the best epoch by a validation metric."""
        return self.path / f"best-{selector.rsplit('/', maxsplit=1)[-1]}.ckpt"

    def selected(self, selector: str) -> Path:
        """Tested weights of the best epoch by a validation metric."""
        return self.path / f"selected-{selector.rsplit('/', maxsplit=1)[-1]}.ckpt"

    def finished(self, config: RunConfig, resume: bool) -> dict[str, Any] | None:
        """The row of this run if it is complete; None if it is still to be run.

        Raises:
            ValueError: there is a run already and `resume` is off, it has another config, or its
                files are damaged.
        """
        if not self.config.is_file():
            return None
        if not resume:
            raise ValueError(
                f"{self.path} holds a run already: resume it (--resume), or "
                "choose another folder (--out)"
            )
        if self.recorded() != config:
            raise ValueError(
                f"{self.path} holds a run of another config: resume it with "
                f"--config {self.config}, or choose another folder"
            )
        if not self.results.is_file():
            return None
        return self.row()

    def recorded(self) -> RunConfig:
        """The config of the run that is here; options younger than the run have their defaults."""
        try:
            return config_from_dict(yaml.safe_load(self.config.read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{self.config} is damaged ({one_line(error)}): put it right, or choose another "
                "folder (--out)"
            ) from error

    def row(self) -> dict[str, Any]:
        """The row of `results.json`.

        Raises:
            ValueError: the file is not what a run has written.
        """
        try:
            row: dict[str, Any] = json.loads(self.results.read_bytes())["runs"][0]
            row["selected_by"]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{self.results} is damaged ({one_line(error)}): delete it, and train --resume "
                "tests the run anew"
            ) from error
        return row

    def begin(self, config: RunConfig, *, resume: bool = False) -> None:
        """Make the folder, keep others out of it, and record what is run, with what.

        Raises:
            ValueError: another process is training in the folder, or has begun or ended a run there
                since it was looked at (see `finished`).
            OSError: it cannot be written to.
        """
        self._alone.enter_context(alone_in(self.path, "training"))
        try:
            self.finished(config, resume)
        except ValueError:
            self._alone.close()
            raise
        sweep(self.path)
        write_json(self.path / "environment.json", describe_environment())
        write_text(self.config, yaml.safe_dump(config_to_dict(config), sort_keys=False))

    def log_epoch(self, row: dict[str, float], history: list[dict[str, float]]) -> None:
        """Rewrite `metrics.csv` from the history and add the row to TensorBoard's log."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for past in history for name in past))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_text(self.path / "metrics.csv", text.getvalue())
        try:
            self._to_tensorboard(row, int(row["epoch"]))
        except OSError as error:
            raise cannot_write(self.path / "tensorboard", error) from error

    def _to_tensorboard(self, row: dict[str, float], epoch: int) -> None:
        if self._board is None:
            # a resumed run takes back what a killed one had logged beyond its last checkpoint
            self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=epoch)
        for name, value in row.items():
            self._board.add_scalar(name, value, epoch)
        self._board.flush()

    def finish(self, row: dict[str, Any], method: Method, train: Split) -> None:
        """Write what the report needs, and `results.json` last."""
        if isinstance(method, Clp):
            self._save_perturbation(method, train)
        write_json(self.results, {"runs": [row]})

    def _save_perturbation(self, method: Clp, train: Split) -> None:
        places = kept_places(len(train))
        device = method.task.device
        values, output = over_mixed_batches(method.perturbation, train, device, places)
        tensors = {
            "characteristics": values,
            method.clp.loss.name: output,
            "labels": train.labels[places],
            "groups": train.groups[places],
        }
        if train.true_labels is not None:
            tensors["true_labels"] = train.true_labels[places]
        content = save_tensors(tensors, {"characteristics": json.dumps(method.clp.table.names)})
        write_bytes(self.perturbation, content)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alone.close()
        if self._board is not None:
            self._board.close()
