"""Reading run folders: the runs, the plans of studies, and published curves."""
