"""Every number of a report's tables, recomputed from the stored samples with json and pandas, nothing of poolbench.

What the intervals are is written in docs/decisions/0003-interval.md and docs/reports.md; this is a transcription of its
own, so that a mistake in the analysis, or between the analysis and the page, shows as a difference.
"""

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

RUNS = Path(__file__).parents[4] / "results"
REPORTS = Path(__file__).parents[4] / "reports"
WITH_THREADS = next(RUNS.glob("*/20261122-095821-1cf1.jsonl"))
WITH_MEMORY = next(RUNS.glob("*/20261122-112225-b595.jsonl"))
SMALL = {3: 1.9, 4: 1.36, 5: 1.21, 6: 1.2, 7: 1.14, 8: 1.13, 9: 1.1}


class Cells(HTMLParser):
    """Collects the cells that hold a number, each with the attributes of its row and the table's id."""

    def __init__(self):
        super().__init__()
        self.table, self.line, self.row, self.found, self.texts = "", 0, {}, [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "table":
            self.table, self.line = values.get("id", ""), -1  # the first line is the head
        elif tag == "tr":
            self.row = {name[5:]: value for name, value in values.items() if name.startswith("data-")}
            self.line += 1
        elif tag == "td" and "data-v" in values:
            numbers = {name: float(values[f"data-{name}"]) for name in ("v", "low", "high") if f"data-{name}" in values}
            cell = {"table": self.table, "line": self.line, "quantity": values["data-q"], **self.row, **numbers}
            self.found.append(cell)
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_data(self, data):
        if self.texts:
            self.texts[-1] += data


class Run:
    """The stored samples of a run as a frame, and the estimates that follow from them."""

    def __init__(self, path):
        self.header, *self.rows = (json.loads(line) for line in path.read_text().splitlines())
        self.calibration = json.loads((path.parent / "calibration.json").read_text())
        rule = self.header["method"]["rejection"]
        columns = {}
        for row in self.rows:
            for name, values in row["samples"].items():
                columns.setdefault(name, []).extend(values)
            for name in ("workload", "subject", "launch", "group"):
                columns.setdefault(name, []).extend([row[name]] * len(row["samples"]["block"]))
        samples = pd.DataFrame(columns)
        without = samples[["foreign_cpu_ns"]].assign(other=samples.elapsed_ns - samples.cpu_ns).max(axis=1)
        samples["rejected"] = without > (samples.elapsed_ns * rule["max_wait_share"]).clip(lower=rule["min_wait_ns"])
        samples["log"] = (samples.elapsed_ns / samples.loops).map(math.log)
        self.samples = samples
        clean = samples[~samples.rejected]
        self.levels = clean.groupby(["workload", "subject", "launch"])["log"].median()
        keys = ["workload", "subject", "launch", "group", "block"]
        blocks = samples.groupby(keys).agg(slots=("log", "size"), log=("log", "mean"), lost=("rejected", "any"))
        self.blocks = dict(list(blocks.reset_index().groupby(["workload", "subject"])))
        self.slots = dict(list(samples[[*keys, "log"]].groupby(["workload", "subject"])))
        self.known = {}

    def level(self, workload, subject):
        if (workload, subject) not in self.blocks:
            return None
        return self.once((workload, subject), lambda: self.levels.loc[workload, subject].sort_index())

    def ratio(self, workload, subject, reference):
        def pairings():
            block = ["launch", "group", "block"]
            both = self.blocks[workload, subject].merge(self.blocks[workload, reference], on=block)
            clean = both[(both.slots_x == both.slots_y) & ~both.lost_x & ~both.lost_y][block]
            each = self.slots[workload, subject].merge(self.slots[workload, reference], on=block).merge(clean, on=block)
            return (each.log_x - each.log_y).groupby(each.launch).median().sort_index()

        return self.once((workload, subject, reference), pairings)

    def once(self, key, values):
        if key not in self.known:
            self.known[key] = locate(dict(values()))
        return self.known[key]


def median(values):
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def locate(values):
    """Return centre, influence by launch, allowance and degrees of freedom: Huber's estimate of location."""
    launches, levels = list(values), list(values.values())
    count = len(levels)
    centre = median(levels)
    if count < 3:
        return {"centre": centre, "influence": dict.fromkeys(launches, 0.0), "allowance": math.inf, "degrees": 0}
    deviation = 1.4826 * median([abs(level - centre) for level in levels])
    if deviation <= 1e-12 * (1 + abs(centre)):
        mean = sum(levels) / count
        deviation = math.sqrt(sum((level - mean) ** 2 for level in levels) / (count - 1))
    bound = 1.5 * deviation * SMALL.get(count, count / (count - 0.8))

    def clipped():
        return [min(max(level - centre, -bound), bound) for level in levels]

    for _ in range(30):
        inside = max(sum(abs(level - centre) < bound for level in levels) / count, 0.3)
        step = sum(clipped()) / count / inside
        centre += step
        if abs(step) <= 1e-9 * bound + 1e-15:
            break
    within = sum(abs(level - centre) <= bound for level in levels)
    share = max(within / count, 1 / count)
    correction = 1 + (1 - share) / (count * max(share, 0.1))
    influence = [correction * value / (share * count) for value in clipped()]
    return {
        "centre": centre,
        "influence": dict(zip(launches, influence, strict=True)),
        "allowance": 0.05 * deviation,
        "degrees": max(within - 1, 1),
    }


def interval(location, confidence=0.95):
    """Return centre, low and high."""
    if location["degrees"] < 1 or not math.isfinite(location["allowance"]):
        return location["centre"], -math.inf, math.inf
    fewest = location.get("fewest", len(location["influence"]))
    error = math.sqrt(sum(v * v for v in location["influence"].values()) * fewest / (fewest - 1)) if fewest > 1 else 0.0
    half = (t_quantile(location["degrees"], confidence) * error if error else 0.0) + location["allowance"]
    return location["centre"], location["centre"] - half, location["centre"] + half


def combine(locations, weights):
    """Return the weighted sum of locations; what a launch contributes to all of them is added before it is squared."""
    influence = {}
    for location, weight in zip(locations, weights, strict=True):
        for launch, value in location["influence"].items():
            influence[launch] = influence.get(launch, 0.0) + weight * value
    return {
        "centre": sum(weight * location["centre"] for location, weight in zip(locations, weights, strict=True)),
        "influence": influence,
        "allowance": sum(abs(w) * location["allowance"] for location, w in zip(locations, weights, strict=True)),
        "degrees": min(location["degrees"] for location in locations),
        "fewest": min((len(location["influence"]) for location in locations if location["influence"]), default=2),
    }


EXACT = {"centre": 0.0, "influence": {}, "allowance": 0.0, "degrees": math.inf}


def t_quantile(degrees, confidence):
    """Return Student's quantile by bisection of the integral of its density (Simpson's rule, in t = √n tan φ)."""

    def inside(t):
        angle, steps = math.atan(t / math.sqrt(degrees)), 2000
        width = angle / steps
        values = [math.cos(place * width) ** (degrees - 1) for place in range(steps + 1)]
        area = width / 3 * (values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2]))
        log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi) / 2
        return 2 * math.exp(log_scale) * area

    key = (float(degrees), confidence)
    if key not in QUANTILES:
        low, high = 0.0, 1e4
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if inside(middle) < confidence else (low, middle)
        QUANTILES[key] = high
    return QUANTILES[key]


QUANTILES = {}


def exponential(bounds):
    return {"v": math.exp(bounds[0]), "low": math.exp(bounds[1]) if bounds[1] > -math.inf else 0.0,
            "high": math.exp(bounds[2]) if bounds[2] < math.inf else math.inf}  # fmt: skip


@pytest.fixture(scope="module", params=[WITH_THREADS, WITH_MEMORY], ids=["threads", "memory"])
def page(request, tmp_path_factory):
    """Return the cells of a page, the run, and the table of results as the CSV has it.

    The page is the committed example where it is one of this run, else what the command writes.
    """
    report = REPORTS / request.param.stem
    if not report.is_dir():
        folder = tmp_path_factory.mktemp("reports")
        words = [sys.executable, "-m", "poolbench", "report", str(request.param)]
        words += ["-o", str(folder), "--results", str(folder)]
        subprocess.run(words, check=True, capture_output=True, timeout=240)
        report = folder / request.param.stem
    cells = Cells()
    cells.feed((report / "index.html").read_text())
    return cells.found, Run(request.param), pd.read_csv(report / "tables" / "results.csv")


def bytes_moved(identity):
    """Return what a forward pass on this id reads and writes; windows are without dilation, as all stored here."""
    parts = identity.split("-")
    sizes = {axis: int(number) for axis, number in re.findall(r"([ncdhw])(\d+)", parts[1] + parts[2])}
    match = re.fullmatch(r"(k|a)([\dx]+)(?:s([\dx]+))?(?:p([\dx]+))?", parts[3])
    spatial = [sizes[axis] for axis in "dhw" if axis in sizes]
    window, stride, padding = (
        [int(part) for part in (text or default).split("x")] * (1 if "x" in (text or default) else len(spatial))
        for text, default in ((match[2], ""), (match[3], match[2]), (match[4], "0"))
    )
    ceil = "ceil" in parts
    out = []
    for size, k, s, p in zip(spatial, window, stride, padding, strict=True):
        if match[1] == "a":
            out.append(k)
            continue
        count = (size + 2 * p - k + (s - 1 if ceil else 0)) // s + 1
        out.append(count - 1 if ceil and (count - 1) * s >= size + p else count)
    items = sizes["n"] * sizes["c"] * 4
    return items * math.prod(spatial) + items * math.prod(out)


def expected(cell, run, results):
    """Return what a cell must hold."""
    quantity, subject = cell["quantity"], cell.get("subject")
    if cell["table"] == "table-calibration":
        return calibrated(quantity, run.calibration["rates"][cell["line"] - 1])
    level = run.level(cell["workload"], subject) if cell.get("workload") else None
    if quantity == "median_ns":
        return exponential(interval(level))
    if quantity == "gigabytes_per_s":
        time = exponential(interval(level))
        moved = bytes_moved(cell["workload"])
        low = 0.0 if math.isinf(time["high"]) else moved / time["high"]
        return {"v": moved / time["v"], "low": low, "high": moved / time["low"] if time["low"] else math.inf}
    if quantity == "times_limit":
        return exponential(interval(run.ratio(cell["workload"], subject, "limit")))
    if quantity == "ratio_to_fastest":
        fastest = results[(results.workload == cell["workload"]) & (results.verdict == "fastest")].subject.item()
        if subject == fastest:
            return {"v": 1.0, "low": 1.0, "high": 1.0}
        return exponential(interval(run.ratio(cell["workload"], subject, fastest)))
    if quantity == "gain":
        return exponential(interval(run.ratio(cell["workload"], cell["base"], subject)))
    if quantity == "threads":
        return {"v": float(re.search(r"threads=(\d+)", subject)[1])}
    if quantity in ("slots", "rejected_slots", "rejected_share"):
        mine = run.samples[run.samples.subject == subject].rejected
        return {"v": {"slots": len(mine), "rejected_slots": mine.sum(), "rejected_share": mine.mean()}[quantity]}
    if quantity in ("mean_ratio", "mean_times_limit", "workloads", "limit_workloads"):
        return mean(quantity, subject, run, results)
    if quantity in ("exponent", "sizes"):
        return exponent(quantity, cell, results)
    if quantity in ("index_ns", "index_ratio", "layers", "calls"):
        return index(quantity, cell, run, results)
    if quantity.endswith("_bytes"):
        return {"v": memory(quantity.removesuffix("_bytes"), cell, run)}
    raise AssertionError(f"{quantity} is not recomputed")


def calibrated(quantity, rates):
    """Return what the stored calibration says; the share's bounds are those of Clopper and Pearson, each at 95 %."""
    if quantity != "found_share":
        return {"v": rates[quantity]}
    hits, count = rates["found"], rates["verdicts"]

    def at_most(limit, share):
        return sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(limit + 1))

    def where(falls_to, limit):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(limit, middle) > falls_to else (low, middle)
        return low

    return {"v": hits / count, "low": where(0.95, hits - 1) if hits else 0.0,
            "high": where(0.05, hits) if hits < count else 1.0}  # fmt: skip


def memory(part, cell, run):
    rows = [row for row in run.rows if (row["workload"], row["subject"]) == (cell["workload"], cell["subject"])]
    account = next(row["memory"] for row in rows if row["memory"])
    if part in ("output", "least"):
        return account[f"{part}_bytes"]
    if part in ("requested", "touched"):
        return account[part]["bytes"]
    assert account["saved"]["bytes"] is None  # forward passes alone are stored here
    excess = max(account["requested"]["bytes"] - account["output_bytes"], 0)
    elements = account["output_bytes"] // 4
    fits = [size * elements for size in (8, 4, 1) if size * elements <= excess <= size * elements * 1.02 + 16384]
    index = fits[0] if fits and fits[0] >= 65536 and cell["workload"].startswith("max") else 0
    return {"saved": 0, "index": index, "scratch": excess - index}[part]


def mean(quantity, subject, run, results):
    compared = results[results.ratio_to_fastest.notna()]
    means = {name for name in run.header["subjects"] if name in MEANS[id(run)]}
    common = [w for w in compared.workload.unique() if means <= set(compared[compared.workload == w].subject)]
    if quantity == "workloads":
        return {"v": len(common)}
    limited = results[(results.subject == subject) & results.times_limit.notna()].workload
    if quantity == "limit_workloads":
        return {"v": sum(workload in set(limited) for workload in common)}
    if quantity == "mean_times_limit":
        parts = [run.ratio(w, subject, "limit") for w in common if w in set(limited)]
    else:
        fastest = compared[compared.verdict == "fastest"].set_index("workload").subject
        parts = [EXACT if fastest[w] == subject else run.ratio(w, subject, fastest[w]) for w in common]
    return exponential(interval(combine(parts, [1 / len(parts)] * len(parts))))


def exponent(quantity, cell, results):
    names = cell["workloads"].split()
    if quantity == "sizes":
        return {"v": len(names)}
    times = results[results.subject == cell["subject"]].set_index("workload").median_ns
    frame = pd.DataFrame({"x": [math.log(bytes_moved(n)) for n in names], "y": [math.log(times[n]) for n in names]})
    middle = frame - frame.mean()
    slope = (middle.x * middle.y).sum() / (middle.x**2).sum()
    residual = middle.y - slope * middle.x
    error = math.sqrt((residual**2).sum() / (len(names) - 2) / (middle.x**2).sum())
    half = t_quantile(len(names) - 2, 0.95) * error
    return {"v": slope, "low": slope - half, "high": slope + half}


def index(quantity, cell, run, results):
    layers = LAYERS[cell["model"]]
    measured = {run_id: layers[name] for run_id, name in run.header["names"].items() if name in layers}
    measured = {w: weight for w, weight in measured.items() if w in set(results.workload)}
    if quantity in ("layers", "calls"):
        return {"v": len(measured) if quantity == "layers" else sum(measured.values())}

    def total(subject):
        parts = [run.level(w, subject) for w in measured]
        times = [weight * math.exp(part["centre"]) for weight, part in zip(measured.values(), parts, strict=True)]
        return parts, [time / sum(times) for time in times], math.log(sum(times))

    parts, shares, log = total(cell["subject"])
    if quantity == "index_ratio":
        others = [c for c in INDICES[id(run)] if c["model"] == cell["model"] and c["v"] is not None]
        fastest = min(others, key=lambda other: other["v"])["subject"]
        if fastest == cell["subject"]:
            return {"v": 1.0, "low": 1.0, "high": 1.0}
        other_parts, other_shares, other_log = total(fastest)
        parts, shares, log = [*parts, *other_parts], [*shares, *(-s for s in other_shares)], log - other_log
    bounds = interval(combine(parts, shares))
    shift = log - bounds[0]
    return exponential(tuple(bound + shift for bound in bounds))


CATALOGUE = Path(__file__).parents[4] / "poolbench" / "catalogue" / "data"
LAYERS = {}
for path in CATALOGUE.glob("shapes_*.txt"):
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            known = re.search(r'model=("[^"]*"|\S+)', line)
            weight = re.search(r"\bweight=(\d+)", line)
            if known:
                model = LAYERS.setdefault(known[1].strip('"'), {})
                model[line.split()[1]] = int(weight[1]) if weight else 1
MEANS, INDICES = {}, {}


def test_every_number_follows_from_the_stored_samples(page) -> None:
    cells, run, results = page
    MEANS[id(run)] = {cell["subject"] for cell in cells if cell["quantity"] == "mean_ratio"}
    INDICES[id(run)] = [cell for cell in cells if cell["quantity"] == "index_ns"]
    assert len(cells) > 60
    for cell in cells:
        want = expected(cell, run, results)
        assert set(want) == {name for name in ("v", "low", "high") if name in cell}, cell
        for name, value in want.items():
            assert cell[name] == pytest.approx(value, rel=1e-6, abs=1e-12), (cell, name)


def test_the_fastest_is_the_one_that_no_other_beats(page) -> None:
    _, run, results = page
    for workload in results.workload.unique():
        mine = results[(results.workload == workload) & results.ratio_to_fastest.notna()]
        worst = {}
        for subject in mine.subject:
            rivals = [run.ratio(workload, other, subject) for other in mine.subject if other != subject]
            worst[subject] = min(rival["centre"] for rival in rivals)
        best = mine[mine.verdict == "fastest"].subject.item()
        assert worst[best] == pytest.approx(max(worst.values()), abs=1e-9)
