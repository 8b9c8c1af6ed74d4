/* config_internal.h - shared by config.c (the file, its lines, the defaults) and config_values.c
 * (what a value may be). */
#ifndef SG_BASE_CONFIG_INTERNAL_H
#define SG_BASE_CONFIG_INTERNAL_H

#include "base/config.h"

/* Where the data is when root runs it. Whoever else does has it elsewhere: defaults that begin
 * so are moved there. */
#define CONFIG_DATA_DIR "/var/lib/streamgate"
#define CONFIG_APP_SECTION "app"
#define CONFIG_PULL_SECTION "pull"

enum config_kind {
	CONFIG_STORE_URL,
	CONFIG_PATH, /* may be empty: none */
	CONFIG_DIR, /* a path that may not be empty */
	CONFIG_LISTEN, /* addresses; empty: off */
	CONFIG_NETS,
	CONFIG_PUBLIC_URL,
	CONFIG_IP,
	CONFIG_GATHER,
	CONFIG_LATENCY,
	CONFIG_PART,
	CONFIG_SIZE, /* bytes, in int64_t */
	CONFIG_KEEP,
	CONFIG_ICE, /* URLs of STUN and TURN servers */
	CONFIG_QUOTED, /* a text that may stand between quotes in a header */
	CONFIG_CREDENTIAL, /* such a one that is a secret */
	/* Those of applications, in struct sg_app_config: */
	CONFIG_SWITCH,
	CONFIG_RECORD,
	CONFIG_LIFETIME,
	CONFIG_WINDOW,
	CONFIG_LOCK,
	CONFIG_PASSPHRASE,
	CONFIG_FORWARD,
	/* Those of pulls, in struct sg_pull_config: */
	CONFIG_SOURCE,
	CONFIG_APP_NAME,
	CONFIG_WHEN,
};

/* section, key, default, help, kind, where it is kept. The only list of keys. */
#define CONFIG_KEYS(GLOBAL, APP, PULL)                                                             \
	GLOBAL("store", "url", "sqlite:" CONFIG_DATA_DIR "/streamgate.db",                         \
	    "where tokens, switches and the audit are kept", CONFIG_STORE_URL, store_url)          \
	GLOBAL("http", "listen", "0.0.0.0:5080", "addresses of HTTP; empty: off", CONFIG_LISTEN,   \
	    http_listen)                                                                           \
	GLOBAL("http", "tls_listen", "", "addresses of HTTPS; needs tls_cert and tls_key",         \
	    CONFIG_LISTEN, http_tls_listen)                                                        \
	GLOBAL("http", "tls_cert", "", "certificate chain, PEM", CONFIG_PATH, http_tls_cert)       \
	GLOBAL("http", "tls_key", "", "private key, PEM", CONFIG_PATH, http_tls_key)               \
	GLOBAL("http", "public_url", "", "what printed URLs start with; default from listen",      \
	    CONFIG_PUBLIC_URL, public_url)                                                         \
	GLOBAL("http", "hls_part", "200ms", "length of HLS's parts; 0: without low latency",       \
	    CONFIG_PART, hls_part_ms)                                                              \
	GLOBAL("admin", "allow", "127.0.0.0/8, ::1", "who may reach the panel and the REST calls", \
	    CONFIG_NETS, admin_allow)                                                              \
	GLOBAL("admin", "compat_allow", "",                                                        \
	    "who may call the compatible REST without credentials", CONFIG_NETS, compat_allow)     \
	GLOBAL("admin", "trusted_proxies", "", "whose X-Forwarded-For is believed", CONFIG_NETS,   \
	    trusted_proxies)                                                                       \
	GLOBAL("admin", "socket", CONFIG_DATA_DIR "/streamd.sock",                                 \
	    "Unix socket for tokenctl; default beside the store", CONFIG_PATH, admin_socket)       \
	GLOBAL("rtmp", "listen", "0.0.0.0:1935", "addresses of RTMP; empty: off", CONFIG_LISTEN,   \
	    rtmp_listen)                                                                           \
	GLOBAL("rtmp", "tls_listen", "", "addresses of RTMPS; needs [http] tls_cert and tls_key",  \
	    CONFIG_LISTEN, rtmp_tls_listen)                                                        \
	GLOBAL("rtmp", "gather", "auto",                                                           \
	    "how long writes to viewers are gathered: auto or 0 to 5s", CONFIG_GATHER,             \
	    rtmp_gather_ms)                                                                        \
	GLOBAL("srt", "listen", "0.0.0.0:4200", "addresses of SRT; empty: off", CONFIG_LISTEN,     \
	    srt_listen)                                                                            \
	GLOBAL("srt", "latency", "120ms", "what SRT keeps back to mend losses: 20ms to 8s",        \
	    CONFIG_LATENCY, srt_latency_ms)                                                        \
	GLOBAL("webrtc", "listen", "0.0.0.0:50000", "UDP addresses of WebRTC; empty: off",         \
	    CONFIG_LISTEN, webrtc_listen)                                                          \
	GLOBAL("webrtc", "public_ip", "", "address in ICE candidates; default: found", CONFIG_IP,  \
	    webrtc_public_ip)                                                                      \
	GLOBAL("webrtc", "ice_servers", "", "STUN and TURN servers that browsers are told of",     \
	    CONFIG_ICE, webrtc_ice_servers)                                                        \
	GLOBAL("webrtc", "turn_username", "", "for the TURN servers among them", CONFIG_QUOTED,    \
	    webrtc_turn_username)                                                                  \
	GLOBAL("webrtc", "turn_credential", "", "its password", CONFIG_CREDENTIAL,                 \
	    webrtc_turn_credential)                                                                \
	GLOBAL("recording", "path", CONFIG_DATA_DIR "/recordings", "directory of recordings",      \
	    CONFIG_DIR, recording_path)                                                            \
	GLOBAL("recording", "min_free", "256m", "space that stays free: below it nothing is recorded", \
	    CONFIG_SIZE, recording_min_free)                                                       \
	GLOBAL("recording", "keep", "0s", "how long recordings are kept; 0s: for ever",            \
	    CONFIG_KEEP, recording_keep_ms)                                                        \
	GLOBAL("recording", "max_size", "0", "how much they may take together; 0: no limit",       \
	    CONFIG_SIZE, recording_max_size)                                                       \
	GLOBAL("relay", "tls_ca", "",                                                              \
	    "authorities (PEM) of the certificates of far ends; empty: the system's", CONFIG_PATH, \
	    relay_tls_ca)                                                                          \
	APP("publish_token", "off", "initial switch: publishing needs a token", CONFIG_SWITCH,     \
	    publish_token)                                                                         \
	APP("play_token", "off", "initial switch: playing needs a token", CONFIG_SWITCH,           \
	    play_token)                                                                            \
	APP("record", "off", "record streams: off, on, or ask (those turned on by name)",               \
	    CONFIG_RECORD, record)                                                                 \
	APP("token_lifetime", "24h", "of a token whose creator names no expiry", CONFIG_LIFETIME,  \
	    token_lifetime_ms)                                                                     \
	APP("resume_window", "0s", "time to come back with the same token; 0s: none",              \
	    CONFIG_WINDOW, resume_window_ms)                                                       \
	APP("expiry_ends_session", "off", "end sessions when their token expires", CONFIG_SWITCH,  \
	    expiry_ends_session)                                                                   \
	APP("session_lock", "moving", "moving, strict or off", CONFIG_LOCK, session_lock)          \
	APP("transcode_video", "off", "H.264 with B-frames is transcoded for WebRTC's viewers",    \
	    CONFIG_SWITCH, transcode_video)                                                        \
	APP("srt_passphrase", "", "SRT callers must encrypt with it: 10 to 79 characters",         \
	    CONFIG_PASSPHRASE, srt_passphrase)                                                     \
	APP("forward", "", "rtmp or srt URL to which live streams go on; {stream} is their id",    \
	    CONFIG_FORWARD, forward)                                                               \
	PULL("url", "", "where the stream comes from: rtmp, srt, http (HLS) or rtsp",              \
	    CONFIG_SOURCE, url)                                                                    \
	PULL("app", "live", "the application it is published in", CONFIG_APP_NAME, app)            \
	PULL("when", "watched", "watched: while somebody watches; always", CONFIG_WHEN, when)

#define CONFIG_KEYS_MAX 48

enum config_scope { OF_ALL, OF_APP, OF_PULL };

/* Parallel to sg_config_keys(): what the value is, and its place in struct sg_config or, for
 * applications, struct sg_app_config, for pulls struct sg_pull_config. */
struct config_slot {
	enum config_kind kind;
	enum config_scope of;
	size_t offset;
};

/* A complaint in two halves: what is wrong, and what to do about it. */
struct config_problem {
	char what[200], advice[200];
};
void config_complain(struct config_problem *p, const char *advice, const char *fmt, ...)
    SG_PRINTF(3, 4);

/* Sets the value at `slot` of `base` to what `value` says. SG_ERR_CONFIG fills in `p`. What was
 * there before is freed on success and left alone otherwise. */
SG_MUST_CHECK enum sg_result config_set(
    const struct config_slot *slot, void *base, struct sg_str value, struct config_problem *p);
void config_release(const struct config_slot *slot, void *base);
/* Appends the value in the file's own form; without a password. */
void config_print_value(const struct config_slot *slot, const void *base, struct sg_buf *out);

#endif
