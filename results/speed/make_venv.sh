#!/usr/bin/env bash
# Creates the virtual environment that the Python contenders run in.
# Usage: make_venv.sh [FOLDER]   (default: venv beside this script; needs Python 3.11 or later)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${1:-$here/venv}"

"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install --quiet -r "$here/requirements.txt"
# OBP and CleanRL declare Python below 3.11, a limit of their pins and not of the code used here.
"$folder/bin/pip" install --quiet --no-deps --ignore-requires-python -r "$here/requirements-no-deps.txt"
echo "ready: $folder/bin/python"
