# HLS segments over TLS, against nginx with the same certificate, protocol and cipher, one worker each, neither
# with the kernel's TLS. Part of run.sh, which knows the names used here.
https() {
	local tls theirs
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	http_conf="tls_listen = 127.0.0.1:0
tls_cert = $dir/cert.pem
tls_key = $dir/key.pem" start_streamd auto
	tls=$(sed -n 's/^listening https .*://p' "$dir/streamd")
	publish_ours "$source"
	keep_segment
	start_nginx ssl "ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem; ssl_protocols TLSv1.2 TLSv1.3;"
	cipher() { openssl s_client -connect "127.0.0.1:$1" </dev/null 2>/dev/null | sed -n 's/^New, //p'; }
	theirs=$(cipher "$NGINX_PORT")
	[ "$(cipher "$tls")" = "$theirs" ] || broken "nginx speaks '$theirs', streamd '$(cipher "$tls")'"
	compare_head "HTTPS (${theirs#*Cipher is })"
	compare "HLS segment of $SEGMENT_KIB KiB over TLS" "https://127.0.0.1:$tls$SEGMENT" \
		"https://127.0.0.1:$NGINX_PORT$(secure_link /segment.m4s)"
	say ""
	stop "$NGINX" "$STREAMD"
}
