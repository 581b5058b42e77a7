"""poolbench's operators for JAX, ``poolbench.strided.jax``, under ``jax.jit``.

Beside ``strided`` it shows what XLA's foreign functions cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from poolbench.backends.base import SUPPORTED, Support, refused
from poolbench.backends.geometry import reference_axes
from poolbench.backends.jax_jit import Jit
from poolbench.backends.strided_call import user_call
from poolbench.backends.strided_layout import preferred_order
from poolbench.model.pooling import Kind
from poolbench.model.workload import Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from poolbench.backends.jax_jit import Pool


class Operators(Jit):
    """A function of ``poolbench.strided.jax``, jitted. Under BEST the order is that of ``strided``."""

    name = "strided:jax"

    def supports(self, workload: Workload) -> Support:
        """Refuse averages of integers."""
        if workload.spec.kind is Kind.AVG and not workload.dtype.is_float:
            return refused(f"The strided kernel averages floating types only, not {workload.dtype}.")
        return SUPPORTED

    def load(self, threads: int) -> None:
        """Import jax and the operators."""
        super().load(threads)
        import poolbench.strided.jax  # noqa: F401

    def facts(self) -> Mapping[str, str]:
        """Add poolbench's own."""
        from importlib.metadata import version

        from poolbench.strided import _pool

        return {**super().facts(), "poolbench": version("poolbench"), "isa": _pool.isa()}

    def best_order(self, workload: Workload) -> str:
        """Return the order that the kernel likes best."""
        from poolbench.strided import _pool

        return preferred_order(workload, _pool.isa())

    def pooling(self, workload: Workload, order: str) -> Pool:
        """Return the user's call; orders that the functions do not know are transposed for it and back."""
        import jax.numpy as jnp

        rank = workload.spec.rank
        natural = default_order(rank)
        if order in (natural, channels_last_order(rank)):
            layout = "NCHW" if order == natural else "NHWC"
            return lambda x: user_call(workload, x, 0, layout, functions=_functions())()
        there, back = reference_axes(order, natural), reference_axes(natural, order)
        return lambda x: jnp.transpose(
            user_call(workload, jnp.transpose(x, there), 0, "NCHW", functions=_functions())(), back
        )


def _functions() -> Any:
    """Return the functions as ``user_call`` calls those of ``poolbench.strided``: JAX has neither out nor threads."""
    from poolbench.strided import jax as operators

    def without(function: Any) -> Any:
        return lambda *given, out, threads, **named: function(*given, **named)

    return SimpleNamespace(**{name: without(getattr(operators, name)) for name in operators.__all__})
