# HLS segments over TLS, against nginx with the same certificate, protocol and cipher, one worker each, neither
# with the kernel's TLS. Part of run.sh, which knows the names used here.
https() {
	local port nginx tls theirs
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	http_conf="tls_listen = 127.0.0.1:0
tls_cert = $dir/cert.pem
tls_key = $dir/key.pem" start_streamd auto
	tls=$(sed -n 's/^listening https .*://p' "$dir/streamd")
	publish_ours "$source"
	keep_segment
	port=$(free_port)
	cat >"$dir/https.conf" <<-END
		daemon off; master_process off; worker_processes 1; pid $dir/https.pid; error_log $dir/https.log;
		events { worker_connections 4096; }
		http {
			access_log off; sendfile on; keepalive_requests 100000000;
			server {
				listen 127.0.0.1:$port ssl; root $dir/web;
				ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem;
				ssl_protocols TLSv1.2 TLSv1.3;
				location / {
					secure_link \$arg_md5,\$arg_expires;
					secure_link_md5 "\$secure_link_expires\$uri secret";
					if (\$secure_link = "") { return 403; }
					if (\$secure_link = "0") { return 410; }
				}
			}
		}
	END
	start "$server_core" "$dir/nginx" nginx -c "$dir/https.conf" -p "$dir"
	nginx=$PID
	await "$dir/https.pid" .
	cipher() { openssl s_client -connect "127.0.0.1:$1" </dev/null 2>/dev/null | sed -n 's/^New, //p'; }
	theirs=$(cipher "$port")
	[ "$(cipher "$tls")" = "$theirs" ] || broken "nginx speaks '$theirs', streamd '$(cipher "$tls")'"
	say "| over HTTPS (${theirs#*Cipher is }), 32 connections kept open | streamd: requests/s | nginx with secure_link | streamd: CPU µs per request | nginx |"
	say "| --- | ---: | ---: | ---: | ---: |"
	compare "HLS segment of $SEGMENT_KIB KiB over TLS" "https://127.0.0.1:$tls$SEGMENT" \
		"https://127.0.0.1:$port$(secure_link /segment.m4s)"
	say ""
	stop "$nginx" "$STREAMD"
}
