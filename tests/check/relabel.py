"""Copies a set of images, with the classes that ONNX Runtime finds for them as labels.

Usage: relabel.py MODEL.onnx IMAGES.h5 OUT.h5 SCALE MEAN MEAN MEAN STD STD STD
"""

import sys

import h5py
import numpy
import onnxruntime

BATCH = 100


def main(model, images, out, *values):
    scale, *rest = (numpy.float32(value) for value in values)
    mean, std = (numpy.array(part, numpy.float32).reshape(1, 3, 1, 1) for part in (rest[:3], rest[3:]))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    with h5py.File(images) as file:
        pixels, truth = file["images"][:], file["labels"][:]
    found = []
    for first in range(0, len(pixels), BATCH):
        batch = (pixels[first : first + BATCH].astype(numpy.float32) * scale - mean) / std
        found.append(session.run(None, {source: batch})[0].reshape(len(batch), -1).argmax(1))
    found = numpy.concatenate(found).astype(numpy.int32)
    with h5py.File(out, "w") as file:
        file["images"] = pixels
        file["labels"] = found
    print(f"ONNX Runtime {onnxruntime.__version__}: top-1 {(found == truth).mean():.4f}")


main(*sys.argv[1:])
