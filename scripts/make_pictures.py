"""Makes the pictures of the documentation: `make pictures`.

docs/images/chelsea.jpg, for the README, from what `make demo` wrote; docs/images/methods/NAME.webp, one a method, for
docs/methods.md: the top class of the same photo with the method's defaults. A method that the demo model does not allow
has a picture that says so in words.
"""

import json
import pathlib
import subprocess
import tempfile
import textwrap

from PIL import Image, ImageDraw, ImageFont

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND = ROOT / "build/release/vitrail"
MODEL = ROOT / ".cache/demo/efficientnet_lite0.onnx"
PHOTO = ROOT / ".cache/demo/chelsea.png"
COLUMNS = 3
WIDTH = 1200
THUMBNAIL = 224
# Around the photo in an overlay: margin; gap, colour bar, ticks.
MARGIN, BESIDE = 16, 14 + 16 + 92


def read_result(folder):
    return json.loads((folder / "result.json").read_text())


def make_readme_picture():
    folder = ROOT / "out/demo/chelsea"
    explanations = read_result(folder)["explanations"]
    overlays = [Image.open(folder / e["overlay"]).convert("RGB") for e in explanations if "versus" not in e["target"]]
    width, height = overlays[0].size
    page = Image.new("RGB", (COLUMNS * width, -(-len(overlays) // COLUMNS) * height), "white")
    for i, overlay in enumerate(overlays):
        page.paste(overlay, (i % COLUMNS * width, i // COLUMNS * height))
    picture = page.resize((WIDTH, round(page.height * WIDTH / page.width)), Image.Resampling.LANCZOS)
    picture.save(ROOT / "docs/images/chelsea.jpg", quality=85, optimize=True)


def size_of_thumbnail():
    width, height = Image.open(PHOTO).size
    return THUMBNAIL, round(height * THUMBNAIL / width)


def cut_photo(overlay):
    """The photo with its map, without bar and captions."""
    photo = Image.open(PHOTO)
    width = overlay.width - MARGIN - BESIDE
    height = round(photo.height * width / photo.width)
    return overlay.crop((MARGIN, MARGIN, MARGIN + width, MARGIN + height))


def picture_of_words(words):
    width, height = size_of_thumbnail()
    picture = Image.new("RGB", (width, height), (250, 250, 248))
    text = "\n".join(textwrap.wrap(words, 34)[:8])
    ImageDraw.Draw(picture).multiline_text((8, 8), text, fill=(110, 112, 116), font=ImageFont.load_default())
    return picture


def make_method_pictures():
    folder = ROOT / "docs/images/methods"
    folder.mkdir(parents=True, exist_ok=True)
    for former in folder.glob("*.webp"):
        former.unlink()
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [COMMAND, "explain", MODEL, PHOTO, "-m", "all,random,edges,centre", "-o", out, "--plan", "none", "--quiet"],
            check=True,
        )
        result = read_result(pathlib.Path(out) / PHOTO.stem)
        for e in result["explanations"]:
            overlay = Image.open(pathlib.Path(out) / PHOTO.stem / e["overlay"]).convert("RGB")
            save(cut_photo(overlay).resize(size_of_thumbnail(), Image.Resampling.LANCZOS), folder, e["name"])
        for e in result["not_applicable"]:
            save(picture_of_words("Not for this model. " + e["reason"]), folder, e["method"].split(":")[0])
    total = sum(path.stat().st_size for path in folder.glob("*.webp"))
    print(f"{len(list(folder.glob('*.webp')))} pictures of methods, {total / 1000:.0f} kB")


def save(picture, folder, name):
    picture.save(folder / f"{name}.webp", quality=75, method=6)


if __name__ == "__main__":
    make_readme_picture()
    make_method_pictures()
