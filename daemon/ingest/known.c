// SPDX-License-Identifier: Apache-2.0
#include "ingest/known.h"

#include <errno.h>

static void put_question(const struct hs_make *make, struct hs_wbuf *w)
{
	size_t n = make->work->job->ntokenizers;
	hs_w_map(w, 2);
	hs_w_cstr(w, "version");
	hs_w_bin(w, make->version->bytes, sizeof(make->version->bytes));
	hs_w_cstr(w, "encodings");
	hs_w_array(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		hs_w_bin(w, make->work->tokenizers[i].id.bytes, sizeof(make->work->tokenizers[i].id.bytes));
}

static int take_answer(struct hs_make *make, struct hs_rbuf map, struct hs_err *reterr)
{
	struct hs_rbuf array;
	struct hs_wire_value head, v;
	size_t n = make->work->job->ntokenizers;
	if (!hs_r_get_bool(map, "version", &make->version_file.known) || !hs_r_find(map, "encodings", &array) ||
	    !hs_r_next(&array, &head) || head.type != HS_WIRE_ARRAY || head.as.count != n)
		return hs_err_set(reterr, HSFEED_EBADFRAME, "the daemon's answer to \"known\" is not understood");
	for (size_t i = 0; i < n; i++) {
		if (!hs_r_next(&array, &v) || v.type != HS_WIRE_BOOL)
			return hs_err_set(reterr, HSFEED_EBADFRAME,
					  "the daemon's answer to \"known\" is not understood");
		make->encodings[i].known = v.as.b;
	}
	return 0;
}

static void mark_repeated(struct hs_make *make)
{
	const struct hs_tokenizer *t = make->work->tokenizers;
	for (size_t i = 0; i < make->work->job->ntokenizers; i++) {
		for (size_t j = 0; j < i; j++) {
			if (hs_id_eq(&t[i].id, &t[j].id))
				make->encodings[i].known = true;
		}
	}
}

int hs_known_ask(struct hs_make *make, struct hs_err *reterr)
{
	struct hs_wbuf question = {.len = 0};
	struct hs_frame frame;
	struct hs_rbuf answer;
	int64_t since = hs_timing_now();
	put_question(make, &question);
	int rc = hs_channel_call(make->work->channel, "known", &question, &frame, &answer, reterr);
	hs_w_fini(&question);
	hs_timing_add(&make->work->timing, HS_PHASE_KNOWN, since);
	if (rc < 0)
		return rc;
	rc = take_answer(make, answer, reterr);
	hs_frame_fini(&frame);
	if (rc == 0)
		mark_repeated(make);
	return rc;
}
