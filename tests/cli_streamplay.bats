#!/usr/bin/env bats
# streamplay, as its manual tells it (man/streamplay.1), over files and a small web server.

setup_file() {
	media=$BATS_FILE_TMPDIR
	export media
	ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine -t 3 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a aac \
		"$media/cam.mp4"
	for kind in flv ts; do ffmpeg -v error -i "$media/cam.mp4" -c copy "$media/cam.$kind"; done
	ffmpeg -v error -i "$media/cam.mp4" -c copy -hls_time 1 -hls_list_size 0 "$media/cam.m3u8"
	head -c 200000 /dev/urandom >"$media/garbage.flv"
	# Answers /status/CODE/... with that code, /hang never, and everything else with the file.
	cat >"$media/server.py" <<-'END'
		import http.server, os, sys, threading
		os.chdir(sys.argv[1])
		threading.Timer(300, lambda: os._exit(1)).start()
		class Handler(http.server.SimpleHTTPRequestHandler):
		    protocol_version = "HTTP/1.1"
		    def do_GET(self):
		        with open("requests", "a") as log:
		            log.write(self.path + "\n")
		        part = self.path.split("/")
		        if part[1] == "status":
		            self.send_response(int(part[2]))
		            self.send_header("Content-Length", "0")
		            self.end_headers()
		        elif part[1] == "live":
		            self.send_response(200)
		            self.send_header("Connection", "close")
		            self.end_headers()
		            self.wfile.write(open(part[2], "rb").read())
		            self.close_connection = True
		        elif part[1] == "hang":
		            threading.Event().wait(60)
		        elif part[1] == "gate" and ("token=good" not in self.path or "token=bad" in self.path):
		            self.send_error(403)
		        else:
		            self.path = self.path.replace("/gate", "")
		            super().do_GET()
		    do_POST = do_GET
		    def log_message(self, *args):
		        pass
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
		with open("port.new", "w") as f:
		    f.write(str(server.server_address[1]))
		os.rename("port.new", "port")
		server.serve_forever()
	END
	python3 "$media/server.py" "$media" 3>&- >"$media/server.log" 2>&1 &
	server=$!
	export server
	for _ in $(seq 100); do [ -s "$media/port" ] && break || sleep 0.05; done
	base=http://127.0.0.1:$(cat "$media/port")
	export base
}

teardown_file() {
	kill "$server" 2>/dev/null || true
}

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	build=${BUILD_DIR:-build}
	[[ $build == /* ]] || build=$root/$build
	PATH=$build:$PATH
	unset DISPLAY WAYLAND_DISPLAY STREAMGATE_TOKEN STREAMGATE_CONFIG
	dir=$BATS_TEST_TMPDIR
	token=0123456789abcdefghijABCDEFGHIJ-_
}

# Runs a command; its output in $output, its errors in $errors, its end in $status.
try() {
	status=0
	output=$(timeout 60 "$@" 2>"$dir/errors") || status=$?
	errors=$(cat "$dir/errors")
	echo "status $status, output '$output', errors '$errors'"
}

# The exit status is the first argument; the error is one line "streamplay: ... : ...".
fails() {
	local wanted=$1
	shift
	try "$@"
	[ "$status" -eq "$wanted" ]
	[ "$(wc -l <"$dir/errors")" -eq 1 ]
	[[ $errors =~ ^streamplay:\ .+:\ .+ ]]
}

succeeds() {
	try "$@"
	[ "$status" -eq 0 ]
	[ -z "$errors" ]
}

# ---- help and wrong usage ----

@test "help and version" {
	succeeds streamplay --help
	[[ $output == usage:* && $output == *--expect* ]]
	succeeds streamplay --version
	[[ $output =~ ^streamplay\ \(streamgate\)\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "wrong usage is told in one line, with status 2" {
	fails 2 streamplay
	fails 2 streamplay a b
	fails 2 streamplay gopher://host/x
	fails 2 streamplay 'http://[::1'
	fails 2 streamplay x --duration
	fails 2 streamplay x --duration soon
	fails 2 streamplay x --duration 0
	fails 2 streamplay x --json=yes
	fails 2 streamplay x --window --no-window
	fails 2 streamplay x --ramp 5/s
	fails 2 streamplay x --clients 0
	fails 2 streamplay x --clients 1001
	fails 2 streamplay x --clients 2 --ramp fast
	fails 2 streamplay x --clients 2 --record y.mp4
	fails 2 streamplay x --clients 2 --token a --tokens b
	fails 2 streamplay x --record y.doc
	fails 2 streamplay rtmp://host/live/cam --publish "$media/cam.mp4"
	fails 2 streamplay whep+http://host/live/whep/cam --publish "$media/cam.mp4"
	fails 2 streamplay http://host/live/whip/cam --publish "$media/cam.mp4" --record y.mp4
	fails 2 streamplay http://host/live/streams/cam.mpd --clients 2
	fails 2 streamplay x --durtion 5s
	[[ $errors == *"did you mean --duration"* ]]
}

@test "a configuration that is wrong is refused" {
	printf '[rtmp]\nlissten = 1\n' >"$dir/sg.conf"
	fails 2 streamplay "$media/cam.mp4" --config "$dir/sg.conf"
	fails 2 streamplay "$media/cam.mp4" --config "$dir/none.conf"
	printf '[app live]\npulbish_token = on\n' >"$dir/sg.conf" # a key, not a token with its value
	fails 2 streamplay "$media/cam.mp4" --config "$dir/sg.conf"
	[[ $errors == *"no key 'pulbish_token': did you mean 'publish_token'?" ]]
}

# ---- playing ----

@test "files of every container are decoded, and described in JSON" {
	for kind in mp4 flv ts m3u8; do
		succeeds streamplay "$media/cam.$kind" --json
		jq -e '.status == "played" and .exit == 0 and .latencyMs == null and .lost == 0 and
			.video == {codec: "h264", width: 320, height: 180, fps: 25, frames: 75, decoded: 75} and
			.audio.codec == "aac" and .audio.sampleRate == 44100 and .audio.channels == 1 and
			.audio.packets > 120 and .bytes > 50000 and .bitRate > 100000 and
			.startupMs >= 0 and .seconds > 0' <<<"$output"
	done
}

@test "piped, there is one line at the end" {
	succeeds streamplay "$media/cam.mp4"
	[ "$(wc -l <<<"$output")" -eq 1 ]
	[[ $output == played*"h264 320x180 25.0 fps"*"aac 44.1 kHz"* ]]
}

@test "on a terminal a line is refreshed" {
	script -qefc "stty cols 60; TERM=xterm streamplay $media/cam.mp4" /dev/null </dev/null >"$dir/tty"
	grep -q $'\r00:00:00' "$dir/tty"
	[ "$(tr '\r' '\n' <"$dir/tty" | grep '^00:' | sed 's/\x1b.*//' | awk '{print length}' | sort -n | tail -1)" -lt 60 ]
	# What was lost is told however narrow it is, and nothing is cut in the middle.
	[ -z "$(tr '\r' '\n' <"$dir/tty" | grep '^00:' | sed 's/\x1b.*//' | grep -vE '^00:00:0[0-9](  h264 320x180 [0-9.]+ fps)?(  aac 44.1 kHz)?(  [0-9]+ kbit/s)?  lost 0$')" ]
	TERM=dumb script -qefc "streamplay $media/cam.mp4" /dev/null </dev/null >"$dir/tty"
	! grep -q $'\x1b' "$dir/tty" || false
}

@test "a duration ends it, and so does an interrupt" {
	succeeds streamplay "$media/cam.mp4" --duration 1s --json
	jq -e '.video.decoded >= 24 and .video.decoded <= 28' <<<"$output"
	mkfifo "$dir/slow.ts"
	(cat "$media/cam.ts"; sleep 8) >"$dir/slow.ts" 3>&- &
	feeder=$!
	streamplay "$dir/slow.ts" --json --record "$dir/slow.mp4" >"$dir/out" 3>&- &
	player=$!
	sleep 1.5
	kill -INT "$player"
	wait "$player"
	jq -e '.exit == 0 and .video.decoded > 50 and .seconds < 6' "$dir/out"
	succeeds streamplay "$dir/slow.mp4" --expect 'video=h264,frames>50,lost=0'
	kill "$feeder" 2>/dev/null || true
}

# ---- expectations ----

@test "expectations that are met" {
	succeeds streamplay "$media/cam.mp4" --expect \
		'video=h264,audio!=opus,width=320,height>=180,fps>=25,fps<25.1,bitrate>100k,bitrate<=20M,startup<5s,frames>70,lost=0'
	ffmpeg -v error -i "$media/cam.mp4" -c copy -an "$dir/mute.mp4"
	succeeds streamplay "$dir/mute.mp4" --expect 'audio=none,video!=none'
}

@test "each expectation that is not met is told, with what was measured" {
	try streamplay "$media/cam.mp4" --json --expect 'video=hevc,fps>=30,width=320,audio=none,latency<500ms'
	[ "$status" -eq 5 ]
	[ "$(wc -l <<<"$errors")" -eq 4 ]
	[[ $errors == *"video=hevc: it is h264"* && $errors == *"fps>=30: it is 25.0"* ]]
	[[ $errors == *"audio=none: it is aac"* && $errors == *"latency<500ms: it is not measurable"* ]]
	[ "$(jq -r .status <<<"$output")" = unmet ]
	[ "$(jq .exit <<<"$output")" = 5 ]
}

@test "an expectation that cannot be read is wrong usage" {
	for list in '' , video video= 'video>h264' 'fps>=' 'fps>=fast' 'fps>=-1' 'fps>=.5' 'fps>=1e3' \
		'fps>=25,' 'latency<500' 'latency<5m' 'bitrate>1G' 'width=nan' 'video=H 264'; do
		fails 2 streamplay "$media/cam.mp4" --expect "$list"
	done
	fails 2 streamplay "$media/cam.mp4" --expect 'vidoe=h264'
	[[ $errors == *"did you mean video"* ]]
}

# ---- what a server answers ----

@test "a stream that is not there is 3, a refusal 4, the rest 1" {
	fails 3 streamplay "$base/cam-2.flv"
	fails 3 streamplay "$base/status/404/cam.m3u8"
	for code in 401 403 429; do
		fails 4 streamplay "$base/status/$code/cam.flv" --token "$token"
		[[ $errors == *"HTTP $code"* ]]
	done
	fails 1 streamplay "$base/status/500/cam.flv"
	try streamplay "$base/status/403/cam.flv" --json
	[ "$status" -eq 4 ]
	jq -e '.status == "refused" and .exit == 4 and .video == null' <<<"$output"
}

@test "a codec that the form cannot hold, or FFmpeg does not know in it, is told with a way out" {
	fails 1 streamplay "$base/status/406/cam.ts"
	[[ $errors == *"do not go into this form"*HLS* ]]
	python3 - "$media/cam.flv" >"$dir/unknown.flv" <<-'END'
		import sys
		flv = bytearray(open(sys.argv[1], "rb").read())
		at = 13
		while at + 11 < len(flv):
		    size = int.from_bytes(flv[at + 1 : at + 4], "big")
		    if flv[at] == 9 and size > 8: # a FourCC that nobody has
		        flv[at + 11 : at + 16] = b"\x91zzzz"
		    at += size + 15
		sys.stdout.buffer.write(flv)
	END
	try streamplay "$dir/unknown.flv"
	[[ $errors == *"does not know the picture's codec in this form"*HLS* ]]
}

@test "nobody there, nothing to read, garbage" {
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	fails 1 streamplay "http://127.0.0.1:$port/cam.flv"
	fails 1 streamplay "rtmp://127.0.0.1:$port/live/cam" --token "$token"
	fails 1 streamplay "$dir/none.mp4"
	fails 1 streamplay "$media/garbage.flv"
	fails 1 streamplay "$base/garbage.flv"
	for size in 0 13 300 600; do
		head -c "$size" "$media/cam.flv" >"$dir/cut.flv"
		fails 1 streamplay "$dir/cut.flv"
	done
}

@test "streams cut and bent anywhere end without a crash" {
	for kind in mp4 flv ts; do
		for seed in 1 2 3 4 5 6; do
			python3 - "$media/cam.$kind" "$dir/bent.$kind" "$seed" <<-'END'
				import random, sys
				data = bytearray(open(sys.argv[1], "rb").read())
				random.seed(int(sys.argv[3]))
				for _ in range(200):
				    data[random.randrange(len(data))] = random.randrange(256)
				open(sys.argv[2], "wb").write(data[:random.randrange(1, len(data))])
			END
			try streamplay "$dir/bent.$kind" --json
			[ "$status" -le 1 ]
			jq -e .status <<<"$output"
		done
	done
}

@test "a live stream may end with its connection" {
	for kind in flv ts; do
		succeeds streamplay "$base/live/cam.$kind" --json
		jq -e '.live and .video.decoded == 75' <<<"$output"
	done
	succeeds streamplay "$base/live/cam.flv" --clients 2
}

@test "a server that says nothing has failed after 10 seconds" {
	fails 1 streamplay "$base/hang/cam.flv"
	[[ $errors == *"no data for 10 s"* ]]
}

@test "a playlist from the net may not name local files" {
	printf '#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://%s/cam.ts\n#EXT-X-ENDLIST\n' "$media" \
		>"$media/evil.m3u8"
	fails 1 streamplay "$base/evil.m3u8"
}

# ---- the token ----

@test "the token comes from an argument, a file, standard input, the environment" {
	fails 4 streamplay "$base/gate/cam.flv"
	fails 4 streamplay "$base/gate/cam.flv" --token bad
	succeeds streamplay "$base/gate/cam.flv" --token good
	succeeds streamplay "$base/gate/cam.flv?x=1#there" --token good
	grep -qx '/gate/cam.flv?x=1&token=good' "$media/requests"
	echo good >"$dir/token"
	succeeds streamplay "$base/gate/cam.flv" --token "@$dir/token"
	succeeds streamplay "$base/gate/cam.flv" --token - <"$dir/token"
	STREAMGATE_TOKEN=good succeeds streamplay "$base/gate/cam.flv"
	STREAMGATE_TOKEN=bad succeeds streamplay "$base/gate/cam.flv?token=good"
	fails 1 streamplay "$base/gate/cam.flv" --token "@$dir/none"
	fails 1 streamplay "$base/gate/cam.flv" --token - </dev/null
	fails 2 streamplay "$base/gate/cam.flv" --token ''
	try streamplay "$base/cam.ts" --token 'a b&c/d'
	grep -qx '/cam.ts?token=a%20b%26c%2Fd' "$media/requests"
}

@test "the token is never printed" {
	for secret in "$token" plain-secret; do
		for url in "$base/cam.m3u8" "$base/status/403/x.flv" "$base/none.flv" "$base/garbage.flv" \
			"rtmp://127.0.0.1:1/live/cam" "http://127.0.0.1:1/cam.flv"; do
			for form in --json --no-window; do
				try streamplay "$url" --token "$secret" "$form"
				[[ $output$errors != *"$secret"* ]]
				try streamplay "$url?token=$secret" "$form"
				[[ $output$errors != *"$secret"* ]]
			done
		done
	done
	[[ $(streamplay "$base/cam.flv?token=$token" --json | jq -r .url) == "$base/cam.flv?token="* ]]
}

@test "a token that is typed is not shown" {
	python3 "$root/tests/cli_shell.py" 80 24 streamplay "$base/gate/cam.flv" --token - --no-window --json >"$dir/seen" <<-'END'
		see not shown
		type good-1234\r
		see "status":"played"
		end 0
	END
	! grep -q 'good-1234' "$dir/seen" || false
	grep -q 'token=good-1234' "$media/requests"
	# Ctrl-C, and the terminal shows what is typed again.
	python3 "$root/tests/cli_shell.py" 80 24 bash -c "streamplay '$base/gate/cam.flv' --token -; stty -a; exit 3" >"$dir/seen" <<-'END'
		see not shown
		type \x03
		see [ ;]echo
		end 3
	END
}

@test "ps does not show the token for long" {
	streamplay "$base/hang/cam.flv" --token "$token" 2>/dev/null 3>&- &
	player=$!
	for _ in $(seq 100); do
		tr '\0' ' ' <"/proc/$player/cmdline" >"$dir/cmdline"
		! grep -q "streamplay.*xxxx" "$dir/cmdline" || break
		sleep 0.05
	done
	kill "$player"
	wait "$player" || true
	grep -q streamplay "$dir/cmdline"
	! grep -q -- "$token" "$dir/cmdline" || false
}

@test "ps does not show a token that stands in the URL, and the server gets it whole" {
	for url in "$base/hang/cam.flv?token=$token" "whep+http://${base#http://}/hang/whep/cam?token=$token&x=1"; do
		: >"$media/requests"
		streamplay "$url" 2>/dev/null 3>&- &
		player=$!
		for _ in $(seq 100); do grep -q . "$media/requests" && break || sleep 0.05; done
		tr '\0' ' ' <"/proc/$player/cmdline" >"$dir/cmdline"
		kill "$player"
		wait "$player" || true
		grep -q "hang/.*cam" "$dir/cmdline"
		! grep -q -- "$token" "$dir/cmdline" || false
		grep -q -- "token=$token" "$media/requests"
	done
}

# ---- recording ----

@test "a recording of every kind can be played" {
	for from in mp4 flv ts; do
		for to in mp4 mkv flv ts; do
			succeeds streamplay "$media/cam.$from" --record "$dir/$from.$to"
			[ "$(ffprobe -v error -select_streams v -count_packets -show_entries stream=nb_read_packets \
				-of csv=p=0 "$dir/$from.$to" | tr -dc '0-9\n' | head -1)" -eq 75 ]
			succeeds streamplay "$dir/$from.$to" --expect 'video=h264,audio=aac,fps=25,lost=0'
			[ "$to" = ts ] || ffprobe -v error -show_entries format=start_time -of csv=p=0 \
				"$dir/$from.$to" | awk '{ exit !($1 < 0.1) }'
		done
	done
	[ -z "$(find "$dir" -name '*.part-*')" ]
}

@test "a recording that may grow no further fails with one line" {
	limited() { (ulimit -f 20 && streamplay "$@"); }
	export -f limited
	fails 1 bash -c "limited '$media/cam.mp4' --record '$dir/big.ts'"
	[[ $errors == *'File too large'* ]]
}

@test "a file that exists is not written over" {
	echo mine >"$dir/cam.mp4"
	fails 1 streamplay "$media/cam.mp4" --record "$dir/cam.mp4"
	[[ $errors == *"exists already"* ]]
	[ "$(cat "$dir/cam.mp4")" = mine ]
	fails 1 streamplay "$media/cam.mp4" --record "$dir/none/cam.mp4"
}

@test "nothing is left of a recording of nothing" {
	try streamplay "$base/status/404/x.flv" --record "$dir/x.mp4"
	[ "$status" -eq 3 ]
	[ -z "$(ls "$dir" | grep x.mp4)" ]
}

# ---- many viewers ----

@test "many clients, each with a token of its own" {
	for i in $(seq 20); do echo "good$i"; done >"$dir/tokens"
	succeeds streamplay "$base/gate/cam.flv" --clients 20 --ramp 200/s --tokens "$dir/tokens" --json
	jq -e '.status == "played" and .clients.served == 20 and .clients.refused == 0 and
		.clients.frames == {min: 75, median: 75, max: 75} and .clients.startupMs.max >= 0' <<<"$output"
	[ "$(grep -E '^/gate/cam.flv\?token=good[0-9]+$' "$media/requests" | sort -u | wc -l)" -eq 20 ]
	succeeds streamplay "$base/gate/cam.flv" --clients 3 --token good
	[[ $output == "clients 3  served 3  "* ]]
	fails 1 streamplay "$base/gate/cam.flv" --clients 21 --tokens "$dir/tokens"
}

@test "one client refused is 4, one failed 1, all missing 3" {
	printf 'good\nbad\ngood\n' >"$dir/tokens"
	fails 4 streamplay "$base/gate/cam.flv" --clients 3 --tokens "$dir/tokens"
	[[ $output == *"served 2  refused 1"* ]]
	fails 1 streamplay "$base/garbage.flv" --clients 2
	fails 3 streamplay "$base/none.flv" --clients 2
	fails 3 streamplay "$base/none.flv" --clients 2 --token "$token" --json
	[[ $output$errors != *"$token"* ]]
}

@test "clients to whom nothing came in their time are told so" {
	fails 1 streamplay "$base/hang/cam.flv" --clients 2 --duration 1s
	[[ $errors == *"2 of 2 clients"*"nothing was played"* ]]
}

# ---- the end ----

# An interrupt while it does what `where` is: it ends within two seconds, with that status and one line.
interrupted() { # status command...
	local wanted=$1 before
	shift
	"$@" >"$dir/out" 2>"$dir/errors" 3>&- &
	player=$!
	for _ in $(seq 100); do [ -s "$dir/asked" ] && break || sleep 0.05; done
	before=$(date +%s%N)
	kill -INT "$player"
	status=0
	wait "$player" || status=$?
	echo "$*: $status after $((($(date +%s%N) - before) / 1000000)) ms: $(cat "$dir/errors")"
	[ "$status" -eq "$wanted" ]
	[ $((($(date +%s%N) - before) / 1000000)) -lt 2000 ]
	[ "$(wc -l <"$dir/errors")" -eq 1 ]
	[[ $(cat "$dir/errors") == *interrupted* ]]
}

@test "an interrupt ends it while a server keeps it waiting, whatever it speaks" {
	# Takes connections, tells of it in "asked", and says nothing.
	cat >"$dir/mute.py" <<-'END'
		import os, socket, sys
		tcp = socket.create_server(("127.0.0.1", 0))
		tcp.settimeout(60)
		with open("port.new", "w") as f:
		    f.write(str(tcp.getsockname()[1]))
		os.rename("port.new", "port")
		held = []
		while True:
		    held.append(tcp.accept()[0])
		    with open("asked", "w") as f:
		        f.write("yes")
	END
	(cd "$dir" && exec timeout 60 python3 mute.py) 3>&- &
	mute=$!
	for _ in $(seq 100); do [ -s "$dir/port" ] && break || sleep 0.05; done
	at=127.0.0.1:$(cat "$dir/port")
	for url in "rtmp://$at/live/cam" "http://$at/cam.flv" "http://$at/cam.m3u8" "http://$at/cam.mpd" "whep+http://$at/live/whep/cam" \
		"webrtc://$at/live/cam"; do
		rm -f "$dir/asked"
		interrupted 1 streamplay "$url"
	done
	rm -f "$dir/asked"
	ffmpeg -v error -i "$media/cam.mp4" -c copy -an "$dir/picture.mp4"
	interrupted 1 streamplay "http://$at/live/whip/cam" --publish "$dir/picture.mp4"
	rm -f "$dir/asked"
	interrupted 1 streamplay "http://$at/cam.flv" --clients 3
	kill "$mute"
}

@test "a name that is no UTF-8 does not cost the JSON" {
	name=$dir/$(printf 'cam\377.mp4')
	cp "$media/cam.mp4" "$name"
	succeeds streamplay "$name" --json
	jq -e '.status == "played" and .url == null' <<<"$output"
}

# ---- the window ----

@test "without a display a window is refused, and not needed" {
	fails 1 streamplay "$media/cam.mp4" --window
	# Under AddressSanitizer: what the libraries below SDL do not free is not ours to mend.
	ASAN_OPTIONS=detect_leaks=0 DISPLAY=:9999 try streamplay "$media/cam.mp4"
	[ "$status" -eq 0 ]
	[[ $errors == streamplay:*"playing without" ]]
}

@test "in a window a file takes its time" {
	export SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy
	succeeds streamplay "$media/cam.mp4" --window --json
	jq -e '.seconds > 2.5 and .seconds < 6 and .video.decoded == 75' <<<"$output"
	ffmpeg -v error -i "$media/cam.mp4" -c copy -an "$dir/mute.mp4"
	succeeds streamplay "$dir/mute.mp4" --window --json
	jq -e '.seconds > 2.5 and .seconds < 6' <<<"$output"
}
