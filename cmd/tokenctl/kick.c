/* kick.c - tokenctl kick: ends one session. Its token stays as spent as it is. */
#include "tokenctl.h"
#include <stdio.h>

int ctl_kick(struct ctl *c)
{
	const char *id = c->args[0];
	char path[64];
	uint64_t number;
	json_t *body;
	int status, res;

	if (!sg_id_parse(sg_str_from(id), &number))
		return ctl_fail(CTL_UNKNOWN,
		    "there is no session '%s': 'tokenctl sessions' lists them", CTL_SHOW(id));
	snprintf(path, sizeof(path), "/api/v1/sessions/%s", id);
	if ((res = ctl_ask_streamd(c, "DELETE", path, &status, &body)) != CTL_DONE)
		return res;
	json_decref(body);
	if (status == 404)
		return ctl_fail(CTL_UNKNOWN,
		    "there is no session '%s': 'tokenctl sessions' lists them", CTL_SHOW(id));
	if (status / 100 != 2)
		return ctl_fail(CTL_FAILED,
		    "streamd refused to end the session (HTTP status %d): "
		    "look at its log",
		    status);
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sb ss}", "success", 1, "id", id));
	else
		ctl_printf(c, ctl_format(c) == CTL_TABLE ? "session %s ended\n" : "%s\n", id);
	return CTL_DONE;
}
