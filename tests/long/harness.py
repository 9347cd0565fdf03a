"""What the long tests share: running the program on the real models, reading its metrics, comparing run directories byte by byte.

Only the standard library is used. The environment names the program (UWC_PROGRAM), the assets (UWC_ASSETS) and a scratch folder (UWC_SCRATCH).
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("UWC_PROGRAM", ROOT / "build/release/uwc"))
ASSETS = Path(os.environ.get("UWC_ASSETS") or ROOT.parent / "shared").resolve()
SCRATCH = Path(os.environ.get("UWC_SCRATCH", ROOT / "build/long"))

# Float top-1 on the test images, by an independent implementation, and what the tests ask of a configuration besides.
FLOAT_TOP1 = {"resnet20": 0.9162, "resnet32": 0.9246, "resnet8": 0.8766, "mobilenetv2": 0.79}
MODEL = {"resnet20": "cifar10_resnet20", "resnet32": "cifar10_resnet32", "resnet8": "cifar10_resnet8_mlperf", "mobilenetv2": "imagenet_mobilenetv2"}

SHORT = {"reconstruct_adapt.steps": 24}  # where bytes are compared and nobody asks how good they are


def test_images(config):
    """The labelled images of a configuration, and how many they are."""
    return ("datasets/imagenet_val600", 600) if config == "mobilenetv2" else ("datasets/cifar10_test5000.h5", 5000)


class Failure(Exception):
    """A test that did not see what it asks for."""


def require(condition, text):
    if not condition:
        raise Failure(text)


def main(test):
    """Runs test(arguments); status 1 and one line where it fails."""
    os.environ["UWC_ASSETS"] = str(ASSETS)
    for path in (PROGRAM, ASSETS / "models", ASSETS / "datasets"):
        if not path.exists():
            sys.exit(f"{path} is missing (UWC_PROGRAM, UWC_ASSETS)")
    try:
        test(sys.argv[1:])
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")


def settings(weight_bits=None, activation_bits=None, **more):
    """Arguments of `uwc run`: settings(4, 32, reconstruct_input="float") gives --set reconstruct.input=float and so on."""
    values = {"quantize.weight_bits": weight_bits, "quantize.activation_bits": activation_bits}
    values.update((key.replace("_", ".", 1), value) for key, value in more.items())
    return [text for key, value in values.items() if value is not None for text in ("--set", f"{key}={value}")]


def fresh(name):
    """An empty folder SCRATCH/name."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def command(config, folder, ranks, arguments):
    launch = ["mpirun", "-n", str(ranks)] if ranks else []
    return launch + [str(PROGRAM), "run", str(ROOT / "configs" / f"{config}.yaml"), "-o", str(folder), "-q"] + list(arguments)


def spoken(words):
    return " ".join(os.path.relpath(word, ROOT) if word.startswith("/") else word for word in words)


def run(config, folder, arguments=(), ranks=1):
    """Runs a configuration to its end in `folder`, drops its cache; gives metrics.json. ranks = 0: without mpirun."""
    words = command(config, folder, ranks, arguments)
    print("$", spoken(words), flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(done.returncode == 0, f"status {done.returncode} of {spoken(words)}\n{done.stdout}")
    shutil.rmtree(Path(folder) / "cache", ignore_errors=True)
    return json.loads((Path(folder) / "metrics.json").read_text())


def processes_under(pid):
    """`pid` and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    family = [pid]
    for member in family:
        family.extend(children.get(member, []))
    return family


def progress(folder):
    """How far a run is, whatever the speed of the machine: files of its folder, published or not; a unit counts as much as its activations."""
    return sum((16 if Path(where).name == "units" else 1) * len(files) for where, _, files in os.walk(folder))


def run_and_kill(config, folder, arguments, ranks, moment, pause):
    """Starts a run and kills mpirun and all ranks with SIGKILL `pause` seconds after its progress is `moment`. False if it ended before."""
    words = command(config, folder, ranks, arguments)
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while child.poll() is None and progress(folder) < moment:
        time.sleep(0.002)
    try:
        output, _ = child.communicate(timeout=pause)
    except subprocess.TimeoutExpired:
        for pid in processes_under(child.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        child.communicate()
        return True
    require(child.returncode == 0, f"status {child.returncode} of {spoken(words)}\n{output}")
    return False


def pack(folder, file, arguments=()):
    """Packs a folder of images into an HDF5 file."""
    words = [str(PROGRAM), "pack", str(folder), "-o", str(file), "-q"] + list(arguments)
    print("$", spoken(words), flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(done.returncode == 0, f"status {done.returncode} of {spoken(words)}\n{done.stdout}")


def evaluate(model, config, data):
    """Top-1 of an ONNX file on a data set, by `uwc evaluate` with the preprocessing of a configuration."""
    words = [str(PROGRAM), "evaluate", str(model), "--config", str(ROOT / f"configs/{config}.yaml"), "--data", str(data), "--json"]
    print("$", spoken(words), flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    require(done.returncode == 0, f"status {done.returncode} of {spoken(words)}\n{done.stderr}")
    return json.loads(done.stdout)["top1"]


def preprocess_values(config):
    """scale, mean, std of a configuration's images."""
    if config == "mobilenetv2":
        return 0.00784313725490196, [1.0] * 3, [1.0] * 3
    if config == "resnet8":
        return 1.0, [0.0] * 3, [1.0] * 3
    return 0.00392156862745098, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def digests(folder):
    """SHA-256 of every file that must be the same at any number of ranks."""
    folder = Path(folder)
    files = sorted(folder.glob("units/*.h5")) + [folder / "model.onnx"]
    require(len(files) > 1, f"{folder} has no units")
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def require_same(reference, folder, what):
    """The run in `folder` wrote the bytes of `reference` (from digests)."""
    found = digests(folder)
    differ = sorted(name for name in reference.keys() | found.keys() if reference.get(name) != found.get(name))
    require(not differ, f"{what}: other bytes in {', '.join(differ)}")
