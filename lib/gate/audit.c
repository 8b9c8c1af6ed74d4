/* audit.c - rows for the audit, queued for the commit thread. */
#include "gate/gate_internal.h"

/* What snprintf's "%s" does, without what it costs: rows are made at every admission. */
static void put(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(out, text, len);
	out[len] = '\0';
}

void sg_gate_audit_session(struct sg_session *s, const char *event, const char *reason,
    const char *detail, struct sg_audit *row)
{
	*row = (struct sg_audit){
	    .at_ms = sg_wall_ms(), .token_id = s->token_id, .type = (uint8_t)s->type};
	memcpy(row->app, s->app, sizeof(row->app));
	memcpy(row->stream, s->stream, sizeof(row->stream));
	put(row->protocol, sizeof(row->protocol), s->protocol);
	sg_addr_format(row->address, &s->peer);
	put(row->event, sizeof(row->event), event);
	put(row->reason, sizeof(row->reason), reason);
	put(row->detail, sizeof(row->detail), detail);
	sg_id_format(row->session, s->id);
}

static void push(struct sg_gate *g, const struct sg_audit *row, bool urgent)
{
	struct audit_node *node = malloc(sizeof(*node));
	size_t max = urgent || row->token_id ? SG_GATE_AUDIT_QUEUE_MAX : SG_GATE_AUDIT_QUEUE_OPEN;

	pthread_mutex_lock(&g->commits.lock);
	if (node && g->audit_count < max) {
		node->row = *row;
		node->next = NULL;
		*g->audit_tail = node;
		g->audit_tail = &node->next;
		g->audit_urgent |= urgent;
		if (g->audit_count++ == 0 || urgent || g->audit_count >= SG_GATE_AUDIT_MANY)
			pthread_cond_signal(&g->commits.wake);
		node = NULL;
	} else {
		atomic_fetch_add(&g->audit_dropped, 1);
	}
	pthread_mutex_unlock(&g->commits.lock);
	free(node);
}

void sg_gate_audit_push(struct sg_gate *g, const struct sg_audit *row)
{
	push(g, row, false);
}

/* What an administrator has just done is there when he looks. */
void sg_gate_audit(struct sg_gate *g, const struct sg_audit *row)
{
	push(g, row, true);
}

void sg_gate_on_audit(struct sg_gate *g, void (*each)(void *, const struct sg_audit *), void *user)
{
	pthread_mutex_lock(&g->lock);
	g->on_audit = each;
	g->on_audit_user = user;
	pthread_mutex_unlock(&g->lock);
}
