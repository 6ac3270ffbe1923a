#!/usr/bin/env bash
# Finds what the tests need from the system, and installs it where it may: a JDK 17 and Maven (Apache Kafka), PostgreSQL's
# server programs, libsodium, Chromium, SoftHSM2, openssl. For a person without root it only says what is missing; those tests are
# then skipped.
set -u
missing=()
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v mvn >/dev/null || missing+=(maven)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
ldconfig -p 2>/dev/null | grep -q 'libsodium\.so' || /sbin/ldconfig -p 2>/dev/null | grep -q 'libsodium\.so' || missing+=(libsodium23)
command -v softhsm2-util >/dev/null || missing+=(softhsm2)
command -v chromium >/dev/null || missing+=(chromium)
command -v openssl >/dev/null || missing+=(openssl)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests: ${missing[*]}"
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" && exit 0
fi
echo "Missing for some tests: ${missing[*]}. On Debian: apt-get install ${missing[*]}. Without them those tests are skipped."
[ "${CI:-}" = true ] && exit 1
exit 0
