/* purge.c - tokenctl purge: deletes tokens that can never admit again. */
#include "tokenctl.h"
#include <time.h>

/* Small steps with pauses: uses get through in between (a use waits for the writer's lock). */
#define STEP 500
#define PAUSE_NS 2000000

int ctl_purge(struct ctl *c)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct ctl_progress progress;
	int64_t age_s = 0;
	uint64_t total = 0;
	size_t purged;
	int res;

	if ((res = ctl_get_duration(c, OPT_OLDER_THAN, 0, 100ll * 365 * 86400, &age_s)) ||
	    (res = ctl_open_store(c)))
		return res;
	ctl_progress_start(&progress, c);
	do {
		if (sg_store_token_purge(c->store, c->now + 1 - age_s, c->now, STEP, &purged) !=
		    SG_OK) {
			ctl_progress_end(&progress);
			return ctl_store_failed(c, "purge the tokens");
		}
		total += purged;
		ctl_progress_show(&progress, "tokens purged:", total, 0);
		if (purged)
			nanosleep(&pause, NULL);
	} while (purged && !ctl_interrupted());
	ctl_progress_end(&progress);
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sI}", "purged", (json_int_t)total));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(c, "%llu\n", (unsigned long long)total);
	else
		ctl_printf(
		    c, "%llu token%s purged\n", (unsigned long long)total, total == 1 ? "" : "s");
	return CTL_DONE;
}
