#!/usr/bin/env bats
# streamd is killed again and again while viewers come in: no use that was answered is lost, none is given
# twice, and none is spent on nobody.

load e2e.bash

setup_file() {
	make_source
	start_streamd
	ffmpeg -v error -nostdin -i "$SOURCE" -c copy -t 1 -movflags +faststart "$DIR/rec/live/film.mp4"
}

teardown_file() { stop_streamd; }

# Viewers, eight at a time, each with the next token, twice; tokens that were admitted go to FILE, one a line
# for each time. It ends with its tokens, or when nobody listens any more.
viewers() { # FILE < tokens
	python3 -c '
import socket, sys, threading
host, port = sys.argv[1].split(":")
place = 0 # each comes from an address of its own: refusals cost an address time
tokens, turn = sys.stdin.read().split() * 2, threading.Lock()
log = open(sys.argv[2], "a", buffering=1)

def come():
    global place
    while True:
        with turn:
            if not tokens:
                return
            token, place = tokens.pop(0), place + 1
            source = f"127.1.{place >> 8}.{place & 255}"
        try:
            with socket.create_connection((host, int(port)), 5, (source, 0)) as s:
                s.settimeout(5)
                s.sendall(f"GET /live/streams/film.mp4?token={token} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n"
                          "Connection: close\r\n\r\n".encode())
                answer = s.recv(12)
        except OSError:
            return
        if answer == b"HTTP/1.1 206":
            with turn:
                log.write(token + "\n")
        elif answer and answer != b"HTTP/1.1 403":
            sys.exit(f"an answer like {answer}")

threads = [threading.Thread(target=come) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
' "$HTTP" "$1"
}

@test "killed while viewers come in, streamd remembers every one that it let in" {
	"$BIN/tokenctl" create film --count 2000 --quiet >"$DIR/tokens"
	: >"$DIR/admitted"
	for round in $(seq 6); do
		# Those of the rounds before come again.
		{ head -n $((round * 300)) "$DIR/tokens" | tail -n 300; sort -u "$DIR/admitted" | tail -n 50; } >"$DIR/coming"
		before=$(wc -l <"$DIR/admitted")
		viewers "$DIR/admitted" <"$DIR/coming" &
		load=$!
		# In the midst of it: some are in, and not all.
		until [ "$(wc -l <"$DIR/admitted")" -gt $((before + round * 20)) ]; do sleep 0.005; done
		stop_streamd KILL
		wait "$load"
		run_streamd
	done
	[ "$(wc -l <"$DIR/admitted")" -gt 400 ]
	[ "$(wc -l <"$DIR/admitted")" -lt 1800 ]

	# Everybody comes once more: whoever was in is not let in again, and nobody is let in twice.
	viewers "$DIR/admitted" <"$DIR/tokens"
	[ -z "$(sort "$DIR/admitted" | uniq -d)" ]
	# What was spent and answered to nobody is at most what was under way when it was killed.
	[ "$(wc -l <"$DIR/admitted")" -ge $((2000 - 6 * 8)) ]
	[ "$("$BIN/tokenctl" list film --state all --limit 5000 --json | jq '[.items[].uses] | max')" = 1 ]
}
