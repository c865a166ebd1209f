#include "proto/message.h"

#define F(type, name) frame_add_##type(b, m->name);
#define M(lower, upper, fields) \
	void msg_##lower##_add(struct buf *b, const struct msg_##lower *m) \
	{ \
		frame_add_u16(b, MSG_##upper); \
		fields \
	}
MESSAGES(M)
#undef M
#undef F

#define F(type, name) m->name = frame_##type(&r);
#define M(lower, upper, fields) \
	bool msg_##lower##_read(struct bytes frame, struct msg_##lower *m) \
	{ \
		struct frame_reader r = frame_reader_of(frame); \
\
		if (frame_u16(&r) != MSG_##upper) \
			return false; \
		fields return frame_end(&r); \
	}
MESSAGES(M)
#undef M
#undef F

const char *
message_name(uint16_t type)
{
	static const char *const names[] = {
		[MSG_NONE] = "NONE",
#define M(lower, upper, fields) [MSG_##upper] = #upper,
		MESSAGES(M)
#undef M
	};

	return type < MSG_TYPES ? names[type] : "UNKNOWN";
}
