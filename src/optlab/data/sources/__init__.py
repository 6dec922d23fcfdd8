"""Where data comes from: each function reads one data set and returns it as a `Source`."""
