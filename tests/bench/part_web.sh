# Segments and ranges of a recording over HTTP, against nginx with secure_link. Part of run.sh, which knows the
# names used here.
web() {
	local film
	start_streamd auto
	publish_ours "$source"
	sleep 2
	head -c 20000000 /dev/urandom >"$dir/sg/rec/live/film.mp4"
	film=$(curl -s -o /dev/null -D - -r 0-0 "http://127.0.0.1:$HTTP/live/streams/film.mp4?token=$("$bin/tokenctl" create film --quiet)" |
		sed -n 's/^content-location: //Ip' | tr -d '\r')
	mkdir -p "$dir/web"
	ln "$dir/sg/rec/live/film.mp4" "$dir/web/"
	keep_segment
	[ -n "$film" ] || broken "no film" "$dir"/streamd*
	start_nginx "" ""
	compare_head HTTP
	compare "HLS segment of $SEGMENT_KIB KiB" "http://127.0.0.1:$HTTP$SEGMENT" \
		"http://127.0.0.1:$NGINX_PORT$(secure_link /segment.m4s)"
	compare "MP4, ranges of 64 KiB" "http://127.0.0.1:$HTTP/live/streams/$film" \
		"http://127.0.0.1:$NGINX_PORT$(secure_link /film.mp4)" -s "$here/ranges.lua"
	say ""
	stop "$NGINX" "$STREAMD"
}
