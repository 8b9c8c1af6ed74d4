#!/usr/bin/env bats
# Behind Debian's nginx with a cache that keeps what it may: nobody is served another's playlist, session or
# segment, and who watches is known by their own address.
load e2e.bash

setup_file() {
	make_source
	start_streamd 'session_lock = strict
		[admin]
		trusted_proxies = 127.0.0.1'
	publish cam "$(token cam --type publish)"
	export PUBLISHER
	ffmpeg -v error -nostdin -i "$SOURCE" -c copy -movflags +faststart "$DIR/rec/live/cam.mp4"
	start_nginx
}

teardown_file() {
	stop_nginx
	stop "$PUBLISHER"
	stop_streamd
}

setup() { BODY=$BATS_TEST_TMPDIR/body HEAD=$BATS_TEST_TMPDIR/head; }

# Whatever does not say that it must not be kept is kept for ten minutes, refusals too. Left to itself a cache
# asks for the whole of a file, and by GET where the player asked by HEAD.
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
			proxy_cache_path $DIR/nginx/cache keys_zone=all:1m;
			server {
				listen $NGINX;
				location / {
					proxy_pass http://$HTTP;
					proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
					proxy_cache all;
					proxy_cache_key \$request_uri;
					proxy_cache_valid any 10m;
					proxy_set_header Range \$http_range;
					proxy_set_header If-Range \$http_if_range;
					proxy_cache_convert_head ${CONVERT_HEAD:-off};
					add_header X-Cache \$upstream_cache_status always;
				}
			}
		}
	END
}

# Viewer N is at 127.0.0.N: the status; the answer is in $BODY and $HEAD.
ask() { # viewer path [curl options]
	curl -s -m 10 -A "viewer $1" --interface "127.0.0.$1" -o "$BODY" -D "$HEAD" -w '%{http_code}' "${@:3}" "http://$NGINX$2"
}

comes_from_streamd() { # the last answer
	! grep -qi '^X-Cache: HIT' "$HEAD"
}

bearer() { echo "Authorization: Bearer $1"; }

sid() { # of the last answer's links
	grep -oE -m 1 's/[A-Za-z0-9_-]{22}/' "$BODY" | head -n 1
}

cookie() { sed -n 's/^Set-Cookie: *\(sg_session=[^;]*\).*/\1/Ip' "$HEAD"; }

address_of() { # token: where its session is
	"$BIN/tokenctl" sessions --json | jq -r --arg t "$(token_id "$1")" '(.items // .)[] | select(.token == $t) | .address'
}

# The same URL for all: the token is in a header, so that a cache cannot tell the viewers apart.
@test "two viewers have sessions of their own, a third has none" {
	for file in cam.m3u8 cam.mpd; do
		url=/live/streams/$file
		[ "$(ask 13 "$url")" = 401 ]
		a=$(token cam) b=$(token cam)
		[ "$(ask 11 "$url" -H "$(bearer "$a")")" = 200 ]
		comes_from_streamd
		sid_a=$(sid) cookie_a=$(cookie)
		[ -n "$sid_a" ] && [ -n "$cookie_a" ]
		[ "$(ask 12 "$url" -H "$(bearer "$b")")" = 200 ]
		comes_from_streamd
		[ "$(sid)" != "$sid_a" ]
		[ "$(cookie)" != "$cookie_a" ]
		sid_b=$(sid)
		[ "$(ask 13 "$url")" = 401 ]
		[ -z "$(cookie)" ]
		[ "$(ask 13 "$url" -H "$(bearer "$a")")" = 403 ]
		[ -z "$(cookie)" ]
		# By its cookie each is back in its own.
		[ "$(ask 11 "$url" -b "$cookie_a")" = 200 ]
		[ "$(sid)" = "$sid_a" ]
		[ "$(ask 11 "/live/streams/${sid_a}cam/main.m3u8")" = 200 ]
		[ "$(ask 12 "/live/streams/${sid_b}cam/main.m3u8")" = 200 ]
		[ "$(address_of "$a")" = 127.0.0.11 ]
		[ "$(address_of "$b")" = 127.0.0.12 ]
		[ "$(uses "$a")" = 1 ]
		[ "$(uses "$b")" = 1 ]
	done
}

@test "the very URLs that a viewer asked for open nothing to another" {
	t=$(token cam)
	[ "$(ask 11 "/live/streams/cam.m3u8?token=$t")" = 200 ]
	main=/live/streams/$(grep main.m3u8 "$BODY")
	[ "$(ask 11 "$main")" = 200 ]
	# The newest segments: they stay for as long as this takes.
	urls="$main $(sed -n "s|^#EXT-X-MAP:URI=\"\(.*\)\"|${main%/*}/\1|p" "$BODY") $(grep -v '^#' "$BODY" | tail -n 2 | sed "s|^|${main%/*}/|")"
	for url in $urls; do
		for _ in 1 2; do
			[ "$(ask 11 "$url")" = 200 ]
			comes_from_streamd
		done
	done
	[ "$(ask 13 "/live/streams/cam.m3u8?token=$t")" = 403 ]
	for url in $urls; do
		[ "$(ask 13 "$url")" = 403 ]
		comes_from_streamd
	done
	[ "$(ask 11 "$main")" = 200 ]
	# Shown out, it is out for its own URLs, too.
	"$BIN/tokenctl" revoke "$(token_id "$t")"
	for _ in $(seq 20); do # a second, by R6
		[ "$(ask 11 "$main")" = 403 ] && break
		sleep 0.05
	done
	for url in $urls; do [ "$(ask 11 "$url")" = 403 ]; done
}

@test "a recording is nobody else's" {
	a=$(token cam) b=$(token cam)
	url=/live/streams/cam.mp4
	[ "$(ask 11 "$url" -H "$(bearer "$a")")" = 200 ]
	cmp "$BODY" "$DIR/rec/live/cam.mp4"
	cookie_a=$(cookie)
	path=/live/streams/$(sed -n 's/^Content-Location: *\([^\r]*\).*/\1/Ip' "$HEAD")
	[ "$(ask 13 "$url")" = 401 ]
	[ "$(ask 13 "$path")" = 403 ]
	[ "$(ask 12 "$url" -H "$(bearer "$b")")" = 200 ]
	[ "$(cookie)" != "$cookie_a" ]
	[ "$(ask 11 "$url" -b "$cookie_a" -r 0-99)" = 206 ]
	[ "$(stat -c %s "$BODY")" = 100 ]
	comes_from_streamd
	[ "$(ask 13 "$url" -r 0-99)" = 401 ]
}

@test "a refusal is not kept for who comes after" {
	t=$(token later)
	[ "$(ask 11 /live/streams/later.m3u8 -H "$(bearer "$t")")" = 404 ]
	publish later "$(token later --type publish)"
	for _ in $(seq 100); do
		status=$(ask 11 /live/streams/later.m3u8 -H "$(bearer "$t")")
		[ "$status" = 404 ] || break
	done
	stop "$PUBLISHER"
	[ "$status" = 200 ]
}

@test "HEAD spends nothing, where the cache leaves it a HEAD" {
	t=$(token cam)
	[ "$(ask 11 "/live/streams/cam.m3u8?token=$t" -I)" = 200 ]
	[ "$(uses "$t")" = 0 ]
	[ "$(ask 11 "/live/streams/cam.m3u8?token=$t")" = 200 ]
	[ -n "$(sid)" ]
}
