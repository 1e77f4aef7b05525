// SPDX-License-Identifier: Apache-2.0
// hsfeedd: the daemon, and (started by itself, with a socket) the process of one ingest.
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "ingest/ingest.h"

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], HS_INGEST_ARG) == 0)
		return hs_ingest_child_main(atoi(argv[2]));
	return hs_app_run(argc, argv);
}
