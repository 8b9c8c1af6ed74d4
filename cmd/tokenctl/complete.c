/* complete.c - what may stand next in a line of the shell. What is asked for it is asked quietly: a
 * store that is not there, or a streamd that does not answer, just has nothing to offer. */
#include "complete.h"
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 1500
#define IDS_MAX 500

static void offer(struct offers *o, const char *item)
{
	if (o->count >= OFFERS_MAX || !*item || strncmp(item, o->prefix, o->prefix_len) != 0)
		return;
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->items[i], item))
			return;
	if (!o->items)
		o->items = calloc(OFFERS_MAX + 1, sizeof(*o->items));
	if (o->items && (o->items[o->count] = strdup(item)))
		o->count++;
}

void offers_free(struct offers *o)
{
	for (size_t i = 0; i < o->count; i++)
		free(o->items[i]);
	free(o->items);
	*o = (struct offers){0};
}

static void offer_words(struct offers *o, const char *words)
{
	struct sg_str word, rest = sg_str_from(words);
	char text[32];

	while (rest.p) {
		sg_str_cut(rest, ' ', &word, &rest);
		if (sg_str_copy(text, sizeof(text), word))
			offer(o, text);
	}
}

/* ---- what store and streamd know ---- */

/* A ctl of one's own to ask with; false: there is nobody to ask. */
static bool ask_open(struct ctl *c, const struct ctl *base, const char *const *opt)
{
	char error[600];

	ctl_init(c);
	memcpy(c->opt, opt, sizeof(c->opt));
	c->patience_ms = PATIENCE_MS;
	ctl_remote_inherit(c, base);
	if (c->remote)
		return true;
	return !c->opt[OPT_URL] &&
	       sg_config_load(&c->cfg, c->opt[OPT_CONFIG], error, sizeof(error)) == SG_OK;
}

/* Never makes one. */
static bool ask_store(struct ctl *c)
{
	char error[600];

	return !c->remote &&
	       sg_store_open(&c->store, c->cfg->store_url, false, error, sizeof(error)) == SG_OK;
}

static void ask_close(struct ctl *c)
{
	sg_buf_reset(&c->out);
	sg_store_close(c->store);
	sg_config_free(c->cfg);
	ctl_remote_close(c);
}

struct taking {
	struct offers *o;
	const char *key, *app;
	size_t left;
};

static bool take(void *user, json_t *item)
{
	struct taking *t = user;

	if (!t->app || !strcmp(t->app, ctl_json_get(item, "app")))
		offer(t->o, ctl_json_get(item, t->key));
	return --t->left > 0;
}

/* One member of each thing that streamd lists at `path`. */
static void offer_listed(
    struct ctl *c, struct offers *o, const char *path, const char *key, const char *app)
{
	struct taking t = {o, key, app, IDS_MAX};
	char error[400];

	/* Half a list is as good as none is bad. */
	if (ctl_ask_list(c, path, take, &t, error, sizeof(error)) != SG_OK)
		return;
}

static void offer_tokens(struct ctl *c, struct offers *o, bool active, bool streams)
{
	struct sg_token_filter f = {.state = active ? (int)SG_TOKEN_ACTIVE : -1};
	struct sg_token *page = NULL;
	char id[SG_ID_TEXT_SIZE];
	uint64_t next = 0;
	size_t count = 0;
	bool more;

	if (c->remote) {
		offer_listed(c, o, active ? "/api/v1/tokens?state=active" : "/api/v1/tokens",
		    streams ? "streamId" : "id", NULL);
		return;
	}
	if (ask_store(c) && (page = calloc(IDS_MAX, sizeof(*page))) &&
	    sg_store_token_list(c->store, &f, 0, c->now, page, IDS_MAX, &count, &more, &next) !=
		SG_OK)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		sg_id_format(id, page[i].id);
		offer(o, streams ? page[i].stream : id);
	}
	free(page);
}

static void offer_streams(struct ctl *c, struct offers *o)
{
	offer_listed(c, o, "/api/v1/streams", "streamId", c->opt[OPT_APP]);
	offer_tokens(c, o, false, true);
}

static void offer_apps(struct ctl *c, struct offers *o)
{
	if (c->remote)
		offer_listed(c, o, "/api/v1/apps", "app", NULL);
	for (size_t i = 0; !c->remote && i < c->cfg->app_count; i++)
		offer(o, c->cfg->apps[i].name);
}

static void offer_keys(struct ctl *c, struct offers *o)
{
	struct sg_apikey *keys = calloc(IDS_MAX, sizeof(*keys));
	char id[SG_ID_TEXT_SIZE];
	size_t count = 0;

	if (keys && ask_store(c) && sg_store_apikey_list(c->store, keys, IDS_MAX, &count) != SG_OK)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		sg_id_format(id, keys[i].id);
		if (!keys[i].revoked_at)
			offer(o, id);
	}
	free(keys);
}

/* ---- by place ---- */

static void offer_commands(struct offers *o, const char *family)
{
	char first[32];

	for (size_t i = 0; i < ctl_command_count; i++) {
		struct sg_str head, tail;
		bool two = sg_str_cut(sg_str_from(ctl_commands[i].name), ' ', &head, &tail);
		if (family && two && sg_str_is(head, family))
			offer(o, tail.p);
		else if (!family && sg_str_copy(first, sizeof(first), head))
			offer(o, first);
	}
	if (!family)
		offer(o, "exit");
}

static void offer_options(struct offers *o, const struct ctl_command *cmd)
{
	char text[32];

	for (int i = 0; i < OPT_COUNT_; i++) {
		if (!((CTL_COMMON | (cmd ? cmd->options : 0)) & (uint64_t)1 << i))
			continue;
		snprintf(text, sizeof(text), "--%s", ctl_options[i].name);
		offer(o, text);
	}
}

static void offer_reasons(struct offers *o)
{
	for (size_t i = 0; i < CTL_REASON_COUNT; i++)
		offer(o, ctl_audit_reason(i));
}

static void offer_values(struct ctl *c, bool asked, enum ctl_opt opt, struct offers *o)
{
	static const struct {
		enum ctl_opt opt;
		const char *words;
	} fixed[] = {
	    {OPT_TYPE, "play publish"},
	    {OPT_STATE, "active used expired revoked all"},
	    {OPT_SCOPE, "admin tokens read"},
	    {OPT_EXPIRES, "30s 15m 2h 24h 7d 30d"},
	    {OPT_RESUME, "15s 30s 1m"},
	    {OPT_OLDER_THAN, "24h 7d 30d"},
	    {OPT_QR, "rtmp hls dash flv ts mp4"},
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].opt == opt)
			offer_words(o, fixed[i].words);
	for (size_t i = 0; opt == OPT_EVENT && i < CTL_EVENT_COUNT; i++)
		offer(o, ctl_audit_events[i]);
	if (opt == OPT_REASON)
		offer_reasons(o);
	o->files = opt == OPT_CONFIG || opt == OPT_KEY_FILE;
	if (!asked)
		return;
	if (opt == OPT_APP)
		offer_apps(c, o);
	else if (opt == OPT_STREAM)
		offer_streams(c, o);
	else if (opt == OPT_TOKEN)
		offer_tokens(c, o, false, false);
}

static void offer_arguments(
    struct ctl *c, bool asked, const struct ctl_command *cmd, int given, struct offers *o)
{
	if (cmd->run == ctl_help && given == 0)
		offer_commands(o, NULL);
	if (given >= cmd->args_max)
		return;
	if (cmd->run == ctl_enable || cmd->run == ctl_disable || cmd->run == ctl_reset)
		offer_words(o, "publish play");
	if (cmd->run == ctl_record && given == 0)
		offer_words(o, "on off ask reset");
	if (*o->prefix == '@' && (cmd->run == ctl_check || cmd->run == ctl_explain ||
				     cmd->run == ctl_show_token || cmd->run == ctl_revoke))
		o->files = true;
	if (!asked)
		return;
	if (cmd->run == ctl_create || cmd->run == ctl_list || cmd->run == ctl_recordings ||
	    (cmd->run == ctl_record && given == 1))
		offer_streams(c, o);
	else if (cmd->run == ctl_show_token || cmd->run == ctl_revoke)
		offer_tokens(c, o, cmd->run == ctl_revoke, false);
	else if (cmd->run == ctl_kick)
		offer_listed(c, o, "/api/v1/sessions", "id", NULL);
	else if (cmd->run == ctl_recordings_delete ||
	    ((cmd->run == ctl_recordings_rename || cmd->run == ctl_recordings_download) && given == 0))
		offer_listed(c, o, "/api/v1/recordings", "name", NULL);
	else if (cmd->run == ctl_apikey_revoke)
		offer_keys(c, o);
}

/* Where one stands: the words of the command, how many arguments, which option wants a value. */
struct place {
	const char *opt[OPT_COUNT_];
	const char *word[2];
	int words;
	enum ctl_opt wants;
};

static void find_place(const struct ctl *base, const struct words *before, struct place *at)
{
	const char *value;

	*at = (struct place){.wants = OPT_COUNT_};
	memcpy(at->opt, base->opt, sizeof(at->opt));
	for (int i = 1; i < before->argc; i++) {
		char *word = before->argv[i];
		if (at->wants != OPT_COUNT_) {
			at->opt[at->wants] = word;
			at->wants = OPT_COUNT_;
		} else if (word[0] != '-' || !word[1]) {
			if (at->words < 2)
				at->word[at->words] = word;
			at->words++;
		} else {
			enum ctl_opt opt = ctl_find_option(word, &value);
			if (value && *value && opt != OPT_COUNT_)
				at->opt[opt] = value;
			/* "--type=" and the cursor behind it. */
			else if (ctl_takes_word(opt) || (value && opt != OPT_COUNT_))
				at->wants = opt;
		}
	}
}

void ctl_offer(
    const struct ctl *base, const struct words *before, const char *prefix, struct offers *o)
{
	const struct ctl_command *cmd = NULL;
	struct place at;
	struct ctl c;
	int used = 0;

	*o = (struct offers){.prefix = prefix, .prefix_len = strlen(prefix)};
	find_place(base, before, &at);
	if (at.words)
		cmd = ctl_find_command(at.word[0], at.word[1], &used);
	bool asked = ask_open(&c, base, at.opt);
	if (at.wants != OPT_COUNT_)
		offer_values(&c, asked, at.wants, o);
	else if (*prefix == '-')
		offer_options(o, cmd);
	else if (!at.words)
		offer_commands(o, NULL);
	else if (cmd)
		offer_arguments(&c, asked, cmd, at.words - used, o);
	else if (at.words == 1)
		offer_commands(o, at.word[0]);
	ask_close(&c);
}
