"""What pages need where links that lead on in the repository lead nowhere: in a package index, and on the site.

scikit-build-core calls ``dynamic_metadata`` for the README of a wheel; MkDocs calls the functions ``on_…``. Only the
standard library is imported at the top: a wheel is built without MkDocs.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
SOURCE: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
EXAMPLE = "20261122-112225-b595"
"""The committed report that the README shows and the site has a copy of."""

LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?=\))")
IMAGES = {".png", ".svg", ".gif", ".jpg"}


def absolute(text: str, folder: str = "", *, keep: str | None = None, also: str | None = None) -> str:
    """Return a page's Markdown with links into the repository written out.

    ``folder`` is where the page lies, from the top of the repository. Links to what lies below ``keep`` stay,
    and those that begin with ``also``.
    """

    def written_out(found: re.Match[str]) -> str:
        target = found["target"]
        path, hash_, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:") or (also and path.startswith(also)):
            return found[0]
        place = posixpath.normpath(posixpath.join(folder, path))
        if keep is not None and place.startswith(f"{keep}/") and not (ROOT / place).is_dir():
            return found[0]
        kind = "tree" if (ROOT / place).is_dir() else "raw" if Path(place).suffix in IMAGES else "blob"
        return f"{found['before']}{SOURCE}/{kind}/main/{place}{hash_}{anchor}"

    parts = re.split(r"(^```.*?^```|`[^`\n]+`)", text, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [LINK.sub(written_out, part) for part in parts[::2]]
    return "".join(parts)


def dynamic_metadata(settings: Mapping[str, Any], project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the README of the package's metadata. scikit-build-core calls this (`pyproject.toml`)."""
    text = absolute((ROOT / "README.md").read_text(encoding="utf-8"))
    return {"readme": {"content-type": "text/markdown", "text": text}}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Number the decisions in the navigation, and give headings the anchors that code hosts give them."""
    from pymdownx.slugs import slugify

    decisions = sorted(
        path.relative_to(config.docs_dir).as_posix() for path in Path(config.docs_dir).glob("decisions/*.md")
    )
    for section in config.nav or ():
        if isinstance(section, dict) and section.get("Decisions") is not None:
            section["Decisions"] = [
                *section["Decisions"],
                *(name for name in decisions if not name.endswith("/index.md")),
            ]
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the example report."""
    from mkdocs.structure.files import File

    folder = ROOT / "reports" / EXAMPLE
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        name = f"example/{path.relative_to(folder).as_posix()}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write out the links that leave the site."""
    return for_site(markdown, posixpath.join("docs", posixpath.dirname(page.file.src_uri)).rstrip("/"))


def for_site(text: str, folder: str) -> str:
    """Return a page's Markdown: links to the example lead to its copy, others out of ``docs`` are written out."""
    up = "../" * folder.count("/")
    text = re.sub(rf"\((?:\.\./)+reports/{EXAMPLE}/(?:summary\.md|index\.html)\)", f"({up}example/index.html)", text)
    return absolute(text, folder, keep="docs", also=f"{up}example/")
