import io
import re
import subprocess
import sys

import pytest

from poolbench.analyse.compare.summary import summarise
from poolbench.report.render.brief import COLUMNS
from poolbench.report.render.terminal import PLAIN_WIDTH, layout, print_summary, render
from tests.unit.builders import make_header
from tests.unit.report.example import example


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [40, 47, 60, 72, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_figure_is_cut(width: int) -> None:
    text = render(example(), width=width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("fastest", "UNSUPPORTED", "differs", "geometric mean"):
        assert word in text
    assert len(re.findall(r"\d ±\d+\.\d+$|\d ±\d+\.\d+ +n", text, flags=re.MULTILINE)) >= 8  # ratios stay whole


def headings(width: int) -> list[str]:
    line = next(line for line in render(example(), width=width).splitlines() if line.startswith("  subject"))
    return [column for column in COLUMNS if f" {column}" in line]


def test_columns_go_in_the_stated_order() -> None:
    seen = [tuple(headings(width)) for width in range(110, 39, -1)]
    steps = list(dict.fromkeys(seen))
    assert steps == [
        ("subject", "time", "±", "GB/s", "× limit", "× fastest", "layout"),
        ("subject", "time", "±", "GB/s", "× limit", "× fastest"),
        ("subject", "time", "±", "× limit", "× fastest"),
        ("subject", "time", "× limit", "× fastest"),
        ("subject", "time", "× fastest"),
    ]


def test_the_legend_explains_what_is_shown_and_no_more() -> None:
    assert "GB/s:" in render(example(), width=120)
    assert "GB/s" not in render(example(), width=60)


def test_where_there_is_no_terminal_the_text_is_plain_and_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = []
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        stream = io.StringIO()
        print_summary(example(), file=stream)
        written.append(stream.getvalue())
    assert written[0] == written[1] == render(example(), width=PLAIN_WIDTH)
    assert "\x1b" not in written[0]
    assert not re.search("[\u2500-\u257f]", written[0])  # box drawing


def test_a_terminal_gets_colours_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_summary(example(), file=stream, width=80)
    text = stream.getvalue()
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert [line.rstrip() for line in plain.splitlines()] == render(example(), width=80).splitlines()


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    print_summary(example(), file=stream, width=80)
    assert not re.search(r"\x1b\[[0-9;]*3\dm", stream.getvalue())


def test_fastest_comes_first_and_the_mean_last() -> None:
    text = render(example())
    assert text.index("torch:channels_last") < text.index("numpy")
    assert text.rindex("geometric mean  ") > text.index("wavenet_pool")


def test_an_empty_run_says_so() -> None:
    text = render(summarise(make_header(("torch",)), []))
    assert "No workload was measured." in text
    assert "Nothing can be said" in text
    assert "Not measured at all" in text


def test_markup_in_names_and_reasons_is_only_text() -> None:
    stream = Terminal()
    print_summary(example(), file=stream, width=300)
    assert any(line.role == "failed" for line in layout(example(), width=80))
    assert "| ~ and a long tail" in stream.getvalue()


def test_importing_reports_loads_neither_rich_nor_pandas() -> None:
    code = (
        "import sys, poolbench.report.render.terminal, poolbench.report.render.markdown; "
        "sys.exit(any(name in sys.modules for name in ('rich', 'pandas', 'matplotlib', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
