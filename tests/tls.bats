#!/usr/bin/env bats
# HTTPS and RTMPS with one certificate: players and encoders, IPv6, a new certificate while somebody watches,
# what is wrong with the files.

load e2e.bash

certificate() { # name: $DIR/NAME.pem and NAME.key
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -keyout "$DIR/$1.key" -out "$DIR/$1.pem" 2>/dev/null
}

setup_file() {
	make_source
	DIR=$(mktemp -d "$BATS_FILE_TMPDIR/sg.XXXXXX")
	certificate one
	certificate two
	cp "$DIR/one.pem" "$DIR/cert.pem"
	cp "$DIR/one.key" "$DIR/key.pem"
	cat >"$DIR/sg.conf" <<-END
		[store]
		url = sqlite:$DIR/streamgate.db
		[http]
		listen = 127.0.0.1:0
		tls_listen = 127.0.0.1:0, [::1]:0
		tls_cert = $DIR/cert.pem
		tls_key = $DIR/key.pem
		[rtmp]
		listen = 127.0.0.1:0, [::1]:0
		tls_listen = 127.0.0.1:0, [::1]:0
		[srt]
		listen =
		[webrtc]
		listen = 127.0.0.1:0
		[recording]
		path = $DIR/rec
		[app live]
		publish_token = on
		play_token = on
	END
	start_streamd
	HTTPS=$(sed -n 's/^listening https 127/127/p' "$DIR/out")
	HTTPS6=$(sed -n 's/^listening https \[/[/p' "$DIR/out")
	RTMPS=$(sed -n 's/^listening rtmps 127/127/p' "$DIR/out")
	RTMPS6=$(sed -n 's/^listening rtmps \[/[/p' "$DIR/out")
	RTMP6=$(sed -n 's/^listening rtmp \[/[/p' "$DIR/out")
	export DIR HTTPS HTTPS6 RTMPS RTMPS6 RTMP6
	ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -t 300 -f flv \
		"rtmps://$RTMPS/live/cam?token=$(token cam --type publish)" >"$DIR/publish-cam.log" 2>&1 3>&- &
	export PUBLISHER=$!
	wait_live cam
}

teardown_file() {
	stop "$PUBLISHER"
	stop_streamd
}

get() { # path [curl options]
	local path=$1
	shift
	curl -s -A tests --cacert "$DIR/cert.pem" "$@" "https://$HTTPS$path"
}

@test "RTMPS publishes and plays; a token opens once" {
	t=$(token cam)
	[ "$(timeout 20 ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "rtmps://$RTMPS/live/cam?token=$t" | paste -sd, -)" = h264,aac ]
	run timeout 20 ffprobe -v error "rtmps://$RTMPS/live/cam?token=$t"
	[ "$status" -ne 0 ]
	[ "$(uses "$t")" = 1 ]
}

# What the server has not read of a connection to its port: the most that /proc/net/tcp shows in some seconds.
most_unread() { # host:port
	local port most=0 now
	port=$(printf '%04X' "${1##*:}")
	for _ in $(seq 60); do
		now=$(awk -v port=":$port" 'substr($2, 9) == port && $4 == "01" { split($5, q, ":"); print q[2] }' /proc/net/tcp |
			while read -r q; do echo $((16#$q)); done | sort -n | tail -n 1)
		[ "${now:-0}" -le "$most" ] || most=$now
		sleep 0.1
	done
	echo "$most"
}

@test "an RTMPS stream that nobody watches is taken in as it comes, record by record" {
	ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -t 60 -f flv \
		"rtmps://$RTMPS/live/alone?token=$(token alone --type publish)" >"$DIR/publish-alone.log" 2>&1 3>&- &
	alone=$!
	wait_live alone
	unread=$(most_unread "$RTMPS")
	kill -0 "$alone"
	stop "$alone"
	[ "$unread" -gt 0 ] # it is left with the kernel for a tenth of a second
	[ "$unread" -lt 65536 ]
}

@test "every listener on IPv6" {
	[ "$(curl -s --cacert "$DIR/cert.pem" "https://$HTTPS6/healthz")" = ok ]
	timeout 20 ffprobe -v error "rtmps://$RTMPS6/live/cam?token=$(token cam)"
	timeout 20 ffprobe -v error "rtmp://$RTMP6/live/cam?token=$(token cam)"
}

@test "streamplay plays WebRTC by HTTPS and WSS, with a certificate that SSL_CERT_FILE names" {
	for url in "https://$HTTPS/live/whep/cam" "webrtcs://$HTTPS6/live/cam"; do
		run timeout 20 "$BIN/streamplay" "$url" --token - --no-window --duration 1s <<<"$(token cam)"
		[ "$status" -eq 1 ]
		run env SSL_CERT_FILE="$DIR/cert.pem" timeout 20 "$BIN/streamplay" "$url" --token - --no-window --duration 1s <<<"$(token cam)"
		echo "$output"
		[ "$status" -eq 0 ]
	done
}

@test "HTTPS carries playlists, endless answers and the peer's own address" {
	t=$(token cam)
	get "/live/streams/cam.m3u8?token=$t" -D "$DIR/head" -o "$DIR/list"
	grep -q '^#EXTM3U' "$DIR/list"
	grep -qi '^set-cookie:.*; Secure' "$DIR/head"
	"$BIN/tokenctl" audit --json --limit 1 | jq -e '.items[0].address == "127.0.0.1"'
	[ "$(get "/live/streams/cam.flv?token=$(token cam)" -m 2 | wc -c)" -gt 20000 ]
	[ "$(get "/live/streams/cam.flv?token=$t" -o /dev/null -w '%{http_code}')" = 403 ]
}

@test "a large body comes whole, and slowly if need be" {
	head -c 20000000 /dev/urandom >"$DIR/big"
	mkdir -p "$DIR/rec/live"
	cp "$DIR/big" "$DIR/rec/live/big.mp4"
	get "/live/streams/big.mp4?token=$(token big)" -o "$DIR/back"
	cmp "$DIR/big" "$DIR/back"
	get "/live/streams/big.mp4?token=$(token big)" --limit-rate 10M -o "$DIR/back"
	cmp "$DIR/big" "$DIR/back"
}

@test "a kicked viewer gets nothing more" {
	t=$(token cam)
	get "/live/streams/cam.flv?token=$t" -o /dev/null 3>&- &
	viewer=$!
	for _ in $(seq 100); do [ "$(uses "$t")" = 1 ] && break; sleep 0.05; done
	"$BIN/tokenctl" revoke "$(token_id "$t")"
	status=0
	timeout 5 tail --pid=$viewer -f /dev/null || status=$?
	[ "$status" = 0 ]
	wait "$viewer" || true
}

# Segments of several megabytes: more than sockets hold. Sets SEGMENTS, paths with the session of token $t.
publish_large() {
	[ -s "$BATS_FILE_TMPDIR/large.flv" ] || ffmpeg -v error -nostdin -y -f lavfi -i color=size=426x240:rate=25,noise=alls=100:allf=t \
		-t 8 -c:v libx264 -preset ultrafast -crf 1 -pix_fmt yuv420p -g 50 -f flv "$BATS_FILE_TMPDIR/large.flv"
	ffmpeg -v error -nostdin -re -stream_loop -1 -i "$BATS_FILE_TMPDIR/large.flv" -c copy -t 60 -f flv \
		"rtmps://$RTMPS/live/large?token=$(token large --type publish)" >"$DIR/publish-large.log" 2>&1 3>&- &
	CLIENT=$!
	wait_live large
	t=$(token large)
	at=/live/streams/$(get "/live/streams/large.m3u8?token=$t" | grep -v '^#' | head -n 1)
	for _ in $(seq 100); do
		SEGMENTS=$(get "$at" | grep '^main-.*m4s' | sed "s,^,${at%/*}/,")
		[ "$(wc -l <<<"$SEGMENTS")" -lt 4 ] || break
		sleep 0.2
	done
	SEGMENTS=$(tail -n 3 <<<"$SEGMENTS") # the oldest may go at any time
}

@test "segments come whole, one after the other and asked for together" {
	publish_large
	for s in $SEGMENTS; do
		get "$s" -o "$DIR/segment" -D "$DIR/head"
		[ "$(stat -c %s "$DIR/segment")" -gt 3000000 ]
		[ "$(grep -ci '^content-length:' "$DIR/head")" = 1 ]
		[ "$(sed -n 's/^content-length: //Ip' "$DIR/head" | tr -d '\r')" = "$(stat -c %s "$DIR/segment")" ]
		sha256sum <"$DIR/segment" | cut -d' ' -f1
	done >"$DIR/each"
	[ "$(wc -l <"$DIR/each")" = 3 ]
	# shellcheck disable=SC2086
	python3 "$BATS_TEST_DIRNAME/tls_client.py" together "${HTTPS##*:}" $SEGMENTS >"$DIR/all"
	cmp "$DIR/each" "$DIR/all"
	get "$(tail -n 1 <<<"$SEGMENTS")" --limit-rate 4M -o "$DIR/segment"
	[ "$(sha256sum <"$DIR/segment" | cut -d' ' -f1)" = "$(tail -n 1 "$DIR/each")" ]
	[ "$(get "$(tail -n 1 <<<"$SEGMENTS")" -I | sed -n 's/^content-length: //Ip' | tr -d '\r')" = "$(stat -c %s "$DIR/segment")" ]
	stop "$CLIENT"
}

@test "a viewer kicked in the middle of a segment gets no more of it" {
	publish_large
	mkfifo "$DIR/go"
	python3 "$BATS_TEST_DIRNAME/tls_client.py" slowly "${HTTPS##*:}" "$(tail -n 1 <<<"$SEGMENTS")" <"$DIR/go" >"$DIR/slow" 2>"$DIR/slow.err" 3>&- &
	slow=$!
	exec 9>"$DIR/go"
	for _ in $(seq 100); do grep -q reading "$DIR/slow" && break; sleep 0.05; done
	sleep 0.5 # the server has said the header and is through with the request
	"$BIN/tokenctl" revoke "$(token_id "$t")"
	for _ in $(seq 20); do [ -n "$("$BIN/tokenctl" sessions --stream large --json | jq '.items[] | select(.type == "play")')" ] || break; sleep 0.05; done
	sleep 0.3
	echo >&9
	exec 9>&-
	wait "$slow"
	read -r came size < <(tail -n 1 "$DIR/slow")
	echo "$came of $size"
	[ "$came" -lt $((size / 2)) ]
	stop "$CLIENT"
}

@test "TLS 1.2 and up, and modern ciphers" {
	get /healthz --tls-max 1.2
	status=0
	get /healthz --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 || status=$?
	[ "$status" = 35 ]
	status=0
	get /healthz --tls-max 1.2 --ciphers AES128-SHA || status=$?
	[ "$status" = 35 ]
	openssl s_client -connect "$HTTPS" -alpn h2,http/1.1 </dev/null 2>/dev/null | grep -q 'ALPN protocol: http/1.1'
}

@test "SIGHUP: a new certificate for those who come, the old one for those who are in" {
	t=$(token cam)
	get "/live/streams/cam.flv?token=$t" -o "$DIR/watched" 3>&- &
	viewer=$!
	for _ in $(seq 100); do [ -s "$DIR/watched" ] && break; sleep 0.05; done
	cp "$DIR/two.pem" "$DIR/cert.pem"
	cp "$DIR/two.key" "$DIR/key.pem"
	kill -HUP "$STREAMD_PID"
	for _ in $(seq 100); do
		openssl s_client -connect "$HTTPS" </dev/null 2>/dev/null | grep -q 'subject=CN = two' && break
		sleep 0.05
	done
	[ "$(get /healthz)" = ok ]
	openssl s_client -connect "$RTMPS" </dev/null 2>/dev/null | grep -q 'subject=CN = two'
	before=$(stat -c %s "$DIR/watched")
	for _ in $(seq 100); do [ "$(stat -c %s "$DIR/watched")" -gt "$before" ] && break; sleep 0.05; done
	[ "$(stat -c %s "$DIR/watched")" -gt "$before" ]
	kill -0 "$PUBLISHER"
	stop "$viewer"
	# A key that does not belong to it changes nothing.
	cp "$DIR/one.key" "$DIR/key.pem"
	kill -HUP "$STREAMD_PID"
	for _ in $(seq 100); do grep -q 'the old certificate stays' "$DIR/err" && break; sleep 0.05; done
	grep -q 'is not the key of' "$DIR/err"
	[ "$(get /healthz)" = ok ]
}

@test "a handshake that does not come is not waited for" {
	for at in "$HTTPS" "$RTMPS"; do
		timeout 20 bash -c "cat <'/dev/tcp/${at%:*}/${at##*:}'" &
		waiting+=($!)
	done
	for job in "${waiting[@]}"; do
		status=0
		wait "$job" || status=$? # a reset is an end as well
		[ "$status" -ne 124 ]    # ended by streamd, not by the clock
	done
}

@test "printed URLs are those of TLS" {
	"$BIN/tokenctl" create cam --json | jq -e '.urls | (.rtmps // "rtmps://") | startswith("rtmps://")'
	sed "s/^tls_listen = .*/tls_listen = 127.0.0.1:5443/; /^\[rtmp\]/,/^\[/s/5443/1936/" "$DIR/sg.conf" >"$DIR/fixed.conf"
	"$BIN/tokenctl" create cam --json --config "$DIR/fixed.conf" >"$DIR/urls"
	jq -e '.urls.hls | startswith("https://127.0.0.1:5443/live/streams/cam.m3u8?token=")' "$DIR/urls"
	jq -e '.urls.whep | startswith("https://127.0.0.1:5443/live/whep/cam?token=")' "$DIR/urls"
	jq -e '.urls.webrtc | startswith("https://127.0.0.1:5443/live/play.html?id=cam&token=")' "$DIR/urls"
	jq -e '.urls.rtmps | startswith("rtmps://127.0.0.1:1936/live/cam?token=")' "$DIR/urls"
}

@test "what is wrong with the files is one line, and exit 2" {
	for row in "tls_cert = $DIR/gone|gone: No such file" "tls_key = $DIR/gone|gone: No such file" \
		"tls_key = $DIR/one.key|is not the key of" "tls_cert = $DIR/sg.conf|PEM"; do
		key=${row%% *}
		sed "s|^$key = .*|${row%%|*}|" "$DIR/sg.conf" >"$DIR/bad.conf"
		grep -q "^$key = $DIR/key.pem" "$DIR/bad.conf" || cp "$DIR/two.key" "$DIR/key.pem"
		run "$BIN/streamd" --config "$DIR/bad.conf"
		[ "$status" = 2 ]
		[ "${#lines[@]}" = 1 ]
		[[ ${lines[0]} == *"[http] ${key}"*"${row##*|}"* ]]
		run "$BIN/streamd" --check-config --config "$DIR/bad.conf"
		[ "$status" = 2 ]
	done
	sed '/^tls_key/d' "$DIR/sg.conf" >"$DIR/bad.conf"
	run "$BIN/streamd" --check-config --config "$DIR/bad.conf"
	[ "$status" = 2 ]
	[[ $output == *tls_key* ]]
}
