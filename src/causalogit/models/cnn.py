"""A small convolutional network that a CPU trains fast."""

from __future__ import annotations

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Three 3 x 3 convolutions with batch norm and ReLU, global average pooling, one linear layer.

    Each stage halves the image: the first by its stride, where pixels are many and cost most, the
    others by max pooling, which did better than strides in a short trial on CIFAR-10. About 24,000
    weights for RGB images.

    Args:
        num_classes: C.
        channels: image channels.

    `forward` maps `(B, channels, H, W)` to `(B, C)`; 28 x 28 to 64 x 64 images are meant.
    """

    def __init__(self, num_classes: int, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.MaxPool2d(2),  # before batch norm, which then has a quarter of the places
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, C)`."""
        logits: Tensor = self.head(self.features(images))
        return logits
