/* streamd - the server: opens the rooms in order, waits for signals, closes them in reverse. */
#include "api/api.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/text.h"
#include "http/media.h"
#include "media/hls.h"
#include "record/record.h"
#include "signal/signal.h"
#include "relay/relay.h"
#include "srt/srt.h"
#include "streamd.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define LOOPS_MAX 64
#define DRAIN_MS 3000

struct streamd {
	struct sg_config *cfg;      /* as started: listeners, paths */
	struct sg_config *now_cfg; /* the sections in effect that SIGHUP reads again; cfg until the first one */
	struct sg_loop *loops[LOOPS_MAX];
	struct sg_fanout *fanouts[LOOPS_MAX];
	size_t loop_count;
	struct sg_hub *hub;
	struct sg_gate *gate;
	struct sg_rtmp_server *rtmp;
	struct sg_srt_server *srt;
	struct sg_relay *relay;
	struct sg_http_server *http;
	struct sg_webrtc_server *webrtc;
	struct sg_signal *signal;
	struct sg_api *api;
	struct sg_tls *tls; /* of HTTPS and RTMPS; NULL: neither */
	struct sg_recorder *recorder;
	size_t max_connections;
};

static void usage(FILE *out)
{
	fputs("usage: streamd [--config FILE] [--check-config] [--verbose]\n"
	      "\n"
	      "Serves live streams to those who hold a one-time token. Runs in the foreground,\n"
	      "logs to standard error, prints a line per listener and then `ready`.\n"
	      "\n"
	      "  --config FILE   configuration; else $STREAMGATE_CONFIG, else\n"
	      "                  /etc/streamgate/streamgate.conf, else built-in defaults\n"
	      "  --check-config  check the configuration, print what would be in effect, exit\n"
	      "  --verbose       log every connection\n"
	      "  --version       print the version\n"
	      "  --help          print this\n"
	      "\n"
	      "SIGTERM and SIGINT end it: publishers and viewers are told first. SIGHUP reads the\n"
	      "configuration again: the sections [app ...], [pull ...] and [relay] take effect\n"
	      "at once.\n"
	      "Exit status: 0 ended by a signal, 1 failed, 2 wrong usage or configuration.\n"
	      "See streamd(8), streamgate.conf(5).\n",
	    out);
}

static bool stream_is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct streamd *d = user;
	struct sg_stream *s = sg_hub_find(d->hub, app, stream);
	bool live = s && sg_stream_is_live(s);

	sg_stream_unref(s);
	return live;
}

/* One that is pulled comes when somebody wants it. */
static bool stream_is_coming(void *user, struct sg_str app, struct sg_str stream)
{
	struct streamd *d = user;

	return sg_relay_want(d->relay, app, stream);
}

static bool recording_exists(void *user, struct sg_str app, struct sg_str name)
{
	struct streamd *d = user;

	return sg_http_recording_exists(d->cfg, app, name);
}

static void print_listener(void *user, const struct sockaddr *sa)
{
	char text[SG_ENDPOINT_TEXT_SIZE];

	sg_endpoint_format(text, sa);
	printf("listening %s %s\n", (const char *)user, text);
	fflush(stdout);
}

/* As many descriptors as the system lets us have: each viewer is one. */
static size_t raise_descriptor_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
		return 1000;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
		getrlimit(RLIMIT_NOFILE, &rl);
	size_t limit = rl.rlim_cur > 100000 ? 100000 : rl.rlim_cur;
	return limit > 200 ? limit - 100 : limit / 2; /* the store, files and libraries need some */
}

/* Else what is opened first, a viewer's socket say, would be taken for the standard error. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A core dump holds tokens, keys and sessions. A limit of 0 keeps it from files alone: where core_pattern
 * names a program, the kernel calls it whatever the limit is, unless that is 1 (fs/coredump.c), which is too
 * little for a file as well. The hard limit stays, for whoever debugs: see prlimit(1). */
static void leave_no_core(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_CORE, &rl) != 0)
		return;
	rl.rlim_cur = rl.rlim_max ? 1 : 0;
	setrlimit(RLIMIT_CORE, &rl);
}

static void open_fanout(void *user)
{
	void **args = user;
	struct streamd *d = args[0];
	size_t i = *(size_t *)args[1];

	if (sg_fanout_open(&d->fanouts[i], d->loops[i], d->cfg->rtmp_gather_ms) != SG_OK)
		d->fanouts[i] = NULL;
}

static void close_fanout(void *user)
{
	sg_fanout_close(user);
}

static enum sg_result start_loops(struct streamd *d)
{
	size_t want = sg_cpu_count();

	if (want > LOOPS_MAX)
		want = LOOPS_MAX;
	for (size_t i = 0; i < want; i++) {
		char name[16];
		snprintf(name, sizeof(name), "sg-loop-%zu", i);
		enum sg_result res = sg_loop_start(&d->loops[i], name);
		if (res != SG_OK)
			return res;
		d->loop_count++;
		void *args[] = { d, &i };
		sg_loop_call(d->loops[i], open_fanout, args);
		if (!d->fanouts[i])
			return SG_ERR_NO_MEMORY;
	}
	return SG_OK;
}

static enum sg_result open_rtmp(struct streamd *d, char *error, size_t size)
{
	struct sg_rtmp_config rc = { .listen = &d->cfg->rtmp_listen, .loops = d->loops,
		.fanouts = d->fanouts, .loop_count = d->loop_count, .gate = d->gate, .hub = d->hub,
		.max_connections = d->max_connections, .bound = print_listener, .bound_user = "rtmp",
		.tls_listen = &d->cfg->rtmp_tls_listen, .tls = d->tls, .tls_bound = print_listener,
		.tls_bound_user = "rtmps" };

	if (!d->cfg->rtmp_listen.count && !d->cfg->rtmp_tls_listen.count)
		return SG_OK;
	return sg_rtmp_server_open(&d->rtmp, &rc, error, size);
}

static enum sg_result open_srt(struct streamd *d, char *error, size_t size)
{
	struct sg_srt_config sc = { .cfg = d->cfg, .loops = d->loops, .loop_count = d->loop_count,
		.gate = d->gate, .hub = d->hub, .max_connections = d->max_connections,
		.bound = print_listener, .bound_user = "srt" };

	if (!d->cfg->srt_listen.count)
		return SG_OK;
	return sg_srt_server_open(&d->srt, &sc, error, size);
}

/* DTLS's key and certificate stand beside the store. False: the store is no file. */
static bool certificate_path(char *out, size_t size, const char *store_url)
{
	static const char scheme[] = "sqlite:";
	const char *path = store_url + sizeof(scheme) - 1, *slash = strrchr(store_url, '/');

	if (strncmp(store_url, scheme, sizeof(scheme) - 1) != 0)
		return false;
	int dir = slash && slash >= path ? (int)(slash + 1 - path) : 0;
	return snprintf(out, size, "%.*swebrtc.pem", dir, path) < (int)size;
}

static enum sg_result open_webrtc(struct streamd *d, char *error, size_t size)
{
	char path[4096];
	bool has_path = certificate_path(path, sizeof(path), d->cfg->store_url);
	struct sg_webrtc_config wc = { .cfg = d->cfg, .loops = d->loops, .loop_count = d->loop_count,
		.gate = d->gate, .hub = d->hub, .max_peers = d->max_connections,
		.certificate_path = has_path ? path : NULL, .bound = print_listener, .bound_user = "webrtc" };

	if (!d->cfg->webrtc_listen.count)
		return SG_OK;
	return sg_webrtc_server_open(&d->webrtc, &wc, error, size);
}

static enum sg_result open_signal(struct streamd *d, char *error, size_t size)
{
	const struct sg_signal_config sc = { .cfg = d->cfg, .http = d->http, .gate = d->gate, .hub = d->hub,
		.webrtc = d->webrtc, .loops = d->loops, .loop_count = d->loop_count };

	if (!d->webrtc)
		return SG_OK;
	enum sg_result res = sg_signal_open(&d->signal, &sc);
	if (res != SG_OK)
		snprintf(error, size, "signalling for WebRTC: %s", sg_result_text(res));
	return res;
}

static enum sg_result open_http(struct streamd *d, char *error, size_t size)
{
	struct sg_http_config hc = { .cfg = d->cfg, .loops = d->loops, .fanouts = d->fanouts,
		.loop_count = d->loop_count, .gate = d->gate, .hub = d->hub,
		.max_connections = d->max_connections, .bound = print_listener, .bound_user = "http",
		.tls = d->tls, .tls_bound = print_listener, .tls_bound_user = "https" };
	enum sg_result res = sg_http_server_open(&d->http, &hc, error, size);

	if (res != SG_OK || (res = open_signal(d, error, size)) != SG_OK)
		return res;
	struct sg_api_config ac = { .cfg = d->cfg, .http = d->http, .gate = d->gate, .hub = d->hub,
		.rtmp = d->rtmp, .srt = d->srt, .relay = d->relay, .webrtc = d->webrtc,
		.recorder = d->recorder, .signal = d->signal, .fanouts = d->fanouts, .fanout_count = d->loop_count,
		.loops = d->loops, .loop_count = d->loop_count };
	if ((res = sg_api_open(&d->api, &ac)) != SG_OK) {
		snprintf(error, size, "REST: %s", sg_result_text(res));
		return res;
	}
	return sg_http_server_start(d->http, error, size);
}

static enum sg_result open_rooms(struct streamd *d, char *error, size_t size)
{
	struct sg_gate_media media = { stream_is_live, recording_exists, d, stream_is_coming };
	enum sg_result res;

	d->max_connections = raise_descriptor_limit();
	if ((res = sg_hub_open(&d->hub, 10000)) != SG_OK || (res = start_loops(d)) != SG_OK) {
		snprintf(error, size, "starting: %s", sg_result_text(res));
		return res;
	}
	sg_hub_set_hls_part(d->hub, d->cfg->hls_part_ms);
	if ((res = sg_hub_configure(d->hub, d->cfg)) != SG_OK)
		return res;
	if ((res = sg_gate_open(&d->gate, d->cfg, &media, error, size)) != SG_OK)
		return res;
	if ((res = sg_recorder_open(&d->recorder, d->cfg, d->hub, error, size)) != SG_OK)
		return res;
	struct sg_relay_config rc = { .cfg = d->cfg, .gate = d->gate, .hub = d->hub };
	if ((res = sg_relay_open(&d->relay, &rc)) != SG_OK) {
		snprintf(error, size, "relays: %s", sg_result_text(res));
		return res;
	}
	if ((res = open_rtmp(d, error, size)) != SG_OK || (res = open_srt(d, error, size)) != SG_OK ||
	    (res = open_webrtc(d, error, size)) != SG_OK)
		return res;
	return open_http(d, error, size);
}

static void drain(struct streamd *d)
{
	if (d->api)
		sg_api_set_ready(d->api, false);
	if (d->rtmp)
		sg_rtmp_server_drain(d->rtmp);
	if (d->srt)
		sg_srt_server_drain(d->srt);
	if (d->signal)
		sg_signal_drain(d->signal);
	if (d->webrtc)
		sg_webrtc_server_drain(d->webrtc);
	if (d->http)
		sg_http_server_drain(d->http);
	sg_relay_drain(d->relay);
	sg_hub_end_all(d->hub);
	for (int64_t until = sg_mono_ms() + DRAIN_MS; sg_mono_ms() < until; usleep(20000)) {
		struct sg_session_info one;
		if (!sg_gate_sessions(d->gate, 0, &one, 1))
			break;
	}
}

/* Servers first, so that nobody holds a session; the gate before the loops, since its answers are
 * posted to them; the hub last, since followers hold its rings. */
static void close_rooms(struct streamd *d)
{
	sg_http_server_close(d->http);
	sg_api_close(d->api);
	sg_signal_close(d->signal);
	sg_webrtc_server_close(d->webrtc);
	sg_rtmp_server_close(d->rtmp);
	sg_srt_server_close(d->srt);
	if (d->relay)
		sg_relay_stop(d->relay);
	sg_recorder_close(d->recorder);
	sg_gate_close(d->gate);
	sg_relay_close(d->relay);
	for (size_t i = 0; i < d->loop_count; i++) {
		if (d->fanouts[i])
			sg_loop_call(d->loops[i], close_fanout, d->fanouts[i]);
		sg_loop_stop(d->loops[i]);
	}
	sg_hub_close(d->hub);
	sg_tls_close(d->tls);
	if (d->now_cfg != d->cfg)
		sg_config_free(d->now_cfg);
	sg_config_free(d->cfg);
}

/* HTTPS and RTMPS have one certificate. SG_OK as well when neither is wanted. */
static enum sg_result open_tls(
    struct sg_tls **out, const struct sg_config *cfg, char *error, size_t size)
{
	*out = NULL;
	if (!cfg->http_tls_listen.count && !cfg->rtmp_tls_listen.count)
		return SG_OK;
	return sg_tls_open(out, cfg->http_tls_cert, cfg->http_tls_key, error, size);
}

/* Far ends that nobody could check would be an unpleasant surprise later. */
static bool authorities_are_there(const struct sg_config *cfg, char *error, size_t size)
{
	if (!cfg->relay_tls_ca)
		return true;
	FILE *f = fopen(cfg->relay_tls_ca, "re");
	const char *why = f ? "there is no certificate in it" : strerror(errno);
	X509 *first = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	bool there = first != NULL;

	X509_free(first);
	ERR_clear_error();
	if (f)
		fclose(f);
	if (!there)
		snprintf(error, size, "[relay] tls_ca = %s: %s: name a file of certificates (PEM)",
		    cfg->relay_tls_ca, why);
	return there;
}

/* For connections from now on; those that are open keep theirs. */
static void reload_tls(struct streamd *d, const struct sg_config *fresh)
{
	char error[512];

	if (!d->tls)
		return;
	if (!fresh->http_tls_cert || !fresh->http_tls_key)
		sg_log_error("configuration: tls_cert and tls_key are gone: the old certificate stays");
	else if (sg_tls_reload(d->tls, fresh->http_tls_cert, fresh->http_tls_key, error,
		     sizeof(error)) != SG_OK)
		sg_log_error("%s: the old certificate stays", error);
	else
		sg_log_info("the certificate was read again");
}

static void reload(struct streamd *d, const char *path)
{
	struct sg_config *fresh;
	char error[512];

	streamd_notify("RELOADING=1");
	/* A file that was there and is gone is a mistake: what is built in has no gate. */
	if (d->now_cfg->path)
		path = d->now_cfg->path;
	enum sg_result res = sg_config_load(&fresh, path, error, sizeof(error));
	if (res == SG_OK && !authorities_are_there(fresh, error, sizeof(error))) {
		sg_config_free(fresh);
		res = SG_ERR_CONFIG;
	}
	if (res != SG_OK) {
		sg_log_error("configuration: %s: the old one stays in effect", error);
	} else {
		reload_tls(d, fresh);
		sg_gate_reconfigure(d->gate, fresh);
		sg_api_reconfigure(d->api, fresh);
		sg_recorder_reconfigure(d->recorder, fresh);
		if (sg_hub_configure(d->hub, fresh) != SG_OK)
			sg_log_error("configuration: transcode_video: out of memory: as before");
		if (d->srt)
			sg_srt_server_reconfigure(d->srt, fresh);
		sg_relay_reconfigure(d->relay, fresh);
		if (d->now_cfg != d->cfg)
			sg_config_free(d->now_cfg);
		d->now_cfg = fresh;
		sg_log_info("configuration read again: the sections [app ...], [pull ...] and [relay] are in effect");
	}
	streamd_notify("READY=1");
}

static int run(struct streamd *d, const char *path, const sigset_t *signals)
{
	struct timespec second = { .tv_sec = 1 };

	for (;;) {
		int sig = sigtimedwait(signals, NULL, &second);
		if (sig == SIGHUP)
			reload(d, path);
		else if (sig == SIGTERM || sig == SIGINT)
			return sig;
		sg_hub_tick(d->hub, sg_mono_ms());
	}
}

static int check_config(const struct sg_config *cfg)
{
	struct sg_buf out;

	sg_buf_init(&out, 1u << 20);
	sg_config_print(cfg, &out);
	bool written = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	if (!written)
		fprintf(stderr, "streamd: what is in effect cannot be shown: %s\n", strerror(errno));
	sg_buf_reset(&out);
	return written ? 0 : 1;
}

/* For people alone, and good once: it goes past the log, which would take the code out. */
static void offer_setup(struct streamd *d)
{
	char link[400];

	if (!sg_api_offer_setup(d->api, link, sizeof(link)))
		return;
	fprintf(stderr, "there is no administrator's password yet: set one within the hour at %s\n", link);
	sg_wipe(link, sizeof(link));
}

/* Takes `cfg` and `tls`. */
static int serve(struct sg_config *cfg, struct sg_tls *tls, const char *path)
{
	struct streamd d = { .cfg = cfg, .now_cfg = cfg, .tls = tls };
	sigset_t signals;
	char error[512] = "";

	/* Before any thread starts: they inherit the mask, and signals come here alone. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over the limit (ulimit -f): the write says so */
	leave_no_core();

	if (open_rooms(&d, error, sizeof(error)) != SG_OK) {
		fprintf(stderr, "streamd: %s\n", error);
		close_rooms(&d);
		return 1;
	}
	offer_setup(&d);
	sg_api_set_ready(d.api, true);
	puts("ready");
	fflush(stdout);
	streamd_notify("READY=1");
	int sig = run(&d, path, &signals);
	streamd_notify("STOPPING=1");
	sg_log_info("%s: draining", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	drain(&d);
	close_rooms(&d);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = NULL;
	bool check = false;
	struct sg_config *cfg;
	struct sg_tls *tls;
	char error[512];
	int c;

	fill_standard_streams();
	sg_heap_set_up();
	while ((c = getopt_long(argc, argv, "c:tvVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 't':
			check = true;
			break;
		case 'v':
			sg_log_set_level(SG_LOG_DEBUG);
			break;
		case 'V':
			puts("streamd " SG_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			fputs("streamd: see streamd --help\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "streamd: unexpected argument '%s': see streamd --help\n", argv[optind]);
		return 2;
	}
	if (sg_config_load(&cfg, path, error, sizeof(error)) != SG_OK) {
		fprintf(stderr, "streamd: %s\n", error);
		return 2;
	}
	if (!authorities_are_there(cfg, error, sizeof(error)) || open_tls(&tls, cfg, error, sizeof(error)) != SG_OK) {
		fprintf(stderr, "streamd: %s\n", error);
		sg_config_free(cfg);
		return 2;
	}
	if (check) {
		int status = check_config(cfg);
		sg_tls_close(tls);
		sg_config_free(cfg);
		return status;
	}
	return serve(cfg, tls, path);
}
