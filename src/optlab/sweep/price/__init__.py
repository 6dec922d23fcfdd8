"""What runs will cost, before they are made: seconds, memory, and space on the disk.

measured   what is known of a configuration: milliseconds a step, seconds an epoch, memory, checkpoints
measure    a few steps of it, in a folder that is gone afterwards
recorded   or what its runs on disk took
estimate   from both to what a whole sweep takes, with so many workers. Pure
machine    the memory, the disk and the cores that there are
show       how that is printed
dry        `dry_run=true`: of a grid, a study, a sweep of mode=find_lr and a single run
"""
