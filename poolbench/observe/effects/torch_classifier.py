"""A small classifier of scikit-learn's bundled digits, with one alternative or another as its pooling."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from poolbench.errors import MissingFrameworkError
from poolbench.model.effects import Alternative

if TYPE_CHECKING:
    Tensor = Any

NO_DIGITS = "It learns scikit-learn's digits, and scikit-learn is not installed here: pip install 'poolbench[effects]'."

EPOCHS = 15
BATCH = 64
RATE = 5e-3
MARGIN = 2
"""Zeros around the digits of 8 × 8, so that a shift moves nothing out of the image."""

CHANNELS = (16, 32, 32)
TRAINED = 1_200
"""So many of the 1,797 images are trained on, drawn anew for each seed; the others are tested on."""

SHIFTS = tuple(shift for shift in product((-1, 0, 1), repeat=2) if shift != (0, 0))


def train_and_test(alternative: Alternative, seed: int) -> dict[str, float]:
    """Return the accuracy on images as they are, on shifted ones, and how many answers a shift leaves as they were.

    The same seed gives the same split, order and, but for what the alternative has of its own, first weights.
    Raises MissingFrameworkError without scikit-learn.
    """
    import torch
    from torch.nn import functional

    images, labels = _digits()
    split = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    seen, unseen = split[:TRAINED], split[TRAINED:]
    torch.manual_seed(seed)
    model = _model(alternative)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    order = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(EPOCHS):
        for batch in seen[torch.randperm(len(seen), generator=order)].split(BATCH):
            optimiser.zero_grad()
            functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        plain = model(images[unseen]).argmax(1)
        shifted = [model(torch.roll(images[unseen], shift, (2, 3))).argmax(1) for shift in SHIFTS]
    right = labels[unseen]
    return {
        "plain": float((plain == right).float().mean()),
        "shifted": sum(float((answer == right).float().mean()) for answer in shifted) / len(SHIFTS),
        "steady": sum(float((answer == plain).float().mean()) for answer in shifted) / len(SHIFTS),
    }


def _digits() -> tuple[Tensor, Tensor]:
    import torch

    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingFrameworkError(NO_DIGITS) from error
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().div(16).unsqueeze(1)
    return torch.nn.functional.pad(images, [MARGIN] * 4), torch.from_numpy(digits.target)


def _model(alternative: Alternative) -> Any:
    """Return three convolutions, the first two with a pooling of 2 × 2 behind them, a mean, and a dense layer.

    Batches are normalised: without that, some seeds seem to learn nothing with some of the alternatives.
    """
    from torch import nn

    layers: list[Any] = []
    before = 1
    for place, channels in enumerate(CHANNELS):
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
        before = channels
        if place < len(CHANNELS) - 1:
            layers.append(None)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)]
    # Pooling comes last, so that all alternatives have the same weights elsewhere.
    widths = iter(CHANNELS)
    return nn.Sequential(*(_pooling(alternative, next(widths)) if layer is None else layer for layer in layers))


def _pooling(alternative: Alternative, channels: int) -> Any:
    from torch import nn

    match alternative:
        case Alternative.MAX:
            return nn.MaxPool2d(2)
        case Alternative.AVERAGE:
            return nn.AvgPool2d(2)
        case Alternative.CONVOLUTION:
            return nn.Conv2d(channels, channels, 2, stride=2)
        case Alternative.BLUR:
            return _blur(channels)
        case Alternative.MAX_BLUR:
            return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, stride=1), _blur(channels))
        case Alternative.NONE:
            return nn.Identity()


def _blur(channels: int) -> Any:
    """Return a convolution of each channel with the fixed weights of a blur, and a stride of 2."""
    import numpy as np
    import torch
    from torch import nn

    from poolbench.observe.effects.filters import binomial

    layer = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
    taps = torch.from_numpy(np.outer(binomial(3), binomial(3))).float()
    layer.weight = nn.Parameter(taps.expand_as(layer.weight).clone(), requires_grad=False)
    return layer
