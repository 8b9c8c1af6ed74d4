/* show.c - tokenctl show: all about one token, but its secret. */
#include "tokenctl.h"

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

int ctl_show_token(struct ctl *c)
{
	struct sg_token t;
	int res;

	if ((res = ctl_open_store(c)) || (res = ctl_find_token(c, c->args[0], &t)))
		return res;
	return ctl_print_record(
	    c, columns, sizeof(columns) / sizeof(columns[0]), ctl_json_token(c, &t));
}
