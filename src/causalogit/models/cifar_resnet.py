"""The ResNets for CIFAR of He et al. (arXiv 1512.03385, Sec. 4.2), of any depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Block(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.padding = stride, (width - width_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        # shortcut "A": every second pixel, new channels zero; no weights of its own
        short = x[:, :, :: self.stride, :: self.stride]
        short = F.pad(short, (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + short)


class CifarResNet(nn.Module):
    """Three stages of n blocks, 16-32-64 channels, zero-padded shortcuts.

    Depth 20 has 0.27 M weights, depth 32 has 0.46 M (Table 6).

    Args:
        depth: layers, 6 n + 2: 8, 14, 20, 26, 32, ...
        num_classes: C.
        channels: image channels.

    `forward` maps `(B, channels, H, W)` to `(B, C)`; 32 x 32 images are meant.

    Raises:
        ValueError: there is no such depth.
    """

    def __init__(self, depth: int, num_classes: int, channels: int = 3) -> None:
        blocks, rest = divmod(depth - 2, 6)
        if rest or blocks < 1:
            raise ValueError(f"a CIFAR ResNet has 6 n + 2 layers, not {depth}: choose 8, 14, 20")
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        stages = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
        self.stages = nn.Sequential(
            *(
                _Block(width_in if block == 0 else width, width, stride if block == 0 else 1)
                for width_in, width, stride in stages
                for block in range(blocks)
            )
        )
        self.head = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, C)`."""
        features = self.stages(F.relu(self.bn(self.stem(images))))
        logits: Tensor = self.head(torch.flatten(F.adaptive_avg_pool2d(features, 1), 1))
        return logits
