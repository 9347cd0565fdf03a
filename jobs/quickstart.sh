#!/bin/sh
# From nothing to a quantized network: installs what is missing, builds, and calibrates the network of data/quickstart with one coordinator and
# two workers. Arguments go to `uwc run`, e.g. --set quantize.weight_bits=2.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
exec "$root/jobs/local.sh" -n 3 "$root/configs/quickstart.yaml" "$@"
