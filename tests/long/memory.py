"""Peak resident memory: below what the plan says and not far below it; the same from 256 and 4,096 images. Usage: memory.py estimate|growth

memory.py estimate    whole runs of the quickstart, ResNet-20 and MobileNetV2 beside the estimate in plan.json
memory.py growth      ResNet-20, whole, and MobileNetV2 up to the end of the units with the largest activations, from 256 and from 4,096 images
"""

import json
import os
import shutil
import signal
import subprocess
import time

from harness import ASSETS, command, fresh, main, require, run, settings, spoken

MIB = 1 << 20
UNITS = 2  # of MobileNetV2: those with the largest activations


def estimates(folder):
    """Bytes by phase, from plan.json."""
    return json.loads((folder / "plan.json").read_text())["memory_bytes"]


def estimate():
    for config, more in (("quickstart", []), ("resnet20", []), ("mobilenetv2", settings(data_samples=64))):
        folder = fresh(f"memory/{config}")
        peak = run(config, folder, more)["peak_rss_bytes"]
        bound = max(estimates(folder).values())
        print(f"{config}: peak {peak / MIB:.0f} MiB, estimated {bound / MIB:.0f} MiB", flush=True)
        require(peak <= bound, f"{config}: {peak} bytes, {bound} were estimated")
        require(bound <= 1.5 * peak, f"{config}: {bound} bytes estimated for {peak}")


def events(folder, kind):
    """How many events of a kind the journal has."""
    path = folder / "journal.jsonl"
    return path.read_text().count(f'"event": "{kind}"') if path.exists() else 0


def peak_until(config, folder, arguments, units):
    """Peak of a run that is interrupted when so many units are done."""
    words = command(config, folder, 0, arguments)
    print("$", spoken(words), f"# until {units} units are done", flush=True)
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    while events(folder, "unit") < units:
        time.sleep(0.2)
        ended, status, _ = os.wait4(child.pid, os.WNOHANG)
        require(ended == 0, f"{config} ended early with status {os.waitstatus_to_exitcode(status)}")
    child.send_signal(signal.SIGINT)
    _, status, usage = os.wait4(child.pid, 0)
    require(os.waitstatus_to_exitcode(status) == 3, f"status {os.waitstatus_to_exitcode(status)} of an interrupted run")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return usage.ru_maxrss << 10


def repeated_images(count):
    """A folder with the 640 calibration images over and over, as links."""
    folder = fresh("memory/images")
    images = sorted(path for path in (ASSETS / "datasets/imagenet_calib640").iterdir() if path.suffix == ".JPEG")
    for i in range(count):
        (folder / f"{i:05d}.jpg").symlink_to(images[i % len(images)])
    return folder


def compare(name, few, many):
    print(f"{name}: peak {few / MIB:.1f} MiB from 256 images, {many / MIB:.1f} MiB from 4,096: {100 * (many / few - 1):+.1f} %", flush=True)
    require(many < 1.05 * few, f"{name}: memory grows by {100 * (many / few - 1):.1f} % from 256 to 4,096 images")
    require(many < 1 << 30, f"{name}: {many} bytes")


def growth():
    data = ASSETS / "datasets/cifar10_test5000.h5"
    peaks = [run("resnet20", fresh(f"memory/r{n}"), settings(data_calibration=data, data_samples=n, data_evaluation=""))["peak_rss_bytes"] for n in (256, 4096)]
    compare("ResNet-20", *peaks)
    images = repeated_images(4096)
    more = settings(data_calibration=images, run_cache="float16")
    peaks = [peak_until("mobilenetv2", fresh("memory/part"), more + settings(data_samples=n), UNITS) for n in (256, 4096)]
    compare(f"MobileNetV2, capture and {UNITS} units", *peaks)


main(lambda words: {"estimate": estimate, "growth": growth}[words[0]]())
