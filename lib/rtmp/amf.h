/* amf.h - AMF0 values (Adobe, "Action Message Format -- AMF 0"): as much as commands need. Pure. */
#ifndef SG_RTMP_AMF_H
#define SG_RTMP_AMF_H

#include "base/bytes.h"

#define SG_AMF_DEPTH_MAX 16

/* Each takes one value, or changes nothing and answers false: another type, or cut short. Strings are
 * slices of the message, as the peer wrote them: any bytes. */
bool sg_amf_read_number(struct sg_reader *r, double *out);
bool sg_amf_read_string(struct sg_reader *r, struct sg_str *out); /* short and long strings */
bool sg_amf_read_bool(struct sg_reader *r, bool *out);
/* Any one value; false when malformed, too deep, or of a type that cannot be passed over. */
bool sg_amf_skip(struct sg_reader *r);
/* Takes an object (or ECMA array), or null. *object is its members, for sg_amf_member_*. */
bool sg_amf_read_object(struct sg_reader *r, struct sg_reader *object);
/* The member `name`, or false. */
bool sg_amf_member_string(struct sg_reader object, const char *name, struct sg_str *out);
bool sg_amf_member_number(struct sg_reader object, const char *name, double *out);
/* Does the member `name` list `text`: an array of strings among which it is, or an object in which it is a key? */
bool sg_amf_member_lists(struct sg_reader object, const char *name, const char *text);

void sg_amf_put_number(struct sg_buf *out, double v);
void sg_amf_put_string(struct sg_buf *out, const char *z);
void sg_amf_put_bool(struct sg_buf *out, bool v);
void sg_amf_put_null(struct sg_buf *out);
void sg_amf_begin_object(struct sg_buf *out);
void sg_amf_put_key(struct sg_buf *out, const char *key); /* a value follows */
void sg_amf_end_object(struct sg_buf *out);

#endif
