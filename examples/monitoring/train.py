"""A training loop that is watched: ``python examples/monitoring/train.py [PORT [SECONDS]]``."""

import sys
import time

import torch
from torch import nn

import poolbench


def main(port: int, seconds: float) -> None:
    """Train a small model on random images for so long."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    torch.set_num_threads(1)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    images, labels = torch.rand(4, 3, 64, 64), torch.zeros(4, dtype=torch.int64)
    end = time.monotonic() + seconds
    with poolbench.monitor(model, name="example", prometheus=port):
        while time.monotonic() < end:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9475, float(sys.argv[2]) if len(sys.argv) > 2 else 600.0)
