"""What is declared is what is installed, and all of it is pinned."""

import re
import runpy
import tomllib
from importlib.metadata import distribution, entry_points, version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pathspec import GitIgnoreSpec

import poolbench

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = ("scikit-build-core", "nanobind", "cmake", "ninja")


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pinned for name, pinned in pairs}


def needed() -> set[str]:
    """Follow the metadata of what is installed, from poolbench with all that is tested to the last dependency."""
    queue = [("poolbench", frozenset({"all", "dev"})), *((n, frozenset()) for n in BUILD)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        name, extras = queue.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras or {""}):
                queue.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen} - {"poolbench"}


def test_every_direct_and_indirect_dependency_is_pinned() -> None:
    assert needed() - set(pins()) == set(), "add them to constraints.txt (CONTRIBUTING.md, 'Pins')"


def test_what_all_leaves_out_is_pinned_too() -> None:
    for extra, texts in PROJECT["project"]["optional-dependencies"].items():
        direct = {canonicalize_name(Requirement(text).name) for text in texts} - {"poolbench"}
        assert direct <= set(pins()), extra


def test_what_is_installed_is_what_is_pinned() -> None:
    # A local label, such as +cpu, says where a build came from, not which release it is.
    installed = {name: Version(version(name)).public for name in needed()}
    assert {name: (found, pins()[name]) for name, found in installed.items() if found != pins()[name]} == {}


def test_pins_carry_no_local_label_and_no_cuda() -> None:
    assert not [pinned for pinned in pins().values() if "+" in pinned]
    assert not [name for name in pins() if re.search("cuda|nvidia|cudnn|triton", name)]


def test_declared_entry_points_are_installed_with_their_colons() -> None:
    declared = PROJECT["project"]["entry-points"]["poolbench.backends"]
    installed = {point.name: point.value for point in entry_points(group="poolbench.backends")}
    assert declared.items() <= installed.items()
    assert "numpy:shifted" in installed


def test_a_release_names_what_does_not_agree() -> None:
    problems = runpy.run_path(str(ROOT / ".ci" / "release.py"))["problems"]
    source = PROJECT["project"]["urls"]["Source"].removeprefix("https://github.com/")
    assert problems("refs/heads/main", source) == []
    tag, *others = problems("refs/tags/v0.0.0", "somebody/else")
    assert tag.startswith("The tag is v0.0.0, and pyproject.toml says ")
    assert others[-1].startswith("This is somebody/else, and pyproject.toml names https://github.com/")


def test_every_extra_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [extra for extra in PROJECT["project"]["optional-dependencies"] if f"[{extra}]`" not in readme]
    assert missing == []


def test_the_address_is_the_same_everywhere() -> None:
    source = PROJECT["project"]["urls"]["Source"]
    owner = source.split("/")[3]
    site = PROJECT["project"]["urls"]["Documentation"]
    assert site == f"https://{owner}.github.io/{source.split('/')[4]}/"
    assert f"repository-code: {source}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"site_url: {site}\n" in navigation
    assert f'link: "{source}"' in navigation


def test_what_releases_are_made_with_is_pinned() -> None:
    pinned = re.findall(r"^([\w-]+)==[\w.]+$", (ROOT / ".ci" / "release.txt").read_text("utf-8"), flags=re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    used = [name for names in re.findall(r"pip install -c \.ci/release\.txt (.*)", workflow) for name in names.split()]
    assert used
    assert set(used) - set(pinned) == set()


def test_the_version_is_said_once_and_the_same_everywhere() -> None:
    assert version("poolbench") == PROJECT["project"]["version"] == poolbench.__version__


@pytest.mark.parametrize("name", ["shapes_image.txt", "set_core.txt"])
def test_catalogue_data_is_found_where_it_is_installed(name: str) -> None:
    assert (files("poolbench.catalogue") / "data" / name).is_file()


def test_the_explorers_page_is_in_the_wheel_with_the_licence_of_what_it_brings_along() -> None:
    excluded = GitIgnoreSpec.from_lines(PROJECT["tool"]["scikit-build"]["wheel"]["exclude"])
    folder = ROOT / "poolbench" / "explore" / "static"
    names = [path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert {f"{folder.relative_to(ROOT).as_posix()}/{name}" for name in ("index.html", "js/main.js")} <= set(names)
    assert [name for name in names if excluded.match_file(name)] == []
    assert "poolbench/explore/static/uplot/LICENSE" in PROJECT["project"]["license-files"]
    licence = files("poolbench.explore") / "static" / "uplot" / "LICENSE"
    assert licence.read_text(encoding="utf-8").startswith("The MIT License")


def test_of_the_kernels_sources_the_wheel_has_what_others_compile() -> None:
    excluded = GitIgnoreSpec.from_lines(PROJECT["tool"]["scikit-build"]["wheel"]["exclude"])
    folder = ROOT / "poolbench" / "strided"
    sources = [path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.suffix in {".h", ".cpp", ".map"}]
    assert sorted(name for name in sources if not excluded.match_file(name)) == [
        "poolbench/strided/frameworks/parameters.h",
        "poolbench/strided/frameworks/torch_fast.cpp",
        "poolbench/strided/include/poolbench/pooling.h",
    ]
