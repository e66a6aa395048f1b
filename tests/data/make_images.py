"""Makes tests/data/images: one small file a kind of image, and beside each NAME.ppm, the RGB pixels that it stands for.

The pixels are those of Pillow's convert("RGB"), except for 16-bit grey, where Pillow clips and vitrail keeps the
high byte. The files are checked in: the tests need no Pillow.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).parent / "images"
WIDTH, HEIGHT = 24, 16


def picture():
    """Smooth and colourful, and unlike itself under every flip and turn."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 255 * x / WIDTH
    green = 255 * y / HEIGHT
    blue = 127.5 + 127.5 * np.sin(x / 4 + y / 3)
    return np.stack([red, green, blue], -1).astype(np.uint8)


RGB = Image.fromarray(picture())
GREY = RGB.convert("L")
ALPHA = Image.fromarray((np.mgrid[0:HEIGHT, 0:WIDTH][0] * 16).astype(np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(data):
    return Image.open(io.BytesIO(data)).convert("RGB")


def write(name, data, expected=None):
    (FOLDER / name).write_bytes(data)
    (expected or pixels(data)).save(FOLDER / (name + ".ppm"))


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def upright(data):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def png(colour_type, depth, rows_of_passes, interlaced=False, transparent=b""):
    """What Pillow cannot write: 16-bit colour, 2 and 4 bits of grey, and the seven passes of an interlaced file."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, int(interlaced))
    raw = b"".join(b"\0" + row.tobytes() for rows in rows_of_passes for row in rows)
    body = chunk(b"IHDR", header) + (chunk(b"tRNS", transparent) if transparent else b"")
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def packed(array, bits):
    """Samples of less than a byte, the first in the highest bits."""
    bits_of_samples = np.unpackbits((array >> 8 - bits)[:, :, None], axis=2)[:, :, 8 - bits :]
    return np.packbits(bits_of_samples.reshape(HEIGHT, -1), axis=1)


def adam7(array):
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    return [array[y::dy, x::dx] for y, x, dy, dx in starts]


def make_jpegs():
    write("baseline.jpg", encoded(RGB, "JPEG", quality=90))
    write("rgb.jpg", encoded(RGB, "JPEG", quality=90, keep_rgb=True))
    write("progressive.jpg", encoded(RGB, "JPEG", quality=90, progressive=True))
    write("grey.jpg", encoded(GREY, "JPEG", quality=90))
    cmyk = encoded(RGB.convert("CMYK"), "JPEG", quality=95)
    write("cmyk.jpg", cmyk)
    # The last byte of Adobe's marker says how the four channels are coded; 2 is YCCK.
    at = cmyk.index(b"Adobe") + 11
    write("ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1 :])
    for orientation in range(1, 9):
        data = encoded(RGB, "JPEG", quality=90, exif=oriented(orientation))
        write(f"orientation{orientation}.jpg", data, upright(data))
    # Oddities that every reader takes: fill bytes before a marker, zeros before the last, a later JFIF.
    write("orientation8_filled.jpg", data[:2] + b"\xff\xff" + data[2:], upright(data))
    data = encoded(RGB, "JPEG", quality=90)
    write("padded.jpg", data[:-2] + bytes(9) + data[-2:])
    write("later_jfif.jpg", data.replace(b"JFIF\0\x01", b"JFIF\0\x03"))


def make_pngs():
    write("rgb.png", encoded(RGB, "PNG"))
    rgba = RGB.copy()
    rgba.putalpha(ALPHA)
    write("rgba.png", encoded(rgba, "PNG"))
    write("grey.png", encoded(GREY, "PNG"))
    grey_alpha = GREY.copy()
    grey_alpha.putalpha(ALPHA)
    write("grey_alpha.png", encoded(grey_alpha, "PNG"))
    for colours, bits in ((256, 8), (16, 4), (4, 2), (2, 1)):
        palette = RGB.quantize(colours)
        write(f"palette{bits}.png", encoded(palette, "PNG", bits=bits))
    write("palette_transparent.png", encoded(RGB.quantize(16), "PNG", transparency=bytes(range(0, 256, 16))))
    write("black_and_white.png", encoded(RGB.convert("1"), "PNG"))
    wide = picture().astype(np.uint16) * 256 + 200
    write("rgb16.png", png(2, 16, [wide.astype(">u2")]))
    grey16 = np.asarray(GREY).astype(np.uint16) * 256 + 200
    write("grey16.png", png(0, 16, [grey16.astype(">u2")]), GREY.convert("RGB"))
    rgba16 = np.concatenate([wide, np.asarray(ALPHA)[:, :, None].astype(np.uint16) * 256 + 7], -1)
    write("rgba16.png", png(6, 16, [rgba16.astype(">u2")]))
    write("rgb_transparent.png", png(2, 8, [picture()], transparent=picture()[3, 5].astype(">u2").tobytes()))
    for bits in (2, 4):
        write(f"grey{bits}.png", png(0, bits, [packed(np.asarray(GREY), bits)]))
    write("interlaced.png", png(2, 8, adam7(picture()), interlaced=True))
    data = encoded(RGB, "PNG", exif=oriented(6))
    write("orientation6.png", data, upright(data))


def partial_animation():
    """An animation whose first frame covers a part of the canvas only."""

    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def three(number):
        return struct.pack("<I", number)[:3]

    frame = encoded(RGB.crop((0, 0, 12, 8)), "WEBP", lossless=True)[12:]  # the one chunk of the file
    place = three(4 // 2) + three(6 // 2) + three(12 - 1) + three(8 - 1) + three(100) + b"\0"
    body = b"WEBP" + chunk(b"VP8X", b"\x02\0\0\0" + three(WIDTH - 1) + three(HEIGHT - 1))
    body += chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0)) + chunk(b"ANMF", place + frame)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_webps():
    write("lossy.webp", encoded(RGB, "WEBP", quality=80))
    write("lossless.webp", encoded(RGB, "WEBP", lossless=True))
    rgba = RGB.copy()
    rgba.putalpha(ALPHA)
    write("lossy_alpha.webp", encoded(rgba, "WEBP", quality=80))
    write("alpha.webp", encoded(rgba, "WEBP", lossless=True, exact=True))
    flipped = ImageOps.flip(RGB)
    write("animated.webp", encoded(RGB, "WEBP", save_all=True, append_images=[flipped], lossless=True, duration=100))
    write("partial_frame.webp", partial_animation())
    data = encoded(RGB, "WEBP", lossless=True, exif=oriented(6))
    write("orientation6.webp", data, upright(data))
    # With JPEG's name before the block, as some writers do.
    at = data.index(b"EXIF")
    block = b"Exif\0\0" + data[at + 8 :]
    named = data[8:at] + b"EXIF" + struct.pack("<I", len(block)) + block
    named = b"RIFF" + struct.pack("<I", len(named)) + named
    write("orientation6_named.webp", named, upright(named))


def make_resized():
    """Pillow's own resizing of baseline.jpg's picture, which is smooth, and of noise, which is not."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    noise.save(FOLDER / "noise.ppm")
    for name, filter in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC), ("nearest", Image.NEAREST)):
        for width, height in ((23, 17), (60, 13), (97, 71)):
            noise.resize((width, height), filter).save(FOLDER / f"noise_{name}_{width}x{height}.ppm")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    make_jpegs()
    make_pngs()
    make_webps()
    make_resized()
