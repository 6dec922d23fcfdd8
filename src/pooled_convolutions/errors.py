"""What stands against the kernels."""


class Unavailable(RuntimeError):
    """The kernels cannot be had here. Its text is one line for a person: what is missing, and what would help."""
