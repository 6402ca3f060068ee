"""A fix from the first photo to the new model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from causalogit.auditing import Audit, AuditConfig, Subject
from causalogit.auditing import audit as run_audit
from causalogit.auditing.journal import OnStep
from causalogit.auditing.subject import of_module
from causalogit.config import config_to_dict
from causalogit.files import alone_in, sweep
from causalogit.fixing.compare import (
    accuracy_change,
    class_changes,
    gap_change,
    reliance_change,
)
from causalogit.fixing.config import FixConfig
from causalogit.fixing.export import write_model, write_onnx
from causalogit.fixing.pictures import take_pictures
from causalogit.fixing.plan import Plan, make_plan
from causalogit.fixing.result import Fixed
from causalogit.fixing.verdict import outcome_of
from causalogit.train import train
from causalogit.train.checkpoint import load_checkpoint
from causalogit.train.environment import describe_environment
from causalogit.train.folder import RunFolder
from causalogit.train.load import load_model

_CHECKED = 8  # photos that the written model must answer as the trained one does


def fix(
    config: FixConfig,
    classifier: str,
    out: Path,
    *,
    device: torch.device | None = None,
    pictures: bool = True,
    on_step: OnStep | None = None,
) -> Fixed:
    """Audit a classifier, train it further so that it goes by the object, and audit it again.

    What `out` holds already of the same fix is not done again: masks, both audits batch by batch,
    training from its last checkpoint.

    Args:
        config: photos, recipe, options.
        classifier: a checkpoint, weights, or "module:function", as for an audit.
        out: gets before/, run/, after/, the new model (model.safetensors, model.json), fix.json,
            and fix.html with pictures.
        device: where to compute; None for the CPU.
        pictures: make the pages.
        on_step: told the stage, the photos done and the photos in all.

    Returns:
        What it did.

    Raises:
        ValueError: the classifier cannot be trained, or it and the photos do not fit; or `out`
            holds another fix, or another process is at it.
        Divergence: training left the numbers.
    """
    device = device or torch.device("cpu")
    with alone_in(out, "fixing a classifier"):
        sweep(out)
        plan = make_plan(config, classifier, out, device, on_step)
        settings = config.audit_config(plan.run.data, plan.run.seed)
        start = plan.aligned.start.subject
        first = _on(start, start.name, plan.aligned.start.whole, device)
        before = _audited(first, plan, settings, out / "before", pictures, on_step)
        size = plan.run.optimizer.batch_size
        row = train(
            plan.run,
            out / "run",
            resume=True,
            on_step=on_step
            and (lambda done, total: on_step("training", done * size, total * size)),
        )
        checkpoint = _checkpoint(RunFolder(out / "run"), config)
        module, _, _ = load_model(checkpoint)
        few, _ = plan.samples.images.read(torch.arange(min(_CHECKED, len(plan.samples))))
        last = _on(start, f"{start.name}, trained further", module, device)
        after = _audited(last, plan, settings, out / "after", pictures, on_step)
        names, order = plan.data.class_names, plan.aligned.order
        model = write_model(out, module, plan.run.model, names, order, few)
        epoch = int(load_checkpoint(checkpoint)["epoch"])
        fixed = _fixed(plan, before, after, model, epoch=epoch, title=row["title"])
        if pictures:
            series = take_pictures((first, last), plan.samples.images, (before, after), names)
            fixed = replace(fixed, pictures=series)
            fixed.to_html(out / "fix.html")
        fixed.to_json(out / "fix.json")
        if config.onnx:  # the last of all: not every network can be written so
            fixed = replace(fixed, model=write_onnx(out, module, model, few))
            fixed.to_json(out / "fix.json")
        return fixed


def _on(subject: Subject, name: str, module: nn.Module, device: torch.device) -> Subject:
    """A subject on the device; the module given stays where it is."""
    there = of_module(copy.deepcopy(module).to(device), name=name, input_words=subject.input)
    return replace(there, size=subject.size)


def _checkpoint(folder: RunFolder, config: FixConfig) -> Path:
    return folder.last if config.select_by is None else folder.selected(config.select_by)


def _audited(
    subject: Subject,
    plan: Plan,
    settings: AuditConfig,
    folder: Path,
    pictures: bool,
    on_step: OnStep | None,
) -> Audit:
    """The audit of one classifier, and its files; `fix.json` says more, so these are for a look."""
    found = run_audit(
        subject,
        plan.samples,
        settings,
        data_name=f"{plan.data.name}, test",
        progress=folder / "audit.progress",
        pictures=pictures,
        on_step=on_step
        and (lambda stage, done, total: on_step(f"{folder.name}: {stage}", done, total)),
    )
    found.to_json(folder / "audit.json")
    if pictures:
        found.to_html(folder / "audit.html")
    return found


def _fixed(
    plan: Plan, before: Audit, after: Audit, model: Mapping[str, Any], *, epoch: int, title: str
) -> Fixed:
    accuracy = accuracy_change(before, after)
    reliance = reliance_change(before, after)
    gap = gap_change(before, after, plan.run.seed)
    return Fixed(
        classifier=before.classifier,
        data=before.data,
        object_name=before.object_name,
        photos=before.photos,
        method=plan.run.method,
        title=title,
        epochs=plan.run.optimizer.epochs,
        epoch=epoch,
        trained_on=len(plan.data.train),
        meta=len(plan.data.meta),
        masks=plan.masks,
        seen=plan.seen,
        left_out=plan.aligned.left_out,
        outcome=outcome_of(before, after, accuracy, reliance, gap),
        accuracy=accuracy,
        reliance=reliance,
        gap=gap,
        classes=class_changes(before, after),
        before=before,
        after=after,
        model=model,
        settings={
            "threshold": before.settings["threshold"],
            "pixels": before.settings["pixels"],
            "splits": dict(plan.data.origins),
            "run": config_to_dict(plan.run),
            "environment": describe_environment(),
        },
    )
