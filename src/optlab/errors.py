"""The one exception for what a user can put right."""


class UserError(Exception):
    """Input that cannot be used. Its text is one line for a person: the value, what is allowed, what to type.

    The command line prints it without a traceback and exits with 1; it is raised before anything is written.
    """
