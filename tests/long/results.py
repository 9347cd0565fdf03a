"""Measures what docs/results.md shows and writes its generated part anew.

Usage: tests/long/run.sh results.py
One rank, one thread, everything else as in configs/NETWORK.yaml. Text outside the marked part of the page stays as it is.
"""

import platform
from pathlib import Path

import harness as h

NETWORKS = {"resnet20": "ResNet-20", "resnet32": "ResNet-32", "resnet8": "resnet8"}
SETTINGS = [(8, 8), (4, 32), (4, 4), (3, 3), (2, 4)]
METHODS = {  # column: settings
    "nearest": {"reconstruct_method": "nearest"},
    "second-order, `input: prefix`": {},
    "second-order, `input: float`": {"reconstruct_input": "float"},
}
PAGE = h.ROOT / "docs/results.md"
BEGIN, END = "<!-- begin: written by tests/long/results.py -->", "<!-- end: written by tests/long/results.py -->"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(network):
    lines = []
    float_top1 = 0.0
    for weight_bits, activation_bits in SETTINGS:
        cells = []
        for number, chosen in enumerate(METHODS.values()):
            folder = h.fresh(f"results-{network}-W{weight_bits}A{activation_bits}-{number}")
            metrics = h.run(network, folder, h.settings(weight_bits, activation_bits, **chosen))
            float_top1 = metrics["float"]["top1"]
            cells.append(f"{100 * metrics['quantized']['top1']:.2f} / {metrics['logit_nmse']:.4f} / {metrics['cost_forward_passes']:.1f}")
        lines.append(f"| W{weight_bits}A{activation_bits} | {' | '.join(cells)} |")
    head = f"### {NETWORKS[network]}: float top-1 {100 * float_top1:.2f} %"
    columns = f"| setting | {' | '.join(METHODS)} |\n|---|{'---|' * len(METHODS)}"
    return "\n".join([head, "", columns, *lines, ""])


def test(_):
    about = (
        "Each cell: top-1 in % / `logit_nmse` / cost in float forward passes over the calibration images (`cost_forward_passes`). "
        f"Calibrated on 1,024 images, tested on 5,000; one rank, one thread, {processor()}.\n\n"
        "```\n"
        "mpirun -n 1 build/release/uwc run configs/NETWORK.yaml -o DIR --set quantize.weight_bits=W --set quantize.activation_bits=A\n"
        "```\n\nwith `--set reconstruct.method=nearest` for the first column and `--set reconstruct.input=float` for the last.\n"
    )
    generated = "\n".join([BEGIN, about, *(table(network) for network in NETWORKS), END])
    before, found, rest = PAGE.read_text().partition(BEGIN)
    h.require(found and END in rest, f"{PAGE} has no marked part")
    PAGE.write_text(before + generated + rest.partition(END)[2])


h.main(test)
