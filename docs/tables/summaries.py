"""Write the summaries beside the committed runs anew: ``python docs/tables/summaries.py``.

For when their form changes; a test compares them with what this version writes.
"""

from __future__ import annotations

from pathlib import Path

from poolbench.analyse.compare.summary import summarise
from poolbench.report.render.csv import summary_table, write_csv
from poolbench.report.render.markdown import write_markdown
from poolbench.store.reading import read_run

RESULTS = Path(__file__).parents[2] / "results"


def main() -> None:
    """Write each Markdown file and each CSV that lies beside a run."""
    for path in sorted(RESULTS.glob("*/*.jsonl")):
        run = read_run(path)
        summary = summarise(run.header, run.rows)
        markdown, table = path.with_suffix(".md"), path.with_suffix(".csv")
        if markdown.exists():
            write_markdown(summary, markdown)
        if table.exists():
            write_csv(summary_table(summary), table)


if __name__ == "__main__":
    main()
