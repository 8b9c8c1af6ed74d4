# What the parts that measure requests against nginx share. Part of run.sh, which knows the names used here.

requests() { # pid url [wrk options]: sets RATE and COST (CPU µs of the server for a request)
	local pid=$1 url=$2 before after
	shift 2
	before=$(cpu_us "$pid")
	on_load wrk -t 1 -c 32 -d "${wrk_seconds}s" "$@" "$url" >"$dir/wrk"
	after=$(cpu_us "$pid")
	! grep -qE 'Non-2xx|Socket errors' "$dir/wrk" || broken "$url: not every answer was good" "$dir/wrk"
	RATE=$(sed -n 's/^Requests\/sec: *//p' "$dir/wrk")
	COST=$(calc %.1f "($after - $before) / $(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$dir/wrk")")
}

secure_link() { # path: with its signature
	local until=$(($(date +%s) + 3600))
	echo "$1?md5=$(printf '%s' "$until$1 secret" | openssl md5 -binary | base64 | tr '+/' '-_' | tr -d =)&expires=$until"
}

# One worker that serves $dir/web to those whose links are signed. Sets NGINX, NGINX_PORT.
start_nginx() { # words behind the port, further lines of the server
	NGINX_PORT=$(free_port)
	cat >"$dir/web.conf" <<-END
		daemon off; master_process off; worker_processes 1; pid $dir/web.pid; error_log $dir/web.log;
		events { worker_connections 4096; }
		http {
			access_log off; sendfile on; keepalive_requests 100000000;
			server {
				listen 127.0.0.1:$NGINX_PORT $1; root $dir/web;
				$2
				location / {
					secure_link \$arg_md5,\$arg_expires;
					secure_link_md5 "\$secure_link_expires\$uri secret";
					if (\$secure_link = "") { return 403; }
					if (\$secure_link = "0") { return 410; }
				}
			}
		}
	END
	start "$server_core" "$dir/nginx" nginx -c "$dir/web.conf" -p "$dir"
	NGINX=$PID
	await "$dir/web.pid" .
}

compare_head() { # over what
	say "| over $1, 32 connections kept open | streamd: requests/s | nginx with secure_link | streamd: CPU µs per request | nginx |"
	say "| --- | ---: | ---: | ---: | ---: |"
}
# By turns, and the middle of the rounds' ratios: a machine has its moods.
compare() { # what our_url their_url [wrk options]
	local what=$1 mine=$2 theirs=$3 turn rate=() cost=() their_rate=() their_cost=() ratio=()
	shift 3
	for turn in $(seq "$rounds"); do
		requests "$STREAMD" "$mine" "$@" && rate+=("$RATE") cost+=("$COST")
		requests "$NGINX" "$theirs" "$@" && their_rate+=("$RATE") their_cost+=("$COST")
		ratio+=("$(calc %.4f "${rate[-1]} / $RATE")")
	done
	say "| $what | $(middle "${rate[@]}") | $(middle "${their_rate[@]}") | $(middle "${cost[@]}") | $(middle "${their_cost[@]}") |"
	wanted "$what: requests per second against nginx" ">=" 1 %.2f "$(middle "${ratio[@]}")"
}

# Makes a segment and ends its publisher without a goodbye: for half a minute the stream waits for it, its
# segments stay. Sets SEGMENT (a path with its session), SEGMENT_KIB; a copy is in $dir/web.
keep_segment() {
	local playlist name at=http://127.0.0.1:$HTTP/live/streams
	tokens 1
	playlist=$(curl -s "$at/cam.m3u8?token=$(cat "$dir/tokens")" | grep -v '^#' | head -n 1)
	sleep 3
	kill -9 "$PUBLISHER"
	wait "$PUBLISHER" 2>/dev/null || true
	stop "$PUBLISHER"
	sleep 0.2
	name=$(curl -s "$at/$playlist" | grep -v '^#' | sed '$d' | tail -n 1)
	SEGMENT=/live/streams/${playlist%/*}/$name
	mkdir -p "$dir/web"
	curl -sf -o "$dir/web/segment.m4s" "http://127.0.0.1:$HTTP$SEGMENT" || broken "no segment" "$dir"/streamd*
	SEGMENT_KIB=$(($(stat -c %s "$dir/web/segment.m4s") / 1024))
}
