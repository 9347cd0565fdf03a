"""Ratio of the float pass: PyTorch on one thread against `seconds.float_forward` of a run on the same images. Needs torch and onnx.

Usage: python compare_pytorch.py MODEL.onnx DIR/metrics.json
The network is played node by node with torch's operators, once with contiguous and once with channels-last images, at batches of 32, 64 and 128;
the best of three passes over as many images as the run calibrated on counts. Knows the operators of the CIFAR networks.
"""

import json
import sys
import time

import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def conv(node, x, weights, bias):
    a = attributes(node)
    pads = a["pads"]
    if pads[:2] != pads[2:]:
        x, pads = functional.pad(x, (pads[1], pads[3], pads[0], pads[2])), [0, 0]
    return torch.conv2d(x, weights, bias, a["strides"], pads[:2], a["dilations"], a["group"])


def strided(node, x, starts, ends, axes, steps):
    del node, ends
    index = [slice(None)] * x.dim()
    for start, axis, step in zip(starts.tolist(), axes.tolist(), steps.tolist()):
        index[axis] = slice(start, None, step)
    return x[tuple(index)]


def pad_channels(node, x, pads, *_):
    del node
    return functional.pad(x, (0, 0, 0, 0, int(pads[1]), int(pads[5])))


OPERATORS = {
    "Conv": conv,
    "Relu": lambda node, x: torch.relu_(x),
    "Add": lambda node, a, b: a + b,
    "Slice": strided,
    "Pad": pad_channels,
    "GlobalAveragePool": lambda node, x: x.mean((2, 3), keepdim=True),
    "Flatten": lambda node, x: x.flatten(1),
    "Gemm": lambda node, x, weights, bias: functional.linear(x, weights, bias),
}


def play(graph, constants, images):
    values = {graph.input[0].name: images}
    for node in graph.node:
        inputs = [constants.get(name, values.get(name)) for name in node.input]
        values[node.output[0]] = OPERATORS[node.op_type](node, *inputs)


def seconds(graph, constants, images, batch, layout):
    x = torch.randn(batch, *[d.dim_value for d in graph.input[0].type.tensor_type.shape.dim[1:]]).contiguous(memory_format=layout)
    play(graph, constants, x)
    start = time.perf_counter()
    for _ in range(images // batch):
        play(graph, constants, x)
    return (time.perf_counter() - start) * images / (images // batch * batch)


def main(model, metrics):
    torch.set_num_threads(1)
    graph = onnx.load(model).graph
    constants = {i.name: torch.tensor(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    run = json.load(open(metrics))
    images, ours = run["config"]["data"]["samples"], run["seconds"]["float_forward"]
    for name, layout in (("contiguous", torch.contiguous_format), ("channels-last", torch.channels_last)):
        for key, value in constants.items():
            constants[key] = value.contiguous(memory_format=layout) if value.dim() == 4 else value
        with torch.no_grad():
            best = min(seconds(graph, constants, images, batch, layout) for batch in (32, 64, 128) for _ in range(3))
        print(f"PyTorch {torch.__version__} {name}: {best:.3f} s for {images} images, uwc {ours:.3f} s, {best / ours:.2f} times as fast")


main(*sys.argv[1:])
