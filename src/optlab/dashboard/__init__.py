"""A W&B workspace for a sweep, built from its run folders: `python scripts/wandb_dashboard.py SWEEP`."""
