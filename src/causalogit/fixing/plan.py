"""All that a fix is going to do, looked at before anything is trained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from causalogit.auditing.outputs import require_one_order
from causalogit.auditing.photos import digest_of, from_run
from causalogit.config import DataConfig, RunConfig
from causalogit.data import Data, Samples
from causalogit.data.masking.write import OnProgress
from causalogit.files import write_text
from causalogit.fixing.config import OWN, FixConfig
from causalogit.fixing.export import require_onnx, user_state, write_weights
from causalogit.fixing.masked import Masks, make, masked_everywhere, require_test_masks
from causalogit.fixing.start import Aligned, Start, align, read_start
from causalogit.methods import find_method, require_known, run_data
from causalogit.methods.clp import Clp, choose_characteristics
from causalogit.models.build import PRETRAINED
from causalogit.train.folder import RunFolder

RECORD = "fix.yaml"
"""What was asked for."""

_START = "start.safetensors"
"""The weights that training begins with."""

_PHOTOS = "photos"
"""Of the record: digests of the splits, which folders of older versions do not have."""

_NO_MATTER = ("onnx", "device", "threshold")
"""Options that a fix may be gone on with, whatever they were."""


@dataclass(frozen=True)
class Plan:
    """What is going to be done.

    Attributes:
        aligned: the classifier.
        run: the training.
        data: its splits.
        samples: the test photos.
        masks: where the masks come from.
        seen: whether the classifier may have been trained on the test photos.
    """

    aligned: Aligned
    run: RunConfig
    data: Data
    samples: Samples
    masks: Masks
    seen: Literal["no", "unknown"]


def make_plan(
    config: FixConfig,
    place: str,
    out: Path,
    device: torch.device,
    on_progress: OnProgress | None = None,
) -> Plan:
    """Read and check everything; make the masks that are missing; write where training begins.

    Nothing is written before all that the user gave was found to fit.

    Args:
        config: of the fix.
        place: the classifier.
        out: the folder.
        device: where it will be trained.
        on_progress: told how far the masks are.

    Raises:
        ValueError: something does not fit, or the folder holds another fix.
    """
    if config.onnx:
        require_onnx()
    own_data = config.data.source == OWN
    start = read_start(place, config.model, own_data)
    settings = _data_config(config, start)
    seed = config.seed if config.seed is not None else start.run.seed if start.run else 0
    first = RunConfig(seed=seed, data=settings)
    data = run_data(first, torch.device("cpu"))
    require_one_order(data.class_names, start.subject.outputs)
    few, _ = data.test.images.read(torch.arange(2))
    aligned = align(start, data.class_names, few)
    run = _training(config, first, start, data.channels, out, device)
    _check_method(config.method, run)
    record = _record(config, place, start)
    _check_folder(out, record)
    masks = Masks()
    if config.segmenter is not None and not masked_everywhere(data):
        settings, masks = make(
            settings, config.segmenter, config.segmenter_path, out / "masks", on_progress
        )
        data = run_data(replace(first, data=settings), torch.device("cpu"))
    require_test_masks(data)
    run = replace(run, data=settings, method=config.method or choose_method(data))
    require_known(find_method(run.method), data, settings.source)
    record[_PHOTOS] = [
        digest_of(split.images, split.labels, run.optimizer.batch_size)
        for split in (data.train, data.validation, data.meta, data.test)
    ]
    _check_folder(out, record)
    folder = RunFolder(out / "run")
    if folder.config.is_file():  # the folder may have been called otherwise, as by its full path
        run = replace(run, weights=_same_file(folder.recorded().weights, run.weights))
    folder.finished(run, resume=True)
    _begin(out, record, aligned, len(data.class_names))
    seen = seen_before(start.run if own_data else None, run.split_seed)
    return Plan(aligned, run, data, from_run(data, "test"), masks, seen)


def _same_file(recorded: str | None, weights: str | None) -> str | None:
    """The weights, by the name that is recorded if that is the same file."""
    same = recorded and weights and Path(recorded).resolve() == Path(weights).resolve()
    return recorded if same else weights


def seen_before(run: RunConfig | None, seed: int) -> Literal["no", "unknown"]:
    """Whether a classifier may have been trained on the test photos.

    With the same seed of the split, a run has kept its own test photos apart. What was trained
    before it, if it began with the weights of a file (as that of a fix does), may have seen them.

    Args:
        run: that made the classifier, of the same data; None where that is not known.
        seed: of the split.
    """
    kept_apart = run is not None and run.split_seed == seed and run.weights in (None, PRETRAINED)
    return "no" if kept_apart else "unknown"


def choose_method(data: Data) -> str:
    """The recipe that fits the masks at hand.

    Masks on the training photos let their backgrounds be replaced, which closes most of a gap;
    masks on the meta photos alone, that those are learned from without their backgrounds.

    Raises:
        ValueError: there are no masks to train with.
    """
    if data.train.has_masks and data.meta.has_masks:
        return "clp_factual"
    if data.meta.has_masks:
        return "erm_meta_augmented"
    raise ValueError(
        "neither all training photos nor all meta photos have masks, so nothing tells the object "
        "from its background while it is trained: give them, or --segmenter u2netp "
        "(pip install 'causalogit[masks]'), or choose a method that needs none (--method, "
        "`causalogit methods`)"
    )


def _data_config(config: FixConfig, start: Start) -> DataConfig:
    if config.data.source == OWN:
        assert start.run is not None  # `read_start` has refused all others
        return start.run.data
    return replace(config.data, image_size=config.data.image_size or start.subject.size)


def _training(
    config: FixConfig,
    first: RunConfig,
    start: Start,
    channels: int,
    out: Path,
    device: torch.device,
) -> RunConfig:
    """The run that goes on from the classifier's weights, its method and its masks still open."""
    mean, std = start.normalisation(channels)
    return replace(
        first,
        model=start.architecture,
        weights=str(out / _START),
        mean=mean,
        std=std,
        select_by=config.select_by or first.select_by,
        precision=config.precision,
        accelerator=device.type,
        checkpoint_every=config.checkpoint_every,
        optimizer=config.optimizer,
        clp=config.clp,
        controls=config.controls,
    )


def _check_method(name: str | None, run: RunConfig) -> None:
    kind = find_method(name or "clp_factual")
    if issubclass(kind, Clp):
        choose_characteristics(run.clp)


def _record(config: FixConfig, place: str, start: Start) -> dict[str, Any]:
    options = {n: v for n, v in asdict(config).items() if n not in _NO_MATTER}
    plain: dict[str, Any] = json.loads(json.dumps(options))
    return {"classifier": place, "fingerprint": start.subject.fingerprint} | plain


def _check_folder(out: Path, record: dict[str, Any]) -> None:
    """Whether a fix of this record may be written to a folder.

    Raises:
        ValueError: it holds another one.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is no folder: choose another one")
    path = out / RECORD
    if not path.is_file():
        return
    there = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(there, dict):
        raise ValueError(f"{path} is not what this command has written: choose another folder")
    known = [name for name in record if name in there or name != _PHOTOS]
    different = [name for name in known if _differs(there.get(name), record[name])]
    if not different:
        return
    changed = [name for name in different if name not in ("fingerprint", _PHOTOS)]
    what = f"other options ({', '.join(changed)})"
    if not changed:
        what = (
            "other photos or masks" if _PHOTOS in different else "another state of the classifier"
        )
    raise ValueError(
        f"{out} holds the fix of {what}: choose another folder, or delete this one (all but masks, "
        "where some were corrected by hand)"
    )


def _differs(old: object, new: object) -> bool:
    """Whether an option has changed; one younger than the record has its default in it."""
    if isinstance(old, dict) and isinstance(new, dict):
        return any(_differs(old[name], new[name]) for name in old if name in new)
    return old != new


def _begin(out: Path, record: dict[str, Any], aligned: Aligned, classes: int) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / RECORD, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))
        if not (out / _START).is_file():
            write_weights(out / _START, user_state(aligned.start.whole, classes))
    except OSError as error:
        raise ValueError(f"{out} cannot be written to: {error}") from error
