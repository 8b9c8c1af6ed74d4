/* config.h - the one INI file that all programs read (INTERFACE.md section 2).
 * A configuration is immutable once loaded; share it freely, free it last. */
#ifndef SG_BASE_CONFIG_H
#define SG_BASE_CONFIG_H

#include "base/addr.h"
#include "base/text.h"

enum sg_session_lock { SG_LOCK_MOVING, SG_LOCK_STRICT, SG_LOCK_OFF };
enum sg_record { SG_RECORD_OFF, SG_RECORD_ON, SG_RECORD_ASK };

struct sg_app_config {
	char name[SG_APP_MAX + 1];
	bool publish_token, play_token; /* initial values; the store's rule afterwards */
	enum sg_record record;
	int64_t token_lifetime_ms;
	int64_t resume_window_ms; /* R13; 0 = off */
	bool expiry_ends_session; /* R7 */
	enum sg_session_lock session_lock; /* R5 */
	bool transcode_video; /* H.264 with B-frames is made playable over WebRTC */
	char *srt_passphrase;              /* NULL: SRT is not encrypted; a secret */
	char *forward; /* NULL: streams stay here; may hold secrets, and "{stream}" */
};

enum sg_pull_when { SG_PULL_WATCHED, SG_PULL_ALWAYS };

/* A stream that comes from another server. */
struct sg_pull_config {
	char stream[SG_STREAM_MAX + 1], app[SG_APP_MAX + 1];
	char *url; /* may hold secrets */
	enum sg_pull_when when;
};

#define SG_GATHER_AUTO (-1)

struct sg_config {
	char *path;      /* the file read, or NULL for the built-in defaults */
	char *store_url; /* "sqlite:/..." */
	struct sg_listen_list http_listen, http_tls_listen;
	char *http_tls_cert, *http_tls_key;
	char *public_url;   /* NULL: from the listener */
	int64_t hls_part_ms; /* 0 = no parts */
	struct sg_cidr_list admin_allow, compat_allow, trusted_proxies;
	char *admin_socket; /* Unix socket for tokenctl; default: streamd.sock beside the store */
	struct sg_listen_list rtmp_listen, rtmp_tls_listen;
	int64_t rtmp_gather_ms; /* SG_GATHER_AUTO, or how long writes to viewers are gathered */
	struct sg_listen_list srt_listen, webrtc_listen;
	int64_t srt_latency_ms;
	char *webrtc_public_ip;
	char *webrtc_ice_servers; /* NULL: none; else "stun:a:3478,turn:b?transport=udp" (RFC 7064, 7065) */
	char *webrtc_turn_username, *webrtc_turn_credential; /* both or none; the latter a secret */
	char *recording_path;
	int64_t recording_min_free, recording_max_size; /* bytes; max_size 0 = no limit */
	int64_t recording_keep_ms; /* 0 = for ever */
	char *relay_tls_ca; /* PEM; NULL: the system's authorities */
	struct sg_app_config *apps; /* "live" is always there */
	size_t app_count;
	struct sg_pull_config *pulls;
	size_t pull_count;
};

/* Loads `path`, or when NULL: $STREAMGATE_CONFIG, else /etc/streamgate/streamgate.conf if it
 * exists, else the defaults. On any result but SG_OK *out is NULL and `error` says in one
 * line what is wrong, where (file:line) and what to do:
 *   SG_ERR_CONFIG  the file's text is wrong
 *   SG_ERR_IO      the file cannot be read */
SG_MUST_CHECK enum sg_result sg_config_load(struct sg_config **out, const char *path, char *error,
    size_t error_size);
/* The same from text, for tests and fuzzing; `name` stands for the file. */
SG_MUST_CHECK enum sg_result sg_config_parse(struct sg_config **out, const char *name,
    struct sg_str text, char *error, size_t error_size);
void sg_config_free(struct sg_config *cfg);
/* The application's section, or NULL when there is none. */
const struct sg_app_config *sg_config_app(const struct sg_config *cfg, struct sg_str app);

/* Prints what is in effect, in the file's own form, defaults included; the password of a store's
 * url is "[redacted]". */
void sg_config_print(const struct sg_config *cfg, struct sg_buf *out);

/* Every key the file may hold; drives the parser, sg_config_print, the manual's test. */
struct sg_config_key {
	const char *section, *key, *fallback, *help;
};
const struct sg_config_key *sg_config_keys(size_t *count);

#endif
