"""An audit from the first photo to the last sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from causalogit.auditing.attend import attention_on_objects
from causalogit.auditing.config import AuditConfig
from causalogit.auditing.dataset import Dataset, from_dataset
from causalogit.auditing.discover import discover
from causalogit.auditing.figures import (
    discovered_groups,
    figures_of,
    known_groups,
    per_photo,
    telling_photos,
)
from causalogit.auditing.foreign import words_for
from causalogit.auditing.journal import Journal, OnStep
from causalogit.auditing.measure import Measured, measure
from causalogit.auditing.outputs import labels_in_outputs, output_names
from causalogit.auditing.photos import digest_of, file_names, require_masks
from causalogit.auditing.pictures import take_pictures
from causalogit.auditing.result import Audit, ClassResult
from causalogit.auditing.segmented import bits_of, segmented
from causalogit.auditing.subject import Subject, answers_digest, of_module
from causalogit.auditing.verdict import cautions, class_verdict, overall_verdict
from causalogit.data import Images, Samples
from causalogit.evaluate.attention import AttentionMethod
from causalogit.masks import Segmenter
from causalogit.models import Normalized
from causalogit.train.environment import describe_environment

_FORMAT = 3  # of the journal's results
_LOOKED_AT = 8  # photos that tell classifiers and segmenters apart


def audit(
    model: nn.Module | Subject,
    dataset: Samples | Dataset,
    config: AuditConfig | None = None,
    *,
    class_names: Sequence[str] | None = None,
    segmenter: Segmenter | None = None,
    data_name: str = "photos",
    progress: Path | None = None,
    pictures: bool = True,
    on_step: OnStep | None = None,
) -> Audit:
    """How much a classifier relies on the background of its photos.

    Every photo is shown as it is, without its object, as its background alone, and with its object
    on two other backgrounds: one from its own class that speaks for it, one from another class that
    speaks against it. What the last two differ in is the background alone; both are cut out and
    pasted alike. The model is not changed, and computes where it is.

    Args:
        model: maps photos `(B, K, H, W)` in [0, 1] to logits `(B, C)`; with `config.model.mean` and
            `std` it is given normalised ones.
        dataset: items (photo, label) or (photo, label, mask), photos `(K, H, W)` in [0, 1] of one
            size, masks 1 on the object; or `Samples` of a source.
        config: of the audit; its `data` and `device` are for the command line.
        class_names: one a class, where the data set has none.
        segmenter: finds the objects, in place of masks.
        data_name: what the photos are called.
        progress: a file of results; an audit that was stopped goes on with it.
        pictures: make the pictures of the page.
        on_step: told the stage, the photos done and the photos in all.

    Raises:
        ValueError: the data set or the model is not like that.
    """
    config = config or AuditConfig()
    samples = dataset if isinstance(dataset, Samples) else from_dataset(dataset, class_names)
    if segmenter is None:
        require_masks(samples.images)
    subject = model if isinstance(model, Subject) else _subject(model, config)
    count = subject.answer(samples.images.read(torch.arange(1))[0]).shape[1]
    labels, names = labels_in_outputs(samples.labels, samples.class_names, subject.outputs, count)
    key = _key(subject, samples, labels, segmenter, config) if progress else {}
    with Journal(progress, key) as journal:
        images, measured, inside, method = _look(
            subject, samples.images, labels, segmenter, config, journal, on_step
        )
    found = discover(measured.looks, measured.apart, config.most_groups, config.seed)
    overall = figures_of(measured, inside, torch.ones_like(labels, dtype=torch.bool))
    classes = _classes(measured, inside, names, config.threshold)
    apart = int(measured.apart.sum())
    attributes = samples.attributes
    return Audit(
        classifier=subject.name,
        data=data_name,
        object_name=samples.object_name,
        photos=len(labels),
        taken_apart=apart,
        overall=overall,
        verdict=overall_verdict(overall, classes, config.threshold),
        classes=classes,
        known=None
        if attributes is None
        else known_groups(measured, attributes, samples.attribute_names, names),
        discovered=None if found is None else discovered_groups(measured, found, attributes, names),
        attention_method=method,
        cautions=cautions(overall, measured.boxed.double().mean().item(), len(labels), apart),
        settings=_settings(config, subject, images),
        per_photo=per_photo(measured, inside, names, file_names(images)),
        pictures=take_pictures(subject, images, measured, names, classes, found, method, on_step)
        if pictures
        else None,
    )


class _Look(NamedTuple):
    """What a classifier makes of the photos: with masks, measured, and where it looked."""

    images: Images
    measured: Measured
    inside: Tensor
    method: AttentionMethod | None


def _look(
    subject: Subject,
    images: Images,
    labels: Tensor,
    segmenter: Segmenter | None,
    config: AuditConfig,
    journal: Journal,
    on_step: OnStep | None,
) -> _Look:
    size = config.batch_size
    if segmenter is not None:
        images = segmented(images, segmenter, journal, size, on_step)
    measured = measure(
        subject, images, labels, journal, batch_size=size, seed=config.seed, on_step=on_step
    )
    inside, method = attention_on_objects(
        subject, images, measured, config.attention, journal, on_step
    )
    return _Look(images, measured, inside, method)


def _settings(config: AuditConfig, subject: Subject, images: Images) -> dict[str, Any]:
    return {
        **asdict(config),
        "input": subject.input,
        "pixels": images.shape[1:],
        "environment": describe_environment(),
    }


def _subject(model: nn.Module, config: AuditConfig) -> Subject:
    mean, std = config.model.mean, config.model.std
    where = next((p.device for p in model.parameters()), torch.device("cpu"))
    subject = of_module(
        Normalized(model, mean, std).to(where) if mean else model,
        name=type(model.model if isinstance(model, Normalized) else model).__name__,
        input_words=words_for(mean, std),
    )
    return replace(subject, outputs=output_names(config.model.outputs))


def _classes(
    measured: Measured, inside: Tensor, names: Sequence[str], threshold: float
) -> tuple[ClassResult, ...]:
    results = []
    for label in measured.labels.unique().tolist():
        chosen = measured.labels == label
        figures = figures_of(measured, inside, chosen)
        results.append(
            ClassResult(
                names[label],
                int(chosen.sum()),
                figures,
                class_verdict(names[label], figures, threshold),
                telling_photos(measured, chosen),
            )
        )
    return tuple(results)


def _key(
    subject: Subject,
    samples: Samples,
    labels: Tensor,
    segmenter: Segmenter | None,
    config: AuditConfig,
) -> dict[str, Any]:
    """What the answers depend on; code of classifier and segmenter by what it makes of photos."""
    count = len(labels)
    some = torch.linspace(0, count - 1, min(_LOOKED_AT, config.batch_size, count)).round().long()
    masks = "the photos' own"  # which are a part of the photos' digest
    if segmenter is not None:
        bits = bits_of(samples.images, segmenter, some).numpy().tobytes()
        masks = hashlib.blake2b(bits, digest_size=16).hexdigest()
    return {
        "format": _FORMAT,
        "classifier": subject.fingerprint,
        "answers": answers_digest(subject, samples.images.read(some)[0]),
        "photos": digest_of(samples.images, labels, config.batch_size),
        "masks": masks,
        "segmenter": [config.segmenter, config.segmenter_path],
        "batch_size": config.batch_size,
        "seed": config.seed,
        "attention": config.attention,
    }
