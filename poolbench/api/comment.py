"""The one comment that a pull request on GitHub has of a gate: found, then written or written anew.

Which pull request it is, the event says that GitHub gave to the job, and GitHub's interface; nothing that was measured
has a word in it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from poolbench.errors import UsageError
from poolbench.quantities import listed
from poolbench.report.render.comment import MARKER

PAGE = 100
MOST_PAGES = 50
TIMEOUT_S = 30.0

Query: TypeAlias = Mapping[str, str | int]
_NONE: Query = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """A repository on GitHub, by its REST interface. ``api`` is its address without a slash at the end."""

    api: str
    repository: str
    token: str = field(repr=False)

    def call(self, method: str, path: str, *, body: Mapping[str, str] | None = None, query: Query = _NONE) -> Any:
        """Return the answer to ``method`` on ``path`` below the repository. Raises UsageError where it is refused."""
        address = f"{self.api}/repos/{self.repository}/{path}"
        if query:
            address += f"?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(
            address,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise UsageError(f"GitHub refused {method} {path} with {error.code}. {_advice(error.code)}") from error
        except (OSError, ValueError) as error:
            raise UsageError(f"GitHub did not answer {method} {path} ({error}): run the job again.") from error

    def pages(self, path: str, query: Query = _NONE) -> list[dict[str, Any]]:
        """Return all entries of a list, page by page."""
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            entries = self.call("GET", path, query={**query, "per_page": PAGE, "page": page})
            found += entries
            if len(entries) < PAGE:
                return found
        raise UsageError(f"GitHub lists more than {PAGE * MOST_PAGES} entries for {path}, so nothing is commented.")


def pull_request_of(event: dict[str, Any], github: GitHub) -> int | None:
    """Return the number of the pull request that ``event`` is of; None where none is open with that commit any more.

    The event of a finished workflow lists no pull requests of forks. There the open ones from its branch are asked for,
    and the one whose head is its commit is it. Raises UsageError where the event is of another kind, or several are.
    """
    match event:
        case {"pull_request": {"number": int(number)}}:
            return number
        case {
            "workflow_run": {
                "event": "pull_request",
                "head_branch": str(branch),
                "head_sha": str(commit),
                "head_repository": {"full_name": str(repository), "owner": {"login": str(owner)}},
            }
        }:
            found = {
                pull["number"]
                for pull in github.pages("pulls", {"state": "open", "head": f"{owner}:{branch}"})
                if pull["head"]["sha"] == commit and (pull["head"]["repo"] or {}).get("full_name") == repository
            }
            named = {pull["number"] for pull in event["workflow_run"].get("pull_requests") or ()}
            found = found & named or found
            if len(found) > 1:
                which = listed([f"#{number}" for number in sorted(found)])
                raise UsageError(f"{which} have the same head, so which one was measured is not known: close one.")
            return next(iter(found), None)
        case _:
            raise UsageError(
                "This event is of no pull request: use gate-comment in a workflow on pull_request, or on workflow_run "
                "after one."
            )


def run_of(event: dict[str, Any], fallback: str) -> str:
    """Return where the gate ran: the event's own word, else ``fallback``."""
    match event:
        case {"workflow_run": {"html_url": str(address)}}:
            return address
        case _:
            return fallback


def write_comment(github: GitHub, number: int, body: str, author: str) -> tuple[str, bool]:
    """Write ``body`` as the comment of ``author`` on pull request ``number``; return its address and whether it is new.

    A comment of another author is never touched, even where it begins with the marker.
    """
    for comment in github.pages(f"issues/{number}/comments"):
        is_own = (comment.get("user") or {}).get("login") == author
        if is_own and (comment.get("body") or "").startswith(MARKER):
            changed = github.call("PATCH", f"issues/comments/{comment['id']}", body={"body": body})
            return str(changed["html_url"]), False
    made = github.call("POST", f"issues/{number}/comments", body={"body": body})
    return str(made["html_url"]), True


def _advice(code: int) -> str:
    if code in (401, 403, 404):
        return (
            "The token must be allowed to write: 'permissions: pull-requests: write'. A fork's own run never is; for "
            "forks use two workflows (docs/ci.md)."
        )
    return "Run the job again."
