"""One to four ranks and both transports write the same bytes. Usage: ranks.py prefix|float|segments"""

import harness as h


def test(arguments):
    source, = arguments
    more = {"reconstruct_segments": 3} if source == "segments" else {}
    reference = None
    for transport in ("shared", "message"):
        for ranks in (1, 2, 3, 4):
            folder = h.fresh(f"ranks-{source}-{transport}-{ranks}")
            chosen = h.settings(3, 4, data_samples=256, data_evaluation="", reconstruct_input=source, run_transport=transport, **h.SHORT, **more)
            h.run("resnet20", folder, chosen, ranks)
            reference = reference or h.digests(folder)
            h.require_same(reference, folder, f"{ranks} ranks, {transport}")
    print(f"{len(reference)} files are the same in eight runs")


h.main(test)
