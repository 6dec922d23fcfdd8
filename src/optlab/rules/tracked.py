"""Names of what a run logs to W&B for its pages, which a dashboard asks for: both must agree on them."""

# History: the epoch again, of confirmation runs alone. A panel has no filter of its own, but it draws only runs that
# have what stands on its x axis, so curves over this show confirmation runs and leave out those of tuning.
CONFIRM_EPOCH = "confirm/epoch"

# Summary.
LAST = "last/"  # + the metric's name: its final value
TIMING = "timing/"  # + the name in run.json's `timing`
COUNT = "count"  # 1 for every run: bar charts add up numbers, and cannot count runs
DIVERGED = "diverged"  # 1 or 0: its mean is the share that diverged
