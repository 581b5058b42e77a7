"""What a call of the operators' functions says, as one number for each pooled axis."""

from __future__ import annotations

from poolbench.strided.functional import OutputSizes, Sizes

ZERO_DIVISOR = "divisor_override is 0, which sums cannot be divided by: give another number, or None."


def sizes(given: Sizes, rank: int, name: str) -> tuple[int, ...]:
    """Return one number for each pooled axis, or none where an empty stride says that it is the window's.

    Raises ValueError for another number of numbers, and for a stride below 1.
    """
    numbers = (given,) if isinstance(given, int) else tuple(given)
    if name == "stride" and any(number < 1 for number in numbers):
        raise ValueError(f"stride is {given}: each entry must be at least 1.")  # 0 is the window's size to the library
    if len(numbers) == 1:
        return numbers * rank
    if len(numbers) == rank or (name == "stride" and not numbers):
        return numbers
    raise ValueError(f"{name} is {given}: give one number, or one for each of the {rank} pooled axes.")


def output_sizes(given: OutputSizes, rank: int, same: int) -> tuple[int, ...]:
    """Return one number for each pooled axis, and ``same``, which stands for the input's own, where it is None.

    Raises ValueError for another number of numbers, and for numbers below 1.
    """
    numbers = (given,) * rank if given is None or isinstance(given, int) else tuple(given)
    if len(numbers) != rank:
        raise ValueError(f"output_size is {given}: give one number or None, or one for each of the {rank} pooled axes.")
    for size in numbers:
        if size is not None and size < 1:
            raise ValueError(f"output_size is {given}: each number is at least 1, or None for the input's own.")
    return tuple(same if size is None else size for size in numbers)
