"""The command `audit`: which classifier, which photos, then a table, a file and a page."""

from __future__ import annotations

from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from causalogit.auditing import (
    Audit,
    AuditConfig,
    Estimate,
    ModelConfig,
    PhotosConfig,
    Subject,
)
from causalogit.auditing import audit as run_audit
from causalogit.auditing.checkpoint import load_subject
from causalogit.auditing.journal import key_of
from causalogit.auditing.outputs import require_one_order
from causalogit.auditing.photos import from_run, from_source
from causalogit.auditing.subject import of_module
from causalogit.auditing.verdict import lead
from causalogit.cli.progress import run_bars
from causalogit.data import Samples
from causalogit.masks import Segmenter, find_segmenter
from causalogit.train.begin import find_device
from causalogit.train.load import load_model


def audit(config: AuditConfig, classifier: str, out: str) -> None:
    """Does a classifier rely on the object or on its background? Measured, and shown in pictures.

    CLASSIFIER is a checkpoint of a run (then the photos are its own test set, unless data.source
    names others), weights of timm or torchvision (.safetensors, .pth; with model.architecture), an
    ONNX file, TorchScript or torch.export (with model.trust), or module:function that returns an
    nn.Module. Photos need masks or boxes, or a segmenter. Writes audit.html, audit.json and
    audit.progress; an audit that was stopped goes on where it was.
    """
    device = find_device(config.device)
    subject, samples, name = _inputs(config, classifier, device)
    folder = Path(out)
    progress = folder / "audit.progress"
    _check_folder(folder, progress, subject)
    with run_bars("photos") as bars:
        found = run_audit(
            subject,
            samples,
            config,
            segmenter=None if samples.images.has_masks else _segmenter(config),
            data_name=name,
            progress=progress,
            on_step=bars,
        )
    found.to_json(folder / "audit.json")
    page = found.to_html(folder / "audit.html")
    show(found, Console())
    Console().print(f"page: {page}", markup=False, soft_wrap=True)


def _check_folder(folder: Path, progress: Path, subject: Subject) -> None:
    """Whether an audit of this classifier may be written to a folder.

    Raises:
        ValueError: it is a file, or holds the audit of another classifier.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is no folder: choose another one (--out)")
    there = key_of(progress)
    if there is not None and there.get("classifier") != subject.fingerprint:
        raise ValueError(
            f"{folder} holds the audit of another classifier: choose another folder (--out), or "
            "delete this one"
        )


def _inputs(
    config: AuditConfig, classifier: str, device: torch.device
) -> tuple[Subject, Samples, str]:
    """The classifier, the photos, and what these are called."""
    split = config.data.split
    if config.data.source is None:
        if Path(classifier).suffix != ".ckpt" or config.model.architecture is not None:
            raise ValueError(
                "which photos? Give data.source, a folder CLASS/PHOTO or a table; only a "
                "checkpoint of a run (.ckpt) names its own"
            )
        _require_no_more(config, classifier)
        model, run, data = load_model(Path(classifier))
        samples = from_run(data, split or "test")
        subject = of_module(model.to(device), name=f"{run.method}, {run.model}")
        return subject, samples, f"{data.name}, {split or 'test'}"
    subject = load_subject(classifier, config.model, device)
    samples = from_source(config.data, subject.size)
    require_one_order(samples.class_names, subject.outputs)
    return subject, samples, config.data.source + (f", {split}" if split else "")


def _require_no_more(config: AuditConfig, classifier: str) -> None:
    """Refuse options that a checkpoint on its own run's data would not listen to.

    Raises:
        ValueError: there are some.
    """
    if config.data != PhotosConfig(split=config.data.split):
        raise ValueError(
            "options of the data are given, but no data.source: give the folder CLASS/PHOTO or the "
            "table as well; without it a checkpoint's own run says all of its data but data.split"
        )
    if config.model != ModelConfig():
        raise ValueError(
            f"options of the model are given, but {classifier} is a checkpoint of a run, which "
            "says itself how it is read: leave them out, or give the data.source of other photos"
        )


def _segmenter(config: AuditConfig) -> Segmenter | None:
    if config.segmenter is None:
        return None
    path = config.segmenter_path
    return find_segmenter(config.segmenter, None if path is None else Path(path))


def show(found: Audit, console: Console) -> None:
    """Print the verdicts and the table of the classes."""
    console.print(f"\n[bold]{escape(found.verdict.sentence)}[/bold]")
    console.print(escape(lead(found.overall, found.object_name)))
    for caution in found.cautions:
        console.print(f"[yellow]Caution:[/yellow] {escape(caution)}")
    console.print(classes_table(found))
    most = sorted(found.classes, key=lambda c: -_value(c.figures.reliance))[:_MOST_SENTENCES]
    for result in most:
        console.print(f"[bold]{escape(result.name)}[/bold]: {escape(result.verdict.sentence)}")
    if len(most) < len(found.classes):
        more = len(found.classes) - len(most)
        console.print(f"and {more} {'class' if more == 1 else 'classes'} more: see audit.json")
    for kind, groups in (("known", found.known), ("discovered", found.discovered)):
        if groups is None:
            continue
        if groups.results:
            worst = groups.worst
            console.print(
                f"worst {kind} group: {escape(worst.label)}, {escape(worst.background)}, "
                f"{_told(worst.accuracy)} of {worst.accuracy.n} named right"
            )
        if groups.left_out:
            console.print(escape(f"{kind} groups: {groups.left_out}"))


_MOST_SENTENCES = 10


def classes_table(found: Audit) -> Table:
    """Every class with its figures in per cent, those that rely most on top."""
    table = Table(
        title=f"{escape(found.classifier)} on {escape(found.data)}: named right, %",
        caption="For, against: the object pasted on a background that speaks for or against its "
        "class. Turn: the difference, with its 95% interval. Gone: class named though the object "
        "is grey (by chance). Looks: attention on the object (its area).",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("class")
    for name in ("photos", "as is", "for", "against", "turn", "gone", "looks"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in sorted(found.classes, key=lambda c: -_value(c.figures.reliance)):
        figures = result.figures
        table.add_row(
            escape(result.name),
            f"{result.photos}",
            *(_whole(e) for e in (figures.as_is, figures.own, figures.other)),
            _told(figures.reliance),
            _beside(figures.gone, figures.gone_by_chance),
            _beside(figures.attention, figures.attention_by_chance),
        )
    return table


def _value(estimate: Estimate | None) -> float:
    return -2.0 if estimate is None else estimate.value


def _whole(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{100 * estimate.value:.0f}"


def _told(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    low, high = (round(100 * end) for end in (estimate.low, estimate.high))
    return f"{_whole(estimate)} ({low} to {high})"


def _beside(estimate: Estimate | None, other: float | None) -> str:
    return "-" if estimate is None or other is None else f"{_whole(estimate)} ({100 * other:.0f})"
