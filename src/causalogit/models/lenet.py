"""LeNet-5 with ReLU and max pooling, for 28 x 28 images and larger ones."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LeNet(nn.Module):
    """Two convolutions, three linear layers (LeCun et al. 1998, as in SpuCo).

    Args:
        num_classes: C.
        channels: image channels.

    `forward` maps `(B, channels, 28, 28)` to `(B, C)`; the 4 x 4 features of a 28 x 28 image go on
    as they are, those of any other size are averaged to 4 x 4.
    """

    def __init__(self, num_classes: int, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, C)`."""
        # the average of one cell is the cell: 28 x 28 images lose nothing
        features = F.adaptive_avg_pool2d(self.features(images), 4)
        logits: Tensor = self.classifier(features)
        return logits
