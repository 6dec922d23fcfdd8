"""What the files of a sweep and of a study are called, beside their run folders."""

SWEEP_FILE = "multirun.yaml"  # what was typed, and its config
PLAN_FILE = "protocol.yaml"  # a study's plan, written before its first run
REPORT_FILE = "report.html"  # the page
RESULT_FILE = "study.json"  # what the study has chosen so far
