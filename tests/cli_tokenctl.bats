#!/usr/bin/env bats
# tokenctl, as its manual tells it (man/tokenctl.1).

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
	output=$("$@" 2>"$dir/errors") || status=$?
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
	[[ $errors =~ ^tokenctl:\ .+ ]]
}

# Runs a command line on a terminal of 100 columns.
on_terminal() {
	script -qefc "stty cols 100; $*" /dev/null </dev/null | tr -d '\r'
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

# ---- help and wrong usage ----

@test "without a command it says what to do and exits 2" {
	fails 2 tokenctl
	[[ $errors == *--help* ]]
}

@test "--help lists every command, and each command's --help its options" {
	tokenctl --help >"$dir/help"
	for command in create list show revoke check explain enable disable reset status sessions \
		kick audit purge 'apikey create' 'apikey list' 'apikey revoke'; do
		grep -q "^  $command " "$dir/help"
		tokenctl $command --help >"$dir/one"
		grep -q "^usage: tokenctl $command" "$dir/one"
		grep -q -- '--json' "$dir/one"
		grep -q -- '--config' "$dir/one"
	done
	tokenctl create --help | grep -q -- '--expires-at TIME'
	tokenctl help create | diff - <(tokenctl create --help)
}

@test "--help needs no configuration" {
	STREAMGATE_CONFIG=$dir/missing tokenctl create --help
}

@test "--version prints the version" {
	[[ $(tokenctl --version) == 'tokenctl (streamgate) '[0-9]* ]]
}

@test "a mistyped command is answered with the nearest" {
	fails 2 tokenctl crate
	[[ $errors == *"did you mean 'create'"* ]]
	fails 2 tokenctl apikey mak
	fails 2 tokenctl apikey creat
	[[ $errors == *"did you mean 'apikey create'"* ]]
}

@test "a mistyped option is answered with the nearest" {
	fails 2 tokenctl create cam --expire 2h
	[[ $errors == *'did you mean --expires?'* ]]
	fails 2 tokenctl list --quiet
}

@test "an option without its value, a switch with one, too many or too few arguments: exit 2" {
	fails 2 tokenctl create cam --label
	fails 2 tokenctl list --json=yes
	fails 2 tokenctl create
	fails 2 tokenctl create a b
	fails 2 tokenctl list --json --csv
}

@test "options may stand anywhere, and -- ends them" {
	tokenctl --json create --app lab cam >"$dir/out"
	[ "$(jq -r .app "$dir/out")" = lab ]
	# A hyphen may begin a stream id; it takes -- to say so.
	fails 2 tokenctl create -cam
	[ "$(tokenctl create --json -- -cam | jq -r .streamId)" = -cam ]
}

@test "a mistake in the configuration is told with file and line" {
	printf '[http]\nlisten = 127.0.0.1:1\nlissen = 127.0.0.1:2\n' >"$dir/bad.conf"
	fails 2 tokenctl list --config "$dir/bad.conf"
	[[ $errors == *"$dir/bad.conf:3"*listen* ]]
}

@test "a store that cannot be opened is exit 1" {
	printf '[store]\nurl = sqlite:/proc/nowhere/t.db\n' >"$dir/bad.conf"
	fails 1 tokenctl list --config "$dir/bad.conf"
	head -c 8192 /dev/urandom >"$dir/t.db"
	fails 1 tokenctl list
}

# ---- create ----

@test "create prints the token, its id and the URLs of what is on" {
	tokenctl create cam-1 >"$dir/out"
	token=$(awk -F'\t' '$1 == "tokenId" { print $2 }' "$dir/out")
	[[ $token =~ ^[A-Za-z0-9_-]{32}$ ]]
	grep -qP '^id\t[0-9a-v]{13}$' "$dir/out"
	grep -qxP "rtmp\trtmp://127.0.0.1/live/cam-1\?token=$token" "$dir/out"
	grep -qxP "hls\thttp://127.0.0.1:5080/live/streams/cam-1.m3u8\?token=$token" "$dir/out"
	grep -qxP "flv\thttp://127.0.0.1:5080/live/streams/cam-1.flv\?token=$token" "$dir/out"
	! grep -qE '^(srt|whep|rtmps)' "$dir/out"
}

@test "create --json tells the token's fields" {
	tokenctl create cam-1 --label 'door, "left"' --max-uses 3 --resume 30s --json >"$dir/out"
	jq -e '.streamId == "cam-1" and .app == "live" and .type == "play" and .maxUses == 3 and
		.uses == 0 and .label == "door, \"left\"" and .state == "active" and .resume == 30 and
		.createdBy == "tokenctl" and .revokedAt == null and (.tokenId | length) == 32 and
		(.urls | has("hls")) and .expireDate == .createdAt + 86400' "$dir/out"
}

@test "a publish token has URLs to publish at, and no others" {
	sed -i '/webrtc/,/listen/ s/listen =.*/listen = 127.0.0.1:50000/' "$STREAMGATE_CONFIG"
	sed -i '/srt/,/listen/ s/listen =.*/listen = 127.0.0.1:4200/' "$STREAMGATE_CONFIG"
	tokenctl create cam --type publish --json | jq -e '.tokenId as $t | .urls == {
		rtmp: "rtmp://127.0.0.1/live/cam?token=\($t)",
		srt: "srt://127.0.0.1:4200?streamid=#!::r=live/cam,m=publish,token=\($t)",
		whip: "http://127.0.0.1:5080/live/whip/cam?token=\($t)" }'
}

@test "printed URLs begin with public_url, and never with 0.0.0.0" {
	sed -i 's|^listen = 127.0.0.1:5080|listen = 0.0.0.0:5080|' "$STREAMGATE_CONFIG"
	tokenctl create cam --json | jq -e '.urls.hls | (contains("0.0.0.0") | not) and startswith("http://")'
	sed -i 's|^listen = 0.0.0.0:5080|&\npublic_url = https://video.example.org/|' "$STREAMGATE_CONFIG"
	tokenctl create cam --json >"$dir/out"
	jq -e '.urls.hls | startswith("https://video.example.org/live/streams/cam.m3u8?")' "$dir/out"
	jq -e '.urls.rtmp | startswith("rtmp://video.example.org/live/cam?")' "$dir/out"
}

@test "--quiet prints the token alone" {
	[[ $(tokenctl create cam --quiet) =~ ^[A-Za-z0-9_-]{32}$ ]]
}

@test "--expires, --expires-at and the application's token_lifetime set the expiry" {
	now=$(date +%s)
	left() { jq ".expireDate - $now"; }
	n=$(tokenctl create cam --expires 90s --json | left) && [ "$n" -ge 90 ] && [ "$n" -le 95 ]
	n=$(tokenctl create cam --app lab --json | left) && [ "$n" -ge 7200 ] && [ "$n" -le 7205 ]
	[ "$(tokenctl create cam --expires-at 2040-01-02T03:04:05Z --json | jq .expireDate)" = 2209086245 ]
	[ "$(tokenctl create cam --expires-at 2209086245 --json | jq .expireDate)" = 2209086245 ]
}

@test "an expiry that is past, garbled, zero or given twice is exit 2" {
	fails 2 tokenctl create cam --expires-at 2020-01-01T00:00:00Z
	[[ $errors == *past* ]]
	fails 2 tokenctl create cam --expires-at tomorrow
	fails 2 tokenctl create cam --expires 2x
	fails 2 tokenctl create cam --expires 0
	fails 2 tokenctl create cam --expires 2h --expires-at 2209086245
	[ "$(tokenctl list | wc -l)" -eq 0 ]
}

@test "wrong values are exit 2 and say what is right" {
	fails 2 tokenctl create cam --type view
	[[ $errors == *'play or publish'* ]]
	fails 2 tokenctl create cam --max-uses 0
	fails 2 tokenctl create cam --max-uses 1000001
	fails 2 tokenctl create cam --max-uses -- -1
	fails 2 tokenctl create cam --count 0
	fails 2 tokenctl create cam --count 10000001
	fails 2 tokenctl create cam --resume never
	fails 2 tokenctl create cam --label "$(printf 'a%.0s' {1..201})"
	fails 2 tokenctl create cam --label "$(printf '\033[31mred')"
	fails 2 tokenctl create cam --label "$(printf '\xff')"
	[ "$(tokenctl list | wc -l)" -eq 0 ]
}

@test "what cannot be a stream id is refused in one readable line" {
	fails 2 tokenctl create .hidden
	fails 2 tokenctl create 'a/b'
	fails 2 tokenctl create ''
	fails 2 tokenctl create "$(printf 'a%.0s' {1..129})"
	fails 2 tokenctl create "$(printf 'x\033[2J\ny')"
	[[ $errors != *$'\033'* ]]
	fails 2 tokenctl create "$(head -c 10000 /dev/zero | tr '\0' a)"
	[ "${#errors}" -lt 300 ]
	tokenctl create "$(printf 'a%.0s' {1..128})" --quiet
}

@test "an application without a section is exit 3, and the known ones are told" {
	fails 3 tokenctl create cam --app studio
	[[ $errors == *live* && $errors == *lab* ]]
	fails 3 tokenctl enable --app studio
	fails 3 tokenctl list --app studio
}

@test "--count makes so many different tokens, one per line, more than a batch of them" {
	tokenctl create cam --count 25001 --quiet | sort -u >"$dir/tokens"
	[ "$(wc -l <"$dir/tokens")" -eq 25001 ]
	! grep -qvxE '[A-Za-z0-9_-]{32}' "$dir/tokens"
	[ "$(tokenctl list | wc -l)" -eq 25001 ]
	tokenctl create cam --count 3 | grep -cxP '[A-Za-z0-9_-]{32}\t[0-9a-v]{13}' | grep -qx 3
	tokenctl create cam --count 3 --json | jq -e '(.items | length) == 3 and .items[2].tokenId'
}

@test "two that create at the same time do not disturb each other" {
	tokenctl create a --count 20000 --quiet >"$dir/a" &
	local other=$!
	tokenctl create b --count 20000 --quiet >"$dir/b"
	wait "$other"
	[ "$(sort -u "$dir/a" "$dir/b" | wc -l)" -eq 40000 ]
	[ "$(tokenctl list a | wc -l)" -eq 20000 ]
	[ "$(tokenctl list b | wc -l)" -eq 20000 ]
}

@test "tokens that cannot be written out are an error that names the remedy" {
	status=0
	tokenctl create cam --count 20000 --quiet 2>"$dir/errors" >/dev/full || status=$?
	[ "$status" -eq 1 ]
	grep -q 'revoke --stream cam --app live' "$dir/errors"
}

@test "the store holds no secret" {
	token=$(tokenctl create cam --quiet)
	tokenctl list >/dev/null
	! grep -qaF "$token" "$dir"/t.db*
	! grep -qaF "${token:11}" "$dir"/t.db*
}

# ---- list and show ----

@test "list shows the newest first, and filters" {
	tokenctl create a --label first --quiet
	tokenctl create b --type publish --quiet
	tokenctl create a --app lab --quiet
	[ "$(tokenctl list | cut -f 2,3,4 | tr '\t\n' '/ ')" = 'lab/a/play live/b/publish live/a/play ' ]
	[ "$(tokenctl list a | wc -l)" -eq 1 ]
	[ "$(tokenctl list a --app lab | wc -l)" -eq 1 ]
	[ "$(tokenctl list --type publish | cut -f 3)" = b ]
	[ "$(tokenctl list --state active | wc -l)" -eq 3 ]
	[ "$(tokenctl list --state used | wc -l)" -eq 0 ]
	[ "$(tokenctl list --state all | wc -l)" -eq 3 ]
	fails 2 tokenctl list --state fresh
}

@test "list --limit and --after page through, and meet every token once" {
	tokenctl create cam --count 25 --quiet >/dev/null
	tokenctl list | cut -f 1 >"$dir/all"
	after= : >"$dir/pages"
	while
		tokenctl list --limit 10 ${after:+--after $after} --json >"$dir/page"
		jq -r '.items[].id' "$dir/page" >>"$dir/pages"
		after=$(jq -r '.next // ""' "$dir/page")
		[ -n "$after" ]
	do :; done
	diff "$dir/all" "$dir/pages"
	fails 2 tokenctl list --limit 0
	fails 2 tokenctl list --after 'no cursor'
}

@test "list --csv has a header and quotes what needs it" {
	tokenctl create cam --label 'a "b", c' --quiet
	[ "$(tokenctl list --csv | head -1)" = id,app,streamId,type,state,uses,maxUses,createdAt,expireDate,firstUsedAt,lastUsedAt,revokedAt,createdBy,label ]
	tokenctl list --csv | tail -1 | grep -q ',"a ""b"", c"$'
}

@test "an empty list is empty, and valid JSON" {
	[ -z "$(tokenctl list)" ]
	[ "$(tokenctl list --json | jq -c .)" = '{"items":[],"next":null}' ]
}

@test "list stops quietly when nobody reads on" {
	tokenctl create cam --count 20000 --quiet >/dev/null
	set -o pipefail
	tokenctl list 2>"$dir/errors" | head -1
	[ ! -s "$dir/errors" ]
}

@test "show tells all but the secret; of an unknown token nothing, exit 3" {
	tokenctl create cam --label door --json >"$dir/made"
	id=$(jq -r .id "$dir/made")
	[ "$(tokenctl show "$id" | awk -F'\t' '$1 == "label" { print $2 }')" = door ]
	diff <(tokenctl show "$id" --json | jq -S .) <(jq -S 'del(.tokenId, .urls)' "$dir/made")
	fails 3 tokenctl show 0000000000000
	fails 3 tokenctl show nosuch
	fails 3 tokenctl show "$(head -c 10000 /dev/zero | tr '\0' a)"
	[ "${#errors}" -lt 300 ]
}

@test "show and revoke take the secret as well, from standard input or a file" {
	tokenctl create cam --json >"$dir/made"
	jq -r .tokenId "$dir/made" >"$dir/token"
	id=$(jq -r .id "$dir/made")
	[ "$(tokenctl show - --json <"$dir/token" | jq -r .id)" = "$id" ]
	tokenctl revoke "@$dir/token"
	[ "$(tokenctl show "$id" --json | jq -r .state)" = revoked ]
	fails 3 tokenctl show "@$dir/missing"
}

@test "a terminal gets an aligned table with a header" {
	tokenctl create cam --label door --quiet >/dev/null
	tokenctl create a-longer-name --quiet >/dev/null
	on_terminal tokenctl list >"$dir/out"
	head -1 "$dir/out" | grep -qE '^ID +APP +STREAM +TYPE +STATE +USES +CREATED +EXPIRES +LABEL'
	# Every STREAM begins in the same column.
	at=$(head -1 "$dir/out" | grep -bo STREAM | cut -d: -f1)
	[ "$(sed -n 2p "$dir/out" | cut -c$((at + 1))-$((at + 13)))" = a-longer-name ]
	[ "$(sed -n 3p "$dir/out" | cut -c$((at + 1))-$((at + 4)))" = 'cam ' ]
	grep -q 0/1 "$dir/out"
}

@test "a table never passes the terminal's edge with its free text" {
	tokenctl create cam --label "$(printf 'Tür %.0s' {1..30})" --quiet >/dev/null
	on_terminal tokenctl list >"$dir/out"
	[ "$(LC_ALL=C.UTF-8 wc -L <"$dir/out")" -le 100 ]
	grep -q … "$dir/out"
}

# ---- revoke ----

@test "revoke ends tokens by id, and counts those that were not revoked before" {
	id=$(tokenctl create cam --json | jq -r .id)
	id2=$(tokenctl create cam --json | jq -r .id)
	[ "$(tokenctl revoke "$id" "$id2")" = 2 ]
	[ "$(tokenctl revoke "$id" --json | jq -c .)" = '{"revoked":0}' ]
	[ "$(tokenctl list --state revoked | wc -l)" -eq 2 ]
}

@test "an unknown id does not save those behind it; exit 3" {
	id=$(tokenctl create cam --json | jq -r .id)
	fails 3 tokenctl revoke nosuch "$id"
	[ "$(tokenctl show "$id" --json | jq -r .state)" = revoked ]
}

@test "revoke --stream ends all of a stream, or those of a type, and no others" {
	tokenctl create cam --count 3 --quiet >/dev/null
	tokenctl create cam --type publish --quiet >/dev/null
	tokenctl create cam2 --quiet >/dev/null
	tokenctl create cam --app lab --quiet >/dev/null
	[ "$(tokenctl revoke --stream cam --type play --json | jq .revoked)" = 3 ]
	[ "$(tokenctl revoke --stream cam)" = 1 ]
	[ "$(tokenctl list --state active | wc -l)" -eq 2 ]
	fails 2 tokenctl revoke
	fails 2 tokenctl revoke --stream ..
	fails 2 tokenctl revoke 0000000000000 --stream cam
}

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
	sed -i '/webrtc/,/listen/ s/listen =.*/listen = 127.0.0.1:50000/' "$STREAMGATE_CONFIG"
	sed -i '/srt/,/listen/ s/listen =.*/listen = 127.0.0.1:4200/' "$STREAMGATE_CONFIG"
	tokenctl enable >/dev/null
	for type in play publish; do
		tokenctl create cam --type $type --json | jq -r '.urls | to_entries[] | .key + " " + .value' >"$dir/urls"
		[ "$(wc -l <"$dir/urls")" -ge 3 ]
		while read -r protocol url; do
			try tokenctl explain "$url" --json
			[ "$status" -eq 0 ]
			jq -e --arg p "$protocol" --arg t $type '.verdict == "admitted" and .protocol == $p and
				.type == $t and .streamId == "cam" and .app == "live"' <<<"$output"
			! grep -qF "${url: -32}" <<<"$output$errors"
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
	! grep -q $'\033' "$dir/out"
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

@test "an answer that is cut short, or none, is an error and not an empty list" {
	stand_in 200 '{"items":[],"next":null}'
	printf 'HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{"items":[]}' >"$dir/answer"
	fails 1 tokenctl sessions
	printf 'HTTP/1.0 200' >"$dir/answer"
	fails 1 tokenctl sessions
	: >"$dir/answer"
	fails 1 tokenctl sessions
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
	tokenctl audit --json | jq -e '.items[1].detail == "play_token on" and .next == null'
	tokenctl audit --csv | head -1 | grep -q ^at,event,reason,
}

@test "audit --limit and --after page through" {
	for _ in 1 2 3 4 5; do tokenctl enable play >/dev/null; done
	[ "$(tokenctl audit | wc -l)" -eq 5 ]
	tokenctl audit --limit 2 --json >"$dir/page"
	[ "$(jq '.items | length' "$dir/page")" -eq 2 ]
	[ "$(tokenctl audit --after "$(jq -r .next "$dir/page")" | wc -l)" -eq 3 ]
	[ "$(tokenctl audit --limit 5 --json | jq .next)" = null ]
	fails 2 tokenctl audit --after x
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
	! grep -qF "$key" "$dir/keys"
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
	script -qefc "tokenctl create cam --count 400000 --quiet >/dev/null" /dev/null </dev/null | grep -q 'tokens made: [0-9]* of 400000'
}
