#!/usr/bin/env bats
# /metrics as Prometheus reads it.
load e2e

teardown() {
	stop_streamd
}

@test "promtool has nothing to say about the metrics" {
	start_streamd
	http_status "/live/streams/none.m3u8?token=$(token none)"
	"$BIN/tokenctl" sessions >/dev/null
	curl -sS "http://$HTTP/metrics" >"$DIR/metrics"
	[ "$(grep -c '^# TYPE' "$DIR/metrics")" -gt 40 ]
	run promtool check metrics <"$DIR/metrics"
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$output" ]
}
