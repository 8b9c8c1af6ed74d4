#!/usr/bin/env bash
# The demonstration behind `make demo`: one token opens one publisher, one token opens one viewer, and
# neither opens a second. On a terminal it stays up until Ctrl-C; else it ends, with 0 if all of it held.
set -eu
bin=$(cd "${BUILD_DIR:-build}" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/streamgate-demo.XXXXXX")
jobs_started=
trap 'trap - EXIT; for p in $jobs_started; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
trap 'echo; echo "Goodbye."; exit 0' INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then bold=$'\e[1m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'; else bold='' good='' bad='' plain=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
ok() { printf '  %s✔%s %s\n' "$good" "$plain" "$1"; }
fail() {
	printf '  %s✘ %s%s\n' "$bad" "$1" "$plain" >&2
	shift
	for f; do sed 's/^/    | /' "$f" >&2; done
	exit 1
}
start() { # log command...: in the background
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null &
	jobs_started="$jobs_started $!"
}
until_true() { # seconds command...
	local n=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $((n -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}

# The well-known ports where they are free, else any.
free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port() { if free "$1"; then echo "$1"; else echo 0; fi; }
# TLS=1: HTTPS, WSS and RTMPS as well, with a certificate signed by itself.
http_tls='' rtmp_tls=''
if [ -n "${TLS-}" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/tls.key" -out "$dir/tls.pem" 2>"$dir/openssl.log" ||
		fail "no certificate could be made: apt-get install openssl" "$dir/openssl.log"
	http_tls="tls_listen = 127.0.0.1:$(port 5443)
tls_cert = $dir/tls.pem
tls_key = $dir/tls.key"
	rtmp_tls="tls_listen = 127.0.0.1:$(port 1936)"
fi
cat >"$dir/streamgate.conf" <<END
[store]
url = sqlite:$dir/streamgate.db
[http]
listen = 127.0.0.1:$(port 5080)
$http_tls
[rtmp]
listen = 127.0.0.1:$(port 1935)
$rtmp_tls
[srt]
listen =
[webrtc]
listen =
[recording]
path = $dir/recordings
END
export STREAMGATE_CONFIG=$dir/streamgate.conf

step "1. streamd starts, on a store of its own"
start "$dir/streamd.log" "$bin/streamd"
until_true 10 grep -q '^ready$' "$dir/streamd.log" || fail "streamd did not start" "$dir/streamd.log"
rtmp=rtmp://$(sed -n 's/^listening rtmp //p' "$dir/streamd.log")/live/cam
http=http://$(sed -n 's/^listening http //p' "$dir/streamd.log")
# no_duration_filesize: FFmpeg does not try to go back and write them into a live stream.
picture=(ffmpeg -hide_banner -loglevel error -nostdin -re -f lavfi -i "testsrc2=size=640x360:rate=30"
	-f lavfi -i "sine=frequency=440:sample_rate=44100" -c:v libx264 -preset ultrafast -tune zerolatency
	-pix_fmt yuv420p -g 30 -b:v 1M -c:a aac -b:a 96k -flvflags no_duration_filesize -f flv)
ok "$rtmp and $http"
if [ -n "${TLS-}" ]; then
	ok "https://$(sed -n 's/^listening https //p' "$dir/streamd.log") and rtmps://$(sed -n 's/^listening rtmps //p' "$dir/streamd.log")/live/cam, certificate $dir/tls.pem"
fi

step "2. Enable: tokens are asked for, to publish and to play"
"$bin/tokenctl" enable
ok "tokenctl enable"

step "3. Create and use: one token, one publisher"
publish=$("$bin/tokenctl" create cam --type publish --expires 15m --label demo --quiet)
start "$dir/publish.log" "${picture[@]}" "$rtmp?token=$publish"
until_true 10 sh -c "'$bin/tokenctl' sessions | grep -q active" ||
	fail "the publisher did not come through" "$dir/publish.log" "$dir/streamd.log"
ok "a test picture is published"
if timeout 10 "${picture[@]}" -t 1 "$rtmp?token=$publish" >"$dir/second.log" 2>&1; then
	fail "the same token opened a second publisher"
fi
grep -q 'Not allowed' "$dir/second.log" || fail "the second publisher failed, but not by refusal" "$dir/second.log"
ok "the same token again: refused"

step "4. Create and use: one token, one viewer"
play=$("$bin/tokenctl" create cam --expires 15m --label demo --quiet)
STREAMGATE_TOKEN=$play "$bin/streamplay" "$rtmp" --no-window --duration 3s --expect "video=h264,audio=aac,fps>=20" ||
	fail "the viewer did not see it" "$dir/streamd.log"
ok "streamplay sees H.264 and AAC"
status=0
STREAMGATE_TOKEN=$play "$bin/streamplay" "$rtmp" --no-window --duration 3s 2>"$dir/refused" || status=$?
[ "$status" = 4 ] || fail "the same token was not refused (exit $status)" "$dir/refused"
ok "the same token again: refused ($(cat "$dir/refused"))"
status=0
STREAMGATE_TOKEN=$play "$bin/streamplay" "$http/live/streams/cam.m3u8" --no-window --duration 3s 2>"$dir/refused" || status=$?
[ "$status" = 4 ] || fail "the same token was not refused over HLS (exit $status)" "$dir/refused"
ok "and on another protocol: refused"

step "What the audit says"
"$bin/tokenctl" audit | sed 's/^/  /'

step "The panel"
password=$(od -An -N9 -tx1 /dev/urandom | tr -d ' \n')
"$bin/tokenctl" passwd - <<<"$password" 2>"$dir/passwd.log" || fail "no password could be set" "$dir/passwd.log"
ask() { # request: prints the answer (there may be no curl yet)
	local at=${http#http://}
	exec 3<>"/dev/tcp/${at%:*}/${at##*:}"
	printf "$1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3
	cat <&3
	exec 3>&-
}
ask 'GET / HTTP/1.1' >"$dir/panel.html"
grep -qi '<!doctype html>' "$dir/panel.html" || fail "the panel does not answer" "$dir/panel.html" "$dir/streamd.log"
ok "$http/ with the password $password"

[ -t 0 ] && [ -t 1 ] || {
	step "All of it held."
	exit 0
}
step "Yours to try, until Ctrl-C; each link is good for one viewer"
for url in "$rtmp" "$http/live/streams/cam.m3u8" "$http/live/streams/cam.flv"; do
	printf '  %s?token=%s\n' "$url" "$("$bin/tokenctl" create cam --expires 15m --label demo --quiet)"
done
printf '\n  export STREAMGATE_CONFIG=%s PATH=%s:$PATH\n  tokenctl create cam      tokenctl sessions      tokenctl audit --follow\n' "$STREAMGATE_CONFIG" "$bin"
key=$("$bin/tokenctl" apikey create --scope admin --label demo --quiet 2>/dev/null || true)
[ -z "$key" ] || printf '  curl -H "Authorization: Bearer %s" %s/api/v1/sessions\n' "$key" "$http"
while sleep 3600; do :; done
