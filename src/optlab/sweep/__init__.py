"""Many runs: planned as jobs, run once each whatever happens in between, and concluded with a table and a report.

grid       plain multirun: every combination of what is separated by commas
study      the fair comparison: equal budgets, fresh seeds, a verdict

folder     the sweep's folder: the one that is named, or a new one that no other process has; and locks
job        override lists become jobs; a mistake in any of them is one line before the first one trains
execute    launches what is missing, and waits until every job is settled
progress/  the one line on the terminal meanwhile
conclude   table, report, exit code
work       the other side: what happens in the process that runs one job
launchers  where that process is
"""
