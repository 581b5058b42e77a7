"""Say which Python this is, and which distributions a framework's worker has in it, as one line of JSON.

    python inventory.py DISTRIBUTION… [-- ALONE…]

Executed as a script by the interpreter that is asked. Listed are the given distributions and what they need, and
those given ALONE; those that are not installed are left out.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable
from importlib import metadata


def needed(wanted: Iterable[str], *, alone: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions, by name, of ``wanted`` and all that they need in turn, and of ``alone``.

    Where a build for another device carries another name, it is found by the module that it gives.
    """
    found: dict[str, tuple[str, str]] = {}
    names = [(name, True) for name in wanted] + [(name, False) for name in alone]
    while names:
        name, with_needs = names.pop()
        folded = re.sub(r"[-_.]+", "-", name).lower()
        if folded in found:
            continue
        distribution = _distribution(name)
        if distribution is None:
            continue
        found[folded] = (distribution.name, distribution.version)
        for line in (distribution.requires or []) if with_needs else []:
            if "extra ==" not in line:
                names.append((re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0], True))
    return dict(found.values())


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        builds = metadata.packages_distributions().get(name.replace("-", "_"), [])
        return metadata.distribution(builds[0]) if builds else None


if __name__ == "__main__":
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    answer = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "distributions": needed(sys.argv[1:split], alone=sys.argv[split + 1 :]),
    }
    print(json.dumps(answer))
