#!/usr/bin/env python3
"""Exports the architectures of the zoo from torchvision, without their weights: NET.EXPORTER.onnx, whose float constants lie in
`weights.bin` beside it (external data that is not there), and NET.EXPORTER.txt, from which the test's `fill` makes that
file: a line `OUTER SUMMED INNER MEAN SPREAD` per constant (weights.h). Needs torch, torchvision, onnx, onnxscript. Usage: export.py FOLDER [NET...]"""
import math
import os
import sys
import tempfile

import onnx
import torch
import torchvision
from onnx import TensorProto, numpy_helper

NETS = {
    "resnet18": 224, "resnet50": 224, "wide_resnet50_2": 224, "resnext50_32x4d": 224, "vgg16_bn": 224, "densenet121": 224,
    "squeezenet1_1": 224, "mobilenet_v2": 224, "mobilenet_v3_large": 224, "mnasnet1_0": 224, "shufflenet_v2_x1_0": 224,
    "efficientnet_b0": 224, "regnet_x_400mf": 224, "regnet_y_400mf": 224, "googlenet": 224, "inception_v3": 299, "convnext_tiny": 224,
}
EXTRA = {"googlenet": {"init_weights": False, "aux_logits": False}, "inception_v3": {"init_weights": False}}
LEAST_BALANCED = 16  # inputs
KEPT = 16  # numbers: bounds, exponents and the like keep their values


def build(net):
    """The network with parameters that all differ, so that the exporters merge none of them."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, net)(weights=None, **EXTRA.get(net, {})).eval()
    with torch.no_grad():
        for value in list(model.parameters()) + [b for b in model.buffers() if b.is_floating_point()]:
            value.uniform_(0.5, 1.5)
    return model


def export(net, exporter, path):
    x = torch.zeros(2, 3, NETS[net], NETS[net])
    names = {"input_names": ["input"], "output_names": ["logits"]}
    if exporter == "dynamo":
        batch = ({0: torch.export.Dim("N", min=1, max=4096)},)
        torch.onnx.export(build(net), (x,), path, dynamo=True, dynamic_shapes=batch, external_data=False, verbose=False, **names)
    else:
        axes = {"input": {0: "N"}, "logits": {0: "N"}}
        torch.onnx.export(build(net), x, path, dynamo=False, opset_version=int(exporter[2:]), dynamic_axes=axes, **names)


def joins_a_sum(graph, name, initializers):
    """True where a value reaches an Add of two activations by nothing but normalisation, scaling and transposition."""
    readers = [n for n in graph.node if name in n.input]
    if len(readers) != 1:
        return False
    node = readers[0]
    constants = sum(i in initializers for i in node.input)
    if node.op_type == "Add" and constants == 0:
        return True
    through = node.op_type in ("BatchNormalization", "Transpose") or (node.op_type in ("Mul", "Add") and constants == 1)
    return through and joins_a_sum(graph, node.output[0], initializers)


def is_rectified(graph, name):
    """True where a value comes out of an activation function, perhaps pooled, joined or moved."""
    made = [n for n in graph.node if name in n.output]
    if not made or made[0].op_type in ("Conv", "Gemm", "MatMul", "Add", "BatchNormalization", "LayerNormalization"):
        return False
    return made[0].op_type in ("Relu", "Clip", "HardSwish", "Gelu", "Mul") or is_rectified(graph, made[0].input[0])


def is_gated(graph, name):
    """True behind a squeeze-and-excitation gate, which is about one half."""
    made = [n for n in graph.node if name in n.output]
    if not made or made[0].op_type != "Mul":
        return False
    gates = [n for n in graph.node if n.op_type in ("Sigmoid", "HardSigmoid") and n.output[0] in made[0].input]
    return bool(gates) and gates[0].input[0] not in made[0].input


def rule(graph, tensor, initializers):
    """A constant's line, from where it is read: activations keep their size from layer to layer. From weights of many inputs a
    tenth of their mean is taken out: with nothing taken out, what all images share is all that is left after some layers; with all of it, a
    small change grows by half in every layer."""
    node, index = next((n, list(n.input).index(tensor.name)) for n in graph.node if tensor.name in n.input)
    dims, kind = list(tensor.dims), node.op_type
    if kind == "Identity":
        raise SystemExit(f"{tensor.name}: shared")
    if kind in ("Conv", "Gemm", "MatMul") and index == 1:
        transposed = kind == "MatMul" or (kind == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute))
        outer, summed, inner = (1, dims[0], dims[1]) if transposed else (dims[0], dims[1], math.prod(dims[2:]))
        balanced = summed >= LEAST_BALANCED
        gain = 1.0 if not is_rectified(graph, node.input[0]) else 2.13 if balanced else 2.0  # over the variance, or the mean square
        gain *= 4.0 if is_gated(graph, node.input[0]) else 1.0
        spread = math.sqrt(gain * (0.2 if joins_a_sum(graph, node.output[0], initializers) else 1.0) / (summed * (1 if transposed else inner)))
        return (outer, summed, inner) if balanced else (math.prod(dims), 1, 1), 0.0, spread
    whole = (math.prod(dims), 1, 1)
    if kind == "BatchNormalization":
        return whole, (1.0, 0.0, 0.0, 1.0)[index - 1], (0.1, 0.03, 0.03, 0.1)[index - 1]
    if kind == "LayerNormalization":
        return whole, (1.0, 0.0)[index - 1], 0.1
    if kind == "Mul":
        return whole, 1.0 if len(dims) == 1 else 0.5, 0.1
    if kind in ("Conv", "Gemm", "Add"):
        return whole, 0.0, 0.03
    raise SystemExit(f"{tensor.name}: no rule for input {index} of {kind}")


def shorten(graph):
    """Values between nodes are numbered: half of a file would be their names. Nodes and constants keep theirs."""
    outside = {v.name for v in list(graph.input) + list(graph.output)}
    names = [name for node in graph.node for name in node.output if name and name not in outside]
    short = {name: f"v{i}" for i, name in enumerate(names)}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [short.get(name, name) for name in names]


def strip(path, target):
    model = onnx.load(path)
    graph, rules, offset = model.graph, [], 0
    for tensor in graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.value_info[:], graph.metadata_props[:], model.metadata_props[:], model.functions[:]
    graph.doc_string = model.doc_string = ""
    for info in list(graph.input) + list(graph.output):
        info.doc_string = ""
        del info.metadata_props[:]
    shorten(graph)
    initializers = {t.name for t in graph.initializer}
    for tensor in graph.initializer:
        count = math.prod(tensor.dims)
        if tensor.data_type != TensorProto.FLOAT or count <= KEPT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
            continue
        extent, mean, spread = rule(graph, tensor, initializers)
        rules.append(f"{extent[0]} {extent[1]} {extent[2]} {mean:g} {spread:.4g}")
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", offset), ("length", 4 * count)):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
        offset += 4 * count
    with open(target + ".onnx", "wb") as file:
        file.write(model.SerializeToString())
    with open(target + ".txt", "w") as file:
        file.write("\n".join(rules) + "\n")
    kinds = sorted({n.op_type for n in graph.node})
    print(os.path.basename(target), "opset", model.opset_import[0].version, "IR", model.ir_version, *kinds, flush=True)


def main():
    folder, nets = sys.argv[1], sys.argv[2:] or NETS
    for net in nets:
        for exporter in ("ts13", "ts17", "dynamo"):
            with tempfile.TemporaryDirectory() as scratch:
                path = os.path.join(scratch, "full.onnx")
                export(net, exporter, path)
                strip(path, os.path.join(folder, f"{net}.{exporter}"))


if __name__ == "__main__":
    main()
