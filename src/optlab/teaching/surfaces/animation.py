"""GIF: the paths as they grow. The ground is drawn once, and each frame is laid over it."""

from pathlib import Path as File
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from optlab.analysis.show.colors import Palette
from optlab.analysis.show.figures.to_matplotlib import POINTS, STYLE, Drawn
from optlab.teaching.surfaces.pictures import described, ground
from optlab.teaching.surfaces.record import Walked, Way

FRAMES = 60  # at most; each of the first steps has one, later ones share them
MILLISECONDS = 80  # of a frame
LAST = 2500  # of the last one
DPI = 90
GROUND = 128  # of the 256 colours, at least so many


def write(found: Walked, steps: int, file: File) -> None:
    """Write the animation; it runs for ever."""
    frames = [Image.fromarray(pixels) for pixels in drawn(found, times(steps))]
    shared = colours(frames[0], Palette.of(way.optimizer for way in found.ways))
    pictures = [frame.quantize(palette=shared, dither=Image.Dither.NONE) for frame in frames]
    durations = [MILLISECONDS] * (len(pictures) - 1) + [LAST]
    pictures[0].save(file, save_all=True, append_images=pictures[1:], duration=durations, loop=0, disposal=1)


def colours(ground: Image.Image, palette: Palette) -> Image.Image:
    """The 256 colours of all frames: most for the ground, the rest for the paths and for their edges on white."""
    own = np.array([[int(shade[at : at + 2], 16) for at in (1, 3, 5)] for shade in palette.colors.values()])  # [n, 3]
    edges = np.concatenate([255 - part * (255 - own) for part in (1, 0.75, 0.5, 0.25)]).round().astype(int)[:GROUND]
    kept = ground.quantize(256 - len(edges), dither=Image.Dither.NONE).getpalette() or []
    shared = Image.new("P", (1, 1))
    shared.putpalette([*kept[: 3 * (256 - len(edges))], *edges.flatten().tolist()])
    return shared


def times(steps: int) -> list[int]:
    """The steps that are shown: close together where the paths are fast, the last one always."""
    spread = np.geomspace(1, steps + 1, FRAMES) - 1
    return sorted({0, steps, *(round(float(step)) for step in spread)})


def drawn(found: Walked, shown: list[int]) -> list[np.ndarray]:
    """Each frame as pixels [height, width, 3]."""
    with mpl.rc_context(STYLE):
        picture = Drawn(figsize=(6.4, 5.4), dpi=DPI)
        canvas: Any = FigureCanvasAgg(picture)  # whose methods are not typed
        axes = picture.add_subplot()
        palette = Palette.of(way.optimizer for way in found.ways)
        ground(axes, found)
        axes.set_title(found.surface.title)
        moving = []
        for way in found.ways:
            color, marker = palette.color(way.optimizer), POINTS[palette.marker(way.optimizer)]
            (line,) = axes.plot([], [], color=color, linewidth=1.8, zorder=4, animated=True)
            name = f"{way.optimizer}, {described(way)}"
            (head,) = axes.plot(
                [], [], marker, color=color, markeredgecolor="white", markersize=10, zorder=7, label=name
            )
            moving.append((way, line, head))
        picture.legend(loc="outside lower center", ncols=2, fontsize=9)
        for _, _, head in moving:
            head.set_animated(True)
        counter = axes.text(
            1, 1.02, "", transform=axes.transAxes, ha="right", va="bottom", weight="bold", animated=True
        )
        canvas.draw()
        background = canvas.copy_from_bbox(picture.bbox)
        frames = []
        for step in shown:
            canvas.restore_region(background)
            for way, line, head in moving:
                x, y = upto(way, step)
                line.set_data(x, y)
                head.set_data(x[-1:], y[-1:])
                head.set_marker("X" if gone(way, step) else POINTS[palette.marker(way.optimizer)])
                axes.draw_artist(line)
                axes.draw_artist(head)
            counter.set_text(f"step {step}")
            axes.draw_artist(counter)
            frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        return frames


def upto(way: Way, step: int) -> tuple[list[float], list[float]]:
    """The path up to a step; of one that diverged earlier, all of it."""
    return list(way.path.x[: step + 1]), list(way.path.y[: step + 1])


def gone(way: Way, step: int) -> bool:
    """Whether a path has diverged by a step."""
    return way.diverged is not None and step >= way.diverged
