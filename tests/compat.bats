#!/usr/bin/env bats
# Ant Media's documented curl calls against a real streamd, with a publisher and a viewer on tokens of theirs.

load e2e.bash

setup_file() {
	export DIR=$BATS_FILE_TMPDIR/run
	mkdir -p "$DIR/rec/live"
	cat >"$DIR/sg.conf" <<-END
		[store]
		url = sqlite:$DIR/streamgate.db
		[http]
		listen = 127.0.0.1:0
		[admin]
		allow = 127.0.0.0/8
		compat_allow = 127.0.0.1
		[rtmp]
		listen = 127.0.0.1:0
		[srt]
		listen =
		[webrtc]
		listen =
		[recording]
		path = $DIR/rec
	END
	make_source
	start_streamd
}

teardown_file() {
	stop_streamd
}

api() { # curl options and a path: the body
	local path=${*: -1}
	curl -s --max-time 20 "${@:1:$#-1}" "http://$HTTP$path"
}

json() { # method path body
	api -X "$1" -H "Content-Type: application/json" -d "$3" "$2"
}

new_token() { # stream type
	api -X GET "/live/rest/v2/broadcasts/$1/token?expireDate=$(($(date +%s) + 600))&type=$2" | jq -r .tokenId
}

@test "the switches are turned on by a script that reads, changes and writes back" {
	settings=$(api /rest/v2/applications/settings/live)
	[ "$(jq .playTokenControlEnabled <<<"$settings")" = false ]
	settings=$(jq -c '.playTokenControlEnabled = true | .publishTokenControlEnabled = true' <<<"$settings")
	[ "$(json POST /rest/v2/applications/settings/live "$settings" | jq .success)" = true ]
	[ "$("$BIN/tokenctl" status --json | jq '.. | .playTokenControlEnabled? // empty' | head -1)" = true ]
	[ "$(http_status /live/streams/cam.m3u8)" = 401 ]
}

@test "a created broadcast goes live with a publish token and is watched with a play token, once" {
	[ "$(json POST /live/rest/v2/broadcasts/create '{"streamId":"cam","name":"Gate"}' | jq -r .status)" = created ]
	publish cam "$(new_token cam publish)"
	[ "$(api /live/rest/v2/broadcasts/cam | jq -r '[.status, .publishType, .name] | join(" ")')" = "broadcasting RTMP Gate" ]
	[ "$(api /live/rest/v2/broadcasts/active-live-stream-count | jq .number)" = 1 ]
	play=$(new_token cam play)
	[ "$(http_status "/live/streams/cam.m3u8?token=$play")" = 200 ]
	[ "$(http_status "/live/streams/cam.m3u8?token=$play")" = 403 ]
	[ "$(api /live/rest/v2/broadcasts/cam/broadcast-statistics | jq .totalHLSWatchersCount)" = 1 ]
	[ "$(json POST /live/rest/v2/broadcasts/validate-token \
		"{\"tokenId\":\"$play\",\"streamId\":\"cam\",\"type\":\"play\"}" | jq .success)" = false ]
}

@test "a validated token plays no more" {
	play=$(new_token cam play)
	body="{\"tokenId\":\"$play\",\"streamId\":\"cam\",\"type\":\"play\",\"roomId\":\"hall\"}"
	[ "$(json POST /live/rest/v2/broadcasts/validate-token "$body" | jq .success)" = true ]
	[ "$(http_status "/live/streams/cam.m3u8?token=$play")" = 403 ]
	last_audit_is reason used
}

@test "revoking refuses the token at once" {
	play=$(new_token cam play)
	[ "$(api -X DELETE /live/rest/v2/broadcasts/cam/tokens | jq .success)" = true ]
	[ "$(http_status "/live/streams/cam.m3u8?token=$play")" = 403 ]
}

@test "stopping and deleting end the publisher" {
	wait_gone() {
		for _ in $(seq 100); do
			[ "$(api /live/rest/v2/broadcasts/active-live-stream-count | jq .number)" = 0 ] && return
			sleep 0.05
		done
		return 1
	}
	[ "$(json POST /live/rest/broadcast/validateToken '{}')" = "" ]
	publish porch "$(new_token porch publish)"
	[ "$(api -X POST /live/rest/v2/broadcasts/porch/stop | jq .success)" = true ]
	[ "$(api -X DELETE /live/rest/v2/broadcasts/cam | jq .success)" = true ]
	wait_gone
	[ "$(api -X DELETE /live/rest/v2/broadcasts/cam | jq .success)" = false ]
}

@test "what was created is there after kill -9, and no secret is in the log" {
	mkdir -p "$BATS_TEST_TMPDIR/run"
	sed "s|$DIR|$BATS_TEST_TMPDIR/run|" "$DIR/sg.conf" >"$BATS_TEST_TMPDIR/run/sg.conf"
	DIR=$BATS_TEST_TMPDIR/run
	start_streamd
	[ "$(json POST /live/rest/v2/broadcasts/create '{"streamId":"kept"}' | jq -r .streamId)" = kept ]
	play=$(new_token kept play)
	body="{\"tokenId\":\"$play\",\"streamId\":\"kept\",\"type\":\"play\"}"
	[ "$(json POST /live/rest/v2/broadcasts/validate-token "$body" | jq .success)" = true ]
	stop_streamd KILL
	run_streamd
	[ "$(api /live/rest/v2/broadcasts/kept | jq -r .status)" = created ]
	[ "$(json POST /live/rest/v2/broadcasts/validate-token "$body" | jq .success)" = false ]
	stop_streamd
	run grep -rlF "$play" "$DIR"
	[ "$status" = 1 ]
}

@test "version 1, and the way through the console" {
	token=$(api "/live/rest/broadcast/getToken?id=v1&type=publish" | jq -r .tokenId)
	body="{\"tokenId\":\"$token\",\"streamId\":\"v1\",\"type\":\"publish\"}"
	[ "$(json POST /live/rest/broadcast/validateToken "$body" | jq -r .streamId)" = v1 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d "$body" \
		"http://$HTTP/live/rest/broadcast/validateToken")" = 204 ]
	[ "$(api "/rest/v2/request?_path=live/rest/v2/broadcasts/v1/token&expireDate=1893456000&type=play" | jq -r .streamId)" = v1 ]
	[ "$(http_status /live/rest/v2/broadcasts/count --interface 127.0.0.2)" = 401 ]
	key=$("$BIN/tokenctl" apikey create --scope read --json | jq -r '.secret // .key')
	[ "$(http_status /live/rest/v2/broadcasts/count --interface 127.0.0.2 -H "Authorization: Bearer $key")" = 200 ]
}
