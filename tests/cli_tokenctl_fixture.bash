# What the tests of tokenctl share: a store and a configuration of their own, and ways to look.

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	build=${BUILD_DIR:-build}
	[[ $build == /* ]] || build=$root/$build
	PATH=$build:$PATH
	dir=$(mktemp -d "${BATS_TMPDIR:-/tmp}/tokenctl.XXXXXX")
	export STREAMGATE_CONFIG=$dir/sg.conf
	export TZ=UTC
	server=
	cat >"$STREAMGATE_CONFIG" <<-END
		[store]
		url = sqlite:$dir/t.db
		[http]
		listen = 127.0.0.1:5080
		[admin]
		socket = $dir/streamd.sock
		[rtmp]
		listen = 127.0.0.1:1935
		[srt]
		listen =
		[webrtc]
		listen =
		[recording]
		path = $dir/recordings
		[app live]
		[app lab]
		publish_token = on
		token_lifetime = 2h
	END
}

teardown() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}

# Runs a command; its output in $output, its errors in $errors, its end in $status.
try() {
	status=0
	output=$(timeout 30 "$@" 2>"$dir/errors") || status=$?
	errors=$(cat "$dir/errors")
}

# The exit status is the first argument; the error is one line "tokenctl: ... : ...".
fails() {
	local wanted=$1
	shift
	try "$@"
	echo "status $status (wanted $wanted), output '$output', errors '$errors'"
	[ "$status" -eq "$wanted" ]
	[ "$(wc -l <"$dir/errors")" -eq 1 ]
	[[ $errors =~ ^tokenctl:\ .+:\ .+ ]]
}

# Runs a command line on a terminal without colours, of 100 columns or $columns.
on_terminal() {
	NO_COLOR=1 script -qefc "stty cols ${columns:-100}; $*" /dev/null </dev/null | tr -d '\r'
}

# A stand-in for streamd: answers every request on its socket with what is in $dir/answer, and
# notes the requests. Its sense is to test the client; the real server has tests of its own.
stand_in() { # HTTP-STATUS JSON
	printf 'HTTP/1.0 %s X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
		"$1" "${#2}" "$2" >"$dir/answer"
	[ -z "$server" ] || return 0
	cat >"$dir/serve" <<-END
		#!/bin/sh
		while read -r line && [ "\${#line}" -gt 1 ]; do echo "\$line" >>"$dir/requests"; done
		cat "$dir/answer"
	END
	chmod +x "$dir/serve"
	socat "UNIX-LISTEN:$dir/streamd.sock,fork" "EXEC:$dir/serve" 3>&- &
	server=$!
	for _ in $(seq 100); do [ -S "$dir/streamd.sock" ] && break || sleep 0.05; done
}
