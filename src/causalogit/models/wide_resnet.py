"""Wide ResNets (Zagoruyko and Komodakis 2016, arXiv 1605.07146), without dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Block(nn.Module):
    """Batch norm and ReLU before each convolution; a 1 x 1 convolution where widths differ."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.shortcut = (
            nn.Conv2d(width_in, width, 1, stride, bias=False) if width_in != width else None
        )

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        # a shortcut with weights takes the activated input, as in the authors' code
        short: Tensor = x if self.shortcut is None else self.shortcut(active)
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return out + short


class WideResNet(nn.Module):
    """Three stages of n blocks with 16, 32 and 64 times `width` channels.

    WRN-28-10 has 36.5 M weights (Table 4).

    Args:
        depth: layers, 6 n + 4: 10, 16, 22, 28, 40, ...
        width: the widening factor k.
        num_classes: C.
        channels: image channels.

    `forward` maps `(B, channels, H, W)` to `(B, C)`; 32 x 32 images are meant.

    Raises:
        ValueError: there is no such depth or width.
    """

    def __init__(self, depth: int, width: int, num_classes: int, channels: int = 3) -> None:
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise ValueError(f"a wide ResNet has 6 n + 4 layers, not {depth}: choose 10, 16, 22")
        if width < 1:
            raise ValueError(f"a wide ResNet of width {width}: give at least 1")
        super().__init__()
        widths = [16, 16 * width, 32 * width, 64 * width]
        self.stem = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
        self.stages = nn.Sequential(
            *(
                _Block(
                    widths[stage] if block == 0 else widths[stage + 1],
                    widths[stage + 1],
                    2 if block == 0 and stage > 0 else 1,
                )
                for stage in range(3)
                for block in range(blocks)
            )
        )
        self.bn = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, C)`."""
        features = F.relu(self.bn(self.stages(self.stem(images))))
        logits: Tensor = self.head(torch.flatten(F.adaptive_avg_pool2d(features, 1), 1))
        return logits
