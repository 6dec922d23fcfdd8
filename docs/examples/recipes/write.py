"""Writes what docs/recipes.md works on: photos/ with a folder a class, and houses.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

rng = np.random.default_rng(0)

for name in ("round", "square"):
    Path("photos", name).mkdir(parents=True, exist_ok=True)
    for i in range(100):
        picture = Image.fromarray(rng.integers(0, 90, (32, 32, 3), dtype=np.uint8))
        left, top, size = rng.integers(2, 12, 3)
        box = (int(left), int(top), int(left + size + 8), int(top + size + 8))
        draw, colour = ImageDraw.Draw(picture), tuple(rng.integers(120, 256, 3).tolist())
        (draw.ellipse if name == "round" else draw.rectangle)(box, outline=colour, width=2)
        picture.save(Path("photos", name, f"{i}.png"))

houses = pd.DataFrame(
    {
        "rooms": rng.integers(1, 9, 500),
        "year": rng.integers(1900, 2026, 500),
        "city": rng.choice(["Bern", "Rome", "Oslo"], 500),
        "garden": rng.choice(["yes", "no"], 500),
    }
)
metre = houses["city"].map({"Bern": 9.0, "Rome": 5.0, "Oslo": 7.0})
price = 25 * houses["rooms"] * metre + (houses["year"] - 1900) ** 2 / 20 + 100 * (houses["garden"] == "yes")
houses["price"] = (price + rng.normal(0, 50, 500)).round(1)  # in thousands
houses.loc[::50, "year"] = np.nan
houses.to_csv("houses.csv", index=False)
