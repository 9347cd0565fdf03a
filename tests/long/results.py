"""Measures what docs/results.md shows and writes its generated part anew.

Usage: tests/long/run.sh results.py [steps | methods ARGUMENT...]
One rank, one thread, everything else as in configs/NETWORK.yaml. Text outside the marked part of the page stays as it is. What an earlier call
has measured, in the folder results of UWC_SCRATCH, is not measured again. `steps`: measures the steps alone and writes no page.
`methods`: the comparison of methods, see results_methods.py.
"""

import harness as h
import results_methods
import results_page as page

CIFAR, IMAGENET = [(8, 8), (4, 32), (4, 4), (3, 3), (2, 4)], [(8, 8), (4, 32), (4, 8), (3, 32), (3, 8), (4, 4)]
NETWORKS = {  # title, settings, columns
    "mobilenetv2": ("MobileNetV2 on ImageNet, asymmetric weights", IMAGENET, 2),
    "resnet20": ("ResNet-20", CIFAR, 3),
    "resnet32": ("ResNet-32", CIFAR, 2),
    "resnet8": ("resnet8", CIFAR, 2),
}
METHODS = {  # column: settings
    "nearest": {"reconstruct_method": "nearest"},
    "second-order, `input: prefix`": {},
    "second-order, `input: float`": {"reconstruct_input": "float"},
}
STEPS = {  # what is left out or put in: settings
    "as it is": {},
    "not adapted (`reconstruct.adapt=off`)": {"reconstruct_adapt": "off"},
    "ridge 0.01 for all layers (`reconstruct.ridge=0.01`)": {"reconstruct_ridge": 0.01},
    "no equalisation (`reconstruct.equalise=none`)": {"reconstruct_equalise": "none"},
    "layer targets (`reconstruct.target=layer`)": {"reconstruct_target": "layer"},
    "float16 cache (`run.cache=float16`)": {"run_cache": "float16"},
    "symmetric weights (`quantize.weights=symmetric`)": {"quantize_weights": "symmetric"},
}
STEP_SETTINGS = [(3, 8), (4, 4)]  # of MobileNetV2


def cell(network, weight_bits, activation_bits, chosen):
    metrics = page.measure(network, weight_bits, activation_bits, chosen)
    return page.cell([metrics]), metrics["float"]["top1"]


def table(network):
    title, settings, columns = NETWORKS[network]
    methods = dict(list(METHODS.items())[:columns])
    lines, float_top1 = [], 0.0
    for weight_bits, activation_bits in settings:
        cells = []
        for chosen in methods.values():
            text, float_top1 = cell(network, weight_bits, activation_bits, chosen)
            cells.append(text)
        lines.append([f"W{weight_bits}A{activation_bits}", *cells])
    return f"### {title}: float top-1 {100 * float_top1:.2f} %\n\n" + page.rows(["setting", *methods], lines)


def steps():
    lines = [[name, *(cell("mobilenetv2", *bits, chosen)[0] for bits in STEP_SETTINGS)] for name, chosen in STEPS.items()]
    return "### What each step brings: MobileNetV2\n\n" + page.rows(["", *(f"W{w}A{a}" for w, a in STEP_SETTINGS)], lines)


def test(arguments):
    if arguments[:1] == ["methods"]:
        results_methods.test(arguments[1:])
        return
    if arguments == ["steps"]:
        print(steps())
        return
    about = (
        "Each cell: top-1 in % / `logit_nmse` / cost in float forward passes over the calibration images (`cost_forward_passes`). "
        "CIFAR-10: calibrated on 1,024 images, tested on 5,000; ImageNet: calibrated on 640, tested on 600, a subset easier than the full "
        f"validation set. One rank, one thread, {page.processor()}.\n\n"
        "```\n"
        "mpirun -n 1 build/release/uwc run configs/NETWORK.yaml -o DIR --set quantize.weight_bits=W --set quantize.activation_bits=A\n"
        "```\n\nwith `--set reconstruct.method=nearest` for the first column and `--set reconstruct.input=float` for the last.\n"
    )
    page.write("results.py", [about, *(table(network) for network in NETWORKS), steps()])


h.main(test)
