"""`mode=find_lr` with -m: a job tests one setting; the sweep shows all of them in one table, one figure and one page.

A job's folder holds find_lr.json beside a run.json that says how the job ended, as those of training runs do: so sweeps
go on, retry and wait for tests as they do for runs.
"""

import csv
import io
import json
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optlab.config.schema import Config
from optlab.console import console_for
from optlab.record import RunRecord, write_whole
from optlab.teaching.finder.find import measured
from optlab.teaching.finder.finding import Finding
from optlab.teaching.finder.write import print_findings, write

TABLE = "find_lr.csv"
COLUMNS = ("name", "lr", "low", "high", "steepest", "said", "command")


def find(
    config: Config, folder: Path, overrides: Sequence[str], sources: MutableMapping[str, Any] | None = None
) -> RunRecord:
    """The range tests of a job; writes find_lr.json and run.json into its folder."""
    record = RunRecord.begin(config.plain, overrides)
    measured(config.plain, overrides, sources).write(folder)
    record.status = "finished"
    record.write(folder)
    return record


def show(folder: Path, jobs: Sequence[Path]) -> None:
    """Write find_lr.csv, find_lr.png and find_lr.html into a sweep's folder, of the jobs done so far, and print them.

    Raises:
        UserError: a finding is damaged, or the folder cannot be written.
    """
    findings = gathered([Finding.read(job) for job in jobs])
    write(findings, folder)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in findings:
        steepest = None if each.suggestion is None else each.suggestion.steepest
        said = " ".join(message.text for message in each.said)
        writer.writerow([each.name, each.lr, each.low, each.high, steepest, said, " ".join(each.words or ())])
    write_whole(folder / TABLE, text.getvalue())
    print_findings(findings, folder, console_for("words"))


def gathered(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that differ in their seeds alone as one; each with a name that no other has."""
    groups: dict[str, list[Finding]] = {}
    for each in findings:
        key = json.dumps([each.facts, each.options, without_seed(each.typed)], sort_keys=True)
        groups.setdefault(key, []).append(each)
    merged = []
    for first, *others in groups.values():
        typed = without_seed(first.typed) if others else first.typed
        merged.append(replace(first.together_with(others), typed=typed))
    common = set.intersection(*(set(each.typed) for each in merged))
    names = [each.optimizer for each in merged]
    for i, each in enumerate(merged):
        if names.count(each.optimizer) > 1:
            own = [word for word in each.typed if word not in common and not word.startswith("optimizer=")]
            merged[i] = replace(each, facts={**each.facts, "name": " ".join([each.optimizer, *own])})
    return merged


def without_seed(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("seed=")]
