#!/usr/bin/env bats
# /api/v1/authorize behind Debian's nginx (auth_request), which serves files to those whom streamd
# admits; and as other media servers call it.
load e2e

setup_file() {
	start_streamd
	KEY=$("$BIN/tokenctl" apikey create --scope tokens --quiet)
	mkdir -p "$DIR/www/live/cam" "$DIR/www/live/other" "$DIR/nginx"
	for name in index.m3u8 1.ts 2.ts; do echo "cam $name" >"$DIR/www/live/cam/$name"; done
	echo other >"$DIR/www/live/other/index.m3u8"
	start_nginx
	export KEY
}

teardown_file() {
	stop_nginx
	stop_streamd
}

write_nginx_conf() {
	cat >"$DIR/nginx/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $DIR/nginx/pid;
		error_log stderr;
		events {}
		http {
			access_log off;
			client_body_temp_path $DIR/nginx/body;
			proxy_temp_path $DIR/nginx/proxy;
			fastcgi_temp_path $DIR/nginx/fastcgi;
			uwsgi_temp_path $DIR/nginx/uwsgi;
			scgi_temp_path $DIR/nginx/scgi;
			server {
				listen $NGINX;
				root $DIR/www;
				location /live/ {
					auth_request /authorize;
					auth_request_set \$session_cookie \$upstream_http_set_cookie;
					add_header Set-Cookie \$session_cookie;
				}
				location = /authorize {
					internal;
					proxy_pass http://$HTTP/api/v1/authorize;
					proxy_pass_request_body off;
					proxy_set_header Content-Length "";
					proxy_set_header Authorization "Bearer $KEY";
					proxy_set_header X-Original-URI \$request_uri;
					proxy_set_header X-Original-Method \$request_method;
					proxy_set_header X-Real-IP \$remote_addr;
					proxy_set_header X-Forwarded-For "";
				}
			}
		}
	END
}

# The status of a path at nginx.
at_nginx() { # path [curl options]
	local path=$1
	shift
	curl -s -o "$DIR/body" -w '%{http_code}' "$@" "http://$NGINX$path"
}

authorize() { # [curl options]: the status
	curl -s -o "$DIR/body" -w '%{http_code}' -H "Authorization: Bearer $KEY" "$@"
}

@test "nginx serves files to the holder of a token, and the cookie carries on" {
	t=$(token cam)
	[ "$(at_nginx /live/cam/index.m3u8)" = 401 ]
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar")" = 200 ]
	[ "$(cat "$DIR/body")" = 'cam index.m3u8' ]
	[ "$(uses "$t")" = 1 ]
	for name in 1.ts 2.ts index.m3u8; do
		[ "$(at_nginx "/live/cam/$name" -b "$DIR/jar")" = 200 ]
		[ "$(cat "$DIR/body")" = "cam $name" ]
	done
	[ "$(at_nginx /live/cam/1.ts)" = 401 ]
	[ "$(uses "$t")" = 1 ]
	# One token, one viewer.
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t")" = 403 ]
	last_audit_is reason used
}

@test "the session is listed with the viewer's address, and shown out" {
	t=$(token cam)
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar2")" = 200 ]
	id=$("$BIN/tokenctl" sessions --json | jq -r --arg t "$(token_id "$t")" '(.items // .)[] | select(.token == $t and .protocol == "authorize" and .address == "127.0.0.1") | .id')
	[ -n "$id" ]
	"$BIN/tokenctl" kick "$id"
	[ "$(at_nginx /live/cam/1.ts -b "$DIR/jar2")" = 401 ]
}

@test "revoking the token ends the session" {
	t=$(token cam)
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar3")" = 200 ]
	"$BIN/tokenctl" revoke "$(token_id "$t")"
	for _ in $(seq 20); do
		[ "$(at_nginx /live/cam/1.ts -b "$DIR/jar3")" = 401 ] && return 0
		sleep 0.05
	done
	false
}

@test "neither token nor cookie opens another stream" {
	t=$(token cam)
	[ "$(at_nginx "/live/other/index.m3u8?token=$t")" = 403 ]
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar4")" = 200 ]
	sid=$(awk '/sg_session/ { print $7 }' "$DIR/jar4")
	[ "$(at_nginx /live/other/index.m3u8 -H "Cookie: sg_session=$sid")" = 401 ]
	[ "$(at_nginx "/live/nosuch/index.m3u8?token=$t")" = 403 ]
	[ "$(at_nginx "/live/%2e%2e/index.m3u8?token=$t")" != 200 ]
}

@test "two streams of one folder keep their sessions apart" {
	for name in one two; do echo "$name" >"$DIR/www/live/$name.mp4"; done
	t1=$(token one) t2=$(token two)
	[ "$(at_nginx "/live/one.mp4?token=$t1" -b "$DIR/jar7" -c "$DIR/jar7" -r 0-1)" = 206 ]
	[ "$(at_nginx "/live/two.mp4?token=$t2" -b "$DIR/jar7" -c "$DIR/jar7" -r 0-1)" = 206 ]
	for name in one two one; do
		[ "$(at_nginx "/live/$name.mp4" -b "$DIR/jar7" -c "$DIR/jar7" -r 1-2)" = 206 ]
	done
	[ "$(at_nginx "/live/one.mp4?token=$t1" -b "$DIR/jar7" -r 1-2)" = 206 ]
	[ "$(uses "$t1" one)$(uses "$t2" two)" = 11 ]
	# A cookie from before each stream's had a name of its own is still good.
	sids=$(awk '/sg_session/ { print $7 }' "$DIR/jar7")
	good=0
	for sid in $sids; do
		[ "$(at_nginx /live/two.mp4 -H "Cookie: sg_session=$sid")" = 401 ] || good=$((good + 1))
	done
	[ "$good" = 1 ]
}

@test "a path that goes up and down again opens nothing" {
	# Nginx serves what such a path leads to; what is asked of us must not be where it passes by.
	for path in /live/cam/../other/index.m3u8 /live/cam/%2e%2e/other/index.m3u8 /live/cam/..%2fother/index.m3u8 \
		/live/cam/x/../../other/index.m3u8 /live/./cam/../other/index.m3u8 //cam/../live/other/index.m3u8; do
		t=$(token cam)
		code=$(at_nginx "$path?token=$t" --path-as-is)
		[[ $code = 40[013] ]] || { echo "$path: $code"; return 1; }
		if grep -q other "$DIR/body"; then return 1; fi
		[ "$(uses "$t")" = 0 ]
	done
	t=$(token cam)
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar6")" = 200 ]
	[ "$(at_nginx /live/cam/../other/index.m3u8 --path-as-is -b "$DIR/jar6")" = 401 ]
}

@test "a cookie in two places is the end of it" {
	t=$(token cam)
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -c "$DIR/jar5" -A one)" = 200 ]
	for _ in 1 2 3; do
		at_nginx /live/cam/1.ts -b "$DIR/jar5" -A two >"$DIR/last"
		at_nginx /live/cam/1.ts -b "$DIR/jar5" -A one >"$DIR/last"
	done
	[ "$(cat "$DIR/last")" = 401 ]
	"$BIN/tokenctl" audit --json --event ended --limit 3 | grep -q '"shared"'
}

@test "HEAD tells what GET would, and spends nothing" {
	t=$(token cam)
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -I)" = 200 ]
	[ "$(at_nginx /live/cam/index.m3u8 -I)" = 401 ]
	[ "$(uses "$t")" = 0 ]
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t")" = 200 ]
	[ "$(at_nginx "/live/cam/index.m3u8?token=$t" -I)" = 403 ]
}

@test "of many at the same time one gets in" {
	t=$(token cam)
	for i in $(seq 20); do
		at_nginx "/live/cam/index.m3u8?token=$t" -o /dev/null >"$DIR/many.$i" 3>&- &
	done
	wait $(jobs -p | grep -vx -e "$NGINX_PID" -e "$STREAMD_JOB")
	[ "$(cat "$DIR"/many.* | grep -o 200 | wc -l)" = 1 ]
	[ "$(uses "$t")" = 1 ]
}

@test "where no token is needed everybody passes" {
	"$BIN/tokenctl" disable play --stream free
	mkdir -p "$DIR/www/live/free"
	echo free >"$DIR/www/live/free/1.ts"
	for _ in $(seq 20); do # another process's change is heard within a second
		[ "$(at_nginx /live/free/1.ts)" = 200 ] && return 0
		sleep 0.05
	done
	false
}

@test "other servers ask in JSON, for publishers too" {
	t=$(token push --type publish)
	ask() { authorize -X POST "http://$HTTP/api/v1/authorize" -d "$1"; }
	[ "$(ask '{"app":"live","streamId":"push","type":"publish","address":"198.51.100.7"}')" = 401 ]
	[ "$(ask "{\"streamId\":\"push\",\"type\":\"play\",\"token\":\"$t\",\"address\":\"198.51.100.7\"}")" = 403 ]
	[ "$(ask "{\"streamId\":\"push\",\"type\":\"publish\",\"tokenId\":\"$t\",\"address\":\"198.51.100.7\",\"userAgent\":\"obs\"}")" = 204 ]
	[ "$(uses "$t" push publish)" = 1 ]
	"$BIN/tokenctl" sessions --json | jq -e '(.items // .)[] | select(.streamId == "push" and .type == "publish" and .address == "198.51.100.7")'
	[ "$(ask '{"streamId":"push","type":"publish","address":"nowhere"}')" = 401 ]
	[ "$(ask '{"type":"watch"}')" = 400 ]
	[ "$(ask '{"stream":"push"}')" = 400 ]
	[ "$(ask '{')" = 400 ]
}

@test "Caddy's header, and parameters, name the stream as well" {
	[ "$(authorize "http://$HTTP/api/v1/authorize" -H "X-Forwarded-Uri: /live/streams/cam.mp4?token=$(token cam)")" = 204 ]
	[ "$(authorize "http://$HTTP/api/v1/authorize?app=live&streamId=cam&token=$(token cam)")" = 204 ]
	[ "$(authorize "http://$HTTP/api/v1/authorize?app=nosuch&streamId=cam&token=$(token cam)")" = 403 ]
	[ "$(authorize "http://$HTTP/api/v1/authorize")" = 401 ]
}

@test "it is for those who have a key of scope tokens" {
	t=$(token cam)
	[ "$(http_status "/api/v1/authorize?streamId=cam&token=$t")" = 401 ]
	read_key=$("$BIN/tokenctl" apikey create --scope read --quiet)
	[ "$(http_status "/api/v1/authorize?streamId=cam&token=$t" -H "Authorization: Bearer $read_key")" = 403 ]
	[ "$(uses "$t")" = 0 ]
}
