"""Published curves that come with the program."""

from pathlib import Path

FOLDER = Path(__file__).with_name("reference")


def shipped() -> dict[str, Path]:
    """The files of published curves, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.csv"))}
