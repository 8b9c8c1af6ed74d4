# The fan-out over RTMP and HTTP-FLV, against a bare loop that writes the same bytes and against nginx-rtmp. Part of
# run.sh, which knows the names used here.
#
# What is compared is measured by turns, each time anew, and a ratio is the middle of the rounds' ratios.

# Adds what is measured to the rounds of WHO.
noted() { # who command...
	local who=$1
	shift
	"$@" && echo "$VIEW" >>"$dir/$who"
}
range() { per_round "$2" "$1" | sort -n | sed -n '1h;$!d;H;x;s/\n/ to /p'; } # field who
fan_row() { # name who
	if [ -s "$dir/$2" ]; then
		say "| $1 | $n | $(mid "$2" cpu_us) ($(range cpu_us "$2")) | $(mid "$2" reads) | $(mid "$2" delay_ms_p50) / $(mid "$2" delay_ms_p95) / $(mid "$2" delay_ms_p99) |"
	else
		say "| $1 | $n | not measured: $(sed 's/^bench: //' "$dir/view.err" | tail -n 1) | | |"
	fi
}

bare() { # viewers interval_us
	start "$server_core" "$dir/bare" "$work/bare_loop" "$source" "$1" "$2" "$dir/sent.bare"
	local loop=$PID
	await "$dir/bare" .
	# On a busy machine even these may starve: then they are the measure all the same.
	VIEW=$(on_load "$work/view" bare "$loop" "$(cat "$dir/bare")" "$1" "$seconds" "$dir/sent.bare" - 2>"$dir/view.err") ||
		[ -n "$VIEW" ] || broken "the bare loop" "$dir/view.err" "$dir/bare.err"
	stop "$loop"
}

nginx_rtmp() { # viewers
	local port nginx
	port=$(free_port)
	cat >"$dir/rtmp.conf" <<-END
		load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
		daemon off; master_process off; worker_processes 1; pid $dir/rtmp.pid; error_log $dir/rtmp.log;
		events { worker_connections 4096; }
		rtmp { access_log off; server { listen 127.0.0.1:$port; chunk_size 4096; application live { live on; } } }
	END
	start "$server_core" "$dir/nginx" nginx -c "$dir/rtmp.conf" -p "$dir"
	nginx=$PID
	await "$dir/rtmp.pid" .
	publish "$port" cam "$source"
	# That a peer cannot serve so many is its own affair: then there is nothing to compare with.
	VIEW=$(on_load "$work/view" rtmp "$nginx" "$port" "$1" "$seconds" "$dir/sent" live/cam 2>"$dir/view.err") || VIEW=
	stop "$PUBLISHER" "$nginx"
	[ -n "$VIEW" ]
}

view_ours() { # rtmp|flv viewers: each with a token of its own
	tokens "$2"
	case $1 in
	rtmp) view rtmp "$STREAMD" "$RTMP" "$2" live/cam "$dir/tokens" ;;
	flv) view flv "$STREAMD" "$HTTP" "$2" /live/streams/cam.flv "$dir/tokens" ;;
	esac
}

start_cam() { # gather
	start_streamd "$1"
	publish_ours "$source"
}

at_once() { # viewers
	local turn order kind
	start_cam auto
	for turn in $(seq "$rounds"); do
		noted fan.bare33 bare "$1" 33333
		order="rtmp flv"
		[ $((turn % 2)) = 1 ] || order="flv rtmp"
		for kind in $order; do noted "fan.$kind" view_ours "$kind" "$1"; done
	done
	stop "$PUBLISHER" "$STREAMD"
}

gathered() { # viewers
	local turn seconds=1.4 # four whole intervals: a write more or less would be a fifth of all
	start_cam 350ms
	for turn in $(seq "$rounds"); do
		noted fan.bare350 bare "$1" 350000
		noted fan.gather view_ours rtmp "$1"
	done
	stop "$PUBLISHER" "$STREAMD"
}

fan_out() {
	local n
	say "| fan-out of 4 Mb/s, 30 fps, AAC | viewers | CPU µs per viewer-second (middle of $rounds; range) | reads per second | delay ms, p50 / p95 / p99 |"
	say "| --- | ---: | ---: | ---: | ---: |"
	# What a stream costs with nearly nobody watching: taking it in, packaging it.
	n=1 && start_cam auto && noted fan.alone view_ours rtmp 1 && stop "$PUBLISHER" "$STREAMD"
	fan_row "streamd, RTMP" fan.alone
	for n in $counts; do
		rm -f "$dir"/fan.*
		noted fan.bare0 bare "$n" 0
		fan_row "bare loop, a write per message" fan.bare0
		at_once "$n"
		fan_row "bare loop, a write per 33 ms" fan.bare33
		fan_row "streamd, RTMP" fan.rtmp
		fan_row "streamd, HTTP-FLV" fan.flv
		noted fan.nginx nginx_rtmp "$n" || true
		fan_row "nginx-rtmp" fan.nginx
		gathered "$n"
		fan_row "bare loop, a write per 350 ms" fan.bare350
		fan_row "streamd, RTMP, \`gather = 350ms\`" fan.gather
		wanted "RTMP to $n: CPU against the bare loop at 33 ms" "<=" 1.15 %.2f "$(mid_ratio fan.rtmp fan.bare33 cpu_us)"
		[ ! -s "$dir/fan.nginx" ] || wanted "RTMP to $n: CPU against nginx-rtmp" "<=" 0.6 %.2f "$(mid fan.rtmp cpu_us) / $(mid fan.nginx cpu_us)"
		wanted "RTMP to $n: delay added, 95th percentile (bare loop at 33 ms: $(mid fan.bare33 delay_ms_p95) ms)" "<=" 40 %.1f "$(mid fan.rtmp delay_ms_p95)" " ms"
		wanted "RTMP to $n, \`gather = 350ms\`: CPU against the bare loop at 350 ms" "<=" 1.2 %.2f "$(mid_ratio fan.gather fan.bare350 cpu_us)"
		wanted "HTTP-FLV to $n: CPU against RTMP" "<=" 1.0 %.2f "$(mid_ratio fan.flv fan.rtmp cpu_us)"
	done
	say ""
}
