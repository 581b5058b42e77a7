"""Video in the manner of C3D: maxima over time and space, the first one over space alone, the last one padded.

poolbench capture examples/models/c3d.py:C3D --input 1x3x16x64x64
"""

import torch
from torch import nn


class C3D(nn.Module):
    """Takes sixteen frames of 64×64."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.pool1 = nn.Conv3d(3, 8, 3, padding=1), nn.MaxPool3d((1, 2, 2))
        self.conv2, self.pool2 = nn.Conv3d(8, 16, 3, padding=1), nn.MaxPool3d(2)
        self.conv3, self.pool3 = nn.Conv3d(16, 16, 3, padding=1), nn.MaxPool3d(2)
        self.conv4, self.pool4 = nn.Conv3d(16, 16, 3, padding=1), nn.MaxPool3d(2)
        self.conv5, self.pool5 = nn.Conv3d(16, 16, 3, padding=1), nn.MaxPool3d(2, padding=(0, 1, 1))
        self.fc = nn.Linear(144, 10)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return a score for each class."""
        x = self.pool1(torch.relu(self.conv1(frames)))
        x = self.pool2(torch.relu(self.conv2(x)))
        x = self.pool3(torch.relu(self.conv3(x)))
        x = self.pool4(torch.relu(self.conv4(x)))
        return self.fc(self.pool5(torch.relu(self.conv5(x))).flatten(1))
