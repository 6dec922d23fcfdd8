"""trace.html: the step taken apart on one page that needs no network."""

from optlab.teaching.page.write import render, write

__all__ = ["render", "write"]
