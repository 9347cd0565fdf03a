#!/usr/bin/env python3
"""Draws the images of this folder and writes what Pillow makes of them (name.rgb: height x width x 3 bytes; name.12.rgb: short side
resized to 12, antialiased bilinear; name.box16.rgb: letterboxed to 16). Run once with numpy and Pillow; the tests read the files that are committed."""
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

WIDTH, HEIGHT = 29, 19


def picture():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([8 * x, 13 * y, 255 - 4 * x - 5 * y], 2) % 256
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced(colour, rows):
    """PNG with Adam7 interlacing, 8 bit; rows [H][W][channels]."""
    data = b""
    for top, left, down, across in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        for row in rows[top::down, left::across]:
            data += b"\0" + row.tobytes() if row.size else b""
    head = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, colour, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def png(colour, bits, width, rows, behind=b""):
    """PNG of packed rows (bytes)."""
    head = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + behind + chunk(b"IEND", b"")


def deep(colour, rows):
    """PNG with 16 bits per sample; rows [H][W][channels] uint16."""
    return png(colour, 16, rows.shape[1], [row.astype(">u2").tobytes() for row in rows])


def two_bits(rows):
    """Grey PNG with 2 bits per sample; rows [H][W] of 0..3."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).reshape(rows.shape[0], -1, 4)
    return png(0, 2, rows.shape[1], [row.astype(np.uint8).tobytes() for row in padded @ [64, 16, 4, 1]])


def segments(jpeg):
    """(marker, first byte, byte behind) of what lies before the first scan."""
    at = 2
    while jpeg[at + 1] != 0xDA:
        behind = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        yield jpeg[at + 1], at, behind
        at = behind


def without_adobe(jpeg):
    for marker, first, behind in segments(jpeg):
        if marker == 0xEE:
            return jpeg[:first] + jpeg[behind:]


def as_ycck(jpeg):
    """Four components that the Adobe segment declares to be YCCK (transform 2)."""
    for marker, first, behind in segments(jpeg):
        if marker == 0xEE:
            return jpeg[: behind - 1] + b"\2" + jpeg[behind:]


def read(name):
    with open(name, "rb") as file:
        return file.read()


def write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def letterbox(pixels, side):
    height, width = pixels.shape[:2]
    size = side * width // max(height, width), side * height // max(height, width)
    square = Image.new("RGB", (side, side), (114, 114, 114))
    square.paste(Image.fromarray(pixels).resize(size, Image.BILINEAR), (0, 0))
    return np.asarray(square)


def expect(name, pixels=None, sides=(), boxes=()):
    if pixels is None:
        pixels = np.asarray(ImageOps.exif_transpose(Image.open(name)).convert("RGB"))
    write(name + ".rgb", pixels.tobytes())
    height, width = pixels.shape[:2]
    for side in sides:
        size = (side, side * height // width) if width <= height else (side * width // height, side)
        write(f"{name}.{side}.rgb", np.asarray(Image.fromarray(pixels).resize(size, Image.BILINEAR)).tobytes())
    for side in boxes:
        write(f"{name}.box{side}.rgb", letterbox(pixels, side).tobytes())


def main():
    rgb = picture()
    image = Image.fromarray(rgb)
    alpha = Image.fromarray((rgb[:, :, 0] // 2 + 90).astype(np.uint8))
    image.save("rgb.png")
    image.convert("L").save("grey.png")
    image.convert("1").save("bits.png")
    image.quantize(12).save("palette.png")
    image.quantize(12).save("palette_clear.png", transparency=3)
    image.save("clear_colour.png", transparency=tuple(int(v) for v in rgb[0, 0]))
    both = image.copy()
    both.putalpha(alpha)
    both.save("alpha.png")
    Image.merge("LA", (image.convert("L"), alpha)).save("grey_alpha.png")
    wide = rgb.astype(np.uint16) * 256 + rgb[::-1]
    write("deep.png", deep(2, wide))
    write("deep_grey.png", deep(0, wide[:, :, :1]))
    write("deep_alpha.png", deep(6, np.concatenate((wide, wide[:, :, :1] // 2), 2)))
    write("deep_grey_alpha.png", deep(4, wide[:, :, :2]))
    write("two_bits.png", two_bits(rgb[:, :, 0] >> 6))
    write("interlaced.png", interlaced(2, rgb))
    held = Image.Exif()
    held[0x112] = 6
    image.save("turned6.png", exif=held)
    rows = [row.tobytes() for row in rgb]
    write("turned8_late.png", png(2, 8, WIDTH, rows, behind=chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0\0\0\0\0")))
    image.save("rgb.jpg", quality=90)
    image.save("sharp.jpg", quality=92, subsampling=0)
    image.save("halved.jpg", quality=92, subsampling=1)
    image.save("progressive.jpg", quality=85, progressive=True)
    image.convert("L").save("grey.jpg", quality=90)
    image.convert("CMYK").save("cmyk.jpg", quality=92)
    write("cmyk_plain.jpg", without_adobe(read("cmyk.jpg")))
    inks = Image.merge("CMYK", (*image.convert("YCbCr").split(), alpha))
    inks.save("ycck.jpg", quality=92, subsampling=0)
    write("ycck.jpg", as_ycck(read("ycck.jpg")))
    image.save("kept_rgb.jpg", quality=92, keep_rgb=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        exif.endian = "<" if orientation % 2 else ">"
        image.save(f"turned{orientation}.jpg", quality=75, exif=exif)
    expect("rgb.png", sides=(3, 12, 40), boxes=(16, 40))
    names = "grey bits two_bits palette palette_clear clear_colour alpha grey_alpha deep deep_alpha interlaced turned6 turned8_late"
    for name in names.split():
        expect(name + ".png")
    expect("deep_grey_alpha.png", np.repeat((wide[:, :, :1] >> 8).astype(np.uint8), 3, axis=2))
    expect("deep_grey.png", np.repeat((wide[:, :, :1] >> 8).astype(np.uint8), 3, axis=2))  # Pillow has no agreed answer here: the high byte
    names = "rgb sharp halved progressive grey cmyk cmyk_plain ycck kept_rgb".split()
    for name in names + [f"turned{o}" for o in range(1, 9)]:
        expect(name + ".jpg", sides=(12,) if name == "turned6" else (), boxes=(16,) if name == "turned6" else ())


if __name__ == "__main__":
    main()
