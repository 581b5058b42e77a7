"""Two models of the package transformers with random weights, as functions that make them."""

from __future__ import annotations

from typing import Any

from tests.models.transformers_models import built


def resnet() -> Any:
    return built("ResNetForImageClassification")[0]


def poolformer() -> Any:
    return built("PoolFormerForImageClassification")[0]
