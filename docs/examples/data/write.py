"""Writes what the page types: arrays.npz, houses.csv and photos/."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

rng = np.random.default_rng(0)

x = rng.normal(size=(300, 10))
np.savez("arrays.npz", x=x, y=x[:, :3].argmax(1))

houses = pd.DataFrame({"rooms": rng.integers(1, 9, 300), "city": rng.choice(["Bern", "Rome", "Oslo"], 300)})
houses["price"] = 100.0 * houses["rooms"] + 50.0 * (houses["city"] == "Rome") + rng.normal(size=300)
houses.to_csv("houses.csv", index=False)

for label, name in enumerate(("dark", "light")):
    Path("photos", name).mkdir(parents=True, exist_ok=True)
    for i in range(30):
        pixels = rng.integers(100 * label, 100 * label + 150, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path("photos", name, f"{i}.png"))
