"""Makes the picture of the README, docs/images/chelsea.jpg, from what `make demo` wrote."""

import json
import pathlib

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTO = ROOT / "out/demo/chelsea"
COLUMNS = 3
WIDTH = 1200


def main():
    explanations = json.loads((PHOTO / "result.json").read_text())["explanations"]
    overlays = [Image.open(PHOTO / e["overlay"]).convert("RGB") for e in explanations if "versus" not in e["target"]]
    width, height = overlays[0].size
    page = Image.new("RGB", (COLUMNS * width, -(-len(overlays) // COLUMNS) * height), "white")
    for i, overlay in enumerate(overlays):
        page.paste(overlay, (i % COLUMNS * width, i // COLUMNS * height))
    picture = page.resize((WIDTH, round(page.height * WIDTH / page.width)), Image.Resampling.LANCZOS)
    picture.save(ROOT / "docs/images/chelsea.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
