// SPDX-License-Identifier: Apache-2.0
#include "cli.h"

int daemon_open(const struct args *args, hsfeed_client **ret)
{
	struct hsfeed_connect_options options = {.size = sizeof(options), .client = "hsfeed " HSFEED_VERSION_STRING};
	options.socket = args_text(args, "socket", NULL);
	struct hsfeed_error error;
	return hsfeed_connect(&options, ret, &error) < 0 ? fail_error(&error) : 0;
}

int done(hsfeed_client *client, int rc, hsfeed_value *answer, const struct hsfeed_error *error,
	 void (*human)(const hsfeed_value *answer))
{
	int code = EXIT_DONE;
	if (rc < 0)
		code = fail_error(error);
	else if (json_asked)
		json_line(answer);
	else
		human(answer);
	hsfeed_value_free(answer);
	hsfeed_close(client);
	return code;
}

int ask_about(const struct args *args, ask_fn *ask, void (*human)(const hsfeed_value *answer))
{
	hsfeed_client *client;
	hsfeed_value *answer = NULL;
	struct hsfeed_error error;
	int rc = daemon_open(args, &client);
	if (rc)
		return rc;
	rc = ask(client, args->words[0], &answer, &error);
	return done(client, rc, answer, &error, human);
}
