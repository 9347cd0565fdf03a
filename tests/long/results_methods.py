"""The comparison of methods in docs/results.md, a marked part of its own.

Usage: tests/long/run.sh results.py methods [--iterations N] [--kept-only]
--iterations: of the methods that learn, which run with three seeds. Without it: as many as cost about what adapting does, on MobileNetV2 a
fifth of that (published: 20,000, about 40 minutes a run on ResNet-20).
--kept-only: measures nothing; what has not been measured yet is a dash, and the file it is looked for in is named on stderr.
"""

import argparse
import json

import harness as h
import results_page as page

SETTINGS = [(4, 4), (3, 3), (2, 4), (4, 8), (3, 8)]
NETWORKS = {"resnet20": "ResNet-20", "resnet32": "ResNet-32", "mobilenetv2": "MobileNetV2, asymmetric weights"}
FIXED = {  # column: settings; nothing random
    "nearest": {"reconstruct_method": "nearest"},
    "second-order, layer targets": {"reconstruct_target": "layer", "reconstruct_adapt": "off"},
    "second-order": {"reconstruct_adapt": "off"},
}
ADAPTED, LEARNED, SEEDS = "adapt, second-order", ["adaround", "brecq", "qdrop"], [0, 1, 2]
PUBLISHED, TRIAL, HOUR = 20000, 30, 3600
ITERATIONS = {"resnet20": 300, "resnet32": 200, "mobilenetv2": 50}
LONG = {"resnet20": [(4, 4), (3, 3), (2, 4)], "mobilenetv2": [(4, 4), (3, 8)]}


def learned(method, iterations):
    return {"reconstruct_method": method, "reconstruct_iterations": iterations}


def seeded(chosen):
    return [{**chosen, **({"reconstruct_seed": seed} if seed else {})} for seed in SEEDS]


def adapts(weight_bits, activation_bits):
    """Other settings are solved in closed form, and have nothing random."""
    return weight_bits < 4 or activation_bits < 8


def cell(network, bits, choices, kept_only):
    runs = [run for run in (page.measure(network, *bits, chosen, kept_only) for chosen in choices) if run]
    note = "" if len(runs) in (0, len(choices)) else f" ({len(runs)} of {len(choices)} seeds)"
    return page.cell(runs) + note


def is_measured(line):
    return any(text != page.cell([]) for text in line[1:])


def table(network, iterations, kept_only):
    """Empty where nothing has been measured."""
    iterations = iterations or ITERATIONS[network]
    lines = []
    for bits in SETTINGS:
        cells = [cell(network, bits, [chosen], kept_only) for chosen in FIXED.values()]
        cells += [cell(network, bits, seeded({}) if adapts(*bits) else [{}], kept_only)]
        cells += [cell(network, bits, seeded(learned(method, iterations)), kept_only) for method in LEARNED]
        lines.append([f"W{bits[0]}A{bits[1]}", *cells])
    lines = [line for line in lines if is_measured(line)]
    title = f"### {NETWORKS[network]}: {iterations:,} iterations of the methods that learn\n\n"
    return title + page.rows(["setting", *FIXED, ADAPTED, *LEARNED], lines) if lines else ""


def is_long(network, run):
    """Published length; on MobileNetV2 about an hour."""
    return run["seconds"]["solve"] > HOUR / 2 if network == "mobilenetv2" else run["config"]["reconstruct"]["iterations"] >= PUBLISHED


def longest(network, bits):
    """The kept long run of qdrop, seed 0, with the most iterations; None where there is none."""
    found = []
    for file in (h.SCRATCH / "results").glob(f"{network}-*qdrop*.json"):
        run = json.loads(file.read_text())
        quantize, reconstruct = run["config"]["quantize"], run["config"]["reconstruct"]
        if (quantize["weight_bits"], quantize["activation_bits"], reconstruct["seed"]) == (*bits, 0) and is_long(network, run):
            found.append(run)
    return max(found, key=lambda run: run["config"]["reconstruct"]["iterations"], default=None)


def measure_long(network, bits):
    """Published length, or as much as fits into an hour, by the pace of a few iterations."""
    if longest(network, bits):
        return
    iterations = PUBLISHED
    if network == "mobilenetv2":
        trial = page.measure(network, *bits, learned("qdrop", TRIAL))
        iterations = min(PUBLISHED, round(HOUR * TRIAL / trial["seconds"]["solve"]))
    page.measure(network, *bits, learned("qdrop", iterations))


def long_row(network, bits, kept_only):
    if not kept_only:
        measure_long(network, bits)
    ours, theirs = page.measure(network, *bits, {}, kept_only), longest(network, bits)
    iterations = f"{theirs['config']['reconstruct']['iterations']:,}" if theirs else "–"
    ratio = f"{theirs['cost_forward_passes'] / ours['cost_forward_passes']:.0f}" if ours and theirs else "–"
    cells = [page.cell([run] if run else []) for run in (ours, theirs)]
    return [NETWORKS[network].partition(",")[0], f"W{bits[0]}A{bits[1]}", *cells, iterations, ratio]


def long_table(kept_only):
    lines = [long_row(network, bits, kept_only) for network, settings in LONG.items() for bits in settings]
    lines = [line for line in lines if is_measured(line[1:])]
    about = (
        "### Against qdrop at its published length\n\n"
        f"{PUBLISHED:,} iterations on ResNet-20, on MobileNetV2 as many as fit into an hour; seed 0. `--set reconstruct.method=qdrop --set "
        "reconstruct.iterations=N`. The last column: how many times the cost of adapting and second-order.\n\n"
    )
    return about + page.rows(["network", "setting", "adapt, second-order", "qdrop", "iterations", "times the cost"], lines)


def test(arguments):
    parser = argparse.ArgumentParser(prog="results.py methods")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--kept-only", action="store_true")
    asked = parser.parse_args(arguments)
    about = (
        f"Cells as above; adaround, brecq and qdrop with fewer iterations than published ({PUBLISHED:,}). What is random is the mean of the seeds 0, 1 and 2 ± "
        f"half the distance between the ends; –: not measured. One rank, one thread, {page.processor()}.\n\n"
        "```\n"
        "mpirun -n 1 build/release/uwc run configs/NETWORK.yaml -o DIR --set quantize.weight_bits=W --set quantize.activation_bits=A\n"
        "```\n\nwith, from left to right, `--set reconstruct.method=nearest`; `--set reconstruct.target=layer --set reconstruct.adapt=off`; "
        "`--set reconstruct.adapt=off`; `--set reconstruct.seed=SEED`; `--set reconstruct.method=adaround`, `brecq` or `qdrop` with "
        "`--set reconstruct.iterations=N --set reconstruct.seed=SEED`.\n"
    )
    tables = [table(network, asked.iterations, asked.kept_only) for network in NETWORKS]
    page.write("results_methods.py", [about, *filter(None, tables), long_table(asked.kept_only)])
