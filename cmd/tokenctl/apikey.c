/* apikey.c - tokenctl apikey create, list, revoke: keys for the REST interface. */
#include "tokenctl.h"
#include <stdio.h>
#include <stdlib.h>

#define KEYS_MAX 10000

static const struct ctl_column columns_of_new[] = {
    {"key", "key", CTL_TEXT, 0, 0},
    {"id", "id", CTL_TEXT, 0, 0},
    {"scope", "scope", CTL_TEXT, 0, 0},
    {"label", "label", CTL_TEXT, 0, 0},
};

static const struct ctl_column columns[] = {
    {"id", "ID", CTL_TEXT, 13, 0},
    {"scope", "SCOPE", CTL_TEXT, 0, 0},
    {"createdAt", "CREATED", CTL_TIME, 0, 0},
    {"revokedAt", "REVOKED", CTL_TIME, 0, 0},
    {"label", "LABEL", CTL_TEXT, 0, 0},
};

static json_t *key_object(const struct sg_apikey *k)
{
	return json_pack("{so ss so so so}", "id", ctl_json_id(k->id), "scope",
	    sg_scope_name(k->scope), "label", ctl_json_text(k->label), "createdAt",
	    ctl_json_time(k->created_at), "revokedAt", ctl_json_time(k->revoked_at));
}

static void note(struct ctl *c, const char *what, const struct sg_apikey *k)
{
	char id[SG_ID_TEXT_SIZE], detail[100];

	sg_id_format(id, k->id);
	snprintf(detail, sizeof(detail), "API key %s (%s) %s", id, sg_scope_name(k->scope), what);
	ctl_audit(c, "setting", NULL, SG_STR(""), SG_STR(""), 0, detail);
}

static int print_new(struct ctl *c, const struct sg_apikey *k, const char *secret)
{
	if (c->opt[OPT_QUIET] && !c->opt[OPT_JSON]) {
		ctl_printf(c, "%s\n", secret);
		return CTL_DONE;
	}
	json_t *object = key_object(k);
	if (object)
		json_object_set_new(object, "key", json_string(secret));
	return ctl_print_record(c, columns_of_new, 4, object);
}

int ctl_apikey_create(struct ctl *c)
{
	enum sg_scope scope = SG_SCOPE_ADMIN;
	char label[SG_LABEL_MAX + 1] = "", secret[SG_APIKEY_TEXT_SIZE];
	const char *text = c->opt[OPT_SCOPE];
	struct sg_apikey k;
	int res;

	if (text && !sg_scope_parse(sg_str_from(text), &scope))
		return ctl_fail(
		    CTL_USAGE, "there is no scope '%s': use admin, tokens or read", CTL_SHOW(text));
	if ((res = ctl_get_label(c, label)) || (res = ctl_open_store(c)))
		return res;
	if (sg_store_apikey_create(c->store, scope, sg_str_from(label), c->now, &k, secret) !=
	    SG_OK)
		return ctl_store_failed(c, "make the key");
	note(c, "made", &k);
	res = print_new(c, &k, secret);
	sg_wipe(secret, sizeof(secret));
	if (!ctl_flush(c)) {
		char id[SG_ID_TEXT_SIZE];
		sg_id_format(id, k.id);
		c->out_error = 0;
		return ctl_fail(CTL_FAILED,
		    "cannot write out the key made: end it with 'tokenctl apikey "
		    "revoke %s'",
		    id);
	}
	return res;
}

/* All keys; the caller frees *out. */
static int load_keys(struct ctl *c, struct sg_apikey **out, size_t *count)
{
	int res = ctl_open_store(c);

	*out = NULL;
	if (res != CTL_DONE)
		return res;
	if (!(*out = calloc(KEYS_MAX, sizeof(**out))))
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (sg_store_apikey_list(c->store, *out, KEYS_MAX, count) != SG_OK)
		return ctl_store_failed(c, "list the keys");
	return CTL_DONE;
}

int ctl_apikey_list(struct ctl *c)
{
	struct sg_apikey *keys;
	size_t count = 0;
	int res = load_keys(c, &keys, &count);

	if (res == CTL_DONE) {
		struct ctl_rows *rows = ctl_rows_open(c, columns, 5, false);
		for (size_t i = 0; rows && i < count && ctl_rows_add(rows, key_object(&keys[i]));
		     i++)
			;
		res = ctl_rows_close(rows, NULL);
	}
	free(keys);
	return res;
}

int ctl_apikey_revoke(struct ctl *c)
{
	const char *text = c->args[0];
	struct sg_apikey *keys;
	size_t count = 0, i = 0;
	uint64_t id = 0;
	int res = load_keys(c, &keys, &count);

	if (res == CTL_DONE) {
		bool shaped = sg_id_parse(sg_str_from(text), &id);
		while (i < count && keys[i].id != id)
			i++;
		if (!shaped || i == count)
			res = ctl_fail(CTL_UNKNOWN,
			    "there is no key '%s': 'tokenctl apikey list' shows them",
			    CTL_SHOW(text));
		else if (!keys[i].revoked_at &&
			 sg_store_apikey_revoke(c->store, id, c->now) != SG_OK)
			res = ctl_store_failed(c, "revoke the key");
		else if (!keys[i].revoked_at)
			note(c, "revoked", &keys[i]);
	}
	free(keys);
	if (res != CTL_DONE)
		return res;
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{so sb}", "id", ctl_json_id(id), "revoked", 1));
	else
		ctl_printf(c, ctl_format(c) == CTL_TABLE ? "key %s revoked\n" : "%s\n", text);
	return CTL_DONE;
}
