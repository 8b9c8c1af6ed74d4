/* show.c - tokenctl show: all about one token, but its secret. */
#include "tokenctl.h"
#include <stdio.h>

static const struct ctl_column columns[] = {
    {"id", "id", CTL_TEXT, 0, 0},
    {"state", "state", CTL_TEXT, 0, 0},
    {"app", "app", CTL_TEXT, 0, 0},
    {"streamId", "stream", CTL_TEXT, 0, 0},
    {"type", "type", CTL_TEXT, 0, 0},
    {"uses", "uses", CTL_USES, 0, 0},
    {"maxUses", NULL, CTL_TEXT, 0, 0},
    {"label", "label", CTL_TEXT, 0, 0},
    {"createdAt", "created", CTL_TIME, 0, 0},
    {"createdBy", "created by", CTL_TEXT, 0, 0},
    {"expireDate", "expires", CTL_TIME, 0, 0},
    {"firstUsedAt", "first used", CTL_TIME, 0, 0},
    {"lastUsedAt", "last used", CTL_TIME, 0, 0},
    {"revokedAt", "revoked", CTL_TIME, 0, 0},
};

static int show_far(struct ctl *c)
{
	char path[64], id[SG_ID_TEXT_SIZE];
	struct sg_token t;
	json_t *token;
	int res = ctl_find_token(c, c->args[0], &t);

	if (res != CTL_DONE)
		return res;
	sg_id_format(id, t.id);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s", id);
	res = ctl_call(c, "GET", path, NULL, "", &token);
	if (res == CTL_UNKNOWN)
		return ctl_no_such_token(id);
	return res ? res
		   : ctl_print_record(c, columns, sizeof(columns) / sizeof(columns[0]), token);
}

int ctl_show_token(struct ctl *c)
{
	struct sg_token t;
	int res;

	if (c->remote)
		return show_far(c);
	if ((res = ctl_open_store(c)) || (res = ctl_find_token(c, c->args[0], &t)))
		return res;
	return ctl_print_record(
	    c, columns, sizeof(columns) / sizeof(columns[0]), ctl_json_token(c, &t));
}
