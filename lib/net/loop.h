/* loop.h - event loops: one thread each, on libuv, owning their connections.
 *
 * A loop is an executor (base/task.h): posting to it is how other threads reach what it owns.
 * Everything else here is to be called on the loop's own thread, unless said otherwise. No
 * callback may block. */
#ifndef SG_NET_LOOP_H
#define SG_NET_LOOP_H

#include "base/addr.h"
#include "base/task.h"
#include <stddef.h>
#include <sys/uio.h>

struct sg_loop;

/* Creates a loop and its thread, named `name` (15 characters). Any thread. */
SG_MUST_CHECK enum sg_result sg_loop_start(struct sg_loop **out, const char *name);
/* Runs what has been posted, closes what is left, joins the thread, frees. Not on the loop. */
void sg_loop_stop(struct sg_loop *loop); /* NULL allowed */
struct sg_executor *sg_loop_executor(struct sg_loop *loop); /* any thread */
/* Runs fn on the loop and waits for it to return. Not on the loop; for start-up and tests. */
void sg_loop_call(struct sg_loop *loop, void (*fn)(void *user), void *user);
int64_t sg_loop_now_ms(struct sg_loop *loop); /* monotonic, as of this turn of the loop */
bool sg_loop_is_current(const struct sg_loop *loop); /* any thread */

/* Processors this process may use: how many loops to start. */
unsigned sg_cpu_count(void);

/* ---- timers ---- */

struct sg_timer;
/* One-shot when repeat_ms is 0. The timer is owned by the caller until sg_timer_close. */
SG_MUST_CHECK enum sg_result sg_timer_open(struct sg_timer **out, struct sg_loop *loop,
    void (*fire)(void *user), void *user);
void sg_timer_start(struct sg_timer *t, int64_t delay_ms, int64_t repeat_ms); /* restarts too */
void sg_timer_stop(struct sg_timer *t);
void sg_timer_close(struct sg_timer *t); /* NULL allowed; no fire after it */

/* ---- a connected socket ---- */

/* A conn owns a non-blocking stream socket. It reports readiness; whoever owns the conn reads
 * and writes with the calls below. */
struct sg_conn;
struct sg_conn_events {
	void (*readable)(void *user);
	void (*writable)(void *user); /* only while sg_conn_want_write is on */
};
/* Takes `fd` on SG_OK only. Reading is on, writing off. */
SG_MUST_CHECK enum sg_result sg_conn_open(struct sg_conn **out, struct sg_loop *loop, int fd,
    const struct sg_conn_events *events, void *user);
/* The same with TLS on it, as its server. The handshake goes on by itself, for ten seconds at most;
 * `readable` is first called when it is over: sg_conn_read tells how it went. */
struct sg_tls;
SG_MUST_CHECK enum sg_result sg_conn_open_tls(struct sg_conn **out, struct sg_loop *loop, int fd,
    struct sg_tls *tls, const struct sg_conn_events *events, void *user);
/* Closes the socket; no event after it. May be called inside an event. NULL allowed. */
void sg_conn_close(struct sg_conn *c);
void sg_conn_abort(struct sg_conn *c); /* like close, but what is still unsent is thrown away */
void sg_conn_finish(struct sg_conn *c); /* says that we send no more; reading goes on */
/* Like close, but gives the socket back, no longer watched. Not with TLS. */
int sg_conn_release(struct sg_conn *c);
void sg_conn_want_read(struct sg_conn *c, bool on);
void sg_conn_want_write(struct sg_conn *c, bool on);
/* `readable` only when so many bytes have come, or the end (SO_RCVLOWAT; with TLS sealed bytes); 1 at first. The
 * kernel may tell of fewer when its buffer is nearly full. */
void sg_conn_want_at_least(struct sg_conn *c, int bytes);
/* Bytes moved; 0 = would block (or iovcnt 0); -1 = closed or broken (read: also the peer's
 * end). */
ssize_t sg_conn_read(struct sg_conn *c, void *buf, size_t size);
ssize_t sg_conn_writev(struct sg_conn *c, const struct iovec *iov, int iovcnt);
int sg_conn_fd(const struct sg_conn *c); /* stays the conn's */
/* For whoever writes the same to many: the socket, to which sg_socket_send() writes as sg_conn_writev() would; -1
 * where it would not (TLS, or closed). */
int sg_conn_plain_fd(const struct sg_conn *c);
ssize_t sg_socket_send(int fd, const void *p, size_t len);
const struct sg_addr *sg_conn_peer(const struct sg_conn *c);
const char *sg_conn_peer_text(const struct sg_conn *c); /* "192.0.2.1:50000" */

/* ---- listening ---- */

/* Accepts on every address of the list, spread over the loops in turn; `accepted` runs on the
 * chosen loop and owns fd (non-blocking, close-on-exec, TCP_NODELAY set). When descriptors run
 * out, accepting pauses for 100 ms and says so in one log line. */
struct sg_listener;
typedef void (*sg_accepted)(void *user, struct sg_loop *loop, int fd);
/* `bound`, when not NULL, is called for each address with the port actually taken, on the calling
 * thread. On failure `error` says which address and why ("address already in use: stop the
 * other server or choose another port"). Any thread. */
SG_MUST_CHECK enum sg_result sg_listener_open(struct sg_listener **out,
    const struct sg_listen_list *addresses, struct sg_loop *const *loops, size_t loop_count,
    sg_accepted accepted, void *user, void (*bound)(void *user, const struct sockaddr *sa),
    void *bound_user, char *error, size_t error_size);
/* Returns when no `accepted` runs or will run. Not on a loop. NULL allowed. */
void sg_listener_close(struct sg_listener *l);

/* ---- datagrams ---- */

/* A bound UDP socket. Several may share an address (`shared`): the kernel then deals out datagrams by
 * the sender's address and port, always to the same one. */
struct sg_udp;
struct sg_udp_events {
	/* `p` may be written to; `to` is the address it was sent to (the port is ours), family 0 where
	 * the kernel does not say. Called in a row for everything that is there, then `drained`. */
	void (*datagram)(void *user, uint8_t *p, size_t len, const struct sockaddr *from,
	    const struct sockaddr *to);
	void (*drained)(void *user); /* NULL allowed */
};
/* On failure `error` is one line, as with sg_listener_open. Any thread while the loop runs nothing
 * of the owner's. */
SG_MUST_CHECK enum sg_result sg_udp_open(struct sg_udp **out, const struct sg_listen *at, bool shared,
    char *error, size_t error_size);
/* Begins to read, on the loop. */
SG_MUST_CHECK enum sg_result sg_udp_start(
    struct sg_udp *u, struct sg_loop *loop, const struct sg_udp_events *events, void *user);
void sg_udp_close(struct sg_udp *u); /* on the loop once started; NULL allowed */
void sg_udp_address(const struct sg_udp *u, struct sg_listen *out); /* as bound */
#define SG_UDP_DATAGRAM_MAX 2048 /* what is longer is thrown away when received */

/* A run of datagrams for one peer: all of `segment` bytes but for the last, which may be shorter;
 * together at most SG_UDP_RUN_MAX bytes and SG_UDP_RUN_SEGMENTS. */
struct sg_udp_run {
	const uint8_t *p;
	size_t len, segment;
};
#define SG_UDP_RUN_MAX 65000
#define SG_UDP_RUN_SEGMENTS 60
/* Sends runs to `to` from the local address `from` (NULL: the kernel chooses), in one call for all
 * where the kernel cuts them (UDP_SEGMENT), else datagram by datagram. Answers how many runs have
 * gone whole; fewer: the socket is full, or the way there is broken. The loop's thread. */
size_t sg_udp_send(struct sg_udp *u, const struct sockaddr *to, const struct sockaddr *from,
    const struct sg_udp_run *runs, size_t count);

#endif
