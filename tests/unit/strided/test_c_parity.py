"""Any call in C is Python's: it gives the same bits, or refuses with the same sentence."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolbench import strided
from poolbench.strided import training
from tests.unit.strided.c_structs import (
    AVERAGE,
    MAX,
    OK,
    SAME_SIZE,
    TYPES,
    Library,
    Output,
    Pooling,
    array_of,
    pooling_of,
)

CASES = 1500
FLOATS = ("float64", "float32", "float16")


@dataclass(frozen=True)
class Call:
    """One pooling, as C and as Python ask for it."""

    pooling: Pooling
    name: str
    options: dict[str, Any]
    x: NDArray[Any]


def draw(choices: random.Random) -> Call:
    rank = choices.randint(1, 3)
    kind = choices.choice(["max", "avg"])
    dtype = choices.choice(FLOATS if kind == "avg" or choices.random() < 0.7 else ("int8", "uint8", "int32", "int64"))
    shape = [choices.randint(1, 3), choices.choice([1, 2, 5]), *(choices.randint(1, 9) for _ in range(rank))]
    if choices.random() < 0.2:
        shape = shape[1:]
    values = np.random.default_rng(choices.randrange(2**32)).integers(-9, 9, [2 * size for size in shape])
    x: NDArray[Any] = values.astype(dtype)
    view = x[tuple(slice(0, size) if choices.random() < 0.7 else slice(None, None, 2) for size in shape)]
    last = choices.random() < 0.3
    fields: dict[str, Any] = {"channels_last": int(last)}
    options: dict[str, Any] = {"layout": "NHWC" if last else "NCHW"}

    def triple(low: int, high: int) -> tuple[int, int, int]:
        return choices.randint(low, high), choices.randint(low, high), choices.randint(low, high)

    name = f"{kind}_pool{rank}d"
    if choices.random() < 0.3:
        sizes = [choices.choice([SAME_SIZE, 1, 2, 3, 7]) for _ in range(3)]
        fields |= {"adaptive": 1, "output_size": tuple(sizes)}
        options["output_size"] = tuple(None if size == SAME_SIZE else size for size in sizes[:rank])
        return Call(pooling_of(MAX if kind == "max" else AVERAGE, rank, **fields), f"adaptive_{name}", options, view)
    for each, (low, high) in {"kernel_size": (1, 4), "stride": (1, 4), "dilation": (1, 2)}.items():
        fields[each] = triple(low, high) if choices.random() < 0.97 else triple(-1, 1)
        options[each] = fields[each][:rank]
    if 0 in options["stride"]:  # which is C's way to say that it is the window's size
        fields["stride"], options["stride"] = (0, 0, 0), None
    before, behind = triple(0, 2), triple(0, 2)
    if choices.random() < 0.4:
        fields |= {"has_pairs": 1, "padding": before, "padding_behind": behind}
        options["padding"] = tuple(zip(before[:rank], behind[:rank], strict=True))
    else:
        fields["padding"] = tuple(each // 2 for each in before)
        options["padding"] = fields["padding"][:rank]
    fields["ceil_mode"] = choices.randint(0, 1)
    options["ceil_mode"] = bool(fields["ceil_mode"])
    if kind == "avg":
        fields |= {"count_include_pad": choices.randint(0, 1), "divisor_override": choices.choice([0, 0, 3, -2])}
        options |= {
            "count_include_pad": bool(fields["count_include_pad"]),
            "divisor_override": fields["divisor_override"] or None,
        }
    return Call(pooling_of(MAX if kind == "max" else AVERAGE, rank, **fields), name, options, view)


def pool_in_c(library: Library, call: Call) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the output, laid out as the library says, and what a gradient needs. Raises ValueError."""
    source = array_of(call.x)
    code, message = library.call("describe", call.pooling, source, told := Output())
    if code != OK:
        assert library.call("pool", call.pooling, source, source, None, None, 1) == (code, message)
        raise ValueError(message)
    shape = tuple(told.shape[: told.dims])
    memory = np.empty(int(np.prod(shape)), call.x.dtype)
    output = np.lib.stride_tricks.as_strided(memory, shape, tuple(told.strides[: told.dims]))
    keeps = "max" in call.name and call.x.dtype.name in FLOATS
    assert (told.kept_type > 0) == keeps
    kept = np.empty(shape, TYPES[told.kept_type - 1]) if keeps else None
    places = None if kept is None else array_of(kept)
    assert library.call("pool", call.pooling, source, array_of(output), None, places, 1) == (OK, "")
    return output, kept


def test_any_call() -> None:
    library, choices = Library(), random.Random(20261129)
    refused = trained = 0
    for _ in range(CASES):
        call = draw(choices)
        try:
            expected = getattr(strided, call.name)(call.x, **call.options)
        except ValueError as error:
            with pytest.raises(ValueError) as told:
                pool_in_c(library, call)
            assert str(told.value) == str(error), call
            refused += 1
            continue
        output, kept = pool_in_c(library, call)
        assert output.strides == expected.strides, call
        assert output.tobytes() == expected.tobytes(), call
        if call.x.dtype.name not in FLOATS:
            continue
        gradient = np.arange(output.size).reshape(output.shape).astype(call.x.dtype)
        back = np.empty(call.x.shape, call.x.dtype)
        places = None if kept is None else array_of(kept)
        assert library.call("gradient", call.pooling, array_of(gradient), places, array_of(back), 1) == (OK, "")
        pullback = getattr(training, call.name)(call.x, **call.options)[1]
        assert back.tobytes() == pullback(gradient).tobytes(), call
        trained += 1
    assert min(refused, trained) > CASES // 10  # or the draw has lost its meaning
