// SPDX-License-Identifier: Apache-2.0
// The program around the server: command line, configuration, service manager.
#ifndef HS_APP_APP_H
#define HS_APP_APP_H

// hs_app_run is hsfeedd's whole life except for its ingest children. Returns the exit code: 0 done, 1 refused or
// failed, 2 wrong usage.
int hs_app_run(int argc, char **argv);

#endif
