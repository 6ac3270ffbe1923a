#!/usr/bin/env bash
# Stop the broker that start.sh started in DIR, cleanly: it writes its logs out and says goodbye. Its data stays.
#
#   infra/kafka/stop.sh DIR [--wipe]     --wipe: and remove DIR
#
# Stopping one that does not run is no error.
set -euo pipefail

[ $# -ge 1 ] || { echo "kafka: usage: stop.sh DIR [--wipe]" >&2; exit 2; }
dir=$1
alive() { kill -0 "$pid" 2>/dev/null; }

if [ -e "$dir/pid" ]; then
  pid=$(cat "$dir/pid")
  # Only a broker of this directory is ours to stop: after a reboot the number may be somebody else's.
  if alive && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$(cd "$dir" && pwd)/server.properties"; then
    kill -TERM "$pid"
    for _ in $(seq 300); do alive || break; sleep 0.1; done
    alive && { echo "kafka: $pid did not stop within 30 s, killed" >&2; kill -KILL "$pid"; }
  fi
  rm -f "$dir/pid" "$dir/bootstrap"
fi
[ "${2:-}" = "--wipe" ] && rm -rf "$dir"
exit 0
