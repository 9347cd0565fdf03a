"""How much faster two workers solve than one, with `input: float`: reported, not asserted (the machine may be busy). Same bytes, of course."""

import statistics

import harness as h

REPEATS = 3


def test(_):
    seconds = {2: [], 3: []}
    reference = None
    for repeat in range(REPEATS):
        for ranks, times in seconds.items():
            folder = h.fresh(f"speed-{ranks}-{repeat}")
            times.append(h.run("resnet20", folder, h.settings(4, 4, data_evaluation="", reconstruct_input="float"), ranks)["seconds"]["solve"])
            reference = reference or h.digests(folder)
            h.require_same(reference, folder, f"{ranks} ranks, repeat {repeat}")
    one, two = (statistics.median(seconds[ranks]) for ranks in (2, 3))
    print(f"solve: one worker {one:.2f} s, two workers {two:.2f} s, {one / two:.2f} times as fast (medians of {REPEATS})")


h.main(test)
