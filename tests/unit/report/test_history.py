import json
from dataclasses import replace
from pathlib import Path

from poolbench.cli.history import _report
from poolbench.model.method import Cache, Method
from poolbench.model.subject import parse_subject
from poolbench.report.bisect import bisect_commands
from poolbench.report.figures.canvas import Width, files
from poolbench.report.figures.history import has_ratios, history_figure
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


def test_the_figure_has_a_panel_for_each_workload_and_tells_what_changed():
    drawing = history_figure(history())
    svg, png = files(drawing)
    assert svg.startswith(b"<?xml") and png[:4] == b"\x89PNG"
    assert "slower between 1.2.0 and 1.3.0" in drawing.alt
    for width in Width:
        mean, stem, trans = drawing.draw(width).axes[:3]
        assert [axis.get_title(loc="left") or axis.get_title() for axis in (mean, stem, trans)] == [
            "geometric mean", "stem", "trans"
        ]  # fmt: skip
        assert [[line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"] for axis in
                (mean, stem, trans)] == [[2.5], [2.5], []]  # fmt: skip
        assert any("▲" in text.get_text() for text in stem.texts)


def test_a_page_has_the_workloads_that_changed_first():
    drawing = history_figure(history(), most=2)
    assert len(drawing.draw(Width.WIDE).axes) == 2
    assert "1 workload without a change are left out" in drawing.caption


def test_a_history_without_ratios_has_nothing_to_draw():
    points = make_points(4)
    assert has_ratios(history()) and not has_ratios(make_history(points, []))


def revisions(*, same_as=(), method=None):
    points = make_points(6, same_as={place: "commit2" for place in same_as})
    points = [
        replace(point, label=f"commit{place}", subject=parse_subject(f"numpy@rev:commit{place}"))
        for place, point in enumerate(points)
    ]
    runs = [
        make_run(points, RATIOS, taken, name=name, method=method)
        for taken, name in (((0, 2, 4), "a"), ((1, 3, 5), "b"))
    ]
    return make_history(points, runs, method=method)


def test_a_change_between_revisions_comes_with_the_command_that_bisects_it():
    command = f"poolbench bisect numpy --good rev:commit2 --bad rev:commit3 -w {MAX2D}"
    assert bisect_commands(revisions(), every=5) == [command]
    elsewhere = {"repo": Path("my project"), "results": Path("old")}
    with_project = bisect_commands(revisions(method=Method(threads=2)), every=5, **elsewhere)
    assert with_project == [f"{command} --threads 2 --repo 'my project' --results old"]


def test_no_command_bisects_what_is_known_or_cannot_be():
    assert bisect_commands(revisions()) == []  # neighbours: the commit is known
    assert bisect_commands(revisions(same_as=[2])) == []  # so are those with a build between that repeats the first's
    assert bisect_commands(revisions(method=Method(cache=Cache.COLD)), every=5) == []
    assert bisect_commands(history(), every=5) == []  # releases


def test_the_commands_stand_in_text_and_json(tmp_path, capsys):
    commands = ["poolbench bisect one", "poolbench bisect two"]
    _report(history(), tmp_path, "name", commands, json=False)
    assert "\n\nbisect   poolbench bisect one\n         poolbench bisect two\n" in capsys.readouterr().out
    _report(history(), tmp_path, "name", commands, json=True)
    assert json.loads(capsys.readouterr().out)["bisect"] == commands
