"""The Python API: what `optlab.__all__` names. Results as objects, and runs, sweeps and studies from a program.

results    `read`: run folders as frames, verdict and figures; no torch
frames     the frames themselves, column by column
"""
