"""Where the templates of a page lie, and how all pages read theirs."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(package: str, folder: str) -> Environment:
    """The environment of the templates in a folder of a package: text is escaped, and a missing name is an error."""
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
