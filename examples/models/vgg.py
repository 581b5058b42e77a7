"""Image classification in the manner of VGG: a maximum after each stage, and an adaptive average before the head.

poolbench capture examples/models/vgg.py:VGG --input 1x3x224x224
"""

import torch
from torch import nn

STAGES = (8, 16, 32, 32, 32)


class VGG(nn.Module):
    """Takes images of 224×224."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in STAGES:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Linear(channels * 49, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
