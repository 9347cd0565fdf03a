"""One row of the accuracy table: ResNet-20, `input: prefix`, second order. Usage: accuracy.py W4A4

The thresholds leave room below what the method reached when it was designed; float accuracy must agree to within one image. ONNX Runtime
must give the class that `uwc evaluate` gives on at least 99.9 % of the images.
"""

import re
import subprocess
import sys

import harness as h

THRESHOLDS = {  # setting: least top-1, largest logit NMSE
    "W8A8": (0.9145, 0.0010),
    "W4A32": (0.911, 0.0034),
    "W4A4": (0.905, 0.0200),
    "W3A3": (0.892, 0.0570),
    "W2A4": (0.882, 0.0730),
}
COST_ALARM = 60.0  # forward passes; the aim is 20, the number is reported, machines under load vary


def check_onnx_runtime(folder, config):
    """The labels of a copy of the test images become ONNX Runtime's answers: the accuracy of `uwc evaluate` on it is the agreement."""
    relabelled = folder / "onnxruntime.h5"
    scale, mean, std = h.preprocess_values(config)
    values = [repr(value) for value in (scale, *mean, *std)]
    images = h.ASSETS / "datasets/cifar10_test5000.h5"
    subprocess.run([sys.executable, h.ROOT / "tests/check/relabel.py", folder / "model.onnx", images, relabelled, *values], check=True)
    agreement = h.evaluate(folder / "model.onnx", config, relabelled)
    print(f"agreement with ONNX Runtime {agreement:.4f}")
    h.require(agreement >= 0.999, f"ONNX Runtime agrees on {agreement:.4f} of the images, not 0.999")


def test(arguments):
    setting, = arguments
    weight_bits, activation_bits = re.fullmatch(r"W(\d+)A(\d+)", setting).groups()
    least, most = THRESHOLDS[setting]
    folder = h.fresh(f"accuracy-{setting}")
    metrics = h.run("resnet20", folder, h.settings(weight_bits, activation_bits))
    top1, nmse, cost = metrics["quantized"]["top1"], metrics["logit_nmse"], metrics["cost_forward_passes"]
    print(f"{setting}: top-1 {top1:.4f} (at least {least}), logit NMSE {nmse:.5f} (at most {most}), {cost:.1f} forward passes")
    h.require(metrics["images"] == h.TEST_IMAGES, f"{metrics['images']} test images, not {h.TEST_IMAGES}")
    off = abs(metrics["float"]["top1"] - h.FLOAT_TOP1["resnet20"])
    h.require(off <= 1.001 / h.TEST_IMAGES, f"float top-1 {metrics['float']['top1']} is not {h.FLOAT_TOP1['resnet20']} to one image")
    h.require(top1 >= least, f"top-1 {top1} is below {least}")
    h.require(nmse <= most, f"logit NMSE {nmse} is above {most}")
    h.require(cost <= COST_ALARM, f"{cost:.1f} forward passes are above {COST_ALARM}")
    again = h.evaluate(folder / "model.onnx", "resnet20", h.ASSETS / "datasets/cifar10_test5000.h5")
    h.require(again == top1, f"`uwc evaluate` says {again}, the run said {top1}")
    check_onnx_runtime(folder, "resnet20")


h.main(test)
