#include "hiq/stage.h"

typedef struct stage *stage_starter(
    const struct stage_task *task, stage_done *done, void *context);

struct stage *
stage_start(const struct stage_task *task, stage_done *done, void *context)
{
	static stage_starter *const starters[] = {
		[FILTER_COMMAND] = stage_program_start,
		[FILTER_CHECK] = stage_program_start,
		[FILTER_SPAMD] = stage_spamd_start,
	};

	return starters[task->filters[0].kind](task, done, context);
}

void
stage_cancel(struct stage *stage)
{
	if (stage)
		stage->cancel(stage);
}
