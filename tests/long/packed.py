"""MobileNetV2 from a folder of JPEG files and from the HDF5 files packed from it: the same bytes, the same figures. Then with damaged copies of
images among them, left out: again the same.
"""

import shutil

import harness as h

SAMPLES, TESTED = 24, 32
FIGURES = ("images", "float", "quantized", "agreement", "logit_nmse")


def subset(name, source, count):
    """The first images of a labelled folder."""
    folder = h.fresh(f"packed/{name}")
    lines = (source / "labels.txt").read_text().splitlines()[:count]
    for line in lines:
        shutil.copy(source / line.rpartition(" ")[0], folder)
    (folder / "labels.txt").write_text("\n".join(lines) + "\n")
    return folder


def damage(folder, name):
    """A copy of the folder with a truncated, an empty and a foreign file before, among and behind its images."""
    copy = folder.with_name(name)
    shutil.copytree(folder, copy)
    lines = (copy / "labels.txt").read_text().splitlines()
    whole = (copy / lines[0].rpartition(" ")[0]).read_bytes()
    (copy / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (copy / "empty.jpg").write_bytes(b"")
    (copy / "foreign.jpg").write_text("a text that was renamed")
    lines = ["empty.jpg 0"] + lines[:9] + ["truncated.jpg 0"] + lines[9:] + ["foreign.jpg 0"]
    (copy / "labels.txt").write_text("\n".join(lines) + "\n")
    return copy


def figures(metrics):
    units = [(unit["name"], unit["nmse_before"], unit["nmse_after"]) for unit in metrics["units"]]
    return {key: metrics[key] for key in FIGURES}, metrics["bytes"], units


def test(_):
    h.fresh("packed")
    calibration = subset("calibration", h.ASSETS / "datasets/imagenet_calib640", SAMPLES)
    evaluation = subset("evaluation", h.ASSETS / "datasets/imagenet_val600", TESTED)

    def run(name, first, second, ranks=1, **more):
        folder = h.fresh(f"packed/{name}")
        images = h.settings(data_calibration=first, data_evaluation=second, data_samples=SAMPLES, **more)
        return folder, h.run("mobilenetv2", folder, images, ranks)

    reference, metrics = run("folder", calibration, evaluation)
    h.require(metrics["images"] == TESTED and metrics["bad_images"] == {"calibration": 0, "evaluation": 0}, "other images")
    for folder in (calibration, evaluation):
        h.pack(folder, folder.with_suffix(".h5"), ["-c", str(h.ROOT / "configs/mobilenetv2.yaml")])
    packed, again = run("file", calibration.with_suffix(".h5"), evaluation.with_suffix(".h5"))
    h.require_same(h.digests(reference), packed, "from packed files")
    h.require(figures(again) == figures(metrics), f"from packed files: {figures(again)}, from folders: {figures(metrics)}")

    damaged = damage(calibration, "damaged-calibration"), damage(evaluation, "damaged-evaluation")
    left_out, again = run("left-out", *damaged, ranks=3, data_on_bad_image="skip")
    h.require_same(h.digests(reference), left_out, "damaged images left out, three ranks")
    h.require(figures(again) == figures(metrics), f"damaged images left out: {figures(again)}, without them: {figures(metrics)}")
    h.require(again["bad_images"] == {"calibration": 2, "evaluation": 3}, f"left out: {again['bad_images']}")
    print(f"the same bytes three times; top-1 {metrics['quantized']['top1']:.4f} on {TESTED} images")


h.main(test)
