#!/usr/bin/env bats
# tokenctl, as its manual tells it (man/tokenctl.1): check, explain, switches, sessions, the audit,
# purge, API keys.
load cli_tokenctl_fixture

# ---- check and explain ----

@test "check admits a good token, exit 0, and spends nothing" {
	token=$(tokenctl create cam --quiet)
	for _ in 1 2 3; do
		try tokenctl check "$token" --stream cam --type play
		[ "$status" -eq 0 ]
		[ "$output" = $'admitted\tadmitted\tunknown' ]
	done
	[ "$(tokenctl list | cut -f 6)" = 0 ]
}

@test "check refuses with the reason, exit 4" {
	token=$(tokenctl create cam --quiet)
	verdict() { # WANTED ARGUMENTS...
		local wanted=$1
		shift
		try tokenctl check "$@" --json
		[ "$status" -eq 4 ]
		[ "$(jq -r '.verdict + " " + .reason' <<<"$output")" = "refused $wanted" ]
	}
	verdict wrong_stream "$token" --stream cam2
	verdict wrong_stream "$token" --stream cam --app lab
	verdict wrong_type "$token" --stream cam --type publish
	verdict unknown_token "${token:0:31}" --stream cam
	verdict unknown_token "${token}x" --stream cam
	verdict unknown_token "$(head -c 10000 /dev/zero | tr '\0' a)" --stream cam
	verdict missing_token '' --stream cam
	last=${token: -2:1}
	[ "$last" = A ] && other=B || other=A
	verdict unknown_token "${token:0:30}$other${token: -1}" --stream cam
	tokenctl revoke --stream cam
	verdict revoked "$token" --stream cam
}

@test "an expired token is refused as expired" {
	token=$(tokenctl create cam --expires 1s --quiet)
	sleep 2
	try tokenctl check "$token" --stream cam --json
	[ "$status" -eq 4 ]
	[ "$(jq -r .reason <<<"$output")" = expired ]
	[ "$(tokenctl list --state expired | wc -l)" -eq 1 ]
}

@test "a used token is refused as used" {
	token=$(tokenctl create cam --quiet)
	sqlite3 "$dir/t.db" 'UPDATE token SET uses = max_uses'
	try tokenctl check "$token" --stream cam --json
	[ "$status" -eq 4 ]
	[ "$(jq -r .reason <<<"$output")" = used ]
}

@test "check takes the token from standard input or a file, so that ps does not show it" {
	tokenctl create cam --quiet >"$dir/token"
	tokenctl check - --stream cam <"$dir/token"
	tokenctl check "@$dir/token" --stream cam
	fails 3 tokenctl check "@$dir/missing" --stream cam
	printf 'abc\0def' >"$dir/nul"
	fails 2 tokenctl check "@$dir/nul" --stream cam
	[[ $errors == *NUL* ]]
	printf '\xff\xfe' >"$dir/latin"
	fails 2 tokenctl check "@$dir/latin" --stream cam
	fails 2 tokenctl check - --stream cam </dev/zero
	fails 2 tokenctl check -
	fails 2 tokenctl check "@$dir/token" --stream 'a b'
}

@test "check tells whether the stream is live, when streamd answers" {
	token=$(tokenctl create cam --quiet)
	stand_in 200 '{"items":[{"app":"live","streamId":"cam"}],"next":null}'
	[ "$(tokenctl check "$token" --stream cam --json | jq -r .streamLive)" = yes ]
	stand_in 200 '{"items":[{"app":"lab","streamId":"cam"}],"next":null}'
	[ "$(tokenctl check "$token" --stream cam --json | jq -r .streamLive)" = no ]
	stand_in 200 'no JSON'
	[ "$(tokenctl check "$token" --stream cam --json | jq -r .streamLive)" = unknown ]
}

@test "explain admits every URL that create printed" {
	mkdir -p "$dir/recordings/live"
	echo x >"$dir/recordings/live/cam.mp4"
	tokenctl enable >/dev/null
	for type in play publish; do
		tokenctl create cam --type $type --json | jq -r '.urls | to_entries[] | .key + " " + .value' >"$dir/urls"
		[ -s "$dir/urls" ]
		while read -r protocol url; do
			try tokenctl explain "$url" --json
			[ "$status" -eq 0 ]
			jq -e --arg p "$protocol" --arg t $type '.verdict == "admitted" and .protocol == $p and
				.type == $t and .streamId == "cam" and .app == "live"' <<<"$output"
			! grep -qF "${url: -32}" <<<"$output$errors" || false
		done <"$dir/urls"
	done
}

@test "explain tells each check in the gate's order, and the first that fails is the reason" {
	tokenctl enable >/dev/null
	token=$(tokenctl create cam --quiet)
	tokenctl revoke --stream cam >/dev/null
	url="http://h:5080/live/streams/cam2.m3u8?a=b&token=$token"
	try tokenctl explain "$url"
	[ "$status" -eq 4 ]
	[ "$(cut -f 1 <<<"$output" | tr '\n' ,)" = 'known token,application and stream,type,not revoked,not expired,uses left,stream is live,verdict,' ]
	[ "$(cut -f 2 <<<"$output" | tr '\n' ' ')" = 'pass fail pass fail pass pass unknown refused ' ]
	[ "$(tail -1 <<<"$output")" = $'verdict\trefused\twrong_stream' ]
}

@test "explain: where no token is needed the URL is admitted, and the checks say what they would" {
	token=$(tokenctl create cam --type publish --quiet)
	try tokenctl explain "http://h/live/streams/cam.flv?token=$token" --json
	[ "$status" -eq 0 ]
	jq -e '.tokenNeeded == false and .verdict == "admitted" and
		(.checks[] | select(.check == "type") | .result == "skip" and (.why | startswith("would fail")))' <<<"$output"
	tokenctl enable play >/dev/null
	try tokenctl explain "http://h/live/streams/cam.flv" --json
	[ "$status" -eq 4 ]
	[ "$(jq -r .reason <<<"$output")" = missing_token ]
}

@test "explain knows whether the stream is live, or taken" {
	tokenctl enable >/dev/null
	stand_in 200 '{"items":[{"app":"live","streamId":"cam"}],"next":null}'
	play=$(tokenctl create cam --quiet) publish=$(tokenctl create cam --type publish --quiet)
	tokenctl explain "rtmp://h/live/cam?token=$play"
	try tokenctl explain "rtmp://h/live/cam?token=$publish" --json
	[ "$status" -eq 4 ]
	[ "$(jq -r .reason <<<"$output")" = already_publishing ]
	stand_in 200 '{"items":[],"next":null}'
	tokenctl explain "rtmp://h/live/cam?token=$publish"
	try tokenctl explain "rtmp://h/live/cam?token=$play" --json
	[ "$(jq -r .reason <<<"$output")" = stream_not_live ]
}

@test "explain of a recording looks for its file" {
	tokenctl enable play >/dev/null
	token=$(tokenctl create cam --quiet)
	try tokenctl explain "http://h/live/streams/cam.mp4?token=$token" --json
	[ "$(jq -r .reason <<<"$output")" = stream_not_live ]
	mkdir -p "$dir/recordings/live"
	echo x >"$dir/recordings/live/cam.mp4"
	tokenctl explain "http://h/live/streams/cam.mp4?token=$token"
}

@test "explain reads the WebSocket's and the short SRT form" {
	tokenctl create cam --type publish --quiet >"$dir/token"
	token=$(cat "$dir/token")
	is() { [ "$(tokenctl explain "$1" --json | jq -r '.protocol + " " + .type + " " + .id + " " + .streamId')" = "$2 $3 $(tokenctl list | cut -f 1) cam" ]; }
	is "ws://h:5080/live/websocket?streamId=cam&token=$token" websocket publish
	is "srt://h:4200?streamid=live/cam,token=$token" srt publish
	is "srt://h:4200?mode=caller&streamid=%23!::r=live/cam,token=$token,m=publish" srt publish
	echo "rtmp://h/live/cam?token=$token" >"$dir/url"
	is "@$dir/url" rtmp publish
}

@test "what is no URL of ours is exit 2 in one line; an unknown application exit 3" {
	for url in cam 'ftp://h/live/cam' 'http://h/' 'http://h/live/streams/cam.avi' 'rtmp://h/live' \
		'srt://h:4200' 'srt://h?streamid=#!::m=play,r=live/cam' 'http://h/live/streams/../x.flv' \
		'ws://h/live/websocket' "$(head -c 70000 /dev/zero | tr '\0' a)"; do
		fails 2 tokenctl explain "$url"
		[ "${#errors}" -lt 300 ]
	done
	fails 3 tokenctl explain 'rtmp://h/studio/cam'
}

# ---- switches ----

@test "enable and disable throw both switches of an application, or the one named" {
	[ "$(tokenctl enable)" = $'live\t\ttoken\ttoken' ]
	[ "$(tokenctl disable publish)" = $'live\t\topen\ttoken' ]
	[ "$(tokenctl enable play --app lab --json | jq -c .)" = '{"app":"lab","streamId":null,"publishTokenControlEnabled":true,"playTokenControlEnabled":true}' ]
	fails 2 tokenctl enable watch
	fails 2 tokenctl enable --stream a/b
}

@test "a stream's switch goes over its application's, until reset" {
	tokenctl enable play --stream cam
	tokenctl status | grep -qxP 'live\t\topen\topen\tconfiguration'
	tokenctl status | grep -qxP 'live\tcam\tas app\ttoken\tadministrator'
	tokenctl enable
	tokenctl disable play --stream cam
	tokenctl status --json | jq -e '.switches[] | select(.streamId == "cam") |
		.playTokenControlEnabled == false and .publishTokenControlEnabled == true'
	tokenctl reset --stream cam
	[ "$(tokenctl status --json | jq '[.switches[] | select(.streamId == "cam")] | length')" = 0 ]
	tokenctl reset
	tokenctl status | grep -qxP 'live\t\topen\topen\tconfiguration'
}

@test "status warns plainly when everything is open, and only then" {
	tokenctl disable --app lab
	try tokenctl status
	[ "$status" -eq 0 ]
	[[ $errors == *'everything is open'* ]]
	[ "$(tokenctl status --json | jq .open)" = true ]
	tokenctl enable play --app lab
	try tokenctl status
	[ -z "$errors" ]
	[ "$(tokenctl status --json | jq -c '[.open, .warning]')" = '[false,null]' ]
}

@test "status tells whether streamd is running" {
	tokenctl status | grep -qxP 'streamd\tnot running'
	stand_in 200 '{}'
	tokenctl status | grep -qxP 'streamd\trunning'
}

# ---- what needs streamd ----

@test "sessions and kick say so when streamd is not running: exit 1" {
	fails 1 tokenctl sessions
	[[ $errors == *'not running'* ]]
	fails 1 tokenctl kick 0000000000000
}

@test "sessions lists who is in" {
	stand_in 200 '{"items":[{"id":"0d3bq8kq4v2mc","app":"live","streamId":"cam","type":"play","protocol":"hls","address":"192.0.2.1","userAgent":"VLC\u001b[2J\t3","state":"active","startedAt":1700000000,"token":"0d3bq8kq4v2m0","bytes":1234567}],"next":null}'
	[ "$(tokenctl sessions)" = $'0d3bq8kq4v2mc\tlive\tcam\tplay\thls\t192.0.2.1\tactive\t2023-11-14T22:13:20Z\t1234567\t0d3bq8kq4v2m0\tVLC\\x1b[2J\\t3' ]
	tokenctl sessions --json | jq -e '.items[0].userAgent == "VLC\u001b[2J\t3"'
	[ "$(tokenctl sessions --csv | wc -l)" -eq 2 ]
	[ -z "$(tokenctl sessions --stream other)" ]
	on_terminal tokenctl sessions >"$dir/out"
	grep -q '1.2 MB' "$dir/out"
	! grep -q $'\033' "$dir/out" || false
}

@test "kick ends a session; of an unknown one exit 3" {
	stand_in 200 '{"success":true}'
	[ "$(tokenctl kick 0d3bq8kq4v2mc)" = 0d3bq8kq4v2mc ]
	grep -q '^DELETE /api/v1/sessions/0d3bq8kq4v2mc HTTP' "$dir/requests"
	stand_in 404 '{"success":false,"message":"no such session"}'
	fails 3 tokenctl kick 0d3bq8kq4v2mc
	fails 3 tokenctl kick ../../tokens
	stand_in 500 '{}'
	fails 1 tokenctl kick 0d3bq8kq4v2mc
}

@test "with streamd itself: a publisher is seen, its stream is live, and kick ends it" {
	sed -i 's/127.0.0.1:[0-9]*/127.0.0.1:0/' "$STREAMGATE_CONFIG"
	streamd >"$dir/streamd.out" 2>&1 3>&- &
	server=$!
	for _ in $(seq 200); do grep -q '^ready' "$dir/streamd.out" && break || sleep 0.05; done
	at=$(sed -n 's/^listening rtmp //p' "$dir/streamd.out")
	tokenctl enable >/dev/null
	token=$(tokenctl create cam --type publish --quiet) viewer=$(tokenctl create cam --quiet)
	ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc=size=160x90:rate=10 -c:v libx264 \
		-preset ultrafast -g 10 -pix_fmt yuv420p -f flv "rtmp://$at/live/cam?token=$token" \
		>"$dir/ffmpeg.out" 2>&1 3>&- &
	for _ in $(seq 200); do
		[ "$(tokenctl check "$viewer" --stream cam --json | jq -r .streamLive)" = yes ] && break
		sleep 0.05
	done
	[ "$(tokenctl status | head -1)" = $'streamd\trunning' ]
	[ "$(tokenctl sessions | cut -f 2-7 | tr '\t' ' ')" = 'live cam publish rtmp 127.0.0.1 active' ]
	tokenctl explain "rtmp://$at/live/cam?token=$viewer"
	session=$(tokenctl sessions --type publish | cut -f 1)
	tokenctl kick "$session"
	for _ in $(seq 100); do [ -z "$(tokenctl sessions)" ] && break || sleep 0.05; done
	fails 3 tokenctl kick "$session"
	[ "$(tokenctl audit --event ended | cut -f 3,10)" = "kicked	$session" ]
}

@test "an answer that is cut short, or none, is an error and not an empty list" {
	stand_in 200 '{"items":[],"next":null}'
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{"items":[]}' >"$dir/answer"
	fails 1 tokenctl sessions
	printf 'HTTP/1.0 200' >"$dir/answer"
	fails 1 tokenctl sessions
	: >"$dir/answer"
	fails 1 tokenctl sessions
}

@test "recordings tells lengths as people read them; in JSON as numbers" {
	stand_in 200 '{"items":[{"app":"live","name":"cam.mp4","streamId":"cam","startedAt":1700000000,"duration":4.25,"size":5000},{"app":"live","name":"hand.mp4","streamId":"hand","startedAt":null,"duration":null,"size":7}],"next":null}'
	[ "$(tokenctl recordings | cut -f 2,5 | tr '\t\n' '  ')" = 'cam.mp4 4.2 hand.mp4  ' ]
	tokenctl recordings --json | jq -e '[.items[].duration] == [4.25, null]'
}

@test "a download writes through no link that was laid in its way" {
	stand_in 200 'the film'
	echo mine >"$dir/mine"
	ln -s "$dir/mine" "$dir/film.mp4.part"
	tokenctl recordings download film.mp4 "$dir/film.mp4"
	[ "$(cat "$dir/mine")" = mine ]
	[ "$(cat "$dir/film.mp4")" = 'the film' ]
	[ ! -e "$dir/film.mp4.part" ]
}

# ---- audit, purge, apikey ----

@test "administrators' acts are in the audit, newest first" {
	id=$(tokenctl create cam --json | jq -r .id)
	tokenctl enable play >/dev/null
	tokenctl revoke "$id" >/dev/null
	[ "$(tokenctl audit | cut -f 2,5,9 | tr '\t' ' ')" = "revoked cam $id
setting  " ]
	[ "$(tokenctl audit --event setting | wc -l)" -eq 1 ]
	[ "$(tokenctl audit --token "$id" | wc -l)" -eq 1 ]
	[ "$(tokenctl audit --stream other --app live | wc -l)" -eq 0 ]
	[ "$(tokenctl audit --reason expired | wc -l)" -eq 0 ]
	fails 2 tokenctl audit --reason expird
	[[ $errors == *"did you mean 'expired'"* ]]
	fails 2 tokenctl audit --event played
	[[ $errors == *'admitted, refused, ended, kicked, revoked, setting or login'* ]]
	for reason in wrong_password wrong_code; do
		[ "$(tokenctl audit --event login --reason "$reason" | wc -l)" -eq 0 ]
	done
	tokenctl audit --json | jq -e '.items[1].detail == "play_token on" and .next == null'
	tokenctl audit --csv | head -1 | grep -q ^at,event,reason,
}

@test "audit knows every event and reason that is written, and so do the manual and the completions" {
	cd "$root"
	words=$({
		grep -rhoE '\.(event|reason) = "[a-z_]+"' lib
		grep -rhoE '(note_failure|ctl_audit|compat_audit_row|sg_gate_audit_session)\([^"]*"[a-z_]+"' lib cmd
		grep -hoE 'X\(SG_[A-Z_]+, "[a-z_]+"' lib/gate/gate.h
	} | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
	[ "$(wc -l <<<"$words")" -gt 25 ]
	for word in $words; do
		tokenctl audit --event "$word" >/dev/null 2>&1 || tokenctl audit --reason "$word" >/dev/null
		grep -E '^\.(It )?Cm' man/tokenctl.1 | grep -qw "$word" || { echo "tokenctl.1: $word"; return 1; }
		grep -qw "$word" man/tokenctl.bash-completion || { echo "completion: $word"; return 1; }
	done
}

@test "audit --limit and --after page through" {
	for _ in 1 2 3 4 5; do tokenctl enable play >/dev/null; done
	[ "$(tokenctl audit | wc -l)" -eq 5 ]
	tokenctl audit --limit 2 --json >"$dir/page"
	[ "$(jq '.items | length' "$dir/page")" -eq 2 ]
	[ "$(tokenctl audit --after "$(jq -r .next "$dir/page")" | wc -l)" -eq 3 ]
	[ "$(tokenctl audit --limit 5 --json | jq .next)" = null ]
	fails 2 tokenctl audit --after x
	fails 2 tokenctl audit --follow --limit 2
}

@test "audit --follow prints what happens, until interrupted: exit 0" {
	tokenctl enable play >/dev/null
	tokenctl audit --follow >"$dir/followed" &
	local pid=$!
	lines() { for _ in $(seq 100); do [ "$(wc -l <"$dir/followed")" -ge "$1" ] && return || sleep 0.05; done; return 1; }
	lines 1
	tokenctl enable publish >/dev/null
	lines 2
	tail -1 "$dir/followed" | grep -q 'publish_token on$'
	# A job of a shell without job control has SIGINT ignored; SIGTERM does the same.
	kill -TERM "$pid"
	wait "$pid"
}

@test "audit --follow ends when nobody reads any more" {
	tokenctl enable play >/dev/null
	timeout 10 tokenctl audit --follow | head -1
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

@test "what grows over the limit for files fails with one line" {
	tokenctl create cam --quiet >/dev/null
	limited() { (ulimit -f "$1" && shift && tokenctl "$@"); } # in blocks of 1024 bytes
	export -f limited
	fails 1 bash -c 'limited 300 create cam --count 5000 --quiet'
	[[ $errors == *'cannot make the tokens'* ]]
	tokenctl audit >/dev/null # the store is whole
	tokenctl create cam --count 5000 --quiet >/dev/null
	fails 1 bash -c "limited 40 list --limit 5000 --json >$dir/list"
	[[ $errors == *'cannot write the output: File too large'* ]]
}

@test "purge deletes tokens that can never admit again, and only those" {
	tokenctl create cam --count 1200 --quiet >/dev/null
	tokenctl revoke --stream cam >/dev/null
	keep=$(tokenctl create cam --json | jq -r .id)
	[ "$(tokenctl purge --older-than 30d)" = 0 ]
	[ "$(tokenctl purge --json | jq .purged)" = 1200 ]
	[ "$(tokenctl list | cut -f 1)" = "$keep" ]
	fails 2 tokenctl purge --older-than soon
}

@test "apikey create shows the key once; list and revoke know its id" {
	key=$(tokenctl apikey create --scope tokens --label shop --quiet)
	[[ $key =~ ^sgk_[A-Za-z0-9_-]{32}$ ]]
	tokenctl apikey list >"$dir/keys"
	grep -qP '\ttokens\t.*\tshop$' "$dir/keys"
	! grep -qF "$key" "$dir/keys" || false
	id=$(cut -f 1 "$dir/keys")
	tokenctl apikey revoke "$id"
	tokenctl apikey list --json | jq -e '.items[0].revokedAt > 0'
	fails 3 tokenctl apikey revoke 0000000000000
	fails 2 tokenctl apikey create --scope root
	tokenctl apikey create --json | jq -e '.scope == "admin" and (.key | startswith("sgk_"))'
}

# ---- the process itself ----

@test "a full disk is an error, a closed standard output does not reach the store" {
	tokenctl create cam --quiet >/dev/null
	status=0
	tokenctl list >/dev/full 2>"$dir/errors" || status=$?
	[ "$status" -eq 1 ]
	status=0
	tokenctl list >&- 2>"$dir/errors" || status=$?
	[ "$status" -eq 1 ]
	[ "$(tokenctl list | wc -l)" -eq 1 ]
}

@test "a terminal is told of a store made anew, and of progress on long work" {
	on_terminal tokenctl list | grep -q 'made a new, empty store'
	# Long enough that it takes over a second anywhere.
	timeout 60 script -qefc "tokenctl create cam --count 1200000 --quiet >/dev/null" /dev/null </dev/null |
		grep -q 'tokens made: [0-9]* of 1200000'
}
