"""What `python scripts/bench.py` measures: optlab's own command, and the loops that it is compared with."""
