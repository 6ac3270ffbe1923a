#!/usr/bin/env bash
# Start one Apache Kafka broker (KRaft, no ZooKeeper) on free loopback ports, and print its address, once it answers.
#
#   infra/kafka/start.sh DIR [MORE.properties]
#
# DIR            its own data, settings, log and pid; made if missing, kept by stop.sh. An existing one is started again,
#                on its old ports if they are free.
# MORE           broker settings added to ours; {port} and {controller} in it stand for the two ports
# prints         127.0.0.1:PORT on standard output, nothing else; also in DIR/bootstrap
# exit codes     0 up; 2 usage; 3 no Java or Maven; 1 the jars could not be had, or the broker did not come up
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { echo "kafka: $*" >&2; }
[ $# -ge 1 ] || { say "usage: start.sh DIR [MORE.properties]"; exit 2; }
command -v java >/dev/null || { say "no Java: apt-get install openjdk-17-jre-headless"; exit 3; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
more=${2:-/dev/null}

# The jars, once. `lib/complete` names the pom they came by: a download that was cut short has none, and is done again.
fetch() (
  exec 9<"$here/pom.xml"
  flock 9 # two that start at once fetch once
  want=$(sha256sum <"$here/pom.xml")
  [ "$(cat "$here/lib/complete" 2>/dev/null)" = "$want" ] && return
  command -v mvn >/dev/null || { say "no Maven: apt-get install maven"; exit 3; }
  say "fetching the jars (54 MB, once)"
  rm -rf "$here/lib"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$here/lib" -DincludeScope=runtime >&2 || { say "Maven could not fetch the jars"; exit 1; }
  echo "$want" >"$here/lib/complete"
)

free_ports() {
  python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(2)]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
}

settings() {
  cat <<EOF
# ports $1 $2
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
controller.quorum.voters=1@127.0.0.1:$2
log.dirs=$dir/data
# A topic that nobody made is a mistake, not a wish.
auto.create.topics.enable=false
# Envelopes of at most 8 MiB, and the batch around them.
message.max.bytes=8454144
replica.fetch.max.bytes=8454144
# One broker, so one replica of everything.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Small: it shares two cores with what it carries.
num.network.threads=2
num.io.threads=2
background.threads=2
log.index.size.max.bytes=65536
EOF
  sed "s/{port}/$1/g; s/{controller}/$2/g" "$more"
}


up() { (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && grep -q "Kafka Server started" "$dir/server.log"; }

old_ports() { sed -n 's/^# ports //p' "$dir/server.properties" 2>/dev/null; }

launch() {
  read -r port controller < <([ "$1" = 1 ] && old_ports | grep . || free_ports)
  settings "$port" "$controller" >"$dir/server.properties"
  local heap=(-Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$here/lib/*")
  if [ ! -e "$dir/data/meta.properties" ]; then
    java "${heap[@]}" -Dlog4j2.configurationFile="$here/log4j2.properties" kafka.tools.StorageTool format \
      --cluster-id "$(python3 -c 'import secrets; print("samaki" + secrets.token_urlsafe(12)[:15] + "A")')" \
      --config "$dir/server.properties" >"$dir/format.log" 2>&1
  fi
  : >"$dir/server.log"
  setsid java "${heap[@]}" -Dlog4j2.configurationFile="$here/log4j2.properties" kafka.Kafka "$dir/server.properties" \
    >>"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 600); do
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || return 1
    up "$port" && { echo "127.0.0.1:$port" >"$dir/bootstrap"; return 0; }
    sleep 0.1
  done
  return 1
}

if [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
  say "one runs in $dir already"
  cat "$dir/bootstrap"
  exit 0
fi
fetch
# Between finding a free port and using it, somebody else may take it: then try others.
for attempt in 1 2 3; do
  if launch "$attempt"; then
    cat "$dir/bootstrap"
    exit 0
  fi
  "$here/stop.sh" "$dir"
  grep -qi "address already in use" "$dir/server.log" || break
  say "a port was taken meanwhile (try $attempt)"
done
say "the broker did not come up; the end of $dir/server.log:"
tail -n 20 "$dir/format.log" "$dir/server.log" >&2 || true
exit 1
