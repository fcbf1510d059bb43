#!/bin/bash
# rabbitmq-c's command line tools. Started with the broker's URL as the only argument, this prints
# `ok <check>` for each check that holds, and ends with an error at the first that does not.
#
# Every call is a connection of its own, so each check is a test of the clean close too: the tools
# end with an error if the broker does not answer to theirs.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 amqp://user:password@host:port/%2f" >&2
  exit 2
fi
url=$1
frame_max=131072
# Seconds that a call may take; far more than it needs, so that a broken check ends.
limit=20
directory=$(mktemp -d)
consumer=
trap '[ -z "$consumer" ] || kill "$consumer" 2>/dev/null; rm -rf "$directory"' EXIT

amqp() {
  local tool=$1
  shift
  timeout "$limit" "amqp-$tool" --url="$url" "$@"
}

unique() {
  echo "clients.amqp-tools.$$.$1"
}

fail() {
  echo "failed: $*" >&2
  exit 1
}

equal() {
  [ "$1" == "$2" ] || fail "$check: expected '$2', got '$1'"
}

# What a command that must fail says.
error_of() {
  if "$@" >/dev/null 2>"$directory/error"; then
    fail "$check: '$*' did not fail"
  fi
  cat "$directory/error"
}

# Runs a command until it succeeds. Each try is a program start, so nothing spins.
eventually() {
  local end=$((SECONDS + limit))
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "$check: waited $limit s in vain for '$*'"
  done
}

contains() {
  grep -qxF "$2" "$1"
}

ended() {
  ! kill -0 "$1" 2>/dev/null
}

# Starts a consumer in the background, with its output in the file `consumed`.
consume() {
  timeout "$limit" amqp-consume --url="$url" "$@" >"$directory/consumed" 2>"$directory/error" &
  consumer=$!
}

# Waits for the consumer in the background, which must end without an error.
consumer_ends() {
  local status=0
  wait "$consumer" || status=$?
  consumer=
  [ $status -eq 0 ] || fail "$check: the consumer ended with $status: $(cat "$directory/error")"
}

check="declare"
queue=$(unique declared)
equal "$(amqp declare-queue --queue="$queue")" "$queue"
equal "$(amqp declare-queue --queue="$queue")" "$queue"
echo "ok $check"

check="server-named queue"
named=$(amqp declare-queue --queue=)
[[ $named == amq.gen-* ]] || fail "$check: $named"
echo "ok $check"

check="get"
status=0
amqp get --queue="$named" || status=$?
equal $status 2 # The queue is empty.
amqp publish --routing-key="$named" --body=one
amqp publish --routing-key="$named" --body=two --persistent --content-type=text/plain
equal "$(amqp get --queue="$named")" one
equal "$(amqp get --queue="$named")" two
equal "$(amqp delete-queue --queue="$named")" 0
echo "ok $check"

check="exchange and binding"
key=$(unique stock)
consume --exchange=amq.topic --routing-key="$key.*" --exclusive --count=1 cat
# Nothing tells that the queue is bound: until then, what is published goes nowhere.
publish_tea() {
  amqp publish --exchange=amq.topic --routing-key="$key" --body=no
  amqp publish --exchange=amq.topic --routing-key="$key.tea" --body=yes
  ended "$consumer"
}
eventually publish_tea
consumer_ends
equal "$(cat "$directory/consumed")" yes
echo "ok $check"

check="consume with prefetch"
seq 1 10 | amqp publish --routing-key="$queue" --line-buffered
consume --queue="$queue" --count=10 --prefetch-count=3 -- sh -c 'cat; echo'
consumer_ends
equal "$(sed '/^$/d' "$directory/consumed" | paste -sd ' ')" "1 2 3 4 5 6 7 8 9 10"
equal "$(amqp delete-queue --queue="$queue")" 0
amqp declare-queue --queue="$queue" >/dev/null
echo "ok $check"

check="nack and requeue"
amqp publish --routing-key="$queue" --body=again
# What the command fails at goes back into the queue.
consume --queue="$queue" --count=1 -- sh -c 'cat >/dev/null; exit 1'
consumer_ends
equal "$(amqp get --queue="$queue")" again
echo "ok $check"

check="missing queue"
missing=$(unique missing)
equal "$(error_of amqp get --queue="$missing")" \
  "basic.get: server channel error 404, message: NOT_FOUND - no queue '$missing' in vhost '/'"
echo "ok $check"

check="inequivalent declare"
equal "$(error_of amqp declare-queue --queue="$queue" --durable)" \
  "queue.declare: server channel error 406, message: PRECONDITION_FAILED - inequivalent arg \
'durable' for queue '$queue' in vhost '/': received 'true' but current is 'false'"
echo "ok $check"

check="wrong password"
wrong=$(sed -E 's|://([^:]*):[^@]*@|://\1:wrong@|' <<<"$url")
equal "$(error_of timeout "$limit" amqp-get --url="$wrong" --queue="$queue")" \
  "logging in to AMQP server: server connection error 403, message: ACCESS_REFUSED - Login was \
refused using authentication mechanism PLAIN. For details see the broker logfile."
echo "ok $check"

same_body() {
  head -c "$1" /dev/urandom >"$directory/sent"
  amqp publish --routing-key="$queue" <"$directory/sent"
  amqp get --queue="$queue" >"$directory/got"
  cmp "$directory/sent" "$directory/got" || fail "$check: $1 bytes came back changed"
}

check="body sizes"
for size in 0 1 $((frame_max - 8)) $((frame_max - 7)) $frame_max $((1 << 20)); do
  same_body "$size"
done
echo "ok $check"

check="large body"
limit=60
same_body $((64 << 20))
limit=20
echo "ok $check"

check="heartbeats"
consume --heartbeat=1 --queue="$queue" --count=2 -- sh -c 'cat; echo'
amqp publish --routing-key="$queue" --body=before
eventually contains "$directory/consumed" before
sleep 3.5 # Longer than the time after which either side gives up a silent peer.
amqp publish --routing-key="$queue" --body=after
consumer_ends
contains "$directory/consumed" after || fail "$check: $(cat "$directory/consumed")"
echo "ok $check"

check="clean close"
amqp delete-queue --queue="$queue" >/dev/null
echo "ok $check"
