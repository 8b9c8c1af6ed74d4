/* config_values.c - what a value of the configuration may be: reading, printing, freeing one. */
#include "base/config_internal.h"
#include "base/log.h"
#include "base/url.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX 64
#define ICE_MAX 8
#define QUOTED_MAX 256
#define GATHER_MAX_MS 5000
#define LATENCY_MIN_MS 20
#define LATENCY_MAX_MS 8000
#define PART_MIN_MS 50
#define PART_MAX_MS 2000
#define KEEP_MAX_MS (3650ll * 86400000)
#define WINDOW_MAX_MS 86400000

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *const switch_names[] = {"off", "on"};
static const char *const record_names[] = {
    [SG_RECORD_OFF] = "off", [SG_RECORD_ON] = "on", [SG_RECORD_ASK] = "ask"};
static const char *const lock_names[] = {
    [SG_LOCK_MOVING] = "moving", [SG_LOCK_STRICT] = "strict", [SG_LOCK_OFF] = "off"};

static const char *const when_names[] = {
    [SG_PULL_WATCHED] = "watched", [SG_PULL_ALWAYS] = "always"};
static const char *const forward_schemes[] = {"rtmp", "rtmps", "srt", NULL};
static const char *const source_schemes[] = {
    "rtmp", "rtmps", "srt", "http", "https", "rtsp", "rtsps", NULL};

/* ---- complaints ---- */

void config_complain(struct config_problem *p, const char *advice, const char *fmt, ...)
{
	va_list args;

	snprintf(p->advice, sizeof(p->advice), "%s", advice);
	va_start(args, fmt);
	vsnprintf(p->what, sizeof(p->what), fmt, args);
	va_end(args);
}

static enum sg_result refuse(
    struct config_problem *p, struct sg_str value, const char *what, const char *advice)
{
	char shown[64];

	sg_redact(shown, sizeof(shown), value);
	config_complain(p, advice, "'%s' is %s", shown, what);
	return SG_ERR_CONFIG;
}

/* ---- texts ---- */

static enum sg_result set_text(char **at, struct sg_str value)
{
	char *copy = value.len ? sg_str_dup(value) : NULL;

	if (value.len && !copy)
		return SG_ERR_NO_MEMORY;
	free(*at);
	*at = copy;
	return SG_OK;
}

static void wipe_and_free(char *secret)
{
	if (secret)
		sg_wipe(secret, strlen(secret));
	free(secret);
}

static enum sg_result set_store_url(char **at, struct sg_str value, struct config_problem *p)
{
	static const char advice[] = "use sqlite:/path/to/file";

	/* Not quoted: it may hold a password. */
	if (sg_str_starts(value, "postgresql:") || sg_str_starts(value, "postgres:")) {
		config_complain(p, advice, "a store in PostgreSQL is not served by this version");
		return SG_ERR_CONFIG;
	}
	if (!sg_str_starts(value, "sqlite:")) {
		config_complain(p, advice, "this is not the url of a store");
		return SG_ERR_CONFIG;
	}
	if (sg_str_is(value, "sqlite:"))
		return refuse(p, value, "a store without a file", advice);
	if (sg_str_starts(value, "sqlite: ") || sg_str_starts(value, "sqlite:\t"))
		return refuse(p, value, "a file that begins with a blank", advice);
	return set_text(at, value);
}

static enum sg_result set_path(
    char **at, struct sg_str value, bool needed, struct config_problem *p)
{
	if (needed && value.len == 0) {
		config_complain(
		    p, "name one, or remove the line for the default", "a path is missing");
		return SG_ERR_CONFIG;
	}
	return set_text(at, value);
}

static enum sg_result set_public_url(char **at, struct sg_str value, struct config_problem *p)
{
	struct sg_url u;

	if (value.len == 0)
		return set_text(at, value);
	bool ok = sg_url_parse(value, &u) &&
		  (sg_str_is(u.scheme, "http") || sg_str_is(u.scheme, "https")) && !u.userinfo.p &&
		  !u.query.p && !u.fragment.p && sg_str_is_utf8(value);
	if (!ok)
		return refuse(p, value, "not a URL to begin others with",
		    "use one like https://video.example.org");
	while (value.len && value.p[value.len - 1] == '/') /* a path is put behind it */
		value.len--;
	return set_text(at, value);
}

static enum sg_result set_ip(char **at, struct sg_str value, struct config_problem *p)
{
	struct sg_addr a;

	if (value.len && !sg_addr_parse(value, &a))
		return refuse(p, value, "not an IP address", "use one like 192.0.2.7, or none");
	if (value.len && sg_addr_is_any(&a))
		return refuse(p, value, "not an address that a browser can reach",
		    "use one like 192.0.2.7, or none");
	return set_text(at, value);
}

/* ---- lists ---- */

static struct sg_str trim(struct sg_str s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.len--;
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* How many items `value` has; 0 when it is empty. */
static size_t count_items(struct sg_str value)
{
	size_t n = value.len ? 1 : 0;

	for (size_t i = 0; i < value.len; i++)
		n += value.p[i] == ',';
	return n;
}

static enum sg_result check_count(size_t count, struct config_problem *p)
{
	if (count <= LIST_MAX)
		return SG_OK;
	config_complain(p, "use at most 64", "%zu addresses are too many", count);
	return SG_ERR_CONFIG;
}

static enum sg_result parse_listens(
    struct sg_listen_list *l, struct sg_str value, struct config_problem *p)
{
	struct sg_str item;

	for (bool more = value.len > 0; more;) {
		more = sg_str_cut(value, ',', &item, &value);
		item = trim(item);
		if (!sg_listen_parse(item, &l->items[l->count]))
			return refuse(p, item, "not an address to listen on",
			    "use ADDRESS:PORT, such as 0.0.0.0:5080 or [::]:5080, or nothing for "
			    "off");
		for (size_t i = 0; i < l->count; i++)
			if (l->items[i].len == l->items[l->count].len &&
			    !memcmp(&l->items[i].sa, &l->items[l->count].sa, l->items[i].len))
				return refuse(p, item, "listed twice", "remove one");
		l->count++;
	}
	return SG_OK;
}

static enum sg_result set_listens(
    struct sg_listen_list *at, struct sg_str value, struct config_problem *p)
{
	struct sg_listen_list fresh = {0};
	size_t count = count_items(value);
	enum sg_result res = check_count(count, p);

	if (res != SG_OK)
		return res;
	if (count && !(fresh.items = calloc(count, sizeof(*fresh.items))))
		return SG_ERR_NO_MEMORY;
	if ((res = parse_listens(&fresh, value, p)) != SG_OK) {
		free(fresh.items);
		return res;
	}
	free(at->items);
	*at = fresh;
	return SG_OK;
}

static enum sg_result parse_nets(
    struct sg_cidr_list *l, struct sg_str value, struct config_problem *p)
{
	struct sg_str item;

	for (bool more = value.len > 0; more;) {
		more = sg_str_cut(value, ',', &item, &value);
		item = trim(item);
		if (!sg_cidr_parse(item, &l->items[l->count]))
			return refuse(p, item, "not a network",
			    "use addresses or networks, such as 10.0.0.0/8, ::1");
		l->count++;
	}
	return SG_OK;
}

static enum sg_result set_nets(
    struct sg_cidr_list *at, struct sg_str value, struct config_problem *p)
{
	struct sg_cidr_list fresh = {0};
	size_t count = count_items(value);
	enum sg_result res = check_count(count, p);

	if (res != SG_OK)
		return res;
	if (count && !(fresh.items = calloc(count, sizeof(*fresh.items))))
		return SG_ERR_NO_MEMORY;
	if ((res = parse_nets(&fresh, value, p)) != SG_OK) {
		free(fresh.items);
		return res;
	}
	free(at->items);
	*at = fresh;
	return SG_OK;
}

/* A host's name or address, a port: what may stand in both URLs and header fields. */
static bool is_host_text(struct sg_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= 'A' && s.p[i] <= 'Z') &&
		    !(s.p[i] >= '0' && s.p[i] <= '9') && (!s.p[i] || !strchr(".:-[]", s.p[i])))
			return false;
	return s.len > 0 && s.len <= 255;
}

/* RFC 7064 section 3.1, RFC 7065 section 3.1. */
static bool is_ice_server(struct sg_str url)
{
	struct sg_str scheme, rest, host, query;

	sg_str_cut(url, ':', &scheme, &rest);
	bool turn = sg_str_is(scheme, "turn") || sg_str_is(scheme, "turns");
	if (!turn && !sg_str_is(scheme, "stun") && !sg_str_is(scheme, "stuns"))
		return false;
	bool asks = sg_str_cut(rest, '?', &host, &query);
	if (asks && (!turn || (!sg_str_is(query, "transport=udp") && !sg_str_is(query, "transport=tcp"))))
		return false;
	return is_host_text(host);
}

/* Kept without blanks. */
static enum sg_result set_ice_servers(char **at, struct sg_str value, struct config_problem *p)
{
	struct sg_str item;
	struct sg_buf text;
	enum sg_result res = SG_OK;

	if (count_items(value) > ICE_MAX) {
		config_complain(p, "use at most 8", "%zu servers are too many", count_items(value));
		return SG_ERR_CONFIG;
	}
	sg_buf_init(&text, value.len + 1);
	for (bool more = value.len > 0; more && res == SG_OK;) {
		more = sg_str_cut(value, ',', &item, &value);
		item = trim(item);
		if (!is_ice_server(item))
			res = refuse(p, item, "no STUN or TURN server",
			    "use stun:HOST:PORT or turn:HOST:PORT?transport=udp");
		sg_buf_printf(&text, "%s%.*s", text.len ? "," : "", SG_STR_ARG(item));
	}
	if (res == SG_OK)
		res = text.failed ? SG_ERR_NO_MEMORY
				  : set_text(at, (struct sg_str){(char *)text.p, text.len});
	sg_buf_reset(&text);
	return res;
}

/* Never shown: one of the two that are set here is a secret, and they are taken for each other. */
static enum sg_result set_quoted(char **at, struct sg_str value, struct config_problem *p)
{
	char *former = *at;
	bool ok = value.len <= QUOTED_MAX;

	for (size_t i = 0; i < value.len; i++)
		ok &= value.p[i] >= ' ' && value.p[i] < 0x7f && value.p[i] != '"' && value.p[i] != '\\';
	if (!ok) {
		config_complain(p, "use at most 256 printable ASCII characters, no quote and no backslash",
		    "this cannot be told to browsers");
		return SG_ERR_CONFIG;
	}
	*at = NULL;
	enum sg_result res = set_text(at, value);
	if (res != SG_OK)
		*at = former;
	else
		wipe_and_free(former);
	return res;
}

/* ---- names and durations ---- */

/* The index of `value` in `names`. */
static enum sg_result find_name(const char *const *names, size_t count, struct sg_str value,
    struct config_problem *p, size_t *out)
{
	char advice[80] = "use ";
	const char *near = sg_nearest(value, names, count);
	char shown[64];

	for (*out = 0; *out < count; (*out)++)
		if (sg_str_is(value, names[*out]))
			return SG_OK;
	for (size_t i = 0; i < count; i++) {
		strcat(advice, i == 0 ? "" : i + 1 == count ? " or " : ", ");
		strcat(advice, names[i]);
	}
	sg_redact(shown, sizeof(shown), value);
	if (near)
		config_complain(
		    p, advice, "'%s' is no such value, did you mean '%s'?", shown, near);
	else
		config_complain(p, advice, "'%s' is no such value", shown);
	return SG_ERR_CONFIG;
}

static enum sg_result set_switch(bool *at, struct sg_str value, struct config_problem *p)
{
	size_t i;
	enum sg_result res = find_name(switch_names, COUNT_OF(switch_names), value, p, &i);

	if (res == SG_OK)
		*at = i != 0;
	return res;
}

static enum sg_result set_record(enum sg_record *at, struct sg_str value, struct config_problem *p)
{
	size_t i;
	enum sg_result res = find_name(record_names, COUNT_OF(record_names), value, p, &i);

	if (res == SG_OK)
		*at = (enum sg_record)i;
	return res;
}

static enum sg_result set_lock(
    enum sg_session_lock *at, struct sg_str value, struct config_problem *p)
{
	size_t i;
	enum sg_result res = find_name(lock_names, COUNT_OF(lock_names), value, p, &i);

	if (res == SG_OK)
		*at = (enum sg_session_lock)i;
	return res;
}

static enum sg_result set_gather(int64_t *at, struct sg_str value, struct config_problem *p)
{
	int64_t ms;

	if (sg_str_is(value, "auto")) {
		*at = SG_GATHER_AUTO;
		return SG_OK;
	}
	if (!sg_duration_parse(value, &ms) || ms > GATHER_MAX_MS)
		return refuse(p, value, "not a time to gather for",
		    "use auto, 0, or a duration up to 5s such as 33ms");
	*at = ms;
	return SG_OK;
}

/* What libsrt takes, and no more than its timers make sense of. */
static enum sg_result set_latency(int64_t *at, struct sg_str value, struct config_problem *p)
{
	int64_t ms;

	if (!sg_duration_parse(value, &ms) || ms < LATENCY_MIN_MS || ms > LATENCY_MAX_MS)
		return refuse(p, value, "not a latency", "use 20ms to 8s, such as 120ms");
	*at = ms;
	return SG_OK;
}

/* "500m", "20g": powers of 1024; 0 is none. */
static enum sg_result set_size(int64_t *at, struct sg_str value, struct config_problem *p)
{
	static const char units[] = "kmgt";
	struct sg_str digits = value;
	uint64_t n;
	int shift = 0;

	const char *unit = value.len ? memchr(units, value.p[value.len - 1] | 0x20, 4) : NULL;
	if (unit) {
		digits.len--;
		shift = 10 * (int)(unit - units + 1);
	}
	if (!sg_str_to_u64(digits, (uint64_t)INT64_MAX >> shift, &n))
		return refuse(p, value, "not a size", "use 0 or a size such as 500m, 20g or 1t");
	*at = (int64_t)(n << shift);
	return SG_OK;
}

static void print_size(int64_t bytes, struct sg_buf *out)
{
	static const char *const units[] = { "", "k", "m", "g", "t" };
	size_t i = 0;

	for (; bytes && bytes % 1024 == 0 && i < 4; i++)
		bytes /= 1024;
	sg_buf_printf(out, "%lld%s", (long long)bytes, units[i]);
}

static enum sg_result set_part(int64_t *at, struct sg_str value, struct config_problem *p)
{
	int64_t ms;

	if (!sg_duration_parse(value, &ms) || ms > PART_MAX_MS || (ms && ms < PART_MIN_MS))
		return refuse(p, value, "not the length of a part",
		    "use 0 or a duration of 50ms to 2s such as 200ms");
	*at = ms;
	return SG_OK;
}

/* Never shown, not in complaints either. SRTO_PASSPHRASE of libsrt takes these lengths. */
static enum sg_result set_passphrase(char **at, struct sg_str value, struct config_problem *p)
{
	char *former = *at;

	if (value.len && (value.len < 10 || value.len > 79)) {
		config_complain(p, "use 10 to 79, or none for no encryption",
		    "a passphrase of %zu characters", value.len);
		return SG_ERR_CONFIG;
	}
	*at = NULL;
	enum sg_result res = set_text(at, value);
	if (res != SG_OK)
		*at = former;
	else if (former)
		wipe_and_free(former);
	return res;
}

static bool is_scheme_of(struct sg_str scheme, const char *const *schemes)
{
	while (*schemes && !sg_str_is(scheme, *schemes))
		schemes++;
	return *schemes;
}

/* Never shown, since it may hold a key. */
static enum sg_result set_far_url(
    char **at, struct sg_str value, const char *const *schemes, const char *advice, struct config_problem *p)
{
	char *former = *at;
	struct sg_url u;

	if (value.len && (!sg_url_parse(value, &u) || !u.host.len || !is_scheme_of(u.scheme, schemes))) {
		config_complain(p, advice, "this is no such URL");
		return SG_ERR_CONFIG;
	}
	if (value.len && sg_str_is(u.scheme, "srt") && !u.port_number) {
		config_complain(p, "write it, srt://HOST:PORT", "SRT has no port of its own");
		return SG_ERR_CONFIG;
	}
	*at = NULL;
	enum sg_result res = set_text(at, value);
	if (res != SG_OK)
		*at = former;
	else
		wipe_and_free(former);
	return res;
}

static enum sg_result set_app_name(char *at, struct sg_str value, struct config_problem *p)
{
	if (!sg_app_is_valid(value))
		return refuse(p, value, "no application's name", "use 1 to 32 of A-Z a-z 0-9 _ -");
	sg_str_copy(at, SG_APP_MAX + 1, value);
	return SG_OK;
}

static enum sg_result set_when(enum sg_pull_when *at, struct sg_str value, struct config_problem *p)
{
	size_t i;
	enum sg_result res = find_name(when_names, COUNT_OF(when_names), value, p, &i);

	if (res == SG_OK)
		*at = (enum sg_pull_when)i;
	return res;
}

/* The store and the gate count seconds: a part of one would not be kept, so it is not accepted. */
static enum sg_result set_seconds(int64_t *at, struct sg_str value, int64_t min_ms, int64_t max_ms,
    const char *advice, struct config_problem *p)
{
	int64_t ms;

	if (!sg_duration_parse(value, &ms))
		return refuse(p, value, "not a duration", advice);
	if (ms < min_ms || ms > max_ms)
		return refuse(p, value, "out of range", advice);
	if (ms % 1000)
		return refuse(p, value, "not in whole seconds", advice);
	*at = ms;
	return SG_OK;
}

/* ---- by kind ---- */

enum sg_result config_set(
    const struct config_slot *slot, void *base, struct sg_str value, struct config_problem *p)
{
	void *at = (char *)base + slot->offset;

	/* Else whoever takes what was printed for a file would have a secret that everybody knows. */
	if (value.len && memmem(value.p, value.len, SG_REDACTED, strlen(SG_REDACTED))) {
		config_complain(p, "write the secret itself", "this stands for a secret that was not shown");
		return SG_ERR_CONFIG;
	}
	switch (slot->kind) {
	case CONFIG_STORE_URL:
		return set_store_url(at, value, p);
	case CONFIG_PATH:
		return set_path(at, value, false, p);
	case CONFIG_DIR:
		return set_path(at, value, true, p);
	case CONFIG_LISTEN:
		return set_listens(at, value, p);
	case CONFIG_NETS:
		return set_nets(at, value, p);
	case CONFIG_PUBLIC_URL:
		return set_public_url(at, value, p);
	case CONFIG_IP:
		return set_ip(at, value, p);
	case CONFIG_GATHER:
		return set_gather(at, value, p);
	case CONFIG_LATENCY:
		return set_latency(at, value, p);
	case CONFIG_ICE:
		return set_ice_servers(at, value, p);
	case CONFIG_QUOTED:
	case CONFIG_CREDENTIAL:
		return set_quoted(at, value, p);
	case CONFIG_PASSPHRASE:
		return set_passphrase(at, value, p);
	case CONFIG_FORWARD:
		return set_far_url(at, value, forward_schemes,
		    "use one of rtmp, rtmps or srt, such as rtmp://host/app/{stream}, or none", p);
	case CONFIG_SOURCE:
		return set_far_url(at, value, source_schemes,
		    "use one of rtmp, rtmps, srt, http, https, rtsp or rtsps", p);
	case CONFIG_APP_NAME:
		return set_app_name(at, value, p);
	case CONFIG_WHEN:
		return set_when(at, value, p);
	case CONFIG_PART:
		return set_part(at, value, p);
	case CONFIG_SIZE:
		return set_size(at, value, p);
	case CONFIG_KEEP:
		return set_seconds(at, value, 0, KEEP_MAX_MS,
		    "use 0s for ever, or a duration up to 3650d such as 30d", p);
	case CONFIG_SWITCH:
		return set_switch(at, value, p);
	case CONFIG_RECORD:
		return set_record(at, value, p);
	case CONFIG_LIFETIME:
		return set_seconds(
		    at, value, 1000, INT64_MAX, "use 1s to 36525d, such as 30m, 24h or 7d", p);
	case CONFIG_WINDOW:
		return set_seconds(at, value, 0, WINDOW_MAX_MS, "use 0s to 24h, such as 30s", p);
	case CONFIG_LOCK:
		return set_lock(at, value, p);
	}
	return SG_ERR_UNSUPPORTED;
}

void config_release(const struct config_slot *slot, void *base)
{
	void *at = (char *)base + slot->offset;

	switch (slot->kind) {
	case CONFIG_STORE_URL: /* it may hold a password */
	case CONFIG_PASSPHRASE:
	case CONFIG_CREDENTIAL:
	case CONFIG_FORWARD:
	case CONFIG_SOURCE:
		wipe_and_free(*(char **)at);
		break;
	case CONFIG_PATH:
	case CONFIG_DIR:
	case CONFIG_PUBLIC_URL:
	case CONFIG_IP:
	case CONFIG_ICE:
	case CONFIG_QUOTED:
		free(*(char **)at);
		break;
	case CONFIG_LISTEN:
		free(((struct sg_listen_list *)at)->items);
		break;
	case CONFIG_NETS:
		free(((struct sg_cidr_list *)at)->items);
		break;
	default:
		break;
	}
}

/* ---- printing ---- */

static void print_text(const char *z, struct sg_buf *out)
{
	sg_buf_puts(out, z ? z : "");
}

static void print_far_url(const char *z, struct sg_buf *out)
{
	char shown[300];

	if (z) {
		sg_url_show(shown, sizeof(shown), sg_str_from(z));
		sg_buf_puts(out, shown);
	}
}

static void print_listens(const struct sg_listen_list *l, struct sg_buf *out)
{
	char text[SG_ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < l->count; i++) {
		sg_endpoint_format(text, (const struct sockaddr *)&l->items[i].sa);
		sg_buf_printf(out, "%s%s", i ? ", " : "", text);
	}
}

static void print_nets(const struct sg_cidr_list *l, struct sg_buf *out)
{
	char text[SG_ADDR_TEXT_SIZE];

	for (size_t i = 0; i < l->count; i++) {
		const struct sg_cidr *c = &l->items[i];
		sg_addr_format(text, &c->net);
		sg_buf_printf(out, "%s%s", i ? ", " : "", text);
		if (c->bits != (c->net.family == 4 ? 32 : 128))
			sg_buf_printf(out, "/%u", c->bits);
	}
}

static void print_duration(int64_t ms, struct sg_buf *out)
{
	char text[24];

	if (ms == SG_GATHER_AUTO) {
		sg_buf_puts(out, "auto");
		return;
	}
	sg_duration_format(text, sizeof(text), ms);
	sg_buf_puts(out, text);
}

void config_print_value(const struct config_slot *slot, const void *base, struct sg_buf *out)
{
	const void *at = (const char *)base + slot->offset;

	switch (slot->kind) {
	case CONFIG_STORE_URL:
	case CONFIG_PATH:
	case CONFIG_DIR:
	case CONFIG_PUBLIC_URL:
	case CONFIG_IP:
	case CONFIG_ICE:
	case CONFIG_QUOTED:
		print_text(*(char *const *)at, out);
		break;
	case CONFIG_LISTEN:
		print_listens(at, out);
		break;
	case CONFIG_NETS:
		print_nets(at, out);
		break;
	case CONFIG_SWITCH:
		sg_buf_puts(out, switch_names[*(const bool *)at]);
		break;
	case CONFIG_RECORD:
		sg_buf_puts(out, record_names[*(const enum sg_record *)at]);
		break;
	case CONFIG_LOCK:
		sg_buf_puts(out, lock_names[*(const enum sg_session_lock *)at]);
		break;
	case CONFIG_PASSPHRASE:
	case CONFIG_CREDENTIAL:
		print_text(*(char *const *)at ? SG_REDACTED : NULL, out);
		break;
	case CONFIG_FORWARD:
	case CONFIG_SOURCE:
		print_far_url(*(char *const *)at, out);
		break;
	case CONFIG_APP_NAME:
		print_text(at, out);
		break;
	case CONFIG_WHEN:
		sg_buf_puts(out, when_names[*(const enum sg_pull_when *)at]);
		break;
	case CONFIG_SIZE:
		print_size(*(const int64_t *)at, out);
		break;
	case CONFIG_KEEP:
	case CONFIG_GATHER:
	case CONFIG_LATENCY:
	case CONFIG_PART:
	case CONFIG_LIFETIME:
	case CONFIG_WINDOW:
		print_duration(*(const int64_t *)at, out);
		break;
	}
}
