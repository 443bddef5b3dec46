#!/usr/bin/env bash
# Builds the CUDA back end where this Python does not have it, then checks the GPU:
#   benchmarks/gpu_check.sh --json report.json        options: python -m alexnet_native.gpu_check -h
# Works without a network: compiler and libraries are those that are installed here, as beside PyTorch.
# PYTHON names another Python, CUDAARCHS other architectures than the card's at hand.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

usable() {
  "$python" -m alexnet_native devices 2>/dev/null | grep -q '^cuda:0'
}

if ! usable; then
  architecture=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d . || true)
  export CUDAARCHS=${CUDAARCHS:-${architecture:-90}} ALEXNET_CUDA=ON
  echo "building the CUDA back end for sm_$CUDAARCHS"
  "$python" -m pip install --quiet --no-index --no-build-isolation --no-deps "$repository"
fi
exec "$python" -m alexnet_native.gpu_check --source "$repository" "$@"
