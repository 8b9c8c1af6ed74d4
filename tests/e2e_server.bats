#!/usr/bin/env bats
# streamd as its administrators and its enemies see it.

load e2e.bash

setup_file() {
	make_source
}

# Two hours back, for the clock on the wall; the monotonic one never goes back.
# (A sanitizer's library need not be the first then.)
CLOCK_BACK=(FAKETIME=-2h ASAN_OPTIONS=verify_asan_link_order=0 FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD="$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)")

setup() {
	DIR=$(mktemp -d "$BATS_FILE_TMPDIR/t.XXXXXX")
	start_streamd
}

teardown() {
	for p in ${PUBLISHER-} ${VIEWERS-}; do stop "$p"; done
	stop_streamd
}

# A viewer in the background that notes how it ends.
view() { # name URL
	(timeout 60 curl -sN -o "$DIR/$1.bytes" "$2" 3>&- || true; date +%s%3N >"$DIR/$1.end") &
	VIEWERS="${VIEWERS-} $!"
	for _ in $(seq 60); do
		[ -s "$DIR/$1.bytes" ] && return 0
		sleep 0.05
	done
	return 1
}

ended_within() { # milliseconds since $1 until each named viewer's end
	local since=$1 limit=$2
	shift 2
	for name; do
		for _ in $(seq 60); do
			[ -s "$DIR/$name.end" ] && break
			sleep 0.05
		done
		took=$(($(cat "$DIR/$name.end") - since))
		echo "$name: $took ms"
		[ "$took" -le "$limit" ]
	done
}

@test "revoking ends the sessions on every protocol within a second" {
	publish cam "$(token cam --type publish)"
	t=$(token cam --max-uses 3)
	view flv "http://$HTTP/live/streams/cam.flv?token=$t"
	view ts "http://$HTTP/live/streams/cam.ts?token=$t"
	(timeout 60 ffmpeg -v error -nostdin -i "rtmp://$RTMP/live/cam?token=$t" -c copy -f flv "$DIR/rtmp.bytes" 2>/dev/null 3>&- || true
		date +%s%3N >"$DIR/rtmp.end") &
	VIEWERS="$VIEWERS $!"
	sleep 2
	[ "$(uses "$t" cam)" = 3 ]
	"$BIN/tokenctl" revoke "$(token_id "$t" cam)"
	since=$(date +%s%3N) # from here on it is revoked
	ended_within "$since" 1000 flv ts rtmp
}

@test "an HLS session goes on without the token, and ends when it is revoked" {
	publish cam "$(token cam --type publish)"
	t=$(token cam)
	master=$(curl -sf "http://$HTTP/live/streams/cam.m3u8?token=$t")
	index=$(grep -v '^#' <<<"$master" | head -n 1)
	[[ $index == s/*/cam/main.m3u8 ]]
	base=http://$HTTP/live/streams/${index%main.m3u8}
	playlist=$(curl -sf "${base}main.m3u8")
	segment=$(grep -v '^#' <<<"$playlist" | tail -n 1)
	map=$(sed -n 's/^#EXT-X-MAP:URI="\(.*\)"/\1/p' <<<"$playlist" | tail -n 1)
	curl -sf "$base$map" "$base$segment" >"$DIR/one.mp4"
	[ "$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$DIR/one.mp4")" = 30 ]
	[ "$(uses "$t" cam)" = 1 ]
	! grep -qF "$t" <<<"$master$playlist" || false
	"$BIN/tokenctl" revoke "$(token_id "$t" cam)"
	sleep 1
	[ "$(http_status "/live/streams/${index}")" = 403 ]
	[ "$(http_status "/live/streams/${index%main.m3u8}$segment")" = 403 ]
}

@test "the switches act at once and without a restart" {
	"$BIN/tokenctl" disable
	sleep 1
	publish cam ""
	[ "$(http_status /live/streams/cam.flv)" = 200 ]
	"$BIN/tokenctl" enable play
	sleep 1
	[ "$(http_status /live/streams/cam.flv)" = 401 ]
	"$BIN/tokenctl" disable play --stream cam
	sleep 1
	[ "$(http_status /live/streams/cam.flv)" = 200 ]
	t=$(token cam) # where none is needed none is spent
	[ "$(http_status "/live/streams/cam.flv?token=$t")" = 200 ]
	[ "$(uses "$t" cam)" = 0 ]
}

@test "viewers stay through a gap of their publisher and see the next one" {
	publish cam "$(token cam --type publish)"
	view flv "http://$HTTP/live/streams/cam.flv?token=$(token cam)"
	kill -9 "$PUBLISHER"
	for _ in $(seq 40); do
		"$BIN/tokenctl" sessions --json | grep -q '"publish"' || break
		sleep 0.1
	done
	size=$(stat -c %s "$DIR/flv.bytes")
	publish cam "$(token cam --type publish)"
	sleep 2
	[ ! -e "$DIR/flv.end" ]
	[ "$(stat -c %s "$DIR/flv.bytes")" -gt $((size + 20000)) ]
	# One timeline, without a step back.
	ffprobe -v error -select_streams v -show_entries packet=dts -of csv=p=0 "$DIR/flv.bytes" | tr -d , | grep . >"$DIR/dts"
	[ "$(wc -l <"$DIR/dts")" -gt 60 ]
	sort -n "$DIR/dts" | diff - "$DIR/dts"
}

@test "kill -9 loses no acknowledged use and spends no other" {
	publish cam "$(token cam --type publish)"
	used=$(token cam) fresh=$(token cam)
	[ "$(http_status "/live/streams/cam.flv?token=$used")" = 200 ]
	stop_streamd KILL
	wait "$PUBLISHER" || true
	run_streamd
	publish cam "$(token cam --type publish)"
	[ "$(http_status "/live/streams/cam.flv?token=$used")" = 403 ]
	[ "$(http_status "/live/streams/cam.flv?token=$fresh")" = 200 ]
}

@test "the clock set back gives no use a second time" {
	publish cam "$(token cam --type publish)"
	used=$(token cam) fresh=$(token cam)
	[ "$(http_status "/live/streams/cam.flv?token=$used")" = 200 ]
	stop_streamd
	wait "$PUBLISHER" || true
	STREAMD_ENV=("${CLOCK_BACK[@]}")
	run_streamd
	publish cam "$(token cam --type publish)"
	[ "$(http_status "/live/streams/cam.flv?token=$used")" = 403 ]
	[ "$(http_status "/live/streams/cam.flv?token=$fresh")" = 200 ]
	[ "$(http_status "/live/streams/cam.flv?token=$fresh")" = 403 ]
	early=$(env "${CLOCK_BACK[@]}" "$BIN/tokenctl" create cam --quiet --expires 1h)
	[ "$(http_status "/live/streams/cam.flv?token=$early")" = 200 ]
}

@test "the clock set back and forth under a running server" {
	stop_streamd
	echo "+0" >"$DIR/clock"
	STREAMD_ENV=("${CLOCK_BACK[@]}" FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE="$DIR/clock")
	unset 'STREAMD_ENV[0]' # the file alone says by how much
	run_streamd
	publish cam "$(token cam --type publish)"
	used=$(token cam) fresh=$(token cam) short=$(token cam --expires 1h)
	view flv "http://$HTTP/live/streams/cam.flv?token=$used"
	echo "-2h" >"$DIR/clock"
	[ "$(http_status "/live/streams/cam.flv?token=$used")" = 403 ]
	last_audit_is reason used
	[ "$(http_status "/live/streams/cam.flv?token=$fresh")" = 200 ]
	[ "$(http_status "/live/streams/cam.flv?token=$fresh")" = 403 ]
	echo "+2h" >"$DIR/clock"
	[ "$(http_status "/live/streams/cam.flv?token=$short")" = 403 ]
	last_audit_is reason expired
	echo "+0" >"$DIR/clock"
	[ "$(http_status "/live/streams/cam.flv?token=$short")" = 200 ]
	# Whoever was in has stayed, and the stream goes on.
	[ ! -e "$DIR/flv.end" ]
	size=$(stat -c %s "$DIR/flv.bytes")
	for _ in $(seq 100); do
		[ "$(stat -c %s "$DIR/flv.bytes")" -gt $((size + 50000)) ] && break
		sleep 0.05
	done
	[ "$(stat -c %s "$DIR/flv.bytes")" -gt $((size + 50000)) ]
	# The audit keeps the order of what happened, whatever the clock said.
	"$BIN/tokenctl" audit --json | jq -e '[.items[].seq] | . == (sort | reverse)' >/dev/null
}

@test "SIGTERM tells publishers and viewers, and ends with 0" {
	publish cam "$(token cam --type publish)"
	view flv "http://$HTTP/live/streams/cam.flv?token=$(token cam)"
	since=$(date +%s%3N)
	kill -TERM "$STREAMD_PID"
	ended_within "$since" 3000 flv
	wait "$STREAMD_JOB"
	grep -q 'SIGTERM: draining' "$DIR/err"
	last_audit_is reason shutdown
}

@test "who starts it without standard streams gets nothing into others, and an end with 0" {
	stop_streamd
	"$BIN/streamd" <&- >&- 2>&- 3>&- &
	STREAMD_PID=$!
	echo "$STREAMD_PID" >"$DIR/pid"
	for _ in $(seq 100); do
		curl -sf --unix-socket "$DIR/streamd.sock" http://localhost/readyz && break
		sleep 0.05
	done
	for fd in 0 1 2; do [ "$(readlink "/proc/$STREAMD_PID/fd/$fd")" = /dev/null ]; done
	kill -TERM "$STREAMD_PID"
	wait "$STREAMD_PID"
}

@test "a crash leaves no memory on the disk" {
	stop_streamd
	ulimit -S -c "$(ulimit -H -c)"
	start_streamd
	grep -qE '^Max core file size +[01] ' "/proc/$STREAMD_PID/limits"
	# 1 is what core_pattern's programs are not called for, either.
	[ "$(ulimit -H -c)" = 0 ] || grep -qE '^Max core file size +1 ' "/proc/$STREAMD_PID/limits"
}

@test "a file that may not grow ends nothing but what is written to it" {
	kill -XFSZ "$STREAMD_PID"
	[ "$(http_status /healthz)" = 200 ]
}

@test "SIGHUP reads the applications again; a mistake leaves the old ones" {
	printf '[app extra]\n' >>"$DIR/sg.conf"
	[ "$(http_status /extra/streams/cam.flv)" = 403 ] || [ "$(http_status /extra/streams/cam.flv)" = 401 ]
	kill -HUP "$STREAMD_PID"
	sleep 0.5
	grep -q 'configuration read again' "$DIR/err"
	[ "$(http_status /extra/streams/cam.flv)" = 404 ]
	printf 'publish_tokne = on\n' >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	sleep 0.5
	grep -q 'publish_tokne' "$DIR/err"
	[ "$(http_status /extra/streams/cam.flv)" = 404 ]
}

@test "recordings of an application that SIGHUP brought are listed" {
	mkdir "$DIR/rec/extra"
	echo film >"$DIR/rec/extra/film.mp4"
	printf '[app extra]\n' >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	for _ in $(seq 100); do
		grep -q 'configuration read again' "$DIR/err" && break
		sleep 0.05
	done
	curl -sf --unix-socket "$DIR/streamd.sock" http://localhost/api/v1/recordings | jq -e '.items | any(.app == "extra" and .name == "film.mp4")'
}

@test "SIGHUP while the system's configuration is away leaves the old one" {
	stop_streamd
	# It stands in the test's own folder, as far as streamd can see.
	cc -shared -fPIC -o "$DIR/system.so" -x c - <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		FILE *fopen(const char *path, const char *mode)
		{
			FILE *(*next)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
			return next(strcmp(path, "/etc/streamgate/streamgate.conf") ? path : getenv("SYSTEM_CONFIG"), mode);
		}
	END
	STREAMD_ENV=(-u STREAMGATE_CONFIG SYSTEM_CONFIG="$DIR/system.conf" LD_PRELOAD="$DIR/system.so" ASAN_OPTIONS=verify_asan_link_order=0)
	cp "$DIR/sg.conf" "$DIR/system.conf"
	run_streamd
	mv "$DIR/system.conf" "$DIR/system.conf.old"
	kill -HUP "$STREAMD_PID"
	for _ in $(seq 100); do
		grep -q configuration "$DIR/err" && break
		sleep 0.05
	done
	grep -q 'streamgate.conf: cannot be read .*: the old one stays in effect' "$DIR/err"
	"$BIN/tokenctl" status --json | jq -e '.open == false'
	curl -sf --unix-socket "$DIR/streamd.sock" http://localhost/api/v1/apps/live |
		jq -e '.playTokenControlEnabled and .publishTokenControlEnabled'
}

# ---- what goes wrong at the start ----

start_fails() { # exit status, text that the one line must hold, streamd's arguments...
	local want=$1 text=$2
	shift 2
	run timeout 10 "$BIN/streamd" "$@"
	echo "$output"
	[ "$status" = "$want" ]
	[ "${#lines[@]}" = 1 ]
	[[ $output == "streamd: "*"$text"* ]]
}

@test "a port in use" {
	sed "s/^listen = .*/listen =/; /^\[rtmp\]/,/^\[/s/^listen =.*/listen = $RTMP/; s/streamgate.db/other.db/" "$DIR/sg.conf" >"$DIR/other.conf"
	start_fails 1 "Address already in use: stop the other server or choose another port" --config "$DIR/other.conf"
	[[ $output == *"rtmp: $RTMP"* ]]
	sed "s/^listen = .*/listen =/; /^\[http\]/,/^\[/s/^listen =.*/listen = $HTTP/; s/streamgate.db/other.db/" "$DIR/sg.conf" >"$DIR/other.conf"
	start_fails 1 "Address already in use: stop the other server or choose another port" --config "$DIR/other.conf"
	[[ $output == *"http: $HTTP"* ]]
	# The one that runs has not noticed.
	[ "$(http_status /healthz)" = 200 ]
}

@test "a data directory that cannot be written" {
	sed "s|sqlite:.*|sqlite:/proc/nowhere/sg.db|" "$DIR/sg.conf" >"$DIR/other.conf"
	start_fails 1 "/proc/nowhere" --config "$DIR/other.conf"
}

@test "a typing mistake in the configuration" {
	sed 's/^play_token/play_tokn/' "$DIR/sg.conf" >"$DIR/other.conf"
	start_fails 2 "play_token" --config "$DIR/other.conf"
	start_fails 2 "play_token" --config "$DIR/other.conf" --check-config
	[[ $output == *other.conf:* ]]
}

@test "authorities that are none" {
	for file in "$DIR/nowhere" "$DIR" "$DIR/sg.conf"; do
		printf '[relay]\ntls_ca = %s\n' "$file" | cat "$DIR/sg.conf" - >"$DIR/other.conf"
		start_fails 2 "[relay] tls_ca = $file: " --config "$DIR/other.conf" --check-config
		[[ $output == *": name a file of certificates (PEM)" ]]
	done
}

@test "a store that this version does not serve" {
	for url in postgresql://user:secretword@db/gate postgres:///gate mysql://db/gate sqlite:; do
		sed "s|sqlite:.*|$url|" "$DIR/sg.conf" >"$DIR/other.conf"
		start_fails 2 "use sqlite:/path/to/file" --config "$DIR/other.conf"
		[[ $output == *other.conf:2:* && $output != *secretword* ]]
		start_fails 2 "use sqlite:/path/to/file" --config "$DIR/other.conf" --check-config
		run "$BIN/tokenctl" list --config "$DIR/other.conf"
		[ "$status" = 2 ]
		[ "${#lines[@]}" = 1 ]
	done
}

@test "a store that is no store" {
	echo "this is a letter to my aunt" >"$DIR/letter"
	sed "s|sqlite:.*|sqlite:$DIR/letter|" "$DIR/sg.conf" >"$DIR/other.conf"
	start_fails 1 "letter" --config "$DIR/other.conf"
	[ "$(cat "$DIR/letter")" = "this is a letter to my aunt" ]
}

@test "a configuration that cannot be shown" {
	run bash -c '"$1" --check-config >/dev/full' - "$BIN/streamd"
	[ "$status" = 1 ]
	[[ $output == "streamd: "*": No space left on device" ]]
}

@test "wrong usage" {
	start_fails 2 "unexpected argument" nonsense
	run "$BIN/streamd" --nonsense
	[ "$status" = 2 ]
}

# ---- hostile peers ----

alive() { [ "$(http_status /healthz)" = 200 ]; }

rtmp_bytes() { # printf format: a handshake that passes, then these bytes
	(
		printf '\003'
		head -c 1536 /dev/zero
		head -c 1536 /dev/zero
		printf "$1"
		sleep "${2:-1}"
	) | timeout 20 nc -q 1 "${RTMP%:*}" "${RTMP#*:}" >/dev/null || true
}

@test "garbage after the handshake, a claim of 16 MiB, a stop in the middle of a chunk" {
	rtmp_bytes '\377\377\377\377\377\377\377\377\377\377\377\377'
	rtmp_bytes '\003\000\000\000\377\377\377\024\000\000\000\000aaaa'
	rtmp_bytes '\003\000\000\000\000\001\000\024\000'
	(printf 'GET / HTTP/1.0\r\n\r\n'; sleep 0.5) | timeout 5 nc -q 1 "${RTMP%:*}" "${RTMP#*:}" >/dev/null || true
	grep -q 'a chunk that refers to one before it' "$DIR/err"
	grep -q 'a message larger than is allowed here' "$DIR/err"
	grep -q 'this is not RTMP' "$DIR/err"
	[ "$(wc -l <"$DIR/err")" -le 4 ]
	alive
}

@test "a thousand connections that say nothing" {
	python3 - "$RTMP" "$HTTP" <<-'END' &
		import socket, sys, time
		held = []
		for where in sys.argv[1:]:
		    host, port = where.split(":")
		    held += [socket.create_connection((host, int(port))) for _ in range(1000)]
		time.sleep(30)
	END
	flood=$!
	VIEWERS="${VIEWERS-} $flood"
	sleep 2
	publish cam "$(token cam --type publish)"
	[ "$(http_status "/live/streams/cam.flv?token=$(token cam)")" = 200 ]
	sleep 10 # they are shown out after ten seconds, with few words
	[ "$(wc -l <"$DIR/err")" -le 40 ]
	alive
}

@test "a viewer that never reads does not stop the others" {
	publish cam "$(token cam --type publish)"
	(curl -sN --limit-rate 1 -o /dev/null "http://$HTTP/live/streams/cam.flv?token=$(token cam)" 3>&-) &
	VIEWERS="${VIEWERS-} $!"
	view good "http://$HTTP/live/streams/cam.flv?token=$(token cam)"
	sleep 3
	ffprobe -v error -count_packets -select_streams v -show_entries stream=nb_read_packets -of csv=p=0 "$DIR/good.bytes" >"$DIR/n"
	[ "$(cat "$DIR/n")" -ge 75 ]
}

@test "a viewer who takes nothing for a minute is still in, and goes on" {
	SOURCE=$DIR/noise.flv
	ffmpeg -v error -nostdin -f lavfi -i nullsrc=size=640x360:rate=30,noise=alls=60:allf=t -c:v libx264 -preset ultrafast \
		-tune zerolatency -g 30 -b:v 12M -maxrate 12M -bufsize 12M -t 2 "$SOURCE"
	publish cam "$(token cam --type publish)"
	for kind in flv ts; do
		timeout 100 curl -sN -o "$DIR/$kind" "http://$HTTP/live/streams/cam.$kind?token=$(token cam)" 3>&- &
		VIEWERS="${VIEWERS-} $!"
	done
	timeout 100 rtmpdump -q -v -r "rtmp://$RTMP/live/cam?token=$(token cam)" -o "$DIR/rtmp" 3>&- &
	VIEWERS="$VIEWERS $!"
	for name in flv ts rtmp; do
		until [ -s "$DIR/$name" ]; do sleep 0.05; done
	done
	paused=
	for p in $VIEWERS; do paused="$paused $(pgrep -P "$p")"; done
	kill -STOP $paused
	sleep 60
	kill -CONT $paused
	sleep 2 # what was on its way has been taken
	for name in flv ts rtmp; do had[${#had[@]}]=$(stat -c %s "$DIR/$name"); done
	sleep 2
	i=0
	for name in flv ts rtmp; do
		echo "$name: ${had[i]}, then $(stat -c %s "$DIR/$name")"
		[ "$(stat -c %s "$DIR/$name")" -gt $((had[i++] + 500000)) ]
	done
}

@test "names that are no stream ids, and a token of 10 kB" {
	long=$(head -c 10000 /dev/zero | tr '\0' a)
	[ "$(http_status "/live/streams/cam.flv?token=$long")" = 403 ] || [ "$(http_status "/live/streams/cam.flv?token=$long")" = 414 ]
	for name in a%2Fb ..%2Fcam %00cam .hidden c%C3%A4m cam%20x; do
		case $(http_status "/live/streams/$name.flv?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") in
		400 | 403 | 404) ;;
		*) echo "$name was taken" && return 1 ;;
		esac
	done
	for name in "a/b/c" "..%2Fcam" "%00cam" ".hidden" "cäm" "$long"; do
		timeout 10 ffmpeg -v error -nostdin -re -i "$SOURCE" -c copy -t 0.3 -f flv "rtmp://$RTMP/live/$name?token=$long" 2>/dev/null && return 1
	done
	! grep -q aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "$DIR/err" || false
	alive
}

@test "recordings: ranges, conditions, HEAD, a session without the token" {
	ffmpeg -v error -nostdin -i "$SOURCE" -c copy -t 2 -movflags +faststart "$DIR/rec/live/film.mp4"
	size=$(stat -c %s "$DIR/rec/live/film.mp4")
	t=$(token film)
	curl -sf -c "$DIR/jar" -D "$DIR/head" -r 0-99 -o "$DIR/part" "http://$HTTP/live/streams/film.mp4?token=$t"
	[ "$(stat -c %s "$DIR/part")" = 100 ]
	grep -qi "^content-range: bytes 0-99/$size" "$DIR/head"
	curl -sf -b "$DIR/jar" -o "$DIR/all" "http://$HTTP/live/streams/film.mp4"
	cmp "$DIR/all" "$DIR/rec/live/film.mp4"
	etag=$(sed -n 's/^etag: //Ip' "$DIR/head" | tr -d '\r')
	[ "$(http_status /live/streams/film.mp4 -b "$DIR/jar" -H "If-None-Match: $etag")" = 304 ]
	[ "$(http_status /live/streams/film.mp4 -b "$DIR/jar" -r 99999999-)" = 416 ]
	[ "$(http_status /live/streams/film.mp4)" = 401 ]
	[ "$(uses "$t" film)" = 1 ]
}
