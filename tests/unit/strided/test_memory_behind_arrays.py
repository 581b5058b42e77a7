"""Arrays whose memory is not what their elements are: refused by every function, wherever they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from poolbench import strided
from poolbench.strided import _pool, training

FUNCTIONS = [
    (f"{kind}_pool{rank}d", rank) for kind in ("max", "avg", "adaptive_max", "adaptive_avg") for rank in (1, 2, 3)
]


def refuse_everywhere(make: Callable[[tuple[int, ...]], Any], error: type[Exception], sentence: str) -> None:
    """Give what ``make`` makes of a shape as input, output, indices and gradient to all that take one."""
    for name, rank in FUNCTIONS:
        for where, call in calls_with(make, name, rank):
            with pytest.raises(error, match=f"^{where} .*{sentence}"):
                call()


def calls_with(make: Callable[[tuple[int, ...]], Any], name: str, rank: int) -> list[tuple[str, Callable[[], Any]]]:
    """Return the calls of the functions ``name``, without and with a gradient, each with what the array is called."""
    small, large = (1, 1) + (2,) * rank, (1, 1) + (4,) * rank
    x, y = np.ones(large, np.float32), np.ones(small, np.float32)
    function, trained = getattr(strided, name), getattr(training, name)
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("input", lambda: function(make(large), 2)),
        ("input", lambda: trained(make(large), 2)),
        ("out", lambda: function(x, 2, out=make(small))),
        ("grad_output", lambda: trained(x, 2)[1](make(small))),
        ("out", lambda: trained(x, 2)[1](y, out=make(large))),
    ]
    if "max" in name:
        calls.append((r"out\[1\]", lambda: function(x, 2, return_indices=True, out=(y, make(small)))))
    return calls


def test_a_tensor_whose_storage_was_freed() -> None:
    torch = pytest.importorskip("torch")

    def make(shape: tuple[int, ...]) -> Any:
        tensor = torch.ones(shape)
        tensor.untyped_storage().resize_(0)
        return tensor

    refuse_everywhere(make, ValueError, r"is a Tensor of shape \(1, 1, .*without memory for its elements")


def test_a_view_of_a_storage_that_was_freed_has_an_address_all_the_same() -> None:
    torch = pytest.importorskip("torch")

    def make(shape: tuple[int, ...]) -> Any:
        whole = torch.ones((3, *shape[1:]))
        view = whole[2:]
        whole.untyped_storage().resize_(0)
        return view

    refuse_everywhere(make, ValueError, "its storage of 0 bytes ends before its elements do")


def test_a_storage_that_was_made_smaller_than_its_tensor() -> None:
    torch = pytest.importorskip("torch")

    def make(shape: tuple[int, ...]) -> Any:
        tensor = torch.ones(shape)
        tensor.untyped_storage().resize_(tensor.nbytes - 1)
        return tensor

    refuse_everywhere(make, ValueError, r"its storage of \d+ bytes ends before")


def test_tensors_that_stand_for_others() -> None:
    torch = pytest.importorskip("torch")
    subclasses = pytest.importorskip("torch._subclasses.fake_tensor")

    def fake(shape: tuple[int, ...]) -> Any:
        with subclasses.FakeTensorMode():
            return torch.ones(shape)

    refuse_everywhere(fake, ValueError, "is a FakeTensor .*without memory")
    refuse_everywhere(torch._efficientzerotensor, ValueError, "without memory")
    refuse_everywhere(lambda shape: torch._to_functional_tensor(torch.ones(shape)), ValueError, "without memory")
    refuse_everywhere(lambda shape: torch.ones(shape, device="meta"), TypeError, "does not say where it is")


def test_tensors_without_elements_need_no_memory() -> None:
    torch = pytest.importorskip("torch")
    assert strided.max_pool2d(torch.zeros(0, 1, 4, 4), 2).shape == (0, 1, 2, 2)


def test_views_within_their_storage_are_read() -> None:
    torch = pytest.importorskip("torch")
    whole = torch.arange(24.0).reshape(2, 3, 4)
    for view in (whole[1:, 2:, 1:], whole[..., ::3], whole.transpose(1, 2), whole[:1].expand(5, 3, 4), whole[1, 2:]):
        np.testing.assert_array_equal(strided.max_pool1d(view, 1), view)
    parameter = torch.nn.Parameter(whole, requires_grad=False)
    np.testing.assert_array_equal(strided.max_pool1d(parameter, 1), whole)


def test_the_negative_bit_is_not_in_the_memory() -> None:
    torch = pytest.importorskip("torch")
    z = torch.complex(torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    lazy = z.conj().imag[None]
    assert lazy.is_neg()
    with pytest.raises(ValueError, match=r"input has its negative bit set.*input\.resolve_neg\(\)"):
        strided.max_pool1d(lazy, 2)
    assert strided.max_pool1d(lazy.resolve_neg(), 2).tolist() == [[-1.0, -3.0]]
    assert strided.max_pool1d(z.conj().real[None], 2).tolist() == [[0.0, 0.0]]
    refuse_everywhere(lambda shape: torch._neg_view(torch.ones(shape)), ValueError, "has its negative bit set")


def test_masks() -> None:
    def make(shape: tuple[int, ...]) -> Any:
        return np.ma.masked_array(np.ones(shape, np.float32), np.arange(np.prod(shape)).reshape(shape) % 2)

    refuse_everywhere(make, TypeError, "is a MaskedArray, and pooling has no rule for masks")
    with pytest.raises(TypeError, match=r"pass input\.filled\(value\) with .* or input\.data"):
        strided.max_pool1d(make((1, 4)), 2)
    with pytest.raises(TypeError, match="give an array without one"):
        strided.max_pool1d(np.ones((1, 8), np.float32), 2, out=make((1, 4)))
    np.testing.assert_array_equal(strided.max_pool1d(make((1, 4)).filled(-np.inf), 2), [[1, 1]])


def test_masks_of_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    masked = pytest.importorskip("torch.masked")

    def make(shape: tuple[int, ...]) -> Any:
        return masked.masked_tensor(torch.ones(shape), torch.ones(shape) == 1)

    refuse_everywhere(make, TypeError, "is a MaskedTensor, and pooling has no rule for masks")
    with pytest.raises(TypeError, match=r"pass input\.to_tensor\(value\)"):
        strided.max_pool1d(make((1, 4)), 2)


class Quantity(np.ndarray):
    """As classes with units are: NumPy's functions do with it what it says."""

    def __array_ufunc__(self, *arguments: Any, **options: Any) -> Any:
        return NotImplemented


class Sliced(np.ndarray):
    def __array_function__(self, *arguments: Any, **options: Any) -> Any:
        return NotImplemented


class Named(np.ndarray):
    """As classes with a note beside the numbers are."""

    title = "a note"


def test_subclasses_that_mean_more_than_their_numbers() -> None:
    for kind, method in ((Quantity, "__array_ufunc__"), (Sliced, "__array_function__")):
        refuse_everywhere(
            lambda shape, kind=kind: np.ones(shape, np.float32).view(kind),
            TypeError,
            f"is a {kind.__name__}, a subclass of numpy.ndarray with a {method} of its own.*numpy.asarray",
        )


def test_subclasses_that_are_their_numbers(tmp_path: Any) -> None:
    plain = np.arange(16, dtype=np.float32).reshape(2, 8)
    mapped = np.memmap(tmp_path / "numbers", np.float32, "w+", shape=(2, 8))
    mapped[...] = plain
    for array in (mapped, plain.view(np.recarray), plain.view(np.matrix), plain.view(Named)):
        pooled = strided.max_pool1d(array, 2)
        assert type(pooled) is np.ndarray
        np.testing.assert_array_equal(pooled, strided.max_pool1d(plain, 2))
    strided.max_pool1d(plain, 1, out=mapped)
    np.testing.assert_array_equal(mapped, plain)


def test_arrays_of_jax_that_were_given_away() -> None:
    jax = pytest.importorskip("jax")
    array = jax.numpy.ones((1, 4))
    array.delete()
    with pytest.raises(TypeError, match="input does not say where it is"):
        strided.max_pool1d(array, 2)


def test_a_view_shares_the_memory_and_refuses_the_same() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3).T
    view = _pool.view(tensor, "input")
    assert type(view) is np.ndarray
    assert not view.flags.writeable
    tensor[0, 0] = 7
    del tensor
    assert view.tolist() == [[7, 3], [1, 4], [2, 5]]
    half = _pool.view(torch.ones(2, dtype=torch.bfloat16), "input")
    assert half.dtype.name == "bfloat16"
    matrix = np.matrix([[1.0, 2.0]])
    assert type(_pool.view(matrix, "input")) is np.ndarray
    assert np.shares_memory(_pool.view(matrix, "input"), matrix)
    with pytest.raises(TypeError, match="x is a MaskedArray"):
        _pool.view(np.ma.masked_array([1.0]), "x")
    with pytest.raises(TypeError, match="x is of type list"):
        _pool.view([1.0], "x")
    with pytest.raises(TypeError, match="x has elements of type bool"):
        _pool.view(torch.ones(2) == 1, "x")
