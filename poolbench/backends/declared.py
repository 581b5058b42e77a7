"""A callable that a project declares, as a backend: NumPy arrays go in and come out."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from importlib import metadata
from typing import TYPE_CHECKING, Any

from poolbench.backends import geometry
from poolbench.backends.base import SUPPORTED, Call, Prepared, Source, Support, refused
from poolbench.backends.declaration import TABLE, Declaration
from poolbench.errors import UsageError
from poolbench.model.method import LayoutPolicy
from poolbench.model.pooling import Kind, PoolSpec
from poolbench.model.workload import Workload, channels_last_order, default_order

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Declared:
    """A declared callable. It is asked for what its signature can say, and for nothing else."""

    framework = ""

    def __init__(self, declaration: Declaration) -> None:
        self.name = declaration.name
        self.declaration = declaration

    def supports(self, workload: Workload) -> Support:
        """Refuse what the declaration does not name, or the signature cannot say."""
        known = self.declaration
        if workload.pass_.is_training:
            return refused("A declared callable has no training pass.")
        if workload.spec.kind not in known.kinds:
            return refused(f"It is declared for {', '.join(known.kinds)} alone.")
        if workload.spec.rank not in known.ranks:
            return refused(f"It is declared for {', '.join(map(str, known.ranks))} spatial axes.")
        if workload.dtype not in known.dtypes:
            return refused(f"It is declared for {', '.join(known.dtypes)} alone.")
        spec = workload.spec.as_windowed(workload.spatial)
        if spec is None:
            return refused("Uneven adaptive windows cannot be said in a window and a stride.")
        return self._sayable(spec, workload)

    def environment(self, threads: int) -> Mapping[str, str]:
        """Return the thread counts of the libraries that it may call."""
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        return {name: str(threads) for name in names}

    def load(self, threads: int) -> None:
        """Import the callable, and see that it can be called as declared. Raises UsageError."""
        import ml_dtypes  # noqa: F401  registers bfloat16
        import numpy  # noqa: F401

        function = self._function()
        known = self.declaration
        try:
            taken = inspect.signature(function)
        except (TypeError, ValueError):
            return  # compiled code that does not say what it takes
        try:
            taken.bind(*known.positional, **known.keywords)
        except TypeError as error:
            raise UsageError(
                f"The subject '{known.name}' is declared to be called as {known.function}({known.signature}), and here "
                f"it is {known.function}{taken}: {error}. Correct its signature in [{TABLE}]."
            ) from error

    def facts(self) -> Mapping[str, str]:
        """Return NumPy's version and that of the distribution that the callable is from."""
        import numpy as np

        known = self.declaration
        top = known.module.partition(".")[0]
        owners = metadata.packages_distributions().get(top, [])
        version = {owners[0]: metadata.version(owners[0])} if owners else {}
        return {"numpy": np.__version__, "callable": f"{known.module}:{known.function}({known.signature})", **version}

    def prepare(self, workload: Workload, source: Source) -> Prepared:
        """Bind the sizes. Under BEST the input is made contiguous in the declared layout, under GIVEN it is a view."""
        import numpy as np

        rank = workload.spec.rank
        order = channels_last_order(rank) if self.declaration.channels_last else default_order(rank)
        array = source.array.transpose([workload.order.index(axis) for axis in order])
        is_given = source.layout is LayoutPolicy.GIVEN
        array = array if is_given else np.ascontiguousarray(array)
        call = self._call(workload, array)
        axes = geometry.reference_axes(order, default_order(rank))

        def fetch(result: Any) -> NDArray[Any]:
            found: NDArray[Any] = np.asarray(result).transpose(axes)
            return found

        return Call(order, call, fetch)

    def _call(self, workload: Workload, array: NDArray[Any]) -> Callable[[], Any]:
        spec = workload.spec.as_windowed(workload.spatial)
        assert spec is not None and spec.window is not None and spec.stride is not None
        values: dict[str, Any] = {
            "x": array,
            "window": spec.window,
            "stride": spec.stride,
            "padding": tuple(before for before, _ in spec.padding),
            "pads": spec.padding,
            "dilation": spec.dilation,
            "kind": spec.kind.value,
        }
        known = self.declaration
        keywords = {name: values[word] for name, word in known.keywords.items()}
        return partial(self._function(), *(values[word] for word in known.positional), **keywords)

    def _function(self) -> Callable[..., Any]:
        known = self.declaration
        begin = f"The subject '{known.name}' is declared as {known.module}:{known.function}, and"
        try:
            module = importlib.import_module(known.module)
        except ImportError as error:
            raise UsageError(
                f"{begin} {known.module} cannot be imported here ({error}). Correct the declaration in [{TABLE}], or "
                "name a revision that has it."
            ) from error
        except Exception as error:  # whatever the module's own code raises
            raise UsageError(
                f"{begin} importing {known.module} fails here ({type(error).__name__}: {error}). Mend it, or name "
                "another revision."
            ) from error
        try:
            function: object = reduce(getattr, known.function.split("."), module)
        except AttributeError as error:
            raise UsageError(
                f"{begin} that module has no {known.function} here. Correct the declaration in [{TABLE}], or name a "
                "revision that has it."
            ) from error
        if not callable(function):
            raise UsageError(f"{begin} that is a {type(function).__name__}, which cannot be called.")
        return function

    def _sayable(self, spec: PoolSpec, workload: Workload) -> Support:
        words = self.declaration.words
        if spec.stride != spec.window and "stride" not in words:
            return refused("Its signature has no stride.")
        if spec.is_padded and not words & {"padding", "pads"}:
            return refused("Its signature has no padding.")
        if not spec.has_symmetric_padding and "pads" not in words:
            return refused("Its signature has no pads, which may differ before and after.")
        if any(step > 1 for step in spec.dilation) and "dilation" not in words:
            return refused("Its signature has no dilation.")
        if spec.divisor is not None:
            return refused("A divisor cannot be said in a signature.")
        if spec.ceil_mode and _floor(spec).output_spatial(workload.spatial) != spec.output_spatial(workload.spatial):
            return refused("Ceil mode cannot be said in a signature.")
        is_counted = self.declaration.include_padding
        if spec.kind is Kind.AVG and spec.is_padded and spec.include_padding is not is_counted:
            return refused(f"Its averages are declared to {'' if is_counted else 'not '}count padding.")
        return SUPPORTED


def _floor(spec: PoolSpec) -> PoolSpec:
    return replace(spec, ceil_mode=False)
