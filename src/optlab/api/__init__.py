"""The Python API: what `optlab.__all__` names. Results as objects, and runs, sweeps and studies from a program.

results    `read`: run folders as frames, verdict and figures; no torch
frames     the frames themselves, column by column
training   `run`: one run, and what it gives
many       `sweep` and `study`, by the sweepers of the command line
words      keyword arguments as the words of the command line
finder     `find_lr`: an lr by a range test
trained    the network of a run that is over
objects    classes and functions in place of names
contents   a hash of what an object is
data       arrays, tables and Datasets in place of a data set's name
"""
