/* token_create.c - new tokens: the one place where their secrets are shown. */
#include "api/api_internal.h"

#define COUNT_MAX 1000
#define LIFETIME_MAX_S (100ll * 365 * 86400)
#define RESUME_MAX_S 86400

static const struct api_field fields[] = {
    {"app", API_STRING},
    {"streamId", API_STRING},
    {"type", API_STRING},
    {"expiresIn", API_STRING | API_INTEGER},
    {"expireDate", API_INTEGER},
    {"maxUses", API_INTEGER},
    {"resume", API_STRING | API_INTEGER},
    {"label", API_STRING},
    {"count", API_INTEGER},
};

/* ---- what is wanted ---- */

static bool take_names(struct api_call *c, const json_t *body, struct sg_token *model)
{
	struct sg_str app = api_string(body, "app"), stream = api_string(body, "streamId");
	int type = SG_PLAY;

	if (!app.p)
		app = SG_STR("live");
	if (!api_is_app(c, app) || !api_is_stream(c, stream) ||
	    !api_is_type(c, api_string(body, "type"), &type))
		return false;
	if (!stream.p) {
		api_problem(c->req, 400, "'streamId' is needed: which stream is it to open?");
		return false;
	}
	if (!sg_gate_has_app(c->api->cfg.gate, app)) {
		api_problem(c->req, 400,
		    "'app': there is no application '%.*s': it needs a section [app %.*s] in the "
		    "configuration",
		    SG_STR_ARG(app), SG_STR_ARG(app));
		return false;
	}
	sg_str_copy(model->app, sizeof(model->app), app);
	sg_str_copy(model->stream, sizeof(model->stream), stream);
	model->type = (enum sg_token_type)type;
	return true;
}

static bool take_expiry(struct api_call *c, const json_t *body, struct sg_token *model)
{
	struct sg_app_config app = {.token_lifetime_ms = 86400000};
	const json_t *date = json_object_get(body, "expireDate");
	int64_t lifetime_s;

	if (date && json_object_get(body, "expiresIn")) {
		api_problem(c->req, 400, "'expiresIn' and 'expireDate' exclude each other");
		return false;
	}
	api_app_config(c->api, sg_str_from(model->app), &app);
	lifetime_s = (app.token_lifetime_ms + 999) / 1000;
	if (!api_seconds(c, body, "expiresIn", LIFETIME_MAX_S, &lifetime_s))
		return false;
	model->expires_at = date ? json_integer_value(date) : c->now + lifetime_s;
	if (date && model->expires_at <= c->now) {
		api_problem(c->req, 400, "'expireDate' is past: it is in Unix seconds");
		return false;
	}
	if (model->expires_at > c->now + LIFETIME_MAX_S) {
		api_problem(c->req, 400,
		    "'expireDate' is over a hundred years away: it is in Unix seconds");
		return false;
	}
	return true;
}

static bool take_label(struct api_call *c, const json_t *body, struct sg_token *model)
{
	struct sg_str label = api_string(body, "label");
	bool control = false;

	for (size_t i = 0; i < label.len; i++)
		control |= (unsigned char)label.p[i] < 0x20 || label.p[i] == 0x7f;
	if (label.len > SG_LABEL_MAX || control) {
		api_problem(c->req, 400,
		    "'label' must be at most %d bytes without control characters", SG_LABEL_MAX);
		return false;
	}
	sg_str_copy(model->label, sizeof(model->label), label.p ? label : SG_STR(""));
	return true;
}

static bool take_model(
    struct api_call *c, const json_t *body, struct sg_token *model, int64_t *count)
{
	int64_t max_uses = 1, resume_s = 0;

	*count = 1;
	*model = (struct sg_token){0};
	if (!take_names(c, body, model) || !take_expiry(c, body, model) ||
	    !take_label(c, body, model) ||
	    !api_integer(c, body, "maxUses", 1, SG_MAX_USES_MAX, &max_uses) ||
	    !api_seconds(c, body, "resume", RESUME_MAX_S, &resume_s) ||
	    !api_integer(c, body, "count", 1, COUNT_MAX, count))
		return false;
	model->max_uses = (uint32_t)max_uses;
	model->resume_s = (uint32_t)resume_s;
	snprintf(model->created_by, sizeof(model->created_by), "%s", c->who);
	return true;
}

/* ---- what is given ---- */

static json_t *new_token(
    struct api_call *c, const struct sg_token *model, const struct sg_token_key *key)
{
	const struct sg_api_config *cfg = &c->api->cfg;
	struct sg_token t = *model;
	char text[SG_TOKEN_TEXT_SIZE];

	t.id = key->id;
	t.created_at = c->now;
	sg_token_format(text, key);
	json_t *object = api_token(&t, c->now);
	if (json_object_set_new(object, "tokenId", json_string(text)) ||
	    json_object_set_new(object, "urls",
		api_urls(cfg->cfg, sg_http_public_url(cfg->http), api_served(cfg), &t, text))) {
		api_json_drop(object);
		object = NULL;
	}
	sg_wipe(text, sizeof(text));
	return object;
}

static void answer_tokens(
    struct api_call *c, const struct sg_token *model, const struct sg_token_key *keys, size_t count)
{
	char place[64], id[SG_ID_TEXT_SIZE];

	if (count == 1) {
		sg_id_format(id, keys[0].id);
		snprintf(place, sizeof(place), "/api/v1/tokens/%s", id);
		sg_http_add_header(c->req, "Location", place);
		api_answer(c, 201, new_token(c, model, &keys[0]));
		return;
	}
	json_t *items = json_array();
	bool ok = items != NULL;
	for (size_t i = 0; i < count && ok; i++)
		ok = !json_array_append_new(items, new_token(c, model, &keys[i]));
	if (!ok) {
		api_json_drop(items);
		items = NULL;
	}
	api_answer(c, 201, json_pack("{so}", "items", items));
}

void api_tokens_create(struct api_call *c)
{
	json_t *body = api_body(c, fields, sizeof(fields) / sizeof(fields[0]));
	struct sg_token model;
	int64_t count;

	if (!body)
		return;
	bool good = take_model(c, body, &model, &count) && !api_once_repeated(c);
	api_json_drop(body);
	if (!good)
		return;
	struct sg_token_key *keys = calloc((size_t)count, sizeof(*keys));
	if (!keys) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	if (sg_store_token_create(c->store, &model, c->now, keys, (size_t)count) == SG_OK) {
		api_once_note(c, keys, (size_t)count);
		answer_tokens(c, &model, keys, (size_t)count);
	} else {
		api_store_failed(c, "making tokens");
	}
	sg_wipe(keys, (size_t)count * sizeof(*keys));
	free(keys);
}
