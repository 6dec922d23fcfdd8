"""Where the jobs of a sweep run: other processes of this machine, a cluster's queue, or Ray.

    slots    the machine's cores, memory and GPUs (`gpus`), shared out among the jobs that run side by side
    parcel   what a process needs to run a job of this sweep, and running it there
    pool     as many jobs at a time as there are slots, until all are done or the user stops them
    forked, processes, queue, cluster   how each kind of process is started, asked and stopped
    server   where forked workers come from, which begins to import torch before the sweep is planned
    questions   to a worker that then ends, which has torch already
    checks   of those: whether configs can work

All of them report through the run folders (see `optlab.sweep.work`), so a process that dies takes nothing with it.
"""
