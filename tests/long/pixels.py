"""Pixels against Pillow's, on twelve photographs at their original sizes: decoded; resized to 256 and cropped to 224; letterboxed to 416.

The program's pixels are those that `uwc pack` writes. Limits: 2 levels at most, 0.3 on average.
"""

import h5py
import numpy as np
from PIL import Image, ImageOps

import harness as h

MOST, MEAN = 2, 0.3
SIDE, CROP, BOX, PAD = 256, 224, 416, 114


def decoded(name):
    return ImageOps.exif_transpose(Image.open(name)).convert("RGB")


def cropped(name):
    image = decoded(name)
    width, height = image.size
    size = (SIDE, SIDE * height // width) if width <= height else (SIDE * width // height, SIDE)
    image = image.resize(size, Image.BILINEAR, reducing_gap=None)
    left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
    return image.crop((left, top, left + CROP, top + CROP))


def letterboxed(name):
    image = decoded(name)
    longest = max(image.size)
    square = Image.new("RGB", (BOX, BOX), (PAD, PAD, PAD))
    square.paste(image.resize((BOX * image.width // longest, BOX * image.height // longest), Image.BILINEAR, reducing_gap=None))
    return square


STEPS = {
    "decode": (decoded, []),
    f"resize {SIDE}, crop {CROP}": (cropped, [f"data.preprocess.resize={SIDE}", f"data.preprocess.crop={CROP}"]),
    f"letterbox {BOX}": (letterboxed, [f"data.preprocess.letterbox={BOX}", f"data.preprocess.pad={PAD}"]),
}


def measure(photograph, reference, assignments, folder):
    """Largest and mean difference of one photograph."""
    alone = folder / photograph.stem
    alone.mkdir()
    (alone / photograph.name.replace(".JPEG", ".jpg")).symlink_to(photograph)
    packed = folder / f"{photograph.stem}.h5"
    h.pack(alone, packed, [word for assignment in assignments for word in ("--set", assignment)])
    with h5py.File(packed) as file:
        found = file["images"][0].transpose(1, 2, 0).astype(int)
    wanted = np.asarray(reference(photograph)).astype(int)
    h.require(found.shape == wanted.shape, f"{photograph.name}: {found.shape}, Pillow has {wanted.shape}")
    off = np.abs(found - wanted)
    return off.max(), off.mean()


def test(_):
    photographs = sorted((h.ASSETS / "datasets/imagenet_originals12").glob("*.JPEG"))
    h.require(len(photographs) == 12, f"{len(photographs)} photographs, not 12")
    for what, (reference, assignments) in STEPS.items():
        folder = h.fresh("pixels")
        rows = {p.name: measure(p, reference, assignments, folder) for p in photographs}
        most, mean = max(m for m, _ in rows.values()), max(m for _, m in rows.values())
        print(f"{what}: at most {most} levels, on average at most {mean:.4f} in an image")
        for name, (largest, average) in rows.items():
            h.require(largest <= MOST and average <= MEAN, f"{what}: {name}: {largest} levels, {average:.3f} on average")


h.main(test)
