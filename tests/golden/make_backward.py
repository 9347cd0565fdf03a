"""Gradients by PyTorch's automatic differentiation in double precision: writes backward.txt, which test_backward.c compares with.

Usage: python make_backward.py > backward.txt        # needs torch
A case is a line "kind images channels h w outputs group kh kw stride dilation top left bottom right" (h = 0: no positions), then one line each
of the gradients by the input and, where there are weights, by weights and bias, in the order of ONNX. The scalar is the sum of the output
times another tensor. Values are those of `values`, which the test makes again.
"""

import torch
from torch.nn import functional

CASES = """
Conv 2 3 7 6 5 1 3 3 1 1 1 1 1 1
Conv 2 17 4 5 19 1 3 3 1 1 1 1 1 1
Conv 2 6 8 7 9 1 3 3 2 1 0 0 1 1
Conv 1 5 9 10 7 1 3 2 1 2 2 1 1 2
Conv 2 12 6 7 8 4 3 3 1 1 1 1 1 1
Conv 2 6 7 7 10 1 1 1 1 1 0 0 0 0
Conv 2 6 7 7 10 2 1 1 2 1 0 0 0 0
Conv 2 18 7 6 18 18 3 3 1 1 1 1 1 1
Conv 2 18 8 7 18 18 3 3 2 1 0 0 1 1
Conv 2 5 8 9 5 5 5 5 2 1 2 2 2 2
Conv 1 4 8 9 4 4 5 3 1 2 2 1 2 1
Conv 2 3 6 5 6 3 3 3 1 1 1 1 1 1
Linear 5 21 0 0 13 1 0 0 0 0 0 0 0 0
Relu 2 3 5 4 0 1 0 0 0 0 0 0 0 0
Sigmoid 2 3 5 4 0 1 0 0 0 0 0 0 0 0
HardSwish 2 3 5 4 0 1 0 0 0 0 0 0 0 0
Silu 2 3 5 4 0 1 0 0 0 0 0 0 0 0
MaxPool 2 5 7 8 0 1 3 3 2 1 1 1 1 1
AveragePool 2 5 7 8 0 1 3 3 2 1 1 1 1 1
GlobalAveragePool 2 5 4 3 0 1 0 0 0 0 0 0 0 0
"""


def values(stream, *shape):
    """Distinct numbers in (-5, 5), exact in float32."""
    count = 1
    for extent in shape:
        count *= extent
    numbers = (torch.arange(count, dtype=torch.int64) * 7919 + stream * 1009) % 10007 - 5003
    return (numbers.double() / 1024).reshape(shape).requires_grad_()


def play(kind, x, weights, bias, group, kernel, stride, dilation, pads):
    top, left, bottom, right = pads
    simple = {
        "Relu": functional.relu,
        "Sigmoid": torch.sigmoid,
        "HardSwish": functional.hardswish,
        "Silu": functional.silu,
        "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    }
    if kind in simple:
        return simple[kind](x)
    if kind == "Linear":
        return functional.linear(x, weights, bias)
    if kind == "MaxPool":
        return functional.max_pool2d(x, kernel, stride, top)
    if kind == "AveragePool":
        return functional.avg_pool2d(x, kernel, stride, top, count_include_pad=False)
    return functional.conv2d(functional.pad(x, (left, right, top, bottom)), weights, bias, stride, 0, dilation, group)


def write(case):
    kind, *numbers = case.split()
    images, channels, h, w, outputs, group, kh, kw, stride, dilation, *pads = map(int, numbers)
    inputs = [values(0, images, channels, h, w) if h else values(0, images, channels)]
    if outputs:
        inputs.append(values(1, outputs, channels // group, kh, kw) if kh else values(1, outputs, channels))
        inputs.append(values(2, outputs))
    out = play(kind, inputs[0], *(inputs[1:] or (None, None)), group, (kh, kw), stride, dilation, pads)
    (out * values(3, *out.shape).detach()).sum().backward()
    print(case)
    for tensor in inputs:
        print(" ".join(f"{x:.6g}" for x in tensor.grad.flatten().tolist()))


for line in CASES.split("\n"):
    if line:
        write(line)
