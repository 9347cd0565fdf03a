"""The float accuracy of a real model equals that of an independent implementation to within one image. Usage: float_accuracy.py resnet20"""

import harness as h


def test(arguments):
    name, = arguments
    images, count = h.test_images(name)
    top1 = h.evaluate(h.ASSETS / "models" / f"{h.MODEL[name]}.onnx", name, h.ASSETS / images)
    print(f"{name}: float top-1 {top1:.4f}, elsewhere {h.FLOAT_TOP1[name]:.4f}")
    h.require(abs(top1 - h.FLOAT_TOP1[name]) <= 1.001 / count, f"float top-1 {top1} is not {h.FLOAT_TOP1[name]} to one image")


h.main(test)
