"""Print the list of kernels as the table that docs/kernel.md holds: ``python docs/tables/kernels.py``.

A line is a kernel of a pass; AVX-512 alone has some. On a processor without AVX-512 the table is shorter. Kernels of
one name that take different things for different instruction sets have a line each.
"""

from __future__ import annotations

from poolbench.strided import _pool

ISAS = ("avx512", "avx2", "baseline", "neon")


def main() -> None:
    """Print the table."""
    print(table())


def table() -> str:
    """Return the table, in the list's order of preference."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    types: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    isas: dict[tuple[str, str, str], list[str]] = {}
    for row in _pool.kernels():
        key = (row["pass"], row["kernel"], row["takes"])
        rows.setdefault(key, row)
        own = types.setdefault(key, {}).setdefault(row["op"], [])
        if row["type"] not in own:
            own.append(row["type"])
        if row["isa"] not in isas.setdefault(key, []):
            isas[key].append(row["isa"])
    lines = ["| pass/kernel | of | takes | cost | instruction sets |", "|---|---|---|---|---|"]
    for key, row in sorted(rows.items(), key=lambda item: ("pool", "keep", "gradient").index(item[0][0])):
        of = "; ".join(f"{op}: {say(names)}" for op, names in types[key].items())
        sets = "all" if {"baseline", "neon"} & set(isas[key]) else ", ".join(isas[key])
        lines.append(f"| `{key[0]}/{key[1]}` | {of} | {row['takes']} | {row['cost']} | {sets} |")
    return "\n".join(lines)


def say(types: list[str]) -> str:
    """Return the types in few words."""
    floats, all_types = ["f64", "f32", "f16", "bf16"], ["f64", "f32", "f16", "bf16", "i8", "u8", "i16", "i32", "i64"]
    if sorted(types) == sorted(all_types):
        return "all types"
    if sorted(types) == sorted(floats):
        return "floats"
    if sorted(types) == sorted(set(all_types) - {"i8", "u8"}):
        return "all but 8-bit types"
    return ", ".join(types)


if __name__ == "__main__":
    main()
