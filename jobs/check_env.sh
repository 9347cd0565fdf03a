#!/bin/sh
# Prints the path of a Python with numpy, onnx, onnxruntime, h5py and Pillow, for the checks against ONNX Runtime and Pillow; the product
# never uses it.
# UWC_CHECK_PYTHON names one that is there already, else a virtual environment is made once in build/venv.
set -eu
cd "$(dirname "$0")/.."
python=${UWC_CHECK_PYTHON:-$PWD/build/venv/bin/python}
is_complete() { [ -x "$python" ] && "$python" -c 'import PIL, h5py, numpy, onnx, onnxruntime' 2>/dev/null; }
if ! is_complete; then
    if [ "${UWC_CHECK_PYTHON:-}" ]; then
        echo "jobs/check_env.sh: $python (UWC_CHECK_PYTHON) lacks one of numpy, onnx, onnxruntime, h5py, pillow" >&2
        exit 2
    fi
    {
        python3 -m venv build/venv
        build/venv/bin/pip install --quiet --disable-pip-version-check numpy onnx onnxruntime h5py pillow
    } >&2 </dev/null
    is_complete
fi
echo "$python"
