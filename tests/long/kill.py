"""Runs that are killed at random moments and resumed end in the bytes of an undisturbed run. Usage: kill.py prefix|float

Ten runs are killed once, one run is killed again and again. UWC_SEED (default 0) chooses the moments.
"""

import os
import random

import harness as h

RANKS = 3
PAUSE = 0.05  # seconds after the chosen moment, at most: kills fall between and into steps


def test(arguments):
    source, = arguments
    moments = random.Random(int(os.environ.get("UWC_SEED", "0")))
    chosen = h.settings(3, 4, data_samples=256, data_evaluation="", reconstruct_input=source, **h.SHORT)
    whole = h.fresh(f"kill-{source}-whole")
    h.run("resnet20", whole, chosen, RANKS)
    end = h.progress(whole)
    reference = h.digests(whole)

    killed = 0
    for attempt in range(10):
        folder = h.fresh(f"kill-{source}-{attempt}")
        moment = moments.randrange(end)
        killed += h.run_and_kill("resnet20", folder, chosen, RANKS, moment, moments.uniform(0, PAUSE))
        h.run("resnet20", folder, [*chosen, "--resume"], RANKS)
        h.require_same(reference, folder, f"killed at {moment} of {end}")
    h.require(killed >= 7, f"only {killed} of ten runs were still alive when they were to be killed")

    folder = h.fresh(f"kill-{source}-again")
    times = 0
    while times < 10 and h.run_and_kill("resnet20", folder, [*chosen, "--resume"], RANKS,
                                        h.progress(folder) + moments.randrange(end // 12), moments.uniform(0, PAUSE)):
        times += 1
    h.run("resnet20", folder, [*chosen, "--resume"], RANKS)
    h.require_same(reference, folder, f"killed {times} times")
    print(f"{killed} runs killed once and one killed {times} times ended in the same {len(reference)} files")


h.main(test)
