"""Float pass of a network: PyTorch on one thread against bench_network, by turns, in processor time. Needs torch and onnx.

Usage: python compare_pytorch.py MODEL.onnx BENCH_NETWORK [DIR/metrics.json]
The network is played node by node with torch's operators, BatchNormalization folded and activations in place as here, with contiguous and with
channels-last images, at batches of 8 and 32; the best round counts on both sides. With the metrics of a run, also what the whole run cost
in PyTorch's passes over as many images. Knows the operators of the CIFAR networks and of MobileNetV2.
"""

import json
import subprocess
import sys
import time

import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional

ROUNDS, BATCHES, SECONDS = 3, (8, 32), 2


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def conv(node, x, weights, bias=None):
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
    "Clip": lambda node, x, low, high: x.clamp_(float(low), float(high)),
    "Add": lambda node, a, b: a + b,
    "Slice": strided,
    "Pad": pad_channels,
    "GlobalAveragePool": lambda node, x: x.mean((2, 3), keepdim=True),
    "ReduceMean": lambda node, x, *_: x.mean((2, 3)),
    "Flatten": lambda node, x: x.flatten(1),
    "Gemm": lambda node, x, weights, bias: functional.linear(x, weights, bias),
}


def fold(graph, constants):
    """Nodes without the BatchNormalizations behind convolutions, whose weights take them over."""
    maker = {node.output[0]: node for node in graph.node}
    nodes, renamed = [], {}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            scale, shift, mean, variance = (constants[name] for name in node.input[1:])
            before, factor = maker[node.input[0]], scale / torch.sqrt(variance + attributes(node).get("epsilon", 1e-5))
            bias = constants[before.input[2]] if len(before.input) > 2 else 0
            constants[before.input[1]] *= factor[:, None, None, None]
            constants[before.output[0] + ".bias"] = (bias - mean) * factor + shift
            del before.input[2:]
            before.input.append(before.output[0] + ".bias")
            renamed[node.output[0]] = before.output[0]
            continue
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
        nodes.append(node)
    return nodes


def play(nodes, constants, name, images):
    values = {name: images}
    for node in nodes:
        inputs = [constants.get(name, values.get(name)) for name in node.input if name]
        values[node.output[0]] = OPERATORS[node.op_type](node, *inputs)


def pytorch(graph, nodes, constants, layout):
    """Seconds per image at the best batch."""
    best = 1e9
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim[1:]]
    placed = {k: v.contiguous(memory_format=layout) if v.dim() == 4 else v for k, v in constants.items()}
    for batch in BATCHES:
        x = torch.randn(batch, *shape).contiguous(memory_format=layout)
        play(nodes, placed, graph.input[0].name, x)
        start = time.process_time()
        play(nodes, placed, graph.input[0].name, x)
        best = min(best, (time.process_time() - start) / batch)
    return best


def ours(bench, model):
    lines = subprocess.run([bench, model, str(SECONDS), "32"], check=True, capture_output=True, text=True).stdout.splitlines()
    return min(float(line.split("batch")[1].split()[1]) for line in lines) * 1e-3


def main(model, bench, metrics=None):
    torch.set_num_threads(1)
    graph = onnx.load(model).graph
    constants = {i.name: torch.tensor(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    nodes = fold(graph, constants)
    layouts = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
    best, own = dict.fromkeys(layouts, 1e9), 1e9
    with torch.no_grad():
        for _ in range(ROUNDS):
            own = min(own, ours(bench, model))
            for name, layout in layouts.items():
                best[name] = min(best[name], pytorch(graph, nodes, constants, layout))
    print(f"uwc: {own * 1e3:.3f} ms per image")
    for name, seconds in best.items():
        print(f"PyTorch {torch.__version__} {name}: {seconds * 1e3:.3f} ms per image, {seconds / own:.2f} times as long")
    if metrics:
        run = json.load(open(metrics))
        cost, passes = run["seconds"]["capture"] + run["seconds"]["solve"], min(best.values()) * run["config"]["data"]["samples"]
        print(f"capture and solve: {cost:.2f} s, {cost / passes:.1f} passes of PyTorch over the calibration images")


main(*sys.argv[1:])
