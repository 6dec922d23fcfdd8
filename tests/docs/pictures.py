"""Draws docs/pictures anew: `python -m tests.docs.pictures` types the commands of the notes and takes their figures.

A picture NAME-FIGURE.png is figures/FIGURE.png of the sweep NAME, made smaller; demo-NAME.png is drawn of trace.json.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from tests.commandline import ROOT
from tests.docs.notes import Typed, sections

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 640  # pixels: a page shows them small
# Which section's commands draw a picture, and which of their figures it is.
FIGURES = {
    "demo-no_zero_grad.png": ("5", "outputs/traces/*/trace.json"),
    "demo-no_step.png": ("5", "outputs/traces/*/trace.json"),
    "momentum-learning_curves.png": ("6", "outputs/sweeps/momentum/figures/learning_curves.png"),
    "adam-lr_sensitivity.png": ("7", "outputs/sweeps/adam/figures/lr_sensitivity.png"),
    "lbfgs-learning_curves.png": ("8", "outputs/sweeps/lbfgs/figures/learning_curves.png"),
    "lr-lr_sensitivity.png": ("9", "outputs/sweeps/lr/figures/lr_sensitivity.png"),
    "clip-learning_curves.png": ("10", "outputs/sweeps/clip/figures/*clip-val-0-1-learning_curves.png"),
}


def draw(section: str) -> None:
    """Type the commands of a section where we stand, figures drawn."""
    for typed in sections("en")[section].typed:
        result = Typed(typed.words, "").run(figures=True)
        if result.code:
            sys.exit(result.err)


def draw_demo(name: str, folder: Path, target: Path) -> None:
    """The loss of each step as it should be and with a line left out, of the trace that has this demo."""
    traces = [json.loads(path.read_text("utf-8")) for path in folder.glob("outputs/traces/*/trace.json")]
    demo = next(trace["demo"] for trace in traces if trace["demo"]["name"] == name)
    figure = Figure(figsize=(6.4, 3.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    for side, words, line in (("correct", "as it should be", "o-"), ("other", f"trace.demo={name}", "s--")):
        axes.plot([row["step"] for row in demo[side]], [row["loss"] for row in demo[side]], line, label=words)
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    figure.savefig(target)


def shrink(source: Path, target: Path) -> None:
    """A copy of at most WIDTH pixels, in few colours."""
    with Image.open(source) as picture:
        size = (WIDTH, round(picture.height * WIDTH / picture.width))
        small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        small.quantize(64).save(target, optimize=True)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or list(FIGURES)
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    for section in sorted({FIGURES[name][0] for name in wanted}):
        draw(section)
    for name in wanted:
        if name.startswith("demo-"):
            draw_demo(name.removeprefix("demo-").removesuffix(".png"), folder, PICTURES / name)
        else:
            shrink(next(folder.glob(FIGURES[name][1])), PICTURES / name)
        print(f"{(PICTURES / name).relative_to(ROOT)}  {(PICTURES / name).stat().st_size / 1024:.0f} KiB")
    os.chdir(ROOT)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
