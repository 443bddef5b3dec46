#!/usr/bin/env bash
# Checks this library on an NVIDIA GPU for the first time, in independent stages:
#   benchmarks/first_contact.sh A     a few minutes: libraries, correct results, time of a step
#   benchmarks/first_contact.sh B     about ten minutes: speed beside PyTorch, compute-sanitizer, the tests
#   benchmarks/first_contact.sh AB    both
# --wheels DIR   installs the wheels in DIR first (default: none). If the back end cannot be used then, the
#                script builds it from this checkout with the installed compiler
# --out DIR      folder of first-contact-A.tgz, which has the whole output of each stage (default: .)
# --devices D    device to check (default: cuda:0); a simulated device or cpu:0 tries the script itself
#
# Needs no network. Each stage has a time limit and prints the end of its output; the script writes the
# archive again after each stage. PYTHON names the interpreter (default: python3).
set -uo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3} part="" wheels="" out=$PWD device=cuda:0
while [ $# -gt 0 ]; do
  case $1 in
    A | B | AB) part=$1 ;;
    --wheels) wheels=$(cd "$2" && pwd) || exit 2; shift ;;
    --out) out=$(mkdir -p "$2" && cd "$2" && pwd) || exit 2; shift ;;
    --devices) device=$2; shift ;;
    *) sed -n '2,12s/^# \?//p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
[ -n "$part" ] || { sed -n '2,12s/^# \?//p' "$0" >&2; exit 2; }

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1
failed=()

# stage NAME LINES LIMIT COMMAND...: runs it for at most LIMIT seconds, prints its last LINES lines.
stage() {
  local name=$1 lines=$2 limit=$3 began=$SECONDS rc
  shift 3
  timeout -k 3 "$limit" "$@" >"$logs/$name.log" 2>&1 </dev/null
  rc=$?
  printf '== %s: exit code %d, %d s (at %d s)\n' "$name" $rc $((SECONDS - began)) "$SECONDS"
  tail -n "$lines" "$logs/$name.log" | cut -c1-220
  tar czf "$out/.archive" -C "$logs" . && mv "$out/.archive" "$out/first-contact-$part.tgz"
  [ $rc = 0 ] || failed+=("$name")
  return $rc
}

environment() {
  nvidia-smi
  nvcc --version
  gcc --version | head -n 1
  "$python" -V
  ldconfig -p | grep -E 'nvrtc|cudnn|cublas\.|nccl'
  "$python" -m pip list 2>/dev/null | grep -iE 'nvidia|torch|numpy|pybind|scikit-build|pytest|triton|cmake|ninja|pillow|simplejpeg|tomli'
  nproc
  free -g
  command -v compute-sanitizer ncu || true
}

build() {
  CUDAARCHS=${CUDAARCHS:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)} ALEXNET_CUDA=ON \
    "$python" -m pip install -v --no-index --no-build-isolation --no-deps --force-reinstall "$repository"
}

usable() {
  "$python" -c "
import sys
from alexnet_native import _core
print(*_core.devices(), *_core.unavailable_backends(), sep='\n')
sys.exit(all(found['name'] != '$device' for found in _core.devices()))"
}

export -f environment build usable
export python repository device

contact() { stage "$1" 40 "$2" "$python" "$repository/benchmarks/first_contact.py" --device "$device" "${@:3}"; }
check() { stage "$1" "$2" "$3" "$python" -m alexnet_native.gpu_check --devices "$device" --seconds $(($3 - 5)) --json "$logs/$1.json" "${@:4}"; }
profile() { stage "$1" 34 45 "$python" -m alexnet_native bench alexnet --batch 128 --task train --precision "$2" --devices "$device" --profile "$logs/$1.json"; }

stage environment 40 30 bash -c environment
cd "$logs" || exit 1  # the package is imported from where it is installed, not from the checkout
if [ -n "$wheels" ]; then
  stage install 5 90 "$python" -m pip install -q --no-index --no-deps --no-compile --force-reinstall "$wheels"/*.whl
fi
if ! stage usable 5 60 bash -c usable; then
  stage build 15 300 bash -c build
  stage usable-after-build 5 60 bash -c usable || exit 1
fi
if [[ $part == *A* ]]; then
  contact smoke 75
  stage plans-by-path 18 45 env LD_LIBRARY_PATH="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia/cu13/lib" \
    "$python" "$repository/benchmarks/first_contact.py" --device "$device" plans
  check layers 40 70 --only layers --nets alexnet,torchvision-alexnet
  profile profile-bf16 bf16
  profile profile-fp32 fp32
  check loss 8 50 --only loss --nets alexnet
  stage train 14 60 "$python" -m alexnet_native train --data demo --net cifar10-quick --epochs 2 --devices "$device" --out "$logs/run"
fi
if [[ $part == *B* ]]; then
  check speed 14 200 --only speed --nets alexnet --batches 256
  check loss-torchvision 8 50 --only loss --nets torchvision-alexnet
  check sanitizer 8 90 --only sanitizer
  check tests 25 90 --only tests --source "$repository"
  stage counters 3 45 ncu --clock-control none --set basic --kernel-name 'regex:plane_kernel|row_kernel' --launch-skip 60 --launch-count 40 --csv \
    "$python" "$repository/benchmarks/first_contact.py" --device "$device" one
fi
[ ${#failed[@]} = 0 ] && echo "every stage passed" || echo "did not end with 0: ${failed[*]}"
echo "all output: $out/first-contact-$part.tgz"
[ ${#failed[@]} = 0 ]
