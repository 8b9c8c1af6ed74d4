#!/usr/bin/env bats
# Recordings and their disk: one that fills up, and what is kept of them for how long.

load e2e.bash

# The clock on the wall as the file "$DIR/clock" says; the monotonic one never goes back.
# (A sanitizer's library need not be the first then.)
CLOCK=(FAKETIME_DONT_FAKE_MONOTONIC=1 ASAN_OPTIONS=verify_asan_link_order=0 FAKETIME_NO_CACHE=1 LD_PRELOAD="$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)")

setup_file() {
	make_source
}

setup() {
	DIR=$(mktemp -d "$BATS_FILE_TMPDIR/t.XXXXXX")
	PUBLISHER=
	mkdir -p "$DIR/rec"
}

teardown() {
	[ -z "$PUBLISHER" ] || stop "$PUBLISHER"
	stop_streamd
}

start() { # lines for "recording"
	SRT_LISTEN='' WEBRTC_LISTEN='' configure 'record = on' "$1"
	start_streamd
}

clock() { # how far it is off
	echo "$1" >"$DIR/clock"
	STREAMD_ENV=("${CLOCK[@]}" FAKETIME_TIMESTAMP_FILE="$DIR/clock")
}

until_logged() { # text
	for _ in $(seq 600); do
		! grep -q "$1" "$DIR/err" || return 0
		sleep 0.05
	done
	cat "$DIR/err"
	return 1
}

until_there() { # file
	for _ in $(seq 400); do
		[ ! -e "$DIR/rec/live/$1" ] || return 0
		sleep 0.05
	done
	ls -la "$DIR/rec/live"
	cat "$DIR/err"
	return 1
}

until_grown() { # file bytes
	for _ in $(seq 400); do
		[ "$(stat -c %s "$DIR/rec/live/$1" 2>/dev/null || echo 0)" -le "$2" ] || return 0
		sleep 0.05
	done
	ls -la "$DIR/rec/live"
	cat "$DIR/err"
	return 1
}

plays() { # file: from its beginning to its end
	run ffmpeg -nostdin -v error -xerror -i "$1" -f null -
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

# The stream goes on, whatever became of its recording.
is_watched() {
	timeout 60 ffmpeg -nostdin -v error -i "http://$HTTP/live/streams/cam.flv" -frames:v 40 -f null -
}

@test "where too little space is left, a recording ends, plays, and its stream goes on" {
	local free
	free=$(df --output=avail -B1 "$DIR" | tail -n 1)
	start "min_free = $((free - 400000000))"
	publish cam none
	until_grown .cam.mp4.part 100000
	fallocate -l 600000000 "$DIR/ballast"
	until_logged 'too little space left on the disk'
	is_watched
	until_there cam.mp4
	plays "$DIR/rec/live/cam.mp4"
	curl -s "http://$HTTP/metrics" | grep -q '^streamgate_recordings_failed_total [1-9]'
	[ "$(grep -c 'too little space' "$DIR/err")" -lt 20 ] # told, not repeated for ever
	rm "$DIR/ballast" # room again: the next one is recorded
	stop "$PUBLISHER"
	record_one fresh
	plays "$DIR/rec/live/fresh.mp4"
}

# As where the disk is full in the middle of a write; a limit of the process needs no disk of its own.
@test "a recording that can be written no further ends, and nothing else does" {
	trap '' XFSZ
	ulimit -S -f 600 # KiB of a file
	start "min_free = 0"
	publish cam none
	until_logged 'not recorded any more: File too large'
	is_watched
	"$BIN/tokenctl" sessions --json | jq -e '.items // . | any(.type == "publish" and .state == "active")'
	ulimit -S -f unlimited
	until_there cam.mp4
	plays "$DIR/rec/live/cam.mp4"
}

@test "what cannot be recorded is told with the folder" {
	start ""
	rm -r "$DIR/rec"
	: >"$DIR/rec"
	publish cam none
	until_logged "live/cam is not recorded: Not a directory ($DIR/rec)"
	is_watched
}

record_one() { # stream
	publish "$1" none
	until_grown ".$1.mp4.part" 60000
	stop "$PUBLISHER"
	until_there "$1.mp4"
}

until_gone() { # file
	for _ in $(seq 400); do
		[ -e "$DIR/rec/live/$1" ] || return 0
		sleep 0.05
	done
	cat "$DIR/err"
	return 1
}

@test "recordings go when they are old enough, or too many; those put there by hand stay" {
	start "keep = 2d"
	record_one first
	record_one second
	cp "$DIR/rec/live/first.mp4" "$DIR/rec/live/byhand.mp4"
	stop_streamd
	clock +1d
	run_streamd
	sleep 1.5
	[ -e "$DIR/rec/live/first.mp4" ]
	stop_streamd
	sed -i "s/^keep = .*/max_size = $(($(stat -c %s "$DIR/rec/live/second.mp4") + 1000))/" "$DIR/sg.conf"
	run_streamd
	until_gone first.mp4
	[ -e "$DIR/rec/live/second.mp4" ]
	stop_streamd
	sed -i 's/^max_size = .*/keep = 2d/' "$DIR/sg.conf"
	clock +3d
	run_streamd
	until_gone second.mp4
	[ -e "$DIR/rec/live/byhand.mp4" ]
	STREAMD_ENV=()
	"$BIN/tokenctl" recordings --json | jq -e '[.items[].name] == ["byhand.mp4"]'
}

@test "a clock that is set back and forward while it is recorded changes nothing of a recording" {
	clock +0
	start "keep = 2d"
	publish cam none
	until_grown .cam.mp4.part 60000
	clock -2h
	until_grown .cam.mp4.part 260000
	clock +2h
	until_grown .cam.mp4.part 460000
	stop "$PUBLISHER"
	until_there cam.mp4
	plays "$DIR/rec/live/cam.mp4"
	local length
	length=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$DIR/rec/live/cam.mp4")
	echo "$length"
	awk -v s="$length" 'BEGIN { exit !(s > 2 && s < 60) }'
}
