#!/usr/bin/env bash
# Builds the native group into a Python environment, where a Rust toolchain is found. It never fails: all works without.
#   install.sh PYTHON LOG
set -u
python=$1 log=$2
here=$(dirname "$0")
export PATH="$PATH:$HOME/.cargo/bin" CARGO_BUILD_JOBS="${CARGO_BUILD_JOBS:-1}"
if ! command -v cargo >/dev/null; then
  echo "No Rust toolchain (cargo): nothing is compiled."
  exit 0
fi
echo "Building the native group with $(cargo --version): about a minute, once."
nice "$python" -m pip install --disable-pip-version-check --no-deps --force-reinstall "$here" >"$log" 2>&1 && exit 0
"$python" -m pip uninstall --quiet --yes samaki-native >>"$log" 2>&1   # one of older sources does not stay behind
echo "The native group could not be built: $log says why. All works without it; 'make native' tries again."
exit 0
