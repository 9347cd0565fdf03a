"""One row of the accuracy tables: `input: prefix`, second order. Usage: accuracy.py resnet20 W4A4

The thresholds leave room below what the method reaches; float accuracy must agree to within one image. ONNX Runtime must give the class that
`uwc evaluate` gives on at least 99.9 % of the images (all but two of few): sums of few-bit levels are exact. Sums of 8-bit levels are not
always, and in a deep network one last digit grows: at W8A8 MobileNetV2 must agree on 98 %, and the accuracy to one point.
"""

import re
import subprocess
import sys

import harness as h

THRESHOLDS = {  # setting: least top-1, largest logit NMSE
    "resnet20": {
        "W8A8": (0.9145, 0.0010),
        "W4A32": (0.911, 0.0034),
        "W4A4": (0.9102, 0.0200),
        "W3A3": (0.9002, 0.0570),
        "W2A4": (0.8942, 0.0730),
    },
    "mobilenetv2": {
        "W8A8": (0.784, 0.02),
        "W4A32": (0.782, 0.155),
        "W4A8": (0.780, 0.165),
        "W3A32": (0.750, 0.40),
        "W3A8": (0.755, 0.43),
        "W4A4": (0.760, 0.48),
    },
}
COST_ALARM = {"resnet20": 100.0, "mobilenetv2": 150.0}  # forward passes; the number is reported, machines under load vary


def check_onnx_runtime(folder, config, setting, top1):
    """The labels of a copy of the test images become ONNX Runtime's answers: the accuracy of `uwc evaluate` on it is the agreement."""
    relabelled = folder / "onnxruntime.h5"
    scale, mean, std = h.preprocess_values(config)
    values = [repr(value) for value in (scale, *mean, *std)]
    name, count = h.test_images(config)
    images = h.ASSETS / name
    if images.is_dir():
        h.pack(images, folder / "images.h5", ["-c", str(h.ROOT / f"configs/{config}.yaml")])
        images = folder / "images.h5"
    words = [sys.executable, h.ROOT / "tests/check/relabel.py", folder / "model.onnx", images, relabelled, *values]
    theirs = float(re.search(r"top-1 ([0-9.]+)", subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)[1])
    agreement = h.evaluate(folder / "model.onnx", config, relabelled)
    least = 0.98 if (config, setting) == ("mobilenetv2", "W8A8") else min(0.999, 1 - 2.001 / count)
    print(f"agreement with ONNX Runtime {agreement:.4f}, its top-1 {theirs:.4f}")
    h.require(abs(theirs - top1) <= 0.01, f"ONNX Runtime has a top-1 of {theirs}, `uwc evaluate` of {top1}")
    h.require(agreement >= least, f"ONNX Runtime agrees on {agreement:.4f} of the images, not {least}")


def test(arguments):
    config, setting = arguments
    weight_bits, activation_bits = re.fullmatch(r"W(\d+)A(\d+)", setting).groups()
    least, most = THRESHOLDS[config][setting]
    data, count = h.test_images(config)
    folder = h.fresh(f"accuracy-{config}-{setting}")
    metrics = h.run(config, folder, h.settings(weight_bits, activation_bits))
    top1, nmse, cost = metrics["quantized"]["top1"], metrics["logit_nmse"], metrics["cost_forward_passes"]
    print(f"{setting}: top-1 {top1:.4f} (at least {least}), logit NMSE {nmse:.5f} (at most {most}), {cost:.1f} forward passes")
    h.require(metrics["images"] == count, f"{metrics['images']} test images, not {count}")
    off = abs(metrics["float"]["top1"] - h.FLOAT_TOP1[config])
    h.require(off <= 1.001 / count, f"float top-1 {metrics['float']['top1']} is not {h.FLOAT_TOP1[config]} to one image")
    h.require(top1 >= least - 1e-9, f"top-1 {top1} is below {least}")
    h.require(nmse <= most, f"logit NMSE {nmse} is above {most}")
    alarm = COST_ALARM[config]
    h.require(cost <= alarm, f"{cost:.1f} forward passes are above {alarm}")
    peak = metrics["peak_rss_bytes"]
    print(f"peak memory {peak >> 20} MiB")
    h.require(peak < 1 << 30, f"{peak} bytes of memory")
    again = h.evaluate(folder / "model.onnx", config, h.ASSETS / data)
    h.require(again == top1, f"`uwc evaluate` says {again}, the run said {top1}")
    check_onnx_runtime(folder, config, setting, top1)


h.main(test)
