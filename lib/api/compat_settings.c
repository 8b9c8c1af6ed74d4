/* compat_settings.c - an application's settings as Ant Media's console reads and writes them.
 *
 * The two switches are real. What else a script may know is shown as it is here, and a change of it
 * is refused rather than forgotten: nobody is to believe in a protection that is not there. Keys that
 * we have never heard of are ignored. */
#include "api/compat_internal.h"
#include <unistd.h>

#define IN_FORCE_MS 1000 /* how long an answer waits for the gate to have heard */

enum kind { SWITCH, OFF, ON, RECORD, NONE };

static const struct {
	const char *key;
	enum kind kind;
} known[] = {
    {"publishTokenControlEnabled", SWITCH},
    {"playTokenControlEnabled", SWITCH},
    {"publishJwtControlEnabled", OFF},
    {"playJwtControlEnabled", OFF},
    {"enableTimeTokenForPublish", OFF},
    {"enableTimeTokenForPlay", OFF},
    {"hashControlPublishEnabled", OFF},
    {"hashControlPlayEnabled", OFF},
    {"jwtControlEnabled", OFF},
    {"acceptOnlyStreamsInDataStore", OFF},
    {"ipFilterEnabled", ON},
    {"hlsMuxingEnabled", ON},
    {"mp4MuxingEnabled", RECORD},
    {"allowedPublisherCIDR", NONE},
    {"listenerHookURL", NONE},
    {"webhookAuthenticateURL", NONE},
    {"webhookPlayAuthUrl", NONE},
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* ---- show ---- */

static bool records(struct api_call *c)
{
	struct sg_app_config app = {0};

	api_app_config(c->api, compat_of(c)->app, &app);
	return app.record == SG_RECORD_ON;
}

static json_t *shown(struct api_call *c, size_t i, const struct sg_switch_info *now)
{
	switch (known[i].kind) {
	case SWITCH:
		return json_boolean(i == 0 ? now->publish_token : now->play_token);
	case RECORD:
		return json_boolean(records(c));
	case NONE:
		return json_null();
	default:
		return json_boolean(known[i].kind == ON);
	}
}

void compat_settings_show(struct api_call *c)
{
	struct sg_switch_info now;
	json_t *o = json_object();

	sg_gate_switches(c->api->cfg.gate, compat_of(c)->app, (struct sg_str){0}, &now);
	/* 1.5.0 has one switch for both; beside the two it would be ambiguous when it is written back. */
	if (compat_is_v1(c))
		json_object_set_new(
		    o, "tokenControlEnabled", json_boolean(now.publish_token && now.play_token));
	for (size_t i = compat_is_v1(c) ? 2 : 0; i < KNOWN_COUNT; i++)
		json_object_set_new(o, known[i].key, shown(c, i, &now));
	api_answer(c, 200, o);
}

/* ---- change ---- */

/* -1: neither true nor false, nor as text. */
static int truth(const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_is_true(value);
	if (text && !strcasecmp(text, "true"))
		return 1;
	return text && !strcasecmp(text, "false") ? 0 : -1;
}

static bool asks_for(const json_t *body, const char *key)
{
	return truth(json_object_get(body, key)) == 1;
}

/* Of the kinds of tokens one may be on (Ant Media's rule). */
static bool two_kinds(const json_t *body, bool one_time, bool publish)
{
	return one_time +
		   asks_for(body, publish ? "publishJwtControlEnabled" : "playJwtControlEnabled") +
		   asks_for(
		       body, publish ? "enableTimeTokenForPublish" : "enableTimeTokenForPlay") >
	       1;
}

static bool is_as_shown(struct api_call *c, size_t i, const json_t *value)
{
	if (json_is_null(value))
		return true;
	if (known[i].kind == NONE)
		return json_is_string(value) && !json_string_length(value);
	return truth(value) == (known[i].kind == ON || (known[i].kind == RECORD && records(c)));
}

/* The old key, which is meant for both. A version 1 script that writes back all it has read means no
 * change by it: one switch may be on and the other not. NULL: no wish. */
static const json_t *old_wish(
    struct api_call *c, const json_t *body, const struct sg_switch_info *now)
{
	const json_t *value = json_object_get(body, "tokenControlEnabled");
	bool written_back = compat_is_v1(c) && json_object_size(body) > 1 &&
			    truth(value) == (now->publish_token && now->play_token);

	return written_back ? NULL : value;
}

/* -1: not a truth value. */
static int wish(const json_t *value, const json_t *old, bool now)
{
	if (!value)
		value = old;
	return value && !json_is_null(value) ? truth(value) : now;
}

/* False: answered, and nothing has changed. */
static bool check(struct api_call *c, const json_t *body, int publish, int play)
{
	char text[100];

	if (publish < 0 || play < 0) {
		compat_result(c, 400, false, "a switch is true or false", NULL);
		return false;
	}
	if (two_kinds(body, publish, true) || two_kinds(body, play, false)) {
		compat_result(c, 200, false, "only one kind of token control may be on", NULL);
		return false;
	}
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		const json_t *value = json_object_get(body, known[i].key);
		if (known[i].kind == SWITCH || !value || is_as_shown(c, i, value))
			continue;
		snprintf(text, sizeof(text), "%s cannot be changed here: it is not offered",
		    known[i].key);
		compat_result(c, 200, false, text, NULL);
		return false;
	}
	return true;
}

/* R8: at once. When the answer is sent, the gate has heard. */
static void await(struct api_call *c, bool publish, bool play)
{
	int64_t until_ms = sg_mono_ms() + IN_FORCE_MS;
	struct sg_switch_info now;

	for (;;) {
		sg_gate_switches(c->api->cfg.gate, compat_of(c)->app, (struct sg_str){0}, &now);
		if ((now.publish_token == publish && now.play_token == play) ||
		    sg_mono_ms() >= until_ms)
			return;
		usleep(1000);
	}
}

/* False: answered. */
static bool store_switch(struct api_call *c, const char *key, int type, bool on)
{
	struct sg_setting s = {0};
	struct sg_audit row;
	char detail[sizeof(s.key) + sizeof(s.value)];

	sg_str_copy(s.app, sizeof(s.app), compat_of(c)->app);
	snprintf(s.key, sizeof(s.key), "%s", key);
	snprintf(s.value, sizeof(s.value), "%s", on ? "on" : "off");
	if (sg_store_setting_set(c->store, &s, c->now) != SG_OK) {
		compat_store_failed(c, "changing a switch");
		return false;
	}
	snprintf(detail, sizeof(detail), "%s %s", s.key, s.value);
	compat_audit_row(c, &row, "setting", SG_STR(""), type, detail);
	sg_gate_audit(c->api->cfg.gate, &row);
	return true;
}

static void change(struct api_call *c, const json_t *body)
{
	struct sg_switch_info now;

	sg_gate_switches(c->api->cfg.gate, compat_of(c)->app, (struct sg_str){0}, &now);
	const json_t *old = old_wish(c, body, &now);
	int publish = wish(json_object_get(body, known[0].key), old, now.publish_token);
	int play = wish(json_object_get(body, known[1].key), old, now.play_token);
	/* What stays as it is stays the configuration's, where it is that. */
	if (!check(c, body, publish, play) ||
	    (publish != now.publish_token &&
		!store_switch(c, "publish_token", SG_PUBLISH, publish)) ||
	    (play != now.play_token && !store_switch(c, "play_token", SG_PLAY, play)))
		return;
	sg_gate_poke(c->api->cfg.gate);
	await(c, publish, play);
	compat_result(c, 200, true, NULL, NULL);
}

void compat_settings_change(struct api_call *c)
{
	json_t *body = compat_body(c);

	if (body)
		change(c, body);
	json_decref(body);
}
