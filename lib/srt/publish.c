/* publish.c - a publisher's thread: MPEG-TS in, through libavformat, frames to the hub. */
#include "media/intake.h"
#include "srt/srt_internal.h"
#include <unistd.h>

#define RECEIVE_MS 200 /* how often a silent one is looked at */
#define SILENT_MS 30000
/* libsrt takes a line for broken after 5 s without anything. Whoever says goodbye does it while there is
 * something: so we tell the two apart, which libsrt does not. */
#define BROKEN_MS 4000
/* When a publisher comes back (R13), the one that hangs may still be leaving. */
#define RETRY_US 20000
#define RETRIES 50

/* ---- the source ---- */

static bool is_stopped(void *user)
{
	struct srt_peer *p = user;

	if (atomic_load_explicit(&p->stop, memory_order_relaxed))
		return true;
	if (p->publisher || sg_mono_ms() < p->media_by_ms)
		return false;
	p->thread_bye = SG_BYE_NO_MEDIA;
	return true;
}

static void receive(struct srt_peer *p)
{
	int n = srt_recvmsg(p->sock, (char *)p->message, sizeof(p->message));

	p->message_at = 0;
	p->message_len = n > 0 ? n : 0;
	if (n > 0) {
		p->heard_ms = sg_mono_ms();
		p->bytes += (uint64_t)n;
		sg_session_add_bytes(p->session, (uint64_t)n);
		atomic_fetch_add_explicit(
		    &p->lane->srv->bytes_in, (unsigned)n, memory_order_relaxed);
		return;
	}
	int why = n < 0 ? srt_getlasterror(NULL) : SRT_ECONNLOST,
	    silent_ms = (int)(sg_mono_ms() - p->heard_ms);
	if (why == SRT_ETIMEOUT || why == SRT_EASYNCRCV) {
		if (silent_ms > SILENT_MS) {
			p->thread_bye = SG_BYE_BROKEN;
			p->message_len = -1;
		}
		return;
	}
	p->thread_bye = silent_ms > BROKEN_MS ? SG_BYE_BROKEN : SG_BYE_CLOSED;
	p->message_len = -1;
}

static int read_source(void *user, uint8_t *out, int size)
{
	struct srt_peer *p = user;

	while (p->message_at >= p->message_len) {
		if (p->message_len < 0 || is_stopped(p))
			return -1;
		receive(p);
	}
	int n = p->message_len - p->message_at;
	if (n > size)
		n = size;
	memcpy(out, p->message + p->message_at, (size_t)n);
	p->message_at += n;
	return n;
}

/* ---- the gate ---- */

/* Media is here: the use is spent now, and nothing is taken on before that is durable. */
static enum sg_reason commit(struct srt_peer *p)
{
	sg_gate_commit(p->session);
	pthread_mutex_lock(&p->lock);
	while (p->verdict == SG_REASON_COUNT && !atomic_load(&p->stop))
		pthread_cond_wait(&p->told, &p->lock);
	enum sg_reason verdict = atomic_load(&p->stop) ? SG_OVERLOAD : p->verdict;
	pthread_mutex_unlock(&p->lock);
	return verdict;
}

void srt_publisher_told(struct srt_peer *p, enum sg_reason verdict)
{
	pthread_mutex_lock(&p->lock);
	p->verdict = verdict;
	pthread_cond_signal(&p->told);
	pthread_mutex_unlock(&p->lock);
}

/* ---- the thread ---- */

static bool start_stream(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;
	struct sg_str app = sg_str_from(sg_session_app(p->session)),
		      stream = sg_str_from(sg_session_stream(p->session));
	enum sg_result res;
	char id[SG_SESSION_ID_SIZE];
	int tries = 0;

	while ((res = sg_hub_publish(srv->cfg.hub, app, stream, "srt", &p->publisher)) ==
		   SG_ERR_EXISTS &&
	       tries++ < RETRIES && !atomic_load(&p->stop))
		usleep(RETRY_US);
	if (res != SG_OK) {
		sg_log_warning("srt %s: cannot publish %s/%s: %s", p->name, app.p, stream.p,
		    sg_result_text(res));
		return false;
	}
	sg_session_id(p->session, id);
	sg_log_info("srt %s: publishes %s/%s, session %s", p->name, app.p, stream.p, id);
	atomic_fetch_add(&srv->publishers, 1);
	return true;
}

static void bad_input(struct srt_peer *p, const char *what)
{
	sg_log_limited(
	    SG_LOG_WARNING, "srt %s: closed: what it sends cannot be taken: %s", p->name, what);
	atomic_fetch_add(&p->lane->srv->bad_input, 1);
	p->thread_bye = SG_BYE_BAD_INPUT;
}

static enum sg_result carry(struct srt_peer *p, struct sg_intake *in, struct sg_frame *f, const char **why)
{
	enum sg_result res;

	*why = "media that is malformed";
	if (sg_intake_has_pictures(in))
		sg_publisher_expect_pictures(p->publisher);
	while ((res = sg_publisher_write(p->publisher, f)) == SG_OK) {
		if ((res = sg_intake_next(in, &f)) != SG_OK) {
			*why = sg_intake_trouble(in);
			break;
		}
	}
	return res;
}

static void serve(struct srt_peer *p)
{
	struct sg_intake_config cfg = {
	    .read = read_source, .format = "mpegts", .stop = is_stopped, .user = p};
	struct sg_intake *in;
	struct sg_frame *first = NULL;
	const char *why;
	enum sg_result res = sg_intake_open(&in, &cfg, &why);

	if (res == SG_OK) {
		why = "this is no media";
		res = sg_intake_next(in, &first);
	}
	if (res == SG_OK) {
		if (commit(p) == SG_ADMITTED && start_stream(p)) {
			res = carry(p, in, first, &why);
			sg_log_info("srt %s: no longer publishes %s/%s", p->name,
			    sg_session_app(p->session), sg_session_stream(p->session));
		} else {
			sg_frame_unref(first);
		}
	}
	if (res != SG_OK && res != SG_ERR_CLOSED && !atomic_load(&p->stop))
		bad_input(p, why);
	sg_intake_close(in);
}

static void *run(void *arg)
{
	struct srt_peer *p = arg;
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);

	p->heard_ms = sg_mono_ms();
	p->media_by_ms = p->heard_ms + p->lane->srv->first_media_ms;
	p->thread_bye = SG_BYE_CLOSED;
	serve(p);
	sg_publisher_close(p->publisher, p->thread_bye != SG_BYE_BROKEN);
	ex->post(ex, &p->finished); /* the last thing: it may be freed from here on */
	return NULL;
}

bool srt_publisher_start(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;
	bool wait = true;
	int timeout_ms = RECEIVE_MS;

	if (atomic_fetch_add(&srv->publisher_threads, 1) >= PUBLISHERS_MAX ||
	    srt_setsockflag(p->sock, SRTO_RCVSYN, &wait, sizeof(wait)) != 0 ||
	    srt_setsockflag(p->sock, SRTO_RCVTIMEO, &timeout_ms, sizeof(timeout_ms)) != 0 ||
	    pthread_create(&p->thread, NULL, run, p) != 0) {
		atomic_fetch_sub(&srv->publisher_threads, 1);
		return false;
	}
	pthread_setname_np(p->thread, "sg-srt-in");
	p->has_thread = true;
	return true;
}

void srt_publisher_stop(struct srt_peer *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	pthread_cond_signal(&p->told);
	pthread_mutex_unlock(&p->lock);
	srt_close(p->sock); /* wakes it where it receives */
}

void srt_publisher_join(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;

	pthread_join(p->thread, NULL);
	p->has_thread = false;
	p->counted = p->publisher != NULL;
	atomic_fetch_sub(&srv->publisher_threads, 1);
}
