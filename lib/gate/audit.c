/* audit.c - rows for the audit, queued for the commit thread. */
#include "gate/gate_internal.h"

void sg_gate_audit_session(struct sg_session *s, const char *event, const char *reason,
    const char *detail, struct sg_audit *row)
{
	*row = (struct sg_audit){
	    .at_ms = sg_wall_ms(), .token_id = s->token_id, .type = (uint8_t)s->type};
	memcpy(row->app, s->app, sizeof(row->app));
	memcpy(row->stream, s->stream, sizeof(row->stream));
	snprintf(row->protocol, sizeof(row->protocol), "%s", s->protocol);
	sg_addr_format(row->address, &s->peer);
	snprintf(row->event, sizeof(row->event), "%s", event);
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
	snprintf(row->detail, sizeof(row->detail), "%s", detail);
	sg_id_format(row->session, s->id);
}

void sg_gate_audit_push(struct sg_gate *g, const struct sg_audit *row)
{
	struct audit_node *node = malloc(sizeof(*node));

	pthread_mutex_lock(&g->commits.lock);
	if (node && g->audit_count < SG_GATE_AUDIT_QUEUE_MAX) {
		node->row = *row;
		node->next = NULL;
		*g->audit_tail = node;
		g->audit_tail = &node->next;
		g->audit_count++;
		node = NULL;
		pthread_cond_signal(&g->commits.wake);
	} else {
		atomic_fetch_add(&g->audit_dropped, 1);
	}
	pthread_mutex_unlock(&g->commits.lock);
	free(node);
}

void sg_gate_audit(struct sg_gate *g, const struct sg_audit *row)
{
	sg_gate_audit_push(g, row);
}

void sg_gate_on_audit(struct sg_gate *g, void (*each)(void *, const struct sg_audit *), void *user)
{
	pthread_mutex_lock(&g->lock);
	g->on_audit = each;
	g->on_audit_user = user;
	pthread_mutex_unlock(&g->lock);
}
