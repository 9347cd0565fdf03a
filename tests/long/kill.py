"""Runs that are killed at random moments and resumed end in the bytes of an undisturbed run. Usage: kill.py prefix|float

Ten runs are killed once, one run is killed again and again. UWC_SEED (default 0) chooses the moments.
"""

import os
import random

import harness as h

RANKS = 3


def test(arguments):
    source, = arguments
    moments = random.Random(int(os.environ.get("UWC_SEED", "0")))
    chosen = h.settings(3, 4, data_samples=256, data_evaluation="", reconstruct_input=source)
    whole = h.fresh(f"kill-{source}-whole")
    watch = h.Stopwatch()
    h.run("resnet20", whole, chosen, RANKS)
    duration = watch.seconds()
    reference = h.digests(whole)

    killed = 0
    for attempt in range(10):
        folder = h.fresh(f"kill-{source}-{attempt}")
        moment = moments.uniform(0, duration)
        killed += h.run_and_kill("resnet20", folder, chosen, RANKS, moment)
        h.run("resnet20", folder, [*chosen, "--resume"], RANKS)
        h.require_same(reference, folder, f"killed after {moment:.2f} s of {duration:.2f} s")
    h.require(killed >= 7, f"only {killed} of ten runs were still alive when they were to be killed")

    folder = h.fresh(f"kill-{source}-again")
    times = 0
    while times < 10 and h.run_and_kill("resnet20", folder, [*chosen, "--resume"], RANKS, moments.uniform(0.2, 0.6) * duration):
        times += 1
    h.run("resnet20", folder, [*chosen, "--resume"], RANKS)
    h.require_same(reference, folder, f"killed {times} times")
    print(f"{killed} runs killed once and one killed {times} times ended in the same {len(reference)} files")


h.main(test)
