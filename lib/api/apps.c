/* apps.c - an application's switches and its streams' own (R8).
 *
 * A change is a JSON merge patch (RFC 7396): true and false set a switch, null gives it back to the
 * application (of a stream) or to the configuration (of an application). */
#include "api/api_internal.h"
#include <unistd.h>

#define IN_FORCE_MS 1000 /* how long an answer waits for the gate to have heard */
#define STREAMS_MAX 1000 /* overrides in one change */

static const struct {
	const char *field, *key;
	bool is_word; /* not true or false, but a word of the configuration */
} switches[] = {
    {"publishTokenControlEnabled", "publish_token", false},
    {"playTokenControlEnabled", "play_token", false},
    {"record", "record", true},
};
#define SWITCH_COUNT (sizeof(switches) / sizeof(switches[0]))

static const struct api_field app_fields[] = {
    {"publishTokenControlEnabled", API_BOOL | API_NULL},
    {"playTokenControlEnabled", API_BOOL | API_NULL},
    {"record", API_STRING | API_NULL},
    {"streams", API_OBJECT},
    {"endSessions", API_BOOL},
};

/* ---- what holds ---- */

struct overrides {
	const char *app;
	json_t *streams;
	char record[8]; /* of the application; "" = as configured */
};

static void take_override(void *user, const struct sg_setting *s)
{
	struct overrides *o = user;

	if (strcmp(s->app, o->app))
		return;
	if (!*s->stream) {
		if (!strcmp(s->key, "record"))
			snprintf(o->record, sizeof(o->record), "%.7s", s->value);
		return;
	}
	for (size_t i = 0; i < SWITCH_COUNT; i++) {
		if (strcmp(s->key, switches[i].key))
			continue;
		json_t *of = json_object_get(o->streams, s->stream);
		if (!of) {
			of = json_object();
			json_object_set_new(o->streams, s->stream, of);
		}
		json_object_set_new(of, switches[i].field,
		    switches[i].is_word ? json_string(s->value)
					: json_boolean(!strcmp(s->value, "on")));
	}
}

/* How many are in, and how many of them without a token: whom turning a switch on would concern. */
struct census {
	const char *app;
	json_int_t all[3], without[3]; /* by type */
};

static bool count_session(void *user, const struct sg_session_info *s)
{
	struct census *n = user;

	if (!strcmp(s->app, n->app) && !strcmp(s->state, "active")) {
		n->all[s->type]++;
		n->without[s->type] += !s->token_id && !s->by_admin;
	}
	return true;
}

static json_t *counts(const json_int_t by_type[3])
{
	return json_pack("{sI sI}", "publish", by_type[SG_PUBLISH], "play", by_type[SG_PLAY]);
}

static const char *configured_record(struct sg_api *api, const char *app)
{
	static const char *const words[] = {
	    [SG_RECORD_OFF] = "off", [SG_RECORD_ON] = "on", [SG_RECORD_ASK] = "ask"};

	pthread_mutex_lock(&api->apps_lock);
	const struct sg_app_config *a = sg_config_app(api->apps, sg_str_from(app));
	const char *word = words[a ? a->record : SG_RECORD_OFF];
	pthread_mutex_unlock(&api->apps_lock);
	return word;
}

/* What holds for an application; NULL: answered. */
static json_t *describe_app(struct api_call *c, const char *app)
{
	struct overrides o = {.app = app, .streams = json_object()};
	struct census n = {.app = app};
	struct sg_switch_info now;

	if (!o.streams || sg_store_settings(c->store, take_override, &o) != SG_OK) {
		json_decref(o.streams);
		api_store_failed(c, "reading the switches");
		return NULL;
	}
	sg_gate_switches(c->api->cfg.gate, sg_str_from(app), (struct sg_str){0}, &now);
	bool counted = api_each_session(c->api->cfg.gate, 0, count_session, &n);
	if (!*o.record)
		snprintf(o.record, sizeof(o.record), "%s", configured_record(c->api, app));
	json_t *object = json_pack("{ss sb sb sb sb ss so so so}", "app", app,
	    "publishTokenControlEnabled", (int)now.publish_token, "playTokenControlEnabled",
	    (int)now.play_token, "publishOverridden", (int)now.publish_overridden, "playOverridden",
	    (int)now.play_overridden, "record", o.record, "streams", o.streams, "sessions", counts(n.all),
	    "sessionsWithoutToken", counts(n.without));
	if (object && counted)
		return object;
	json_decref(object);
	api_problem(c->req, 500, "out of memory");
	return NULL;
}

static void answer_app(struct api_call *c, const char *app)
{
	json_t *object = describe_app(c, app);

	if (object)
		api_answer(c, 200, object);
}

bool api_app_at(struct sg_api *api, size_t i, char out[SG_APP_MAX + 1])
{
	pthread_mutex_lock(&api->apps_lock);
	bool there = i < api->apps->app_count;
	if (there)
		memcpy(out, api->apps->apps[i].name, SG_APP_MAX + 1);
	pthread_mutex_unlock(&api->apps_lock);
	return there;
}

void api_apps_list(struct api_call *c)
{
	char app[SG_APP_MAX + 1];
	json_t *items = json_array();

	for (size_t i = 0; api_app_at(c->api, i, app); i++) {
		json_t *object = describe_app(c, app);
		if (!object) {
			json_decref(items);
			return;
		}
		json_array_append_new(items, object);
	}
	api_answer_list(c, items, NULL);
}

/* The application that the path names; false: answered. */
static bool find_app(struct api_call *c, char out[SG_APP_MAX + 1])
{
	struct sg_str app = sg_http_part(c->req, 0);

	if (sg_app_is_valid(app) && sg_gate_has_app(c->api->cfg.gate, app) &&
	    sg_str_copy(out, SG_APP_MAX + 1, app))
		return true;
	api_problem(c->req, 404, "there is no such application");
	return false;
}

void api_apps_show(struct api_call *c)
{
	char app[SG_APP_MAX + 1];

	if (find_app(c, app))
		answer_app(c, app);
}

/* ---- change ---- */

/* A stream is recorded or not; an application may leave it to its streams. */
static bool check_record(struct api_call *c, const json_t *object, bool of_app)
{
	struct sg_str word = api_string(object, "record");

	if (!word.p || sg_str_is(word, "on") || sg_str_is(word, "off") || (of_app && sg_str_is(word, "ask")))
		return true;
	api_problem(c->req, 400, "'record' must be \"on\", \"off\"%s or null", of_app ? ", \"ask\"" : "");
	return false;
}

static bool check_streams(struct api_call *c, json_t *streams)
{
	const char *name;
	json_t *value;

	if (json_object_size(streams) > STREAMS_MAX) {
		api_problem(c->req, 400, "'streams' must name at most %d streams", STREAMS_MAX);
		return false;
	}
	json_object_foreach(streams, name, value)
	{
		if (!sg_stream_is_valid(sg_str_from(name))) {
			api_problem(c->req, 400, "'streams' names something that is no stream id");
			return false;
		}
		if (!json_is_object(value) && !json_is_null(value)) {
			api_problem(c->req, 400, "'streams': '%s' must be an object or null", name);
			return false;
		}
		if (json_is_object(value) && !api_check_fields(c, value, app_fields, SWITCH_COUNT))
			return false;
		if (!check_record(c, value, false))
			return false;
	}
	return true;
}

/* Does the gate say already what was set? */
static bool is_in_force(struct sg_gate *gate, const struct sg_setting *s)
{
	bool publish = !strcmp(s->key, "publish_token");
	struct sg_switch_info now;

	if (!strcmp(s->key, "record"))
		return true; /* the recorder's: it looks every second */
	sg_gate_switches(gate, sg_str_from(s->app),
	    *s->stream ? sg_str_from(s->stream) : (struct sg_str){0}, &now);
	if ((publish ? now.publish_overridden : now.play_overridden) != (*s->value != '\0'))
		return false;
	return !*s->value ||
	       (publish ? now.publish_token : now.play_token) == !strcmp(s->value, "on");
}

/* What to do with each switch that a change names. */
typedef bool (*switch_step)(struct api_call *c, const struct sg_setting *s);

static bool store_switch(struct api_call *c, const struct sg_setting *s)
{
	char detail[sizeof(s->key) + sizeof(s->value)];

	if (sg_store_setting_set(c->store, s, c->now) != SG_OK) {
		api_store_failed(c, "changing a switch");
		return false;
	}
	snprintf(detail, sizeof(detail), "%s %s", s->key, *s->value ? s->value : "reset");
	api_audit(c, &(struct api_act){.event = "setting",
			 .app = sg_str_from(s->app),
			 .stream = sg_str_from(s->stream),
			 .type = !strcmp(s->key, "publish_token") ? SG_PUBLISH
				 : !strcmp(s->key, "play_token")  ? SG_PLAY
								  : 0,
			 .detail = detail});
	return true;
}

/* R8: at once. When the answer is sent, the gate has heard. */
static bool await_switch(struct api_call *c, const struct sg_setting *s)
{
	int64_t until_ms = sg_mono_ms() + IN_FORCE_MS;

	while (!is_in_force(c->api->cfg.gate, s) && sg_mono_ms() < until_ms)
		usleep(1000);
	return true;
}

/* The switches that `change` names; null instead of an object gives both back. */
static bool walk_switches(
    struct api_call *c, const char *app, const char *stream, const json_t *change, switch_step step)
{
	for (size_t i = 0; i < SWITCH_COUNT; i++) {
		const json_t *value =
		    json_is_null(change) ? change : json_object_get(change, switches[i].field);
		struct sg_setting s = {0};
		if (!value)
			continue;
		snprintf(s.app, sizeof(s.app), "%s", app);
		snprintf(s.stream, sizeof(s.stream), "%s", stream);
		snprintf(s.key, sizeof(s.key), "%s", switches[i].key);
		if (!json_is_null(value))
			snprintf(s.value, sizeof(s.value), "%s",
			    switches[i].is_word    ? json_string_value(value)
			    : json_is_true(value) ? "on"
						  : "off");
		if (!step(c, &s))
			return false;
	}
	return true;
}

static bool walk_change(struct api_call *c, const char *app, const json_t *body, switch_step step)
{
	const char *stream;
	json_t *value;

	if (!walk_switches(c, app, "", body, step))
		return false;
	json_object_foreach(json_object_get(body, "streams"), stream, value)
	{
		if (!walk_switches(c, app, stream, value, step))
			return false;
	}
	return true;
}

static bool change_app(struct api_call *c, const char *app, const json_t *body)
{
	if (!walk_change(c, app, body, store_switch))
		return false;
	sg_gate_poke(c->api->cfg.gate);
	return walk_change(c, app, body, await_switch);
}

/* ---- showing out those who came in without a token ---- */

struct leaving {
	struct api_call *c;
	const char *app;
	size_t ended;
};

static bool end_if_needed(void *user, const struct sg_session_info *s)
{
	struct leaving *l = user;
	struct sg_gate *gate = l->c->api->cfg.gate;

	if (!s->token_id && !s->by_admin && !strcmp(s->app, l->app) &&
	    sg_gate_needs_token(gate, sg_str_from(s->app), sg_str_from(s->stream), s->type))
		l->ended += sg_gate_end_sessions(
		    gate, &(struct sg_end_filter){.session_id = s->id}, SG_BYE_KICKED);
	return true;
}

/* All for whom a token is needed now, whichever switch says so. */
static size_t end_tokenless(struct api_call *c, const char *app)
{
	struct leaving l = {c, app, 0};
	char detail[64];

	if (!api_each_session(c->api->cfg.gate, 0, end_if_needed, &l))
		sg_log_warning("api: out of memory: sessions without a token stay");
	snprintf(detail, sizeof(detail), "%zu session%s without a token", l.ended,
	    l.ended == 1 ? "" : "s");
	if (l.ended)
		api_audit(c, &(struct api_act){
				 .event = "kicked", .app = sg_str_from(app), .detail = detail});
	return l.ended;
}

void api_apps_change(struct api_call *c)
{
	char app[SG_APP_MAX + 1];
	json_t *body, *object;

	if (!find_app(c, app) ||
	    !(body = api_body(c, app_fields, sizeof(app_fields) / sizeof(app_fields[0]))))
		return;
	if (check_record(c, body, true) && check_streams(c, json_object_get(body, "streams")) &&
	    change_app(c, app, body)) {
		size_t ended = json_is_true(json_object_get(body, "endSessions"))
				   ? end_tokenless(c, app)
				   : 0;
		if ((object = describe_app(c, app))) {
			json_object_set_new(object, "sessionsEnded", json_integer((json_int_t)ended));
			api_answer(c, 200, object);
		}
	}
	json_decref(body);
}
