#!/usr/bin/env python3
"""Checks a network of the zoo against ONNX Runtime, with seeded constants and images.

check.py float NETWORK EXPORTER      the outputs agree to 1e-4 of the largest
check.py quantized NETWORK EXPORTER  W8A8 on 32 images: the error of the logits on 8 others is below 0.02 of their variance, and ONNX
                                     Runtime makes the same error from the written file (not the same numbers: where a level falls the
                                     other way, the next layer sees a step). Networks of many parameters, whose reconstruction would take
                                     an hour, have their weights rounded to the nearest level.
Needs numpy and onnxruntime. The environment names the programs `uwc` (UWC_PROGRAM) and `zoo` (UWC_ZOO), and a scratch folder (UWC_SCRATCH).
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
SCRATCH = Path(os.environ["UWC_SCRATCH"])
CALIBRATION, OTHERS = 32, 8
MANY = 10_000_000


def images(count, size, seed):
    """Smooth noise, as images are: seeded values on grids of several widths, with straight lines between them."""
    random, out = np.random.default_rng(seed), np.zeros((count, 3, size, size), np.float32)
    for step in (8, 32, 128):
        knots = random.standard_normal((count, 3, size // step + 2, size // step + 2)).astype(np.float32)
        at = np.arange(size) // step
        part = (np.arange(size) % step / step).astype(np.float32)
        rows = knots[:, :, at] * (1 - part)[:, None] + knots[:, :, at + 1] * part[:, None]
        out += rows[..., at] * (1 - part) + rows[..., at + 1] * part
    return out


def call(*words):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED: status {done.returncode} of {' '.join(map(str, words))}\n{done.stdout}")


def fill(network, exporter, folder):
    """The network with its constants."""
    shutil.copy(HERE / "networks" / f"{network}.{exporter}.onnx", folder / "model.onnx")
    call(os.environ["UWC_ZOO"], "fill", HERE / "networks" / f"{network}.{exporter}.txt", folder / "weights.bin")
    return folder / "model.onnx"


def parameters(network, exporter):
    lines = (HERE / "networks" / f"{network}.{exporter}.txt").read_text().splitlines()
    return sum(int(np.prod([int(word) for word in line.split()[:3]])) for line in lines)


def of_runtime(model, x, plain=False):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 3
    if plain:  # as the file says, without fusions that compute with integers
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def of_program(model, x, folder):
    x.tofile(folder / "x.bin")
    call(os.environ["UWC_ZOO"], "forward", model, folder / "x.bin", folder / "y.bin")
    return np.fromfile(folder / "y.bin", np.float32).reshape(len(x), -1)


def check_float(network, exporter, folder, size):
    model, x = fill(network, exporter, folder), images(3, size, 1)
    ours, theirs = of_program(model, x, folder), of_runtime(model, x)
    difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    print(f"{network}.{exporter}: {difference:.1e} of the largest logit")
    if not difference <= 1e-4:
        sys.exit("FAILED: more than 1e-4")


def check_quantized(network, exporter, folder, size):
    model = fill(network, exporter, folder)
    method = "nearest" if parameters(network, exporter) > MANY else "second-order"
    np.save(folder / "calibration.npy", images(CALIBRATION, size, 2))
    np.save(folder / "others.npy", images(OTHERS, size, 3))
    (folder / "run.yaml").write_text(f"""model: {model}
data: {{calibration: calibration.npy, evaluation: others.npy, samples: {CALIBRATION}, preprocess: {{scale: 1, mean: 0, std: 1}}}}
quantize: {{weight_bits: 8, activation_bits: 8}}
reconstruct: {{method: {method}}}
""")
    call(os.environ["UWC_PROGRAM"], "run", folder / "run.yaml", "-o", folder / "run", "-q")
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    x, written = images(OTHERS, size, 3), folder / "run" / "model.onnx"
    floats, ours, theirs = of_program(model, x, folder), of_program(written, x, folder), of_runtime(written, x, plain=True)
    runtime = float(((theirs - floats) ** 2).mean() / floats.var())
    between = float(((ours - floats) ** 2).mean() / (floats - floats.mean(axis=0)).var())  # what all images share does not count
    nmse = metrics["logit_nmse"]
    print(f"{network}.{exporter}, {method}: logit NMSE {nmse:.5f} ({between:.4f} of the variance between images), {runtime:.5f} in ONNX Runtime, "
          f"agreement {metrics['agreement']:.3f}, {len(metrics['units'])} units, {metrics['seconds']['total']:.0f} s")
    if not nmse < 0.02:
        sys.exit("FAILED: more than 0.02")
    if not 0.5 * nmse < runtime + 1e-6 < 2 * nmse + 2e-6:
        sys.exit("FAILED: another network in ONNX Runtime")


def main(what, network, exporter):
    folder = SCRATCH / f"{what}_{network}_{exporter}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = 299 if network == "inception_v3" else 224
    try:
        {"float": check_float, "quantized": check_quantized}[what](network, exporter, folder, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main(*sys.argv[1:])
