"""JAX's program of a function, flat: its operators in order, whatever calls and loops they stand in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from poolbench.model.pooling import Ints

_TRANSFORMS = re.compile(r"\b(?:transpose|jvp|vmap|rematted_computation|checkpoint)\b")


@dataclass(slots=True, eq=False)
class Array:
    """A value of a program. ``depends`` tells whether it follows from the inputs; ``scalar`` is a constant's number."""

    shape: Ints
    dtype: str
    depends: bool
    scalar: float | None = None
    maker: Operator | None = None
    users: list[Operator] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Operator:
    """One operator, which runs ``count`` times. ``scope`` is the path of names that the model gave.

    ``is_backward`` tells whether it belongs to a gradient, ``is_differentiated`` whether to what one is taken of.
    """

    name: str
    parameters: Mapping[str, Any]
    inputs: list[Array]
    outputs: list[Array]
    count: int
    scope: str
    is_backward: bool
    is_differentiated: bool


@dataclass(slots=True)
class Program:
    """The operators of a function in order, and sentences on what could not be counted."""

    operators: list[Operator] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def has_gradient(self) -> bool:
        """Whether the function takes a gradient itself."""
        return any(operator.is_backward for operator in self.operators)


def program_of(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Program:
    """Return the program of ``function`` on arguments that have shapes and types. It is traced and not run."""
    import jax

    closed = jax.make_jaxpr(function)(*args, **kwargs)
    program = Program()
    inputs = [Array(tuple(v.aval.shape), str(v.aval.dtype), depends=True) for v in closed.jaxpr.invars]
    _add(program, closed.jaxpr, inputs, closed.consts, _Place())
    return program


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a program is called: so often, and below these names and transformations."""

    count: int = 1
    stack: str = ""


def _add(program: Program, jaxpr: Any, inputs: Sequence[Array], constants: Sequence[Any], place: _Place) -> list[Array]:
    """Add the operators of ``jaxpr`` on ``inputs``, and return its outputs."""
    known: dict[Any, Array] = dict(zip(jaxpr.invars, inputs, strict=True))
    for variable, value in zip(jaxpr.constvars, constants, strict=False):
        known[variable] = _constant(variable.aval, value)

    def array(atom: Any) -> Array:
        if hasattr(atom, "val"):
            return _constant(atom.aval, atom.val)
        return known.setdefault(atom, Array(tuple(atom.aval.shape), str(atom.aval.dtype), depends=False))

    for equation in jaxpr.eqns:
        given = [array(atom) for atom in equation.invars]
        here = _Place(place.count, f"{place.stack}/{equation.source_info.name_stack}")
        made = _inside(program, equation, given, here)
        if made is None:
            made = [
                Array(
                    tuple(getattr(v.aval, "shape", ())),
                    str(getattr(v.aval, "dtype", "")),
                    depends=any(each.depends for each in given),
                )
                for v in equation.outvars
            ]
            operator = _operator(equation, given, made, here)
            program.operators.append(operator)
            for each in given:
                each.users.append(operator)
            for each in made:
                each.maker = operator
        known.update(zip(equation.outvars, made, strict=False))
    return [array(atom) for atom in jaxpr.outvars]


def _operator(equation: Any, inputs: list[Array], outputs: list[Array], place: _Place) -> Operator:
    stack = place.stack
    names = [part for part in re.split(r"[/()]", _TRANSFORMS.sub("", stack)) if part]
    return Operator(
        name=equation.primitive.name,
        parameters=equation.params,
        inputs=inputs,
        outputs=outputs,
        count=place.count,
        scope=".".join(names),
        is_backward="transpose(" in stack and "remat" not in stack,
        is_differentiated="jvp(" in stack,
    )


def _inside(program: Program, equation: Any, given: list[Array], place: _Place) -> list[Array] | None:
    """Add what an operator that calls programs does, and return its outputs; None for other operators."""
    name, parameters = equation.primitive.name, equation.params
    if name == "cond":
        program.notes.append("All branches of a cond are counted.")
        return [_add_called(program, branch, given[1:], place) for branch in parameters["branches"]][-1]
    if name == "while":
        program.notes.append("What a while loop repeats is counted once: the program does not tell how often.")
        body = parameters["body_jaxpr"]
        first = parameters["cond_nconsts"]
        return _add_called(program, body, given[first:], place)
    if name == "scan":
        return _add_called(
            program, parameters["jaxpr"], given, _Place(place.count * int(parameters["length"]), place.stack)
        )
    for value in parameters.values():
        if _is_program(value) and len(_bare(value).invars) == len(given) and name not in _REDUCING:
            return _add_called(program, value, given, place)
    return None


_REDUCING = ("reduce_window", "reduce", "select_and_scatter", "scatter-add", "custom_root")
"""Operators whose program works on single elements."""


def _add_called(program: Program, called: Any, given: Sequence[Array], place: _Place) -> list[Array]:
    """Add a program that another calls; a loop hands it slices, whose shapes are its own."""
    bare = _bare(called)
    inputs = []
    for variable, outer in zip(bare.invars, given, strict=True):
        same = tuple(variable.aval.shape) == outer.shape
        inputs.append(outer if same else Array(tuple(variable.aval.shape), str(variable.aval.dtype), outer.depends))
    return _add(program, bare, inputs, getattr(called, "consts", ()), place)


def _is_program(value: Any) -> bool:
    return hasattr(_bare(value), "eqns")


def _bare(value: Any) -> Any:
    return getattr(value, "jaxpr", value)


def _constant(kind: Any, value: Any) -> Array:
    shape = tuple(getattr(kind, "shape", ()))
    number: float | None = None
    if not shape:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = None  # a key of random numbers
    return Array(shape, str(getattr(kind, "dtype", "")), depends=False, scalar=number)
