/* config.c - the configuration file: its keys, its lines, the defaults. What a value may be is in
 * config_values.c.
 *
 * The reader is our own: an INI library tells neither the line of an error nor that a section
 * stands there without keys, and here both matter. */
#include "base/config_internal.h"
#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_FILE "/etc/streamgate/streamgate.conf"
#define FILE_MAX_BYTES ((size_t)1 << 20)
#define LINE_MAX_CHARS 4000
#define APPS_MAX 256
#define PULLS_MAX 256

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- keys ---- */

#define KEY_GLOBAL(section, key, fallback, help, kind, member) {section, key, fallback, help},
#define KEY_APP(key, fallback, help, kind, member) {CONFIG_APP_SECTION, key, fallback, help},
#define KEY_PULL(key, fallback, help, kind, member) {CONFIG_PULL_SECTION, key, fallback, help},
static const struct sg_config_key keys[] = {CONFIG_KEYS(KEY_GLOBAL, KEY_APP, KEY_PULL)};

#define SLOT_GLOBAL(section, key, fallback, help, kind, member)                                    \
	{kind, OF_ALL, offsetof(struct sg_config, member)},
#define SLOT_APP(key, fallback, help, kind, member)                                                \
	{kind, OF_APP, offsetof(struct sg_app_config, member)},
#define SLOT_PULL(key, fallback, help, kind, member)                                               \
	{kind, OF_PULL, offsetof(struct sg_pull_config, member)},
static const struct config_slot slots[] = {CONFIG_KEYS(SLOT_GLOBAL, SLOT_APP, SLOT_PULL)};

#define KEY_COUNT COUNT_OF(keys)
_Static_assert(COUNT_OF(keys) <= CONFIG_KEYS_MAX, "lines of keys are kept in an array");

const struct sg_config_key *sg_config_keys(size_t *count)
{
	*count = KEY_COUNT;
	return keys;
}

/* ---- the reader's state ---- */

struct reader {
	struct sg_config *cfg;
	const char *name;
	unsigned line;
	const char *section; /* of keys[], NULL before the first */
	struct sg_app_config *app; /* in cfg->apps; when the section is an application's */
	struct sg_pull_config *pull; /* in cfg->pulls; when it is a pull's */
	unsigned seen[CONFIG_KEYS_MAX]; /* the line of each key; an application's are its own */
	unsigned app_lines[APPS_MAX]; /* parallel to cfg->apps; 0 = not in the file */
	unsigned pull_lines[PULLS_MAX]; /* parallel to cfg->pulls */
	char *error;
	size_t error_size;
};

/* One line, and nothing that a terminal would obey: the file's text is in it. */
static void clean_error(char *error, size_t size)
{
	for (size_t i = 0; i < size && error[i]; i++)
		if ((unsigned char)error[i] < ' ' || error[i] == 0x7f)
			error[i] = '?';
}

static enum sg_result report(struct reader *r, const struct config_problem *p)
{
	snprintf(r->error, r->error_size, "%s:%u: %s: %s", r->name, r->line, p->what, p->advice);
	clean_error(r->error, r->error_size);
	return SG_ERR_CONFIG;
}

/* How a word of the file may be shown in an error. */
struct shown {
	char text[64];
};
static struct shown show(struct sg_str s)
{
	struct shown out;

	sg_redact(out.text, sizeof(out.text), s);
	return out;
}

/* ---- sections ---- */

/* The names of all sections, each once; answers how many. */
static size_t section_names(const char *out[CONFIG_KEYS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (n == 0 || strcmp(out[n - 1], keys[i].section) != 0)
			out[n++] = keys[i].section;
	return n;
}

/* "a, b, c" into `out`. */
static void join(char *out, size_t size, const char *const *names, size_t count)
{
	size_t len = 0;

	out[0] = 0;
	for (size_t i = 0; i < count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", names[i]);
}

static enum sg_result refuse_section(struct reader *r, struct sg_str name)
{
	const char *names[CONFIG_KEYS_MAX];
	size_t count = section_names(names);
	const char *near = sg_nearest(name, names, count);
	struct config_problem p;
	char list[150], advice[200];

	join(list, sizeof(list), names, count - 2); /* the last are those that have names of their own */
	if (near && strcmp(near, CONFIG_APP_SECTION) != 0 && strcmp(near, CONFIG_PULL_SECTION) != 0)
		snprintf(advice, sizeof(advice), "did you mean [%s]?", near);
	else
		snprintf(advice, sizeof(advice), "known are %s, [app NAME] and [pull STREAM]", list);
	config_complain(&p, advice, "there is no section [%s]", show(name).text);
	return report(r, &p);
}

static void set_app_defaults(struct sg_app_config *app)
{
	struct config_problem p;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (slots[i].of == OF_APP &&
		    config_set(&slots[i], app, sg_str_from(keys[i].fallback), &p) != SG_OK)
			abort(); /* our own table is wrong */
}

static size_t find_app(const struct sg_config *cfg, struct sg_str name)
{
	size_t i = 0;

	while (i < cfg->app_count && !sg_str_is(name, cfg->apps[i].name))
		i++;
	return i;
}

static enum sg_result add_app(struct sg_config *cfg, struct sg_str name)
{
	struct sg_app_config *apps = realloc(cfg->apps, (cfg->app_count + 1) * sizeof(*apps));

	if (!apps)
		return SG_ERR_NO_MEMORY;
	cfg->apps = apps;
	struct sg_app_config *app = &apps[cfg->app_count];
	*app = (struct sg_app_config){.name = ""};
	sg_str_copy(app->name, sizeof(app->name), name);
	set_app_defaults(app);
	cfg->app_count++;
	return SG_OK;
}

/* The keys of a section that may come again have their lines anew. */
static void forget_lines(struct reader *r, enum config_scope of)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (slots[i].of == of)
			r->seen[i] = 0;
}

static enum sg_result begin_app(struct reader *r, struct sg_str name)
{
	struct config_problem p;
	size_t i = find_app(r->cfg, name);

	if (!sg_app_is_valid(name)) {
		config_complain(&p, "use 1 to 32 of A-Z a-z 0-9 _ -",
		    "'%s' is no application's name", show(name).text);
		return report(r, &p);
	}
	if (i < r->cfg->app_count && r->app_lines[i]) {
		config_complain(&p, "put its keys into one section",
		    "[app %s] stands in line %u already", show(name).text, r->app_lines[i]);
		return report(r, &p);
	}
	if (i == APPS_MAX) {
		config_complain(&p, "use at most 256", "these are too many applications");
		return report(r, &p);
	}
	if (i == r->cfg->app_count && add_app(r->cfg, name) != SG_OK)
		return SG_ERR_NO_MEMORY;
	r->app = &r->cfg->apps[i];
	r->pull = NULL;
	r->app_lines[i] = r->line;
	r->section = CONFIG_APP_SECTION;
	forget_lines(r, OF_APP);
	return SG_OK;
}

static enum sg_result add_pull(struct sg_config *cfg, struct sg_str name)
{
	struct sg_pull_config *pulls = realloc(cfg->pulls, (cfg->pull_count + 1) * sizeof(*pulls));
	struct config_problem p;

	if (!pulls)
		return SG_ERR_NO_MEMORY;
	cfg->pulls = pulls;
	struct sg_pull_config *pull = &pulls[cfg->pull_count++];
	*pull = (struct sg_pull_config){.url = NULL};
	sg_str_copy(pull->stream, sizeof(pull->stream), name);
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (slots[i].of == OF_PULL && *keys[i].fallback &&
		    config_set(&slots[i], pull, sg_str_from(keys[i].fallback), &p) != SG_OK)
			abort(); /* our own table is wrong */
	return SG_OK;
}

static enum sg_result begin_pull(struct reader *r, struct sg_str name)
{
	struct config_problem p;

	if (!sg_stream_is_valid(name)) {
		config_complain(&p, "use 1 to 128 of A-Z a-z 0-9 . _ -, and no dot in front",
		    "'%s' is no stream's id", show(name).text);
		return report(r, &p);
	}
	if (r->cfg->pull_count == PULLS_MAX) {
		config_complain(&p, "use at most 256", "these are too many pulls");
		return report(r, &p);
	}
	if (add_pull(r->cfg, name) != SG_OK)
		return SG_ERR_NO_MEMORY;
	r->pull = &r->cfg->pulls[r->cfg->pull_count - 1];
	r->pull_lines[r->cfg->pull_count - 1] = r->line;
	r->app = NULL;
	r->section = CONFIG_PULL_SECTION;
	forget_lines(r, OF_PULL);
	return SG_OK;
}

static struct sg_str trim(struct sg_str s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.len--;
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* "[section]" or "[app NAME]"; `line` begins with the bracket. */
static enum sg_result begin_section(struct reader *r, struct sg_str line)
{
	struct config_problem p;
	struct sg_str name = {line.p + 1, line.len - 1}, head, tail;

	if (line.p[line.len - 1] != ']') {
		config_complain(&p, "write [section], alone in its line", "a ']' is missing");
		return report(r, &p);
	}
	name.len--;
	name = trim(name);
	if (sg_str_cut(name, ' ', &head, &tail) && sg_str_is(head, CONFIG_APP_SECTION))
		return begin_app(r, trim(tail));
	if (sg_str_is(head, CONFIG_PULL_SECTION) && tail.p)
		return begin_pull(r, trim(tail));
	if (sg_str_is(name, CONFIG_APP_SECTION))
		return begin_app(r, (struct sg_str){NULL, 0});
	if (sg_str_is(name, CONFIG_PULL_SECTION))
		return begin_pull(r, (struct sg_str){NULL, 0});
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (!sg_str_is(name, keys[i].section))
			continue;
		r->section = keys[i].section;
		r->app = NULL;
		r->pull = NULL;
		return SG_OK;
	}
	return refuse_section(r, name);
}

/* ---- keys and values ---- */

/* The section as it is written in the file. */
static void section_title(const struct reader *r, char *out, size_t size)
{
	const char *name = r->app ? r->app->name : r->pull ? r->pull->stream : NULL;

	snprintf(out, size, name ? "[%s %s]" : "[%s]", r->section, name);
}

/* What to do about an unknown key: the nearest of this section, else where it belongs, else all. */
static void advise_on_key(const struct reader *r, struct sg_str key, char *advice, size_t size)
{
	const char *names[CONFIG_KEYS_MAX];
	char list[160];
	size_t count = 0;

	for (size_t i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].section, r->section) == 0)
			names[count++] = keys[i].key;
	const char *near = sg_nearest(key, names, count);
	if (near) {
		snprintf(advice, size, "did you mean '%s'?", near);
		return;
	}
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (sg_str_is(key, keys[i].key)) {
			snprintf(advice, size, "it belongs into [%s%s]", keys[i].section,
			    slots[i].of != OF_ALL ? " NAME" : "");
			return;
		}
	join(list, sizeof(list), names, count);
	snprintf(advice, size, "known are %s", list);
}

static enum sg_result refuse_key(struct reader *r, struct sg_str key)
{
	struct config_problem p;
	char title[SG_APP_MAX + 16], advice[200];

	section_title(r, title, sizeof(title));
	advise_on_key(r, key, advice, sizeof(advice));
	config_complain(&p, advice, "%s has no key '%s'", title, show(key).text);
	return report(r, &p);
}

static enum sg_result set_key(struct reader *r, size_t i, struct sg_str value)
{
	struct config_problem p;
	char what[160];

	if (r->seen[i]) {
		config_complain(
		    &p, "remove one", "'%s' stands in line %u already", keys[i].key, r->seen[i]);
		return report(r, &p);
	}
	r->seen[i] = r->line;
	enum sg_result res =
	    config_set(&slots[i],
		slots[i].of == OF_APP    ? (void *)r->app
		: slots[i].of == OF_PULL ? (void *)r->pull
					 : (void *)r->cfg,
		value, &p);
	if (res != SG_ERR_CONFIG)
		return res;
	sg_str_copy(what, sizeof(what), sg_str_from(p.what));
	snprintf(p.what, sizeof(p.what), "%s: %s", keys[i].key, what);
	return report(r, &p);
}

/* No key has these in it. */
static size_t word_length(struct sg_str s)
{
	size_t len = 0;

	while (len < s.len && !strchr(" \t:", s.p[len]))
		len++;
	return len;
}

/* Of what is written there a key's name alone is shown: the rest may be a secret. */
static enum sg_result refuse_line(struct reader *r, struct sg_str line)
{
	struct config_problem p;
	struct sg_str word = {line.p, word_length(line)};

	config_complain(&p, "write key = value", "this has no '='");
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (sg_str_is(word, keys[i].key))
			config_complain(&p, "write key = value", "'%s' has no '='", keys[i].key);
	return report(r, &p);
}

static enum sg_result read_key(struct reader *r, struct sg_str line)
{
	struct config_problem p;
	struct sg_str key, value;
	bool has_sign = sg_str_cut(line, '=', &key, &value);

	key = trim(key);
	if (!has_sign || word_length(key) < key.len)
		return refuse_line(r, key);
	if (!r->section) {
		config_complain(&p, "begin with one, such as [http]",
		    "'%s' stands before any section", show(key).text);
		return report(r, &p);
	}
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].section, r->section) == 0 && sg_str_is(key, keys[i].key))
			return set_key(r, i, trim(value));
	return refuse_key(r, key);
}

/* ---- lines ---- */

/* Cuts what follows a ';' that begins the line or comes behind a blank; '#' only begins one. */
static struct sg_str without_comment(struct sg_str line)
{
	line = trim(line);
	if (line.len && line.p[0] == '#')
		return (struct sg_str){line.p, 0};
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == ';' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
			return trim((struct sg_str){line.p, i});
	return line;
}

static enum sg_result read_line(struct reader *r, struct sg_str line)
{
	struct config_problem p;

	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	if (line.len > LINE_MAX_CHARS) {
		config_complain(&p, "use at most 4000 characters", "the line is too long");
		return report(r, &p);
	}
	if (line.len && memchr(line.p, 0, line.len)) {
		config_complain(&p, "is this a text file?", "there is a NUL byte");
		return report(r, &p);
	}
	line = without_comment(line);
	if (line.len == 0)
		return SG_OK;
	return line.p[0] == '[' ? begin_section(r, line) : read_key(r, line);
}

static enum sg_result read_lines(struct reader *r, struct sg_str text)
{
	struct sg_str line;

	if (sg_str_starts(text, "\xef\xbb\xbf")) /* a byte order mark, from some editors */
		text.p += 3, text.len -= 3;
	while (text.len) {
		sg_str_cut(text, '\n', &line, &text);
		r->line++;
		enum sg_result res = read_line(r, line);
		if (res != SG_OK)
			return res;
	}
	return SG_OK;
}

/* ---- defaults ---- */

/* Where the data of whoever runs this is kept. */
static void data_dir(char *out, size_t size)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	/* The XDG base directory specification has relative paths ignored. */
	if (geteuid() != 0 && xdg && xdg[0] == '/')
		snprintf(out, size, "%s/streamgate", xdg);
	else if (geteuid() != 0 && home && home[0] == '/')
		snprintf(out, size, "%s/.local/share/streamgate", home);
	else
		snprintf(out, size, "%s", CONFIG_DATA_DIR);
}

/* The default of a key in the file's form, with the data where ours is. */
static bool fallback_text(struct sg_buf *out, const char *fallback)
{
	const char *at = strstr(fallback, CONFIG_DATA_DIR);
	char dir[3900];

	if (!at) {
		sg_buf_puts(out, fallback);
		return !out->failed;
	}
	data_dir(dir, sizeof(dir));
	sg_buf_append(out, fallback, (size_t)(at - fallback));
	sg_buf_puts(out, dir);
	sg_buf_puts(out, at + strlen(CONFIG_DATA_DIR));
	return !out->failed;
}

static enum sg_result set_defaults(struct sg_config *cfg)
{
	struct config_problem p;
	struct sg_buf text;
	enum sg_result res = SG_OK;

	sg_buf_init(&text, 4096);
	for (size_t i = 0; i < KEY_COUNT && res == SG_OK; i++) {
		if (slots[i].of != OF_ALL)
			continue;
		text.len = 0;
		res = SG_ERR_NO_MEMORY;
		if (fallback_text(&text, keys[i].fallback))
			res = config_set(
			    &slots[i], cfg, (struct sg_str){(char *)text.p, text.len}, &p);
	}
	sg_buf_reset(&text);
	return res == SG_OK ? add_app(cfg, SG_STR("live")) : res;
}

/* ---- what concerns several keys ---- */

static size_t key_index(const char *section, const char *key)
{
	size_t i = 0;

	while (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].key, key) != 0)
		i++;
	return i;
}

/* streamd.sock beside the file of the store, unless the file says where. */
static enum sg_result place_socket(struct reader *r)
{
	const char *url = r->cfg->store_url, *file = "streamd.sock";

	if (r->seen[key_index("admin", "socket")] && r->cfg->admin_socket)
		return SG_OK;
	if (strncmp(url, "sqlite:", 7) != 0 && r->cfg->admin_socket)
		return SG_OK; /* the data directory's */
	const char *path = strncmp(url, "sqlite:", 7) == 0 ? url + 7 : "";
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;
	char *socket = malloc(dir_len + strlen(file) + 1);
	if (!socket)
		return SG_ERR_NO_MEMORY;
	memcpy(socket, path, dir_len);
	strcpy(socket + dir_len, file);
	free(r->cfg->admin_socket);
	r->cfg->admin_socket = socket;
	return SG_OK;
}

/* All that listens. WebRTC's port is one of TCP as well. */
static const struct {
	const char *section, *key;
	size_t offset;
	bool tcp, udp;
} listeners[] = {
    {"http", "listen", offsetof(struct sg_config, http_listen), true, false},
    {"http", "tls_listen", offsetof(struct sg_config, http_tls_listen), true, false},
    {"rtmp", "listen", offsetof(struct sg_config, rtmp_listen), true, false},
    {"rtmp", "tls_listen", offsetof(struct sg_config, rtmp_tls_listen), true, false},
    {"srt", "listen", offsetof(struct sg_config, srt_listen), false, true},
    {"webrtc", "listen", offsetof(struct sg_config, webrtc_listen), true, true},
};

static const struct sg_listen_list *listens_of(const struct sg_config *cfg, size_t i)
{
	return (const void *)((const char *)cfg + listeners[i].offset);
}

static enum sg_result refuse_listener(
    struct reader *r, size_t i, const struct sg_listen *a, size_t j, const struct sg_listen *b)
{
	unsigned one = r->seen[key_index(listeners[i].section, listeners[i].key)];
	unsigned other = r->seen[key_index(listeners[j].section, listeners[j].key)];
	char text[SG_ENDPOINT_TEXT_SIZE], taken[SG_ENDPOINT_TEXT_SIZE];
	struct config_problem p;

	sg_endpoint_format(text, (const struct sockaddr *)&a->sa);
	sg_endpoint_format(taken, (const struct sockaddr *)&b->sa);
	r->line = one > other ? one : other;
	config_complain(&p, "choose another port", "%s of [%s] %s collides with %s of [%s] %s", text,
	    listeners[i].section, listeners[i].key, taken, listeners[j].section, listeners[j].key);
	return report(r, &p);
}

/* Is the k-th address of the i-th list free of all before it? */
static enum sg_result check_listener(struct reader *r, size_t i, size_t k)
{
	const struct sg_listen *mine = &listens_of(r->cfg, i)->items[k];

	for (size_t j = 0; j <= i; j++) {
		const struct sg_listen_list *l = listens_of(r->cfg, j);
		bool shared = (listeners[i].tcp && listeners[j].tcp) || (listeners[i].udp && listeners[j].udp);
		for (size_t m = 0; shared && m < (j == i ? k : l->count); m++)
			if (sg_listen_collides(mine, &l->items[m]))
				return refuse_listener(r, i, mine, j, &l->items[m]);
	}
	return SG_OK;
}

/* The second one would find its address in use. */
static enum sg_result check_listeners(struct reader *r)
{
	enum sg_result res = SG_OK;

	for (size_t i = 0; i < COUNT_OF(listeners); i++)
		for (size_t k = 0; k < listens_of(r->cfg, i)->count && res == SG_OK; k++)
			res = check_listener(r, i, k);
	return res;
}

/* A listener that could not speak TLS would be a setting that is not enforced. */
static enum sg_result check_tls(struct reader *r)
{
	const struct sg_config *cfg = r->cfg;
	const char *section = cfg->http_tls_listen.count ? "http" : "rtmp";
	struct config_problem p;

	if (cfg->http_tls_listen.count == 0 && cfg->rtmp_tls_listen.count == 0)
		return SG_OK;
	if (cfg->http_tls_cert && cfg->http_tls_key)
		return SG_OK;
	r->line = r->seen[key_index(section, "tls_listen")];
	config_complain(&p, "set it in [http], or leave tls_listen empty",
	    "[%s] tls_listen needs '%s'", section, cfg->http_tls_cert ? "tls_key" : "tls_cert");
	return report(r, &p);
}

/* TURN takes nobody without credentials (RFC 8656 section 9.2), and STUN asks for none. */
static enum sg_result check_ice(struct reader *r)
{
	const struct sg_config *cfg = r->cfg;
	const char *servers = cfg->webrtc_ice_servers ? cfg->webrtc_ice_servers : "";
	bool turn = !strncmp(servers, "turn", 4) || strstr(servers, ",turn");
	struct config_problem p;

	if (!cfg->webrtc_turn_username != !cfg->webrtc_turn_credential) {
		const char *missing = cfg->webrtc_turn_username ? "turn_credential" : "turn_username";
		r->line = r->seen[key_index(
		    "webrtc", cfg->webrtc_turn_username ? "turn_username" : "turn_credential")];
		config_complain(&p, "write both or none", "'%s' is missing in [webrtc]", missing);
		return report(r, &p);
	}
	if (!turn || cfg->webrtc_turn_username)
		return SG_OK;
	r->line = r->seen[key_index("webrtc", "ice_servers")];
	config_complain(&p, "write both into [webrtc]", "turn: needs turn_username and turn_credential");
	return report(r, &p);
}

/* A pull from nowhere, or two into one stream, could not be done. */
static enum sg_result check_pulls(struct reader *r)
{
	const struct sg_pull_config *pulls = r->cfg->pulls;
	struct config_problem p;

	for (size_t i = 0; i < r->cfg->pull_count; i++) {
		r->line = r->pull_lines[i];
		if (!pulls[i].url) {
			config_complain(&p, "write url = rtmp://... or another", "[pull %s] has no url",
			    pulls[i].stream);
			return report(r, &p);
		}
		for (size_t j = 0; j < i; j++)
			if (!strcmp(pulls[i].stream, pulls[j].stream) &&
			    !strcmp(pulls[i].app, pulls[j].app)) {
				config_complain(&p, "remove one, or give it another app",
				    "[pull %s] stands in line %u already", pulls[i].stream,
				    r->pull_lines[j]);
				return report(r, &p);
			}
		if (!sg_config_app(r->cfg, sg_str_from(pulls[i].app))) {
			config_complain(&p, "write its section, [app NAME], or use another",
			    "there is no application '%s' for [pull %s]", pulls[i].app, pulls[i].stream);
			return report(r, &p);
		}
	}
	return SG_OK;
}

/* ---- the whole ---- */

static enum sg_result parse_into(struct reader *r, struct sg_str text)
{
	enum sg_result res;

	if ((res = set_defaults(r->cfg)) != SG_OK || (res = read_lines(r, text)) != SG_OK ||
	    (res = check_listeners(r)) != SG_OK || (res = check_tls(r)) != SG_OK || (res = check_ice(r)) != SG_OK || (res = check_pulls(r)) != SG_OK)
		return res;
	return place_socket(r);
}

enum sg_result sg_config_parse(
    struct sg_config **out, const char *name, struct sg_str text, char *error, size_t error_size)
{
	struct reader r = {.name = name, .error = error, .error_size = error_size};
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	if (error_size)
		error[0] = 0;
	if (!(r.cfg = calloc(1, sizeof(*r.cfg))))
		goto fail;
	if ((res = parse_into(&r, text)) != SG_OK)
		goto fail;
	*out = r.cfg;
	return SG_OK;
fail:
	if (res == SG_ERR_NO_MEMORY)
		snprintf(error, error_size, "%s: out of memory: free some", name);
	sg_config_free(r.cfg);
	return res;
}

void sg_config_free(struct sg_config *cfg)
{
	if (!cfg)
		return;
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (slots[i].of == OF_ALL)
			config_release(&slots[i], cfg);
		for (size_t a = 0; slots[i].of == OF_APP && a < cfg->app_count; a++)
			config_release(&slots[i], &cfg->apps[a]);
		for (size_t a = 0; slots[i].of == OF_PULL && a < cfg->pull_count; a++)
			config_release(&slots[i], &cfg->pulls[a]);
	}
	free(cfg->apps);
	free(cfg->pulls);
	free(cfg->path);
	free(cfg);
}

/* ---- files ---- */

static enum sg_result unreadable(const char *path, int error_number, char *error, size_t error_size)
{
	snprintf(error, error_size, "%s: cannot be read (%s): name another with --config", path,
	    strerror(error_number));
	clean_error(error, error_size);
	return SG_ERR_IO;
}

static enum sg_result read_file(
    const char *path, FILE *f, struct sg_buf *text, char *error, size_t error_size)
{
	sg_buf_init(text, FILE_MAX_BYTES + 1);
	while (sg_buf_reserve(text, text->len < FILE_MAX_BYTES + 1)) {
		size_t n = fread(text->p + text->len, 1, text->cap - text->len, f);
		text->len += n;
		if (n == 0 || text->len > FILE_MAX_BYTES)
			break;
	}
	if (ferror(f))
		return unreadable(path, errno, error, error_size);
	if (text->len > FILE_MAX_BYTES) {
		snprintf(error, error_size, "%s: larger than 1 MiB: is this the right file?", path);
		clean_error(error, error_size);
		return SG_ERR_CONFIG;
	}
	if (text->failed) {
		snprintf(error, error_size, "%s: out of memory: free some", path);
		return SG_ERR_NO_MEMORY;
	}
	return SG_OK;
}

static enum sg_result load_file(
    struct sg_config **out, const char *path, FILE *f, char *error, size_t error_size)
{
	struct sg_buf text;
	enum sg_result res = read_file(path, f, &text, error, error_size);

	if (res == SG_OK)
		res = sg_config_parse(
		    out, path, (struct sg_str){(char *)text.p, text.len}, error, error_size);
	if (text.len) /* it may hold the store's password */
		sg_wipe(text.p, text.len);
	sg_buf_reset(&text);
	if (res != SG_OK || ((*out)->path = sg_str_dup(sg_str_from(path))))
		return res;
	sg_config_free(*out);
	*out = NULL;
	snprintf(error, error_size, "%s: out of memory: free some", path);
	return SG_ERR_NO_MEMORY;
}

enum sg_result sg_config_load(
    struct sg_config **out, const char *path, char *error, size_t error_size)
{
	const char *from_env = getenv("STREAMGATE_CONFIG");
	bool optional = false;

	*out = NULL;
	if (error_size)
		error[0] = 0;
	if (!path && from_env && from_env[0])
		path = from_env;
	if (!path) {
		path = SYSTEM_FILE;
		optional = true;
	}
	FILE *f = fopen(path, "re");
	if (!f && optional && (errno == ENOENT || errno == ENOTDIR))
		return sg_config_parse(out, "defaults", SG_STR(""), error, error_size);
	if (!f)
		return unreadable(path, errno, error, error_size);
	enum sg_result res = load_file(out, path, f, error, error_size);
	fclose(f);
	return res;
}

/* ---- use ---- */

const struct sg_app_config *sg_config_app(const struct sg_config *cfg, struct sg_str app)
{
	size_t i = find_app(cfg, app);

	return i < cfg->app_count ? &cfg->apps[i] : NULL;
}

static void print_key(size_t i, const void *base, struct sg_buf *out)
{
	sg_buf_printf(out, "%s = ", keys[i].key);
	size_t before = out->len;
	config_print_value(&slots[i], base, out);
	if (!out->failed && out->len == before)
		out->len--; /* no blank at the end of a line */
	sg_buf_put_u8(out, '\n');
}

void sg_config_print(const struct sg_config *cfg, struct sg_buf *out)
{
	const char *section = "";

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (slots[i].of != OF_ALL)
			continue;
		if (strcmp(section, keys[i].section) != 0)
			sg_buf_printf(out, "[%s]\n", keys[i].section);
		section = keys[i].section;
		print_key(i, cfg, out);
	}
	for (size_t a = 0; a < cfg->app_count; a++) {
		sg_buf_printf(out, "[%s %s]\n", CONFIG_APP_SECTION, cfg->apps[a].name);
		for (size_t i = 0; i < KEY_COUNT; i++)
			if (slots[i].of == OF_APP)
				print_key(i, &cfg->apps[a], out);
	}
	for (size_t a = 0; a < cfg->pull_count; a++) {
		sg_buf_printf(out, "[%s %s]\n", CONFIG_PULL_SECTION, cfg->pulls[a].stream);
		for (size_t i = 0; i < KEY_COUNT; i++)
			if (slots[i].of == OF_PULL)
				print_key(i, &cfg->pulls[a], out);
	}
}
