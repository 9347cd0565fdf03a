"""What the tables of docs/results.md share: runs that are measured once and kept, cells, rows, the marked parts of the page."""

import json
import os
import platform
import sys
from pathlib import Path

import harness as h

PAGE = h.ROOT / "docs/results.md"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def place(network, chosen):
    """Where the metrics of a run are kept."""
    return h.SCRATCH / "results" / ("-".join([network, *chosen[1::2]]) + ".json")


def measure(network, weight_bits, activation_bits, chosen, kept_only=False):
    """metrics.json of a run, which is kept; the rest of its folder is not. With kept_only None where there is none yet."""
    chosen = h.settings(weight_bits, activation_bits, **chosen)
    kept = place(network, chosen)
    if not kept.exists():
        if kept_only:
            print(f"not measured yet: {kept}", file=sys.stderr)
            return None
        metrics = h.run(network, h.fresh(f"results-{os.getpid()}"), chosen)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(metrics))
    return json.loads(kept.read_text())


def spread(values, digits):
    """The mean, and half the distance between the ends where there are several."""
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {(max(values) - min(values)) / 2:.{digits}f}"


def cell(runs):
    """Top-1 in %, error of the logits, cost: of one run, or of several that differ in their seed."""
    if not runs:
        return "–"
    top1, nmse, cost = ([of(run) for run in runs] for of in (
        lambda run: 100 * run["quantized"]["top1"], lambda run: run["logit_nmse"], lambda run: run["cost_forward_passes"]))
    return f"{spread(top1, 2)} / {spread(nmse, 4)} / {sum(cost) / len(cost):.1f}"


def rows(header, lines):
    return "\n".join([f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *(f"| {' | '.join(line)} |" for line in lines), ""])


def write(script, parts):
    """Writes the marked part of `script` anew; the rest of the page stays as it is."""
    begin, end = (f"<!-- {word}: written by tests/long/{script} -->" for word in ("begin", "end"))
    before, found, rest = PAGE.read_text().partition(begin)
    h.require(found and end in rest, f"{PAGE} has no marked part of {script}")
    PAGE.write_text(before + "\n".join([begin, *parts, end]) + rest.partition(end)[2])
