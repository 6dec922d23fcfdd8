"""Matplotlib's SVG as it stands inside a page: small, in the page's fonts, and with ids of its own.

The page shows these where no script runs (a mail's preview, a browser without JavaScript) and prints them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from optlab.analysis.show.figures import Described, named

SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
FONTS = re.compile(r"font-family: [^;]*|(?<=px) '[^;]*")
LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")  # a hundredth of a point is less than a screen shows
GEOMETRY = ("d", "x", "y", "width", "height", "transform")
POINTER = re.compile(r"#([^)]+)")


def stills(
    figures: Described, labels: Sequence[str], places: Sequence[str], pictures: Sequence[Path]
) -> dict[tuple[str, str], str]:
    """The pictures that were written, as elements of a page, by section and figure.

    Args:
        labels: of the settings, as `draw_all` was given them.
        places: the section of each setting on the page; `across` is that of figures of all.
        pictures: the files that were written.
    """
    written: Mapping[str, Path] = {path.stem: path for path in pictures if path.suffix == ".svg"}
    found: dict[tuple[str, str], str] = {}
    for index, figure, name, _ in named(figures, labels):
        if name in written:
            section = "across" if index is None else places[index]
            before = found.get((section, figure.id), "")
            prefix = f"{'across' if index is None else index}-{figure.id}-{len(before)}-"
            found[section, figure.id] = before + inline(written[name].read_text(encoding="utf-8"), prefix)
    return found


def inline(picture: str, prefix: str) -> str:
    """An `<svg>` element of a picture; its ids begin with `prefix`, as a page has many pictures with the same ones."""
    root = ET.fromstring(picture)
    for path, gone in ((".", "metadata"), (f"{SVG}defs", "style")):  # the style would be that of the whole page
        for parent in root.findall(path):
            for element in parent.findall(SVG + gone):
                parent.remove(element)
    pointed = {name for e in root.iter() for value in e.attrib.values() for name in POINTER.findall(value)}
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        if element.tag != "text" and element.text is not None:
            element.text = element.text.strip() or None
        if element.tag != "tspan":
            element.tail = None
        tidy(element, prefix, pointed)
    root.attrib |= {"style": "stroke-linejoin:round;stroke-linecap:butt", "aria-hidden": "true"}
    return ET.tostring(root, encoding="unicode")


def tidy(element: ET.Element, prefix: str, pointed: set[str]) -> None:
    """Shorten an element's attributes, and make its id and what it points at the picture's own."""
    found = element.attrib
    if HREF in found:
        found["href"] = found.pop(HREF)
    if "id" in found:
        name = found.pop("id")
        if name in pointed:
            found["id"] = prefix + name
    for key, value in found.items():
        if key == "style":
            value = FONTS.sub(lambda at: "font-family:inherit" if at[0].startswith("font") else " sans-serif", value)
        if key in GEOMETRY:
            value = LONG_NUMBER.sub(r"\1", value.replace("\n", " ")).strip()
        if value.startswith("#") and key == "href":
            value = f"#{prefix}{value[1:]}"
        found[key] = value.replace("url(#", f"url(#{prefix}").replace(": ", ":").replace("; ", ";")
