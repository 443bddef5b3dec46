#!/usr/bin/env bash
# Builds the CUDA back end where this Python does not have it, then checks the GPU:
#   benchmarks/gpu_check.sh --json report.json        options: python -m alexnet_native.gpu_check -h
# Works without a network: compiler and libraries are those that are installed here, as beside PyTorch.
# PYTHON names another Python, CUDAARCHS other architectures than the card's at hand.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

# Asks the native core alone: where another package is missing, building again is no help. What there
# is to say, as why the back end cannot be loaded, is said on standard error.
usable() {
  "$python" -c '
import importlib.util, sys

if importlib.util.find_spec("alexnet_native") is None:
    sys.exit("alexnet-native is not installed in this Python")
from alexnet_native import _core

if not any(device["name"] == "cuda:0" for device in _core.devices()):
    reasons = [": ".join((one["name"], one["reason"])) for one in _core.unavailable_backends()]
    sys.exit("\n".join(["there is no cuda:0", *reasons]))
'
}

if ! usable; then
  architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d . || true)
  export CUDAARCHS=${CUDAARCHS:-${architecture:-90}} ALEXNET_CUDA=ON
  echo "building the CUDA back end for sm_$CUDAARCHS"
  "$python" -m pip install --quiet --no-index --no-build-isolation --no-deps "$repository"
fi
exec "$python" -m alexnet_native.gpu_check --source "$repository" "$@"
