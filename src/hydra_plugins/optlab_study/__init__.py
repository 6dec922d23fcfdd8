"""The study's sweeper, which Hydra must find here; what it does stands in optlab.sweep.study."""
