from pathlib import Path

from poolbench.report.figures.history_panels import write_figure
from poolbench.report.render.terminal_history import render_history
from tests.unit.analyse.history.histories import make_history, make_points, make_run
from tests.unit.builders import AVG2D, MAX2D

RATIOS = {MAX2D: [1.0] * 3 + [1.12] * 3, AVG2D: [1.0] * 6}


def history(**options):
    points = make_points(6, **options)
    return make_history(points, [make_run(points, RATIOS, (0, 2, 4)), make_run(points, RATIOS, (1, 3, 5), name="b")])


def test_the_report_says_where_by_how_much_and_on_what_it_changed():
    text = render_history(history(), width=400)
    assert "Between 1.2.0 and 1.3.0: slower, +1" in text
    assert "on 1 of 2 workloads: stem +1" in text and "Seen in one run alone" in text
    assert "> 1.3.0" in text and "\n> 1.2.0" not in text
    assert text.index("geometric mean") < text.index("stem")


def test_same_builds_failures_and_gaps_are_told_apart():
    text = render_history(history(same_as={1: "1.0.0"}, problem={5: "no kernel yet"}))
    assert "same build" in text and "1 point brought nothing new to build" in text


def test_no_change_is_said_so():
    points = make_points(4)
    flat = {MAX2D: [1.0] * 4, AVG2D: [1.0] * 4}
    text = render_history(make_history(points, [make_run(points, flat, (0, 1, 2, 3))]))
    assert "No change between 1.0.0 and 1.3.0 is sure." in text
    assert "Fewer than two points" in render_history(make_history(points, []))


def test_no_line_is_wider_than_asked():
    assert max(map(len, render_history(history(), width=60).splitlines()[2:])) <= 60


def test_the_figure_is_written_in_both_forms(tmp_path: Path):
    paths = [tmp_path / "new" / "history.svg", tmp_path / "new" / "history.png"]
    write_figure(history(), paths)
    assert paths[0].read_text().startswith("<?xml") and paths[1].read_bytes()[:4] == b"\x89PNG"
