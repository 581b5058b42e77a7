"""``poolbench gate-comment`` on events of GitHub's documented shape, and against a server on loopback in its place."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import replace
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from poolbench.cli.app import app
from poolbench.cli.output import as_json
from poolbench.errors import ExitCode, PoolbenchError, StoreError, UsageError
from poolbench.model.gate import GatePolicy, GateResult, GateVerdict, MemoryChange
from poolbench.model.method import Method
from poolbench.model.subject import parse_subject
from poolbench.model.verdict import Comparison, Outcome
from poolbench.report.render.comment import MARKER, MOST_CHARACTERS
from poolbench.report.render.json import gate_document
from poolbench.store.received import MOST_BYTES

EVENTS = Path(__file__).parent / "events"
BOT = {"login": "github-actions[bot]", "type": "Bot"}
FORK_SHA = "1" * 40


def pull(number, sha=FORK_SHA, repository="guest/pools", label="guest:faster"):
    return {"number": number, "label": label, "head": {"sha": sha, "repo": {"full_name": repository}}}


class Forge:
    """A repository ``owner/pools`` with its open pull requests and their comments, and what was asked of it."""

    def __init__(self) -> None:
        self.pulls = [pull(7)]
        self.comments: dict[int, list[dict]] = {}
        self.asked: list[tuple[str, str]] = []
        self.tokens: set[str] = set()
        self.refuses = 0

    def answer(self, method, address, body):
        place = urlsplit(address)
        path = place.path.removeprefix("/repos/owner/pools/")
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        self.asked.append((method, path))
        if self.refuses:
            return self.refuses, {"message": "Resource not accessible by integration"}
        if (method, path) == ("GET", "pulls"):
            assert query["state"] == "open"
            return 200, self.page([entry for entry in self.pulls if entry["label"] == query["head"]], query)
        if method == "GET" and (found := re.fullmatch(r"issues/(\d+)/comments", path)):
            return 200, self.page(self.comments.get(int(found[1]), []), query)
        if method == "POST" and (found := re.fullmatch(r"issues/(\d+)/comments", path)):
            return 201, self.add(int(found[1]), BOT, body["body"])
        if method == "PATCH" and (found := re.fullmatch(r"issues/comments/(\d+)", path)):
            (comment,) = (
                entry for entries in self.comments.values() for entry in entries if entry["id"] == int(found[1])
            )
            return 200, comment | {"body": comment.update(body) or body["body"]}
        return 404, {"message": "Not Found"}

    def page(self, entries, query):
        size, page = int(query["per_page"]), int(query["page"])
        return entries[size * (page - 1) : size * page]

    def add(self, number, user, body):
        entries = self.comments.setdefault(number, [])
        name = 1000 * number + len(entries)
        entries.append({"id": name, "user": user, "body": body, "html_url": f"https://github.com/owner/pools/{name}"})
        return entries[-1]


@pytest.fixture
def forge():
    state = Forge()

    class Handler(BaseHTTPRequestHandler):
        def respond(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
            state.tokens.add(self.headers["Authorization"])
            code, answer = state.answer(self.command, self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = respond

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def comment(forge, monkeypatch):
    """Runs the command with an event, as a job would, and returns what it printed."""
    for name, value in {
        "GITHUB_API_URL": forge.address,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "owner/pools",
        "GITHUB_RUN_ID": "9200000001",
        "GITHUB_TOKEN": "a-token",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)

    def run(report, event="workflow_run_fork"):
        path = event if isinstance(event, Path) else EVENTS / f"{event}.json"
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(path))
        done = CliRunner().invoke(app, ["gate-comment", str(report)])
        if isinstance(done.exception, PoolbenchError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def document(*, reason="Slower (+9 %).", name="layer", count=1, **fields):
    """What ``poolbench gate --json`` prints of a regression, and of ``count`` − 1 workloads that are the same."""
    pair = Comparison(
        workload="w", subject="head", reference="base", ratio=1.09, low=1.07, high=float("inf"), p_value=1e-9,
        blocks=40, launches=8, launch_spread=0.01, drift=0.0, rejected=0.0,
    )  # fmt: skip
    slow = GateVerdict(
        workload="w", outcome=Outcome.SLOWER, reason=reason, comparison=pair, is_regression=True,
        memory=MemoryChange(base_bytes=1000, head_bytes=3048, slack=0),
    )  # fmt: skip
    same = replace(slow, workload="v", outcome=Outcome.SAME, is_regression=False, memory=None)
    result = GateResult(
        base=parse_subject("numpy"), head=parse_subject("numpy#2"), policy=GatePolicy(), method=Method(),
        verdicts=(*[same] * (count - 1), slow),
    )  # fmt: skip
    return {"results": "r", **gate_document(result, {"w": name}, None, ExitCode.REGRESSION), **fields}


@pytest.fixture
def report(tmp_path):
    def write(**given):
        path = tmp_path / "poolbench-gate.json"
        path.write_text(as_json(document(**given)), encoding="utf-8")
        return path

    return write


def test_a_fork_s_pull_request_gets_one_comment_which_the_next_run_renews(forge, comment, report):
    assert comment(report()).startswith("commented  https://github.com/owner/pools/7000")
    (first,) = forge.comments[7]
    assert first["body"].startswith(MARKER)
    assert "slower by 3 % or more, or more memory, on 1 of 1 workload" in first["body"]
    assert "1.090 (1.070–?)" in first["body"] and "<b>SLOWER</b>" in first["body"] and "+2,048 B" in first["body"]
    assert "(https://github.com/owner/pools/actions/runs/9100000001)" in first["body"]
    assert comment(report(reason="Slower by more.")).startswith("updated  https://github.com/owner/pools/7000")
    (second,) = forge.comments[7]
    assert "Slower by more&#46;" in second["body"]
    assert forge.tokens == {"Bearer a-token"}


def test_what_was_measured_first_stands_first(forge, comment, report):
    comment(report(count=3))
    body = forge.comments[7][0]["body"]
    assert body.index("SLOWER") < body.index("same")


def test_comments_of_others_are_left_alone_and_ours_is_found_behind_them(forge, comment, report):
    forge.add(7, {"login": "guest", "type": "User"}, f"{MARKER}\nnot the gate's")
    forge.add(7, None, f"{MARKER}\nof a user who is gone")
    forge.add(7, BOT, f"another tool's, which quotes {MARKER}")
    for index in range(120):
        forge.add(7, {"login": "owner", "type": "User"}, f"comment {index}")
    before = [dict(entry) for entry in forge.comments[7]]
    comment(report())
    assert forge.comments[7][:-1] == before
    comment(report(reason="again"))
    assert forge.comments[7][:-1] == before and "again" in forge.comments[7][-1]["body"]


HOSTILE = (
    "</code></td></table>\n\n# own <script>alert(1)</script> <img src=x> @owner/team #1 GH-2 https://evil.example "
    "[a](javascript:b) `c` ![d](e) <!-- f --> **g** | h \x07\u202e\ud800 <!-- poolbench gate -->"
)


def test_markup_in_texts_is_shown_as_text(forge, comment, report):
    comment(report(reason=HOSTILE, name=HOSTILE, base=HOSTILE, head=HOSTILE))
    body = forge.comments[7][0]["body"]
    texts = re.findall(r"<code>(.*?)</code>", body)
    assert len(texts) == 4
    for text in texts:
        assert re.fullmatch(r"(?:[\w… ]|&#\d+;)*", text), text
    assert unescape(texts[-1]) == " ".join(HOSTILE.split()).translate(dict.fromkeys((7, 0x202E, 0xD800), "\ufffd"))
    rest = re.sub(r"<code>.*?</code>", "", body)
    assert not any(word in rest for word in ("<script", "evil", "@", "# own", "<img"))
    # Markdown means nothing within the table, which an empty line would end.
    assert "\n\n" not in body[body.index("<table>") : body.index("</table>")]


def test_an_artefact_that_names_another_pull_request_is_not_heard(forge, comment, report):
    forge.pulls.append(pull(3, sha="3" * 40, repository="owner/pools", label="owner:main"))
    naming = {"number": 3, "pull_request": {"number": 3}, "workflow_run": {"pull_requests": [{"number": 3}]}}
    comment(report(**naming))
    assert set(forge.comments) == {7}


def test_a_pull_request_of_this_repository_is_the_event_s_own(forge, comment, report):
    comment(report(), "pull_request")
    assert set(forge.comments) == {8}
    assert "/owner/pools/actions/runs/9200000001)" in forge.comments[8][0]["body"]


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [pull(7, sha="4" * 40)],  # a later push: its own run comments
        [pull(7, repository="guest/pools-2")],  # another fork of the same owner
        [{**pull(7), "head": {"sha": FORK_SHA, "repo": None}}],  # the fork is gone
    ],
)
def test_nothing_is_commented_where_no_open_pull_request_has_the_commit(forge, comment, report, pulls):
    forge.pulls = pulls
    assert "nothing is commented" in comment(report())
    assert {method for method, _ in forge.asked} == {"GET"}


def test_of_two_with_the_same_head_the_one_that_the_event_names_is_meant(forge, comment, report, tmp_path):
    forge.pulls = [pull(7), pull(9)]
    with pytest.raises(UsageError, match="#7 and #9 have the same head"):
        comment(report())
    event = json.loads((EVENTS / "workflow_run_fork.json").read_text())
    event["workflow_run"]["pull_requests"] = [{"number": 9}]
    (tmp_path / "event.json").write_text(json.dumps(event))
    comment(report(), tmp_path / "event.json")
    assert set(forge.comments) == {9}


def test_a_run_that_was_no_pull_request_s_is_refused(forge, comment, report, tmp_path):
    event = json.loads((EVENTS / "workflow_run_fork.json").read_text())
    event["workflow_run"]["event"] = "push"
    (tmp_path / "event.json").write_text(json.dumps(event))
    with pytest.raises(UsageError, match="no pull request"):
        comment(report(), tmp_path / "event.json")
    assert forge.asked == []


def changed(path, value):
    """The document with ``value`` at ``path``, as text."""
    whole = json.loads(as_json(document()))
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[]", "the document is not an object"),
        ("{}", "exit_code is not one of 0, 1, 3, 4"),
        (changed(["exit_code"], True), "exit_code"),
        (changed(["exit_code"], [1]), "exit_code"),
        (changed(["head"], ["<b>"]), "head is not a text"),
        (changed(["verdicts"], {}), "a list of at most 1000"),
        (changed(["verdicts"], [{}] * 1001), "a list of at most 1000"),
        (changed(["verdicts", 0], "slower"), r"verdicts\[0\] is not an object"),
        (changed(["verdicts", 0, "outcome"], "<b>"), "outcome is not one of faster, slower"),
        (changed(["verdicts", 0, "comparison", "ratio"], "1<b>"), "ratio is not a number"),
        (changed(["verdicts", 0, "comparison", "low"], 10**400), "low is not a number"),
        (changed(["verdicts", 0, "is_regression"], "yes"), "true or false"),
        (changed(["policy", "tolerance"], None), "tolerance is not a number"),
        (changed(["verdicts", 0, "memory", "head_bytes"], float("nan")), "head_bytes is not a number"),
        (json.dumps({"padding": "x" * MOST_BYTES}), "larger than 1,000,000 bytes"),
    ],
)
def test_a_broken_artefact_is_refused_with_a_sentence_before_anything_is_asked(
    forge, comment, tmp_path, content, words
):
    path = tmp_path / "poolbench-gate.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StoreError, match=words) as told:
        comment(path)
    assert "<b>" not in str(told.value)
    assert forge.asked == []


@pytest.mark.parametrize("kind", ["missing", "folder", "link", "pipe"])
def test_what_is_no_file_is_refused(forge, comment, report, tmp_path, kind):
    path = tmp_path / "artefact"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(report())
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(StoreError, match="name the document"):
        comment(path)
    assert forge.asked == []


def test_a_comment_stays_below_the_limit_and_counts_what_it_leaves_out(forge, comment, report):
    comment(report(reason="|" * 1000, count=300))
    body = forge.comments[7][0]["body"]
    assert len(body) < MOST_CHARACTERS + 200
    shown = body.count("<tr>") - 1
    assert f"{300 - shown} more verdicts did not fit" in body and 0 < shown < 300
    assert "SLOWER" in body


def test_a_token_that_may_not_write_is_told_what_to_do(forge, comment, report):
    forge.refuses = 403
    with pytest.raises(UsageError, match=r"refused GET pulls with 403.*pull-requests: write.*two workflows"):
        comment(report())


def test_outside_of_a_job_the_missing_variable_is_named(comment, report, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(UsageError, match="GITHUB_TOKEN is not set"):
        comment(report())
