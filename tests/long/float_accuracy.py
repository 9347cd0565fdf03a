"""The float accuracy of a real model equals that of an independent implementation to within one image. Usage: float_accuracy.py resnet20"""

import harness as h

MODEL = {"resnet20": "cifar10_resnet20", "resnet32": "cifar10_resnet32", "resnet8": "cifar10_resnet8_mlperf"}


def test(arguments):
    name, = arguments
    top1 = h.evaluate(h.ASSETS / "models" / f"{MODEL[name]}.onnx", name, h.ASSETS / "datasets/cifar10_test5000.h5")
    print(f"{name}: float top-1 {top1:.4f}, elsewhere {h.FLOAT_TOP1[name]:.4f}")
    h.require(abs(top1 - h.FLOAT_TOP1[name]) <= 1.001 / h.TEST_IMAGES, f"float top-1 {top1} is not {h.FLOAT_TOP1[name]} to one image")


h.main(test)
