/* The configuration file: what is taken, what is refused and with which words. */
#include "base/config.h"
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static struct sg_config *parse(const char *text)
{
	struct sg_config *cfg;
	char error[512];

	if (sg_config_parse(&cfg, "f.conf", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s\n gave %s", text, error);
	assert_string_equal(error, "");
	return cfg;
}

/* Says what the refusal of `text` says, in a buffer of its own. */
static const char *refusal(struct sg_str text)
{
	static char error[512];
	struct sg_config *cfg = (struct sg_config *)&error;

	assert_int_equal(
	    sg_config_parse(&cfg, "f.conf", text, error, sizeof(error)), SG_ERR_CONFIG);
	assert_null(cfg);
	if (strpbrk(error, "\r\n\x1b"))
		fail_msg("'%s' is more than a line", error);
	return error;
}

static void nothing_gives_the_defaults(void **state)
{
	struct sg_config *cfg = parse("");

	(void)state;
	assert_null(cfg->path);
	assert_int_equal(cfg->http_listen.count, 1);
	assert_int_equal(cfg->http_tls_listen.count, 0);
	assert_null(cfg->http_tls_cert);
	assert_null(cfg->public_url);
	assert_int_equal(cfg->admin_allow.count, 2);
	assert_int_equal(cfg->compat_allow.count, 0);
	assert_int_equal(cfg->rtmp_listen.count, 1);
	assert_int_equal(cfg->rtmp_gather_ms, SG_GATHER_AUTO);
	assert_int_equal(cfg->hls_part_ms, 200);
	assert_int_equal(cfg->recording_min_free, 256 << 20);
	assert_int_equal(cfg->recording_max_size, 0);
	assert_int_equal(cfg->recording_keep_ms, 0);
	assert_int_equal(cfg->srt_listen.count, 1);
	assert_int_equal(cfg->webrtc_listen.count, 1);
	assert_null(cfg->webrtc_public_ip);
	assert_int_equal(cfg->app_count, 1);
	const struct sg_app_config *app = sg_config_app(cfg, SG_STR("live"));
	assert_non_null(app);
	assert_false(app->publish_token || app->play_token || app->expiry_ends_session || app->transcode_video);
	assert_int_equal(app->record, SG_RECORD_OFF);
	assert_int_equal(app->token_lifetime_ms, 86400000);
	assert_int_equal(app->resume_window_ms, 0);
	assert_int_equal(app->session_lock, SG_LOCK_MOVING);
	assert_null(sg_config_app(cfg, SG_STR("lab")));
	sg_config_free(cfg);
	sg_config_free(NULL);
}

static void every_key_is_taken(void **state)
{
	struct sg_config *cfg = parse("\xef\xbb\xbf; a comment\r\n"
				      "# another\n"
				      "[store]\n"
				      "url = sqlite:/srv/sg/t.db   ; behind the value\r\n"
				      "  [http]  ; a section\n"
				      "listen=127.0.0.1:0 ,[::1]:8080\n"
				      "tls_listen = 0.0.0.0:5443\n"
				      "tls_cert = /etc/a;b.pem\n"
				      "tls_key =\t/etc/key with blanks.pem\t\n"
				      "public_url = https://video.example.org/gate/\n"
				      "[admin]\n"
				      "allow = 10.0.0.0/8\n"
				      "compat_allow = 192.0.2.1\n"
				      "trusted_proxies = ::1, fd00::/8\n"
				      "socket = /run/sg.sock\n"
				      "[rtmp]\n"
				      "listen =\n"
				      "tls_listen = [::]:443\n"
				      "gather = 33ms\n"
				      "[srt]\n"
				      "listen = ; off\n"
				      "[webrtc]\n"
				      "listen = 0.0.0.0:0\n"
				      "public_ip = 192.0.2.7\n"
				      "[recording]\n"
				      "path = /srv/rec\n"
				      "[app lab]\n"
				      "publish_token = on\n"
				      "play_token = on\n"
				      "record = ask\n"
				      "token_lifetime = 15m\n"
				      "resume_window = 30s\n"
				      "expiry_ends_session = on\n"
				      "transcode_video = on\n"
				      "session_lock = strict\n"
				      "[app live]\n"
				      "session_lock = off\n"
				      "record = on");

	(void)state;
	assert_string_equal(cfg->store_url, "sqlite:/srv/sg/t.db");
	assert_int_equal(cfg->http_listen.count, 2);
	assert_int_equal(cfg->http_listen.items[1].sa.ss_family, AF_INET6);
	assert_string_equal(cfg->http_tls_cert, "/etc/a;b.pem");
	assert_string_equal(cfg->http_tls_key, "/etc/key with blanks.pem");
	assert_string_equal(cfg->public_url, "https://video.example.org/gate");
	assert_int_equal(cfg->admin_allow.items[0].bits, 8);
	assert_int_equal(cfg->trusted_proxies.count, 2);
	assert_string_equal(cfg->admin_socket, "/run/sg.sock");
	assert_int_equal(cfg->rtmp_listen.count, 0);
	assert_int_equal(cfg->rtmp_tls_listen.count, 1);
	assert_int_equal(cfg->rtmp_gather_ms, 33);
	assert_int_equal(cfg->srt_listen.count, 0);
	assert_string_equal(cfg->webrtc_public_ip, "192.0.2.7");
	assert_string_equal(cfg->recording_path, "/srv/rec");
	assert_int_equal(cfg->app_count, 2);
	const struct sg_app_config *lab = sg_config_app(cfg, SG_STR("lab"));
	assert_true(lab->publish_token && lab->play_token && lab->expiry_ends_session && lab->transcode_video);
	assert_int_equal(lab->record, SG_RECORD_ASK);
	assert_int_equal(lab->token_lifetime_ms, 900000);
	assert_int_equal(lab->resume_window_ms, 30000);
	assert_int_equal(lab->session_lock, SG_LOCK_STRICT);
	const struct sg_app_config *live = sg_config_app(cfg, SG_STR("live"));
	assert_int_equal(live->session_lock, SG_LOCK_OFF);
	assert_int_equal(live->record, SG_RECORD_ON);
	assert_false(live->play_token);
	sg_config_free(cfg);
}

static void mistakes_are_told_with_line_and_advice(void **state)
{
	static const struct {
		const char *text, *error; /* without "f.conf:" */
	} rows[] = {
	    {"[http]\nlissen = 1", "2: [http] has no key 'lissen': did you mean 'listen'?"},
	    {"[http]\nLISTEN = 1", "2: [http] has no key 'LISTEN': did you mean 'listen'?"},
	    {"[srt]\nurl = x", "2: [srt] has no key 'url': it belongs into [store]"},
	    {"[http]\nplay_token = on",
		"2: [http] has no key 'play_token': it belongs into [app NAME]"},
	    {"[app a]\nplay_tokn = on",
		"2: [app a] has no key 'play_tokn': did you mean 'play_token'?"},
	    {"[webrtc]\nturn = x", "2: [webrtc] has no key 'turn': known are listen, public_ip, "
				"ice_servers, turn_username, turn_credential"},
	    {"[webrtc]\nice_servers = stun:a, http://b", "2: ice_servers: 'http://b' is no STUN or TURN "
		"server: use stun:HOST:PORT or turn:HOST:PORT?transport=udp"},
	    {"[webrtc]\nice_servers = stun:a?transport=udp", "2: ice_servers: 'stun:a?transport=udp' is no "
		"STUN or TURN server: use stun:HOST:PORT or turn:HOST:PORT?transport=udp"},
	    {"[webrtc]\n\nice_servers = turns:a", "3: turn: needs turn_username and turn_credential: write "
		"both into [webrtc]"},
	    {"[webrtc]\nturn_username = me", "2: 'turn_credential' is missing in [webrtc]: write both or none"},
	    {"[webrtc]\nturn_credential = a\"b", "2: turn_credential: this cannot be told to browsers: use at most "
		"256 printable ASCII characters, no quote and no backslash"},

	    {"[htp]", "1: there is no section [htp]: did you mean [http]?"},
	    {"[frob]",
		"1: there is no section [frob]: known are store, http, admin, rtmp, srt, webrtc, "
		"recording, relay, [app NAME] and [pull STREAM]"},
	    {"[]", "1: there is no section []: known are store, http, admin, rtmp, srt, webrtc, "
		   "recording, relay, [app NAME] and [pull STREAM]"},
	    {"\n\n[http", "3: a ']' is missing: write [section], alone in its line"},
	    {"[", "1: a ']' is missing: write [section], alone in its line"},
	    {"[http] x", "1: a ']' is missing: write [section], alone in its line"},
	    {"[app]", "1: '' is no application's name: use 1 to 32 of A-Z a-z 0-9 _ -"},
	    {"[app a b]", "1: 'a b' is no application's name: use 1 to 32 of A-Z a-z 0-9 _ -"},
	    {"[app a.b]", "1: 'a.b' is no application's name: use 1 to 32 of A-Z a-z 0-9 _ -"},
	    {"[app a]\n[app b]\n[app a]",
		"3: [app a] stands in line 1 already: put its keys into one "
		"section"},
	    {"[app live]\n[app live]",
		"2: [app live] stands in line 1 already: put its keys into one "
		"section"},
	    {"[srt]\nlatency = 10ms",
		"2: latency: '10ms' is not a latency: use 20ms to 8s, such as 120ms"},
	    {"[app a]\nsrt_passphrase = shortone1",
		"2: srt_passphrase: a passphrase of 9 characters: use 10 to 79, or none for no "
		"encryption"},
	    {"[app a]\nforward = http://h/secret",
		"2: forward: this is no such URL: use one of rtmp, rtmps or srt, such as "
		"rtmp://host/app/{stream}, or none"},
	    /* What --check-config prints, taken for a file. */
	    {"[app a]\nsrt_passphrase = [redacted]", "2: srt_passphrase: this stands for a secret that was "
						     "not shown: write the secret itself"},
	    {"[app a]\nforward = rtmp://h/app/[redacted]", "2: forward: this stands for a secret that was not "
							   "shown: write the secret itself"},
	    {"[webrtc]\nturn_credential = [redacted]", "2: turn_credential: this stands for a secret that was "
						       "not shown: write the secret itself"},
	    {"[app a]\nforward = srt://far.example.org?streamid=secret",
		"2: forward: SRT has no port of its own: write it, srt://HOST:PORT"},
	    {"[pull a]\nurl = SRT://far.example.org/x",
		"2: url: this is no such URL: use one of rtmp, rtmps, srt, http, https, rtsp or rtsps"},
	    {"[pull]", "1: '' is no stream's id: use 1 to 128 of A-Z a-z 0-9 . _ -, and no dot in front"},
	    {"[pull cam]\n", "1: [pull cam] has no url: write url = rtmp://... or another"},
	    {"[pull cam]\nurl = file:///etc/passwd",
		"2: url: this is no such URL: use one of rtmp, rtmps, srt, http, https, rtsp or rtsps"},
	    {"[pull cam]\nurl = srt://h:1\napp = nowhere",
		"1: there is no application 'nowhere' for [pull cam]: write its section, [app NAME], or "
		"use another"},
	    {"[pull cam]\nurl = srt://h:1\n[pull cam]\nurl = srt://h:2",
		"3: [pull cam] stands in line 1 already: remove one, or give it another app"},
	    {"[pull cam]\nwhen = never",
		"2: when: 'never' is no such value: use watched or always"},
	    {"[pull cam]\nsession_lock = off",
		"2: [pull cam] has no key 'session_lock': it belongs into [app NAME]"},
	    {"listen = x", "1: 'listen' stands before any section: begin with one, such as [http]"},
	    {"[http]\nlisten", "2: 'listen' has no '=': write key = value"},
	    /* What comes behind a name, or stands alone, may be a secret. */
	    {"[app a]\nsrt_passphrase correct horse battery", "2: 'srt_passphrase' has no '=': write key = value"},
	    {"[app a]\nforward: rtmp://h/app/secretword", "2: 'forward' has no '=': write key = value"},
	    {"[webrtc]\nturn_credential =\n  secretword", "3: this has no '=': write key = value"},
	    {"[pull a]\nurl rtmp://h/app/secretword?x=y", "2: 'url' has no '=': write key = value"},
	    {"[webrtc]\nturn_credential =\n  secret word=", "3: this has no '=': write key = value"},
	    {"[http]\n= x",
		"2: [http] has no key '': known are listen, tls_listen, tls_cert, tls_key, "
		"public_url, hls_part"},
	    {"[http]\nlisten = 127.0.0.1:1\n[srt]\n[http]\nlisten =",
		"5: 'listen' stands in line 2 already: remove one"},
	    {"[app a]\nrecord = on\nrecord = on",
		"3: 'record' stands in line 2 already: remove one"},
	    {"[http]\nlisten = 5080",
		"2: listen: '5080' is not an address to listen on: use "
		"ADDRESS:PORT, such as 0.0.0.0:5080 or [::]:5080, or nothing for off"},
	    {"[http]\nlisten = 127.0.0.1:1,", "2: listen: '' is not an address to listen on: use "
					      "ADDRESS:PORT, such as 0.0.0.0:5080 or "
					      "[::]:5080, or nothing for off"},
	    {"[srt]\nlisten = 0.0.0.0:1, 0.0.0.0:1",
		"2: listen: '0.0.0.0:1' is listed twice: remove "
		"one"},
	    /* What could not be listened on together; a port is TCP's, UDP's, or WebRTC's, which is both. */
	    {"[http]\nlisten = 0.0.0.0:5080, 127.0.0.1:5080",
		"2: 127.0.0.1:5080 of [http] listen collides with 0.0.0.0:5080 of [http] listen: choose another port"},
	    {"[http]\nlisten = 0.0.0.0:1935",
		"2: 0.0.0.0:1935 of [rtmp] listen collides with 0.0.0.0:1935 of [http] listen: choose another port"},
	    {"[rtmp]\nlisten = 127.0.0.1:80\n[http]\nlisten = 0.0.0.0:80",
		"4: 127.0.0.1:80 of [rtmp] listen collides with 0.0.0.0:80 of [http] listen: choose another port"},
	    {"[http]\nlisten = [::]:50000\n[webrtc]\nlisten = [::1]:50000",
		"4: [::1]:50000 of [webrtc] listen collides with [::]:50000 of [http] listen: choose another port"},
	    {"[srt]\nlisten = 0.0.0.0:50000",
		"2: 0.0.0.0:50000 of [webrtc] listen collides with 0.0.0.0:50000 of [srt] listen: choose another port"},
	    {"[admin]\nallow = 10.0.0.0/33",
		"2: allow: '10.0.0.0/33' is not a network: use addresses "
		"or networks, such as 10.0.0.0/8, ::1"},
	    {"[admin]\nallow = any", "2: allow: 'any' is not a network: use addresses or networks, "
				     "such as 10.0.0.0/8, ::1"},
	    {"[http]\npublic_url = video.example.org", "2: public_url: 'video.example.org' is not "
						       "a URL to begin others with: use one like "
						       "https://video.example.org"},
	    /* Answers that hold it would not be JSON. */
	    {"[http]\npublic_url = https://h/caf\xe9", "2: public_url: 'https://h/caf\xe9' is not a URL to begin "
						       "others with: use one like https://video.example.org"},
	    {"[webrtc]\npublic_ip = 0.0.0.0", "2: public_ip: '0.0.0.0' is not an address that a browser can reach: "
					      "use one like 192.0.2.7, or none"},
	    {"[webrtc]\npublic_ip = me", "2: public_ip: 'me' is not an IP address: use one like "
					 "192.0.2.7, or none"},
	    {"[http]\nhls_part = 3s", "2: hls_part: '3s' is not the length of a part: use 0 or a "
				      "duration of 50ms to 2s such as 200ms"},
	    {"[http]\nhls_part = 10ms", "2: hls_part: '10ms' is not the length of a part: use 0 or a "
					"duration of 50ms to 2s such as 200ms"},
	    {"[rtmp]\ngather = 6s",
		"2: gather: '6s' is not a time to gather for: use auto, 0, or a "
		"duration up to 5s such as 33ms"},
	    {"[recording]\nmin_free = lots", "2: min_free: 'lots' is not a size: use 0 or a size such as "
					  "500m, 20g or 1t"},
	    {"[recording]\nmax_size = 9999999t", "2: max_size: '9999999t' is not a size: use 0 or a size such "
					     "as 500m, 20g or 1t"},
	    {"[recording]\npath =",
		"2: path: a path is missing: name one, or remove the line for the "
		"default"},
	    {"[store]\nurl = mysql://u:secretword@h/d",
		"2: url: this is not the url of a store: use sqlite:/path/to/file"},
	    {"[store]\nurl = postgresql://u:secretword@h/d",
		"2: url: a store in PostgreSQL is not served by this version: use "
		"sqlite:/path/to/file"},
	    {"[store]\nurl = postgres://h/d",
		"2: url: a store in PostgreSQL is not served by this version: use "
		"sqlite:/path/to/file"},
	    {"[store]\nurl = sqlite:", "2: url: 'sqlite:' is a store without a file: use "
				       "sqlite:/path/to/file"},
	    {"[store]\nurl = sqlite: /srv/t.db", "2: url: 'sqlite: /srv/t.db' is a file that begins with a blank: "
					     "use sqlite:/path/to/file"},
	    {"[app a]\nplay_token = yes", "2: play_token: 'yes' is no such value: use off or on"},
	    {"[app a]\nsession_lock = movin",
		"2: session_lock: 'movin' is no such value, did you mean "
		"'moving'?: use moving, strict or off"},
	    {"[app a]\nrecord = ON",
		"2: record: 'ON' is no such value, did you mean 'on'?: use off, "
		"on or ask"},
	    {"[app a]\ntoken_lifetime = 24", "2: token_lifetime: '24' is not a duration: use 1s to "
					     "36525d, such as 30m, 24h or 7d"},
	    {"[app a]\ntoken_lifetime = 0",
		"2: token_lifetime: '0' is out of range: use 1s to 36525d, "
		"such as 30m, 24h or 7d"},
	    {"[app a]\ntoken_lifetime = 1500ms",
		"2: token_lifetime: '1500ms' is not in whole seconds: "
		"use 1s to 36525d, such as 30m, 24h or 7d"},
	    {"[app a]\nresume_window = 25h",
		"2: resume_window: '25h' is out of range: use 0s to 24h, "
		"such as 30s"},
	    {"[http]\n\x1b[31m = 1", "2: [http] has no key '?[31m': known are listen, tls_listen, "
				     "tls_cert, tls_key, public_url, hls_part"},
	    {"\n[http]\ntls_listen = 0.0.0.0:1\ntls_key = k\n",
		"3: [http] tls_listen needs 'tls_cert': set it in [http], or leave tls_listen "
		"empty"},
	    {"[http]\ntls_cert = c\n[rtmp]\ntls_listen = 0.0.0.0:1",
		"4: [rtmp] tls_listen needs 'tls_key': set it in [http], or leave tls_listen "
		"empty"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *error = refusal(sg_str_from(rows[i].text));
		if (strncmp(error, "f.conf:", 7) != 0 || strcmp(error + 7, rows[i].error) != 0)
			fail_msg("%s\n gave %s", rows[i].text, error);
	}
}

static void addresses_that_do_not_collide_are_taken(void **state)
{
	static const char *const rows[] = {
	    "[http]\nlisten = 0.0.0.0:5080, [::]:5080", "[http]\nlisten = 127.0.0.1:0\n[rtmp]\nlisten = 127.0.0.1:0",
	    "[http]\nlisten = 127.0.0.1:80\n[rtmp]\nlisten = 127.0.0.2:80",
	    "[http]\nlisten = 0.0.0.0:80\n[srt]\nlisten = 0.0.0.0:80",
	    "[http]\nlisten = 0.0.0.0:1935\n[rtmp]\nlisten ="};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		sg_config_free(parse(rows[i]));
}

static void limits_are_kept(void **state)
{
	struct sg_buf b;

	(void)state;
	assert_string_equal(refusal(SG_STR("[http]\nlisten\0 = x\n")),
	    "f.conf:2: there is a NUL byte: is this a text file?");

	sg_buf_init(&b, 1 << 20);
	for (int i = 0; i < 256; i++)
		sg_buf_printf(&b, "[app a%d]\n", i);
	/* "live" is one of them. */
	assert_string_equal(refusal((struct sg_str){(char *)b.p, b.len}),
	    "f.conf:256: these are too many applications: use at most 256");

	b.len = 0;
	sg_buf_puts(&b, "[http]\nlisten = ");
	for (int i = 0; i < 65; i++)
		sg_buf_printf(&b, "%s127.0.0.1:%d", i ? ", " : "", i);
	assert_string_equal(refusal((struct sg_str){(char *)b.p, b.len}),
	    "f.conf:2: listen: 65 addresses are too many: use at most 64");

	b.len = 0;
	sg_buf_puts(&b, "\n;");
	for (int i = 0; i < 4000; i++)
		sg_buf_put_u8(&b, 'x');
	assert_string_equal(refusal((struct sg_str){(char *)b.p, b.len}),
	    "f.conf:2: the line is too long: use at most 4000 characters");
	sg_buf_reset(&b);
}

static void a_small_error_buffer_is_kept_to(void **state)
{
	struct sg_config *cfg;
	char error[10];

	(void)state;
	memset(error, 'x', sizeof(error));
	assert_int_equal(sg_config_parse(&cfg, "f.conf", SG_STR("x"), error, 5), SG_ERR_CONFIG);
	assert_string_equal(error, "f.co");
	assert_int_equal(error[5], 'x');
	assert_int_equal(sg_config_parse(&cfg, "f.conf", SG_STR("x"), NULL, 0), SG_ERR_CONFIG);
}

static void the_socket_lies_beside_the_store(void **state)
{
	static const struct {
		const char *text, *socket;
	} rows[] = {
	    {"[store]\nurl = sqlite:/srv/sg/t.db", "/srv/sg/streamd.sock"},
	    {"[store]\nurl = sqlite:t.db", "streamd.sock"},
	    {"[store]\nurl = sqlite:/t.db", "/streamd.sock"},
	    {"[store]\nurl = sqlite:/srv/t.db\n[admin]\nsocket =", "/srv/streamd.sock"},
	    {"[store]\nurl = sqlite:/srv/t.db\n[admin]\nsocket = /run/s", "/run/s"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sg_config *cfg = parse(rows[i].text);
		assert_string_equal(cfg->admin_socket, rows[i].socket);
		sg_config_free(cfg);
	}
}

static char *printed(const struct sg_config *cfg)
{
	struct sg_buf b;

	sg_buf_init(&b, 1 << 20);
	sg_config_print(cfg, &b);
	sg_buf_put_u8(&b, 0);
	assert_false(b.failed);
	return (char *)b.p;
}

static void what_is_printed_is_read_back(void **state)
{
	struct sg_config *cfg = parse("[store]\nurl = sqlite:/srv/t.db\n[http]\nlisten =\n"
				      "tls_listen = [::1]:5443, 127.0.0.1:5443\n"
				      "tls_cert = /c d;e\ntls_key = /k\n[admin]\n"
				      "allow = 10.1.2.3/8, ::1\n[rtmp]\ngather = 0\n"
				      "[app lab]\nrecord = ask\ntoken_lifetime = 90s\n");
	char *first = printed(cfg);
	struct sg_config *again = parse(first);
	char *second = printed(again);

	(void)state;
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\nlisten =\n"));
	assert_non_null(strstr(first, "\ntls_listen = [::1]:5443, 127.0.0.1:5443\n"));
	assert_non_null(strstr(first, "\ntls_cert = /c d;e\n"));
	assert_non_null(strstr(first, "\nallow = 10.0.0.0/8, ::1\n"));
	assert_non_null(strstr(first, "\ngather = 0s\n"));
	assert_non_null(strstr(first, "[app live]\npublish_token = off\n"));
	assert_non_null(strstr(first, "\nrecord = ask\ntoken_lifetime = 90s\n"));
	free(first);
	free(second);
	sg_config_free(cfg);
	sg_config_free(again);
}

static void ice_servers_are_read_and_their_credential_not_printed(void **state)
{
	struct sg_config *cfg = parse("[webrtc]\n"
				      "ice_servers = stun:stun.example.org , turn:[2001:db8::1]:3478?transport=tcp\n"
				      "turn_username = me\n"
				      "turn_credential = geheim\n");
	char *shown = printed(cfg);

	(void)state;
	assert_string_equal(
	    cfg->webrtc_ice_servers, "stun:stun.example.org,turn:[2001:db8::1]:3478?transport=tcp");
	assert_string_equal(cfg->webrtc_turn_username, "me");
	assert_string_equal(cfg->webrtc_turn_credential, "geheim");
	assert_null(strstr(shown, "geheim"));
	assert_non_null(strstr(shown, "turn_credential = [redacted]\n"));
	free(shown);
	sg_config_free(cfg);
}

/* The defaults that the table tells are the ones in effect. */
static void pulls_and_forwards_are_read_and_their_secrets_not_printed(void **state)
{
	struct sg_config *cfg = parse("[app live]\n"
				      "srt_passphrase = correct horse battery\n"
				      "forward = rtmp://far:1936/live/{stream}?token=geheim\n"
				      "[pull cam]\n"
				      "url = rtsp://joe:geheim@192.0.2.9:554/cam/1\n"
				      "[pull other]\n"
				      "url = srt://[2001:db8::1]:4200?streamid=#!::r=live/cam,token=geheim\n"
				      "app = lab\n"
				      "when = always\n"
				      "[app lab]\n");
	char *shown = printed(cfg);

	(void)state;
	assert_int_equal(cfg->pull_count, 2);
	assert_string_equal(cfg->pulls[0].stream, "cam");
	assert_string_equal(cfg->pulls[0].app, "live");
	assert_int_equal(cfg->pulls[0].when, SG_PULL_WATCHED);
	assert_string_equal(cfg->pulls[1].url, "srt://[2001:db8::1]:4200?streamid=#!::r=live/cam,token=geheim");
	assert_string_equal(cfg->pulls[1].app, "lab");
	assert_int_equal(cfg->pulls[1].when, SG_PULL_ALWAYS);
	assert_string_equal(cfg->apps[0].forward, "rtmp://far:1936/live/{stream}?token=geheim");
	assert_string_equal(cfg->apps[0].srt_passphrase, "correct horse battery");
	assert_null(strstr(shown, "geheim"));
	assert_null(strstr(shown, "horse"));
	assert_non_null(strstr(shown, "srt_passphrase = [redacted]\n"));
	assert_non_null(strstr(shown, "forward = rtmp://far:1936/live/[redacted]\n"));
	assert_non_null(strstr(shown, "[pull cam]\nurl = rtsp://192.0.2.9:554/cam/[redacted]\napp = live\n"
				      "when = watched\n"));
	assert_non_null(strstr(shown, "url = srt://[2001:db8::1]:4200/[redacted]\napp = lab\nwhen = always\n"));
	free(shown);
	sg_config_free(cfg);
}

static void the_table_tells_the_defaults(void **state)
{
	size_t count;
	const struct sg_config_key *keys = sg_config_keys(&count);
	struct sg_config *cfg;
	struct sg_buf b;
	char *none, *all;

	(void)state;
	sg_buf_init(&b, 1 << 20);
	for (size_t i = 0; i < count; i++) {
		assert_true(keys[i].help[0] != 0);
		if (strcmp(keys[i].section, "pull") == 0)
			continue; /* no such section is there by itself */
		bool begins = i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0;
		if (begins)
			sg_buf_printf(&b, "[%s%s]\n", keys[i].section,
			    strcmp(keys[i].section, "app") == 0 ? " live" : "");
		if (strncmp(keys[i].fallback, "/var/lib", 8) == 0 ||
		    strstr(keys[i].fallback, ":/var/lib"))
			continue; /* depends on who runs this */
		sg_buf_printf(&b, "%s = %s\n", keys[i].key, keys[i].fallback);
	}
	sg_buf_put_u8(&b, 0);
	cfg = parse((char *)b.p);
	all = printed(cfg);
	sg_config_free(cfg);
	cfg = parse("");
	none = printed(cfg);
	sg_config_free(cfg);
	assert_string_equal(all, none);
	free(all);
	free(none);
	sg_buf_reset(&b);
}

/* ---- files ---- */

struct folder {
	char dir[64], file[96];
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/sg-config-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/f.conf", f->dir);
	unsetenv("STREAMGATE_CONFIG");
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;

	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void write_file(const struct folder *f, const char *text, size_t times)
{
	FILE *out = fopen(f->file, "w");

	assert_non_null(out);
	for (size_t i = 0; i < times; i++)
		fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void a_file_is_loaded(void **state)
{
	struct folder *f = *state;
	struct sg_config *cfg;
	char error[512];

	write_file(f, "[srt]\nlisten = 127.0.0.1:7\n", 1);
	assert_int_equal(sg_config_load(&cfg, f->file, error, sizeof(error)), SG_OK);
	assert_string_equal(cfg->path, f->file);
	char text[SG_ENDPOINT_TEXT_SIZE];
	sg_endpoint_format(text, (struct sockaddr *)&cfg->srt_listen.items[0].sa);
	assert_string_equal(text, "127.0.0.1:7");
	sg_config_free(cfg);
}

static void the_environment_names_a_file_unless_the_caller_does(void **state)
{
	struct folder *f = *state;
	struct sg_config *cfg;
	char error[512];

	write_file(f, "[recording]\npath = /from/file\n", 1);
	setenv("STREAMGATE_CONFIG", f->file, 1);
	assert_int_equal(sg_config_load(&cfg, NULL, error, sizeof(error)), SG_OK);
	assert_string_equal(cfg->recording_path, "/from/file");
	assert_string_equal(cfg->path, f->file);
	sg_config_free(cfg);
	assert_int_equal(sg_config_load(&cfg, "/dev/null", error, sizeof(error)), SG_OK);
	assert_string_equal(cfg->path, "/dev/null");
	sg_config_free(cfg);
	unsetenv("STREAMGATE_CONFIG");
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	struct folder *f = *state;
	struct sg_config *cfg;
	char error[512];

	assert_int_equal(sg_config_load(&cfg, f->file, error, sizeof(error)), SG_ERR_IO);
	assert_null(cfg);
	assert_non_null(strstr(error, "No such file"));
	assert_int_equal(strncmp(error, f->file, strlen(f->file)), 0);
	setenv("STREAMGATE_CONFIG", f->file, 1);
	assert_int_equal(sg_config_load(&cfg, NULL, error, sizeof(error)), SG_ERR_IO);
	unsetenv("STREAMGATE_CONFIG");
	assert_int_equal(sg_config_load(&cfg, f->dir, error, sizeof(error)), SG_ERR_IO);
	assert_non_null(strstr(error, "directory"));
}

static void a_mistake_in_a_file_names_it(void **state)
{
	struct folder *f = *state;
	struct sg_config *cfg;
	char error[512], expected[256];

	write_file(f, "[srt]\nlissen = 127.0.0.1:7\n", 1);
	assert_int_equal(sg_config_load(&cfg, f->file, error, sizeof(error)), SG_ERR_CONFIG);
	snprintf(expected, sizeof(expected),
	    "%s:2: [srt] has no key 'lissen': did you mean 'listen'?", f->file);
	assert_string_equal(error, expected);
}

static void a_file_may_have_a_mebibyte(void **state)
{
	struct folder *f = *state;
	struct sg_config *cfg;
	char error[512];

	write_file(f, "; 16 characters\n", 65536);
	assert_int_equal(sg_config_load(&cfg, f->file, error, sizeof(error)), SG_OK);
	sg_config_free(cfg);
	write_file(f, "; 16 characters\n", 65537);
	assert_int_equal(sg_config_load(&cfg, f->file, error, sizeof(error)), SG_ERR_CONFIG);
	assert_null(cfg);
	assert_non_null(strstr(error, "larger than 1 MiB"));
}

static void data_is_where_its_owner_may_write(void **state)
{
	static const struct {
		const char *xdg, *home, *path;
	} rows[] = {
	    {"/x", "/home/u", "/x/streamgate/recordings"},
	    {"relative", "/home/u", "/home/u/.local/share/streamgate/recordings"},
	    {"", "/home/u", "/home/u/.local/share/streamgate/recordings"},
	    {"", "", "/var/lib/streamgate/recordings"},
	};
	uid_t was = geteuid();

	(void)state;
	for (int root = 0; root < 2; root++) {
		/* Without root's powers only the one half can be seen. */
		if (root ? was != 0 : was == 0 && seteuid(65534) != 0)
			continue;
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			setenv("XDG_DATA_HOME", rows[i].xdg, 1);
			setenv("HOME", rows[i].home, 1);
			struct sg_config *cfg = parse("");
			assert_string_equal(cfg->recording_path,
			    root ? "/var/lib/streamgate/recordings" : rows[i].path);
			sg_config_free(cfg);
		}
		if (was == 0)
			assert_int_equal(seteuid(0), 0);
	}
}

/* ---- memory ---- */

#if defined(__SANITIZE_ADDRESS__)
#define HAS_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_MALLOC 0
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 0
#endif
#ifndef HAS_OWN_MALLOC
#define HAS_OWN_MALLOC 1
#endif

#if HAS_OWN_MALLOC /* the sanitizers have their own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static long allocations_left = -1; /* negative: no end */

static bool may_allocate(void)
{
	return allocations_left < 0 || allocations_left-- > 0;
}

void *malloc(size_t size)
{
	return may_allocate() ? __libc_malloc(size) : NULL;
}

void *calloc(size_t count, size_t size)
{
	return may_allocate() ? __libc_calloc(count, size) : NULL;
}

void *realloc(void *p, size_t size)
{
	return may_allocate() ? __libc_realloc(p, size) : NULL;
}

static void each_allocation_may_fail(void **state)
{
	struct sg_str text = SG_STR("[http]\nlisten = 127.0.0.1:1\npublic_url = http://h\n"
				    "[admin]\nallow = ::1\n[app a]\n[app b]\n");
	enum sg_result res = SG_ERR_NO_MEMORY;
	struct sg_config *cfg = NULL;
	char error[512];
	long n = 0;

	(void)state;
	for (; res != SG_OK; n++) {
		allocations_left = n;
		res = sg_config_parse(&cfg, "f.conf", text, error, sizeof(error));
		allocations_left = -1;
		if (res == SG_OK)
			break;
		assert_int_equal(res, SG_ERR_NO_MEMORY);
		assert_null(cfg);
		assert_string_equal(error, "f.conf: out of memory: free some");
	}
	assert_true(n > 15);
	sg_config_free(cfg);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_gives_the_defaults),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(ice_servers_are_read_and_their_credential_not_printed),
		cmocka_unit_test(pulls_and_forwards_are_read_and_their_secrets_not_printed),
		cmocka_unit_test(mistakes_are_told_with_line_and_advice),
		cmocka_unit_test(addresses_that_do_not_collide_are_taken),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(a_small_error_buffer_is_kept_to),
		cmocka_unit_test(the_socket_lies_beside_the_store),
		cmocka_unit_test(what_is_printed_is_read_back),
		cmocka_unit_test(the_table_tells_the_defaults),
		cmocka_unit_test_setup_teardown(a_file_is_loaded, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(the_environment_names_a_file_unless_the_caller_does,
		    make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
		    a_file_that_cannot_be_read_is_an_error, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
		    a_mistake_in_a_file_names_it, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
		    a_file_may_have_a_mebibyte, make_folder, remove_folder),
		cmocka_unit_test(data_is_where_its_owner_may_write),
#if HAS_OWN_MALLOC
		cmocka_unit_test(each_allocation_may_fail),
#endif
	};

	return cmocka_run_group_tests_name("base_config", tests, NULL, NULL);
}
