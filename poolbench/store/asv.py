"""asv's own result files, written and read, and its step detection: the one module that knows asv's internals.

They are those of asv 0.6: ``asv.results.Results``, ``asv.runner.BenchmarkResult``, ``asv.environment.get_env_name``,
``asv.machine.Machine``, ``asv.util`` and ``asv.step_detect``. A folder that is written here holds an ``asv.conf.json``
of its own, so that ``asv --config FOLDER/asv.conf.json publish`` and ``compare`` need nothing else.
"""

from __future__ import annotations

import importlib
import itertools
import json
import warnings
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from poolbench.errors import StoreError, UsageError
from poolbench.model.ids import parse_id
from poolbench.model.machine import MachineFingerprint
from poolbench.model.workload import Workload
from poolbench.store.asv_terms import (
    PARAMETERS,
    RESULTS,
    benchmark_entry,
    configuration,
    full_name,
    machine_entry,
    software_of,
)
from poolbench.store.codec import unknown_workload

CONFIGURATION = "asv.conf.json"

_BENCHMARKS = "benchmarks.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvFigure:
    """One figure of a subject on a workload: ``benchmark`` is TIME (seconds), REQUESTED, TOUCHED or LIMIT.

    ``value`` is None where it failed and NaN where it was skipped; of a TIME that has ``samples`` (seconds a call,
    ``loops`` calls each), asv computes it anew: their median.
    """

    benchmark: str
    subject: str
    workload: str
    value: float | None
    samples: tuple[float, ...] = ()
    loops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvResults:
    """One result file: what one machine measured in one environment at one commit.

    ``committed_at`` is the commit's date; ``options`` are the environment variables that asv tells environments apart
    by, ``started_at`` when the first figure was measured (None where that isn't told).
    """

    machine: MachineFingerprint | str
    commit: str
    committed_at: datetime
    figures: tuple[AsvFigure, ...]
    environment: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None

    @property
    def workloads(self) -> dict[str, Workload]:
        """The workloads of the figures, by id, but for those of a revision whose ids say more than this one knows."""
        texts = dict.fromkeys(figure.workload for figure in self.figures)
        return {text: parse_id(text) for text in texts if not unknown_workload(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stretch of a series between two steps: the places ``begin`` to ``end`` (exclusive) and the level there.

    ``error`` is the mean distance from the level.
    """

    begin: int
    end: int
    level: float
    error: float


def detect_steps(values: Sequence[float | None], weights: Sequence[float | None] | None = None) -> tuple[Step, ...]:
    """Return the stretches of equal level that asv sees in ``values`` (None and NaN are missing), in their order.

    ``weights`` are relative; left out, all count the same. Raises UsageError where asv is not installed.
    """
    found = _asv("step_detect").detect_steps(list(values), None if weights is None else list(weights))
    return tuple(
        Step(begin=begin, end=end, level=float(level), error=float(error)) for begin, end, level, _, error in found
    )


def write_results(folder: Path, results: AsvResults, repository: Path) -> Path:
    """Add ``results`` to the asv folder ``folder``, made where there is none, and return the file that they are in.

    Figures of the same machine, commit, environment, subject and workload are replaced. ``repository`` is the git
    repository that ``results.commit`` is of. Raises StoreError where files cannot be read or written, and UsageError
    where asv is not installed.
    """
    if not isinstance(results.machine, MachineFingerprint):
        raise UsageError("Results that were read from asv's files are not written again: copy the files.")
    root = folder / RESULTS
    python, requirements = software_of(results.machine)
    variables = {("nobuild", name): value for name, value in results.options.items()}
    environment = _asv("environment").get_env_name("poolbench", python, requirements, variables)
    about = machine_entry(results.machine)
    try:
        benchmarks = _merged_benchmarks(root, results.figures)
        stored = _asv("results").Results(
            {**about, "python": python, **requirements},
            requirements,
            results.commit,
            round(results.committed_at.timestamp() * 1000),
            python,
            environment,
            dict(results.options),
        )
        stored.load_data(str(root))
        for name, figures in _by_benchmark(results.figures).items():
            _add(stored, benchmarks[full_name(name)], figures, results.started_at)
        write_json, machine = _asv("util").write_json, _asv("machine").Machine
        write_json(str(root / _BENCHMARKS), benchmarks, _asv("benchmarks").Benchmarks.api_version)
        write_json(str(root / about["machine"] / "machine.json"), about, machine.api_version)
        stored.save(str(root))
        text = json.dumps(configuration(repository), indent=4) + "\n"
        (folder / CONFIGURATION).write_text(text, encoding="utf-8")
    except _asv("util").UserError as error:
        raise StoreError(f"asv's files under {folder} cannot be added to: {error}") from error
    except OSError as error:
        raise StoreError(f"asv's files cannot be written under {folder}: {error.strerror or error}.") from error
    return root / str(_asv("results").get_filename(about["machine"], results.commit, environment))


def is_asv_folder(folder: Path) -> bool:
    """Whether asv, or ``write_results``, keeps results in ``folder``."""
    return _results_root(folder) is not None


def read_results(folder: Path, *, warn: Callable[[str], object] = warnings.warn) -> tuple[AsvResults, ...]:
    """Return what asv's result files in ``folder`` hold of subjects and workloads, earlier commits first.

    ``folder`` is asv's results folder or one that ``write_results`` made. Benchmarks without those two parameters are
    another project's and are left out; so are cases without a result, of which asv does not tell whether they failed
    or were not asked for. A file that cannot be read is left out, and ``warn`` is given a sentence that names it.
    Raises StoreError where there is none that can, and UsageError where asv is not installed.
    """
    root = _results_root(folder)
    if root is None:
        raise StoreError(f"{folder} is no folder of asv's results: it has no {_BENCHMARKS}.")
    names = {
        name: entry.get("param_names") for name, entry in _read_json(root / _BENCHMARKS).items() if name != "version"
    }
    ours = [name for name, parameters in names.items() if tuple(parameters or ()) == PARAMETERS]
    files, found, problems = _asv("results"), [], []
    for place, name, machine in files.iter_results_paths(str(root)):
        path = Path(place) / name
        try:
            found.append(_read(files.Results.load(str(path), machine), ours))
        # asv checks little of what it reads, so that what is wrong with a file shows as any of these.
        except (_asv("util").UserError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            problems.append(f"{path} is left out, since it cannot be read as a result of asv's ({error}).")
    if problems and not found:
        raise StoreError(f"None of asv's result files under {root} can be read. {problems[0]}")
    for problem in problems:
        warn(problem)
    return tuple(sorted(found, key=lambda results: (results.committed_at, results.commit, results.environment)))


def _add(stored: Any, benchmark: dict[str, Any], figures: Sequence[AsvFigure], started_at: datetime | None) -> None:
    """Put ``figures`` in their places of the product of the parameters; what is stored elsewhere there stays."""
    places = {pair: place for place, pair in enumerate(itertools.product(*benchmark["params"]))}
    values: list[float | None] = [None] * len(places)
    samples: list[list[float] | None] = [None] * len(places)
    numbers: list[int | None] = [None] * len(places)
    chosen = set()
    for figure in figures:
        place = places[repr(figure.subject), repr(figure.workload)]
        chosen.add(place)
        values[place] = figure.value
        if figure.samples:
            samples[place], numbers[place] = list(figure.samples), figure.loops
    result = _asv("runner").BenchmarkResult(
        result=values, samples=samples, number=numbers, errcode=0, stderr="", profile=None
    )
    stored.add_result(benchmark, result, started_at=started_at, record_samples=True, selected_idx=chosen)


def _merged_benchmarks(root: Path, figures: Iterable[AsvFigure]) -> dict[str, dict[str, Any]]:
    """Return the descriptions in ``root`` with those of ``figures``: parameters are added, none is taken away."""
    path = root / _BENCHMARKS
    known = {name: entry for name, entry in _read_json(path).items() if name != "version"} if path.exists() else {}
    for benchmark, mine in _by_benchmark(figures).items():
        name = full_name(benchmark)
        before = known.get(name, {}).get("params", [[], []])
        used = [[repr(figure.subject) for figure in mine], [repr(figure.workload) for figure in mine]]
        merged = [list(dict.fromkeys((*old, *new))) for old, new in zip(before, used, strict=True)]
        known[name] = benchmark_entry(benchmark, merged)
    return known


def _by_benchmark(figures: Iterable[AsvFigure]) -> dict[str, list[AsvFigure]]:
    groups: dict[str, list[AsvFigure]] = {}
    for figure in figures:
        groups.setdefault(figure.benchmark, []).append(figure)
    return groups


def _results_root(folder: Path) -> Path | None:
    return next((root for root in (folder, folder / RESULTS) if (root / _BENCHMARKS).is_file()), None)


def _read(stored: Any, benchmarks: Sequence[str]) -> AsvResults:
    keys = [name for name in benchmarks if name in stored.get_all_result_keys()]
    begun = [stored.started_at[name] for name in keys if stored.started_at.get(name)]
    return AsvResults(
        machine=str(stored.params["machine"]),
        commit=str(stored.commit_hash),
        committed_at=_moment(stored.date),
        environment=str(stored.env_name),
        options=dict(stored.env_vars),
        started_at=_moment(min(begun)) if begun else None,
        figures=tuple(figure for name in keys for figure in _figures(stored, name)),
    )


def _figures(stored: Any, name: str) -> Iterator[AsvFigure]:
    parameters = stored.get_result_params(name)
    values = stored.get_result_value(name, parameters)
    samples = stored.get_result_samples(name, parameters)
    stats = stored.get_result_stats(name, parameters)
    for place, pair in enumerate(itertools.product(*parameters)):
        if values[place] is None:
            continue
        subject, workload = (literal_eval(text) for text in pair)
        yield AsvFigure(
            benchmark=name.rsplit(".", 1)[-1],
            subject=subject,
            workload=workload,
            value=float(values[place]),
            samples=tuple(samples[place] or ()),
            loops=int((stats[place] or {}).get("number") or 0),
        )


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}, in which asv describes its benchmarks, cannot be read: {error}.") from error


def _asv(module: str) -> Any:
    """Return asv's module of that name, imported when it is first needed."""
    try:
        return importlib.import_module(f"asv.{module}")
    except ImportError as error:
        raise UsageError(
            f"asv's files and its step detection need the package asv, which is not installed here ({error}): "
            "pip install 'poolbench[asv]'."
        ) from error
