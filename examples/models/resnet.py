"""Image classification in the manner of SE-ResNet-D: a padded maximum, averages in shortcuts, and means in the gates.

poolbench capture examples/models/resnet.py:ResNet --input 2x3x64x64 --pass training
"""

import torch
from torch import nn


class Gate(nn.Module):
    """Squeeze-and-excitation: weighs channels by what their means say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with its channels weighed."""
        return x * self.weigh(x.mean((2, 3))).sigmoid()[:, :, None, None]


class Block(nn.Module):
    """Two convolutions and a gate beside a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1), nn.BatchNorm2d(width), Gate(width),
        )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride > 1:
            average = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
            self.shortcut = nn.Sequential(average, nn.Conv2d(channels, width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of both ways."""
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Two stages of two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 7, 2, 3)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        x = self.maxpool(torch.relu(self.stem(images)))
        return self.fc(self.avgpool(self.layer2(self.layer1(x))).flatten(1))
