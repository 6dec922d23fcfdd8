"""What was read and what it says: what every output is made of, and summary.json."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from optlab.analysis.judge.contest import Contest
from optlab.analysis.judge.verdict import Verdict
from optlab.analysis.read.published import Published
from optlab.analysis.read.runs import Runs
from optlab.analysis.show.colors import Palette
from optlab.record import finite
from optlab.rules.files import REPORT_FILE
from optlab.rules.words import slug

MADE_BY = "optlab"


@dataclass(frozen=True)
class Summary:
    """What was read and what it says.

    Attributes:
        folder: where it is written.
        runs: everything that was read.
        contests, verdicts: one verdict a contest, in the same order.
        published: for each contest, the curves to draw behind its learning curves.
    """

    folder: Path
    runs: Runs
    contests: Sequence[Contest]
    verdicts: Sequence[Verdict]
    published: Sequence[Published | None]

    def written_to(self, folder: Path) -> "Summary":
        """The same, to be written elsewhere."""
        return replace(self, folder=folder)

    @property
    def report(self) -> Path:
        return self.folder / REPORT_FILE

    @cached_property
    def places(self) -> list[str]:
        """Where each setting stands on the page: `setting-cnn-on-digits-batch-size-16`."""
        named = [f"setting-{slug(contest.label)}" for contest in self.contests]
        return [f"{name}-{named[:i].count(name) + 1}" if name in named[:i] else name for i, name in enumerate(named)]

    @property
    def counts(self) -> dict[str, int]:
        """Number of runs by status."""
        return self.runs.counts()

    @cached_property
    def palette(self) -> Palette:
        """The colours and markers of all its optimizers."""
        return Palette.of(c.optimizer for contest in self.contests for c in contest.contenders)

    @cached_property
    def relative(self) -> dict[Path, str]:
        """The link from the report to each run folder."""
        return {run.folder: self.link(run.folder) for run in self.runs.runs}

    def link(self, path: Path) -> str:
        """A path as seen from the folder that is written to."""
        return Path(os.path.relpath(path.absolute(), self.folder.absolute())).as_posix()


def as_json(summary: Summary) -> str:
    """The content of summary.json: numbers in the metric's own unit, paths relative to the file."""
    content = {
        "schema": 1,
        "made_by": MADE_BY,
        "sweeps": [summary.link(folder) for folder in summary.runs.folders],
        "counts": summary.counts,
        "duplicates": summary.runs.duplicates,
        "skipped": [asdict(each) for each in summary.runs.skipped],
        "verdicts": [described(verdict, summary) for verdict in summary.verdicts],
    }
    return json.dumps(finite(without_arrays(content)), indent=1, allow_nan=False) + "\n"


def described(verdict: Verdict, summary: Summary) -> dict[str, Any]:
    """A verdict as plain values."""
    standings = [asdict(s) for s in verdict.standings]
    for standing in standings:
        standing["folders"] = [summary.link(Path(path)) for path in standing["folders"]]
    return {
        "setting": verdict.label,
        "facts": dict(verdict.facts),
        "metric": verdict.metric.name,
        "selection_metric": verdict.selection.name,
        "target": verdict.target,
        "headline": verdict.headline,
        "conclusion": verdict.conclusion,
        "qualifiers": [asdict(said) for said in verdict.qualifiers],
        "sentences": verdict.sentences,
        "warnings": [asdict(warning) for warning in verdict.warnings],
        "groups": verdict.groups,
        "standings": standings,
        "comparisons": [asdict(c) for c in verdict.comparisons],
        "importance": [asdict(told) for told in verdict.importance],
    }


def without_arrays(node: Any) -> Any:
    """Arrays as lists."""
    if isinstance(node, np.ndarray):
        return node.tolist()
    if isinstance(node, dict):
        return {key: without_arrays(value) for key, value in node.items()}
    return [without_arrays(value) for value in node] if isinstance(node, (list, tuple)) else node
