"""Writes gradient/unit.f32: gradients of a small unit by PyTorch, which test_gradient.c compares with ours.

y = conv(q(relu(conv(q(x))))) + x, where q is a fake quantization with a learned step and zero point (straight through rounding alone).
"""
import pathlib

import torch
import torch.nn.functional as F

SHAPES = {"x": (3, 4, 6, 6), "a.weight": (5, 4, 3, 3), "a.bias": (5,), "b.weight": (4, 5, 3, 3), "b.bias": (4,)}
STEPS = {"x": (0.21, 7.0), "r": (0.17, 0.0)}


def quantize(x, scale, zero, levels=16):
    real = x / scale
    level = real + (real.round() - real).detach()
    q = level + zero
    q = torch.where(q < 0, torch.zeros_like(q), torch.where(q > levels - 1, torch.full_like(q, levels - 1), q))
    return scale * (q - zero)


def main():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    tensor = {name: torch.randn(shape).float().double() for name, shape in SHAPES.items()}
    for name in ("a.weight", "b.weight"):
        tensor[name] = (tensor[name] / 4).float().double()
    step = {f"{name}.{k}": torch.tensor(v).float().double() for name, pair in STEPS.items() for k, v in zip(("scale", "zero"), pair)}
    for each in (*tensor.values(), *step.values()):
        each.requires_grad_()
    x = tensor["x"]
    r = F.relu(F.conv2d(quantize(x, step["x.scale"], step["x.zero"]), tensor["a.weight"], tensor["a.bias"], padding=1))
    y = F.conv2d(quantize(r, step["r.scale"], step["r.zero"]), tensor["b.weight"], tensor["b.bias"], padding=1) + x
    grad = torch.randn_like(y).float().double()
    y.backward(grad)
    parts = [*tensor.values(), *step.values(), grad, y] + [each.grad for each in (*tensor.values(), *step.values())]
    out = pathlib.Path(__file__).parent / "gradient" / "unit.f32"
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(torch.cat([part.detach().flatten() for part in parts]).float().numpy().astype("<f4").tobytes())


main()
