"""Convolutions forward and their gradients: PyTorch on one thread against bench_backward, in processor time. Needs torch.

Usage: python compare_backward.py BENCH_BACKWARD [IMAGES]
The layers of layers.h, channels-last, by network; the sums of the best times per image. PyTorch's memory format of the weights is channels-last
too, as its training has it.
"""

import pathlib
import re
import subprocess
import sys
import time

import torch

TIMES, SECONDS = 3, 0.1
LAYER = re.compile(r'\{"([^"]+)", ([\d, ]+)\}')
TOTAL = re.compile(r"(\S+), ms per image: forward ([\d.]+), by input ([\d.]+), by weights ([\d.]+)")


def best_of(function):
    best, start, turn = 1e9, time.process_time(), 0
    while turn < TIMES or time.process_time() - start < SECONDS:
        begin = time.process_time()
        function()
        best = min(best, time.process_time() - begin)
        turn += 1
    return best


def pytorch(layer, images):
    """Seconds per image forward, by input, and by weights and bias."""
    _, inputs, outputs, size, kernel, stride, group, before, after = layer
    images *= 8 if size <= 32 and inputs <= 64 and outputs <= 64 and kernel == 3 and group == 1 else 1  # ResNet-20, as in layers.h
    x = torch.randn(images, inputs, size + after - before, size + after - before).contiguous(memory_format=torch.channels_last)
    weights = torch.randn(outputs, inputs // group, kernel, kernel).contiguous(memory_format=torch.channels_last)
    bias, pads = torch.zeros(outputs), [before, before]
    y = torch.conv2d(x, weights, bias, stride, pads, 1, group)
    dy = torch.randn_like(y)

    def backward(by_input, by_weights):
        torch.ops.aten.convolution_backward(
            dy, x, weights, [outputs], [stride] * 2, pads, [1, 1], False, [0, 0], group, [by_input, by_weights, by_weights]
        )

    passes = lambda: torch.conv2d(x, weights, bias, stride, pads, 1, group), lambda: backward(True, False), lambda: backward(False, True)
    return [best_of(one) / images for one in passes]


def main(bench, images="16"):
    torch.set_num_threads(1)
    table = (pathlib.Path(__file__).parent / "layers.h").read_text()
    total = {}
    for name, numbers in LAYER.findall(table):
        if name == "ResNet-50":
            continue
        layer = [int(n) for n in numbers.split(",")]
        seconds = pytorch(layer, int(images))
        total[name] = [a + layer[0] * b for a, b in zip(total.get(name, [0, 0, 0]), seconds)]
    lines = subprocess.run([bench, str(SECONDS), images], check=True, capture_output=True, text=True).stdout
    for name, *own in TOTAL.findall(lines):
        for part, ms, seconds in zip(("forward", "by input", "by weights"), own, total.get(name, [])):
            print(f"{name} {part}: {ms} ms per image, PyTorch {torch.__version__} {seconds * 1e3:.3f}, {seconds * 1e3 / float(ms):.2f} times")


main(*sys.argv[1:])
