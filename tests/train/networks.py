"""A classifier that draws in every step, and has running statistics."""

from __future__ import annotations

from torch import nn

DRAWS = "tests.train.networks:draws"


def draws() -> nn.Module:
    """Of 28x28 images and five classes; small, with batch norm and dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=3), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(96, 5),
    )  # fmt: skip
