#!/usr/bin/env bash
# Builds the CUDA back end if this Python does not have it, then checks the GPU:
#   benchmarks/gpu_check.sh --json report.json        options: python -m alexnet_native.gpu_check -h
# Needs no network: it uses the installed compiler and libraries, for example those that PyTorch brings.
# PYTHON names the interpreter (default: python3), CUDAARCHS the architectures (default: the card's).
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

# Imports the native core only: if another package is missing, a new build does not help. The reason why
# the back end cannot be loaded goes to standard error.
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
