// SPDX-License-Identifier: Apache-2.0
#ifndef HS_SERVER_LISTEN_H
#define HS_SERVER_LISTEN_H

#include "core.h"

// hs_listen_open makes the socket (or takes the service manager's), not yet visible under its name. A file left behind
// by a dead daemon is replaced; a living daemon's is -EADDRINUSE, naming it.
int hs_listen_open(struct hs_server *server, struct hs_err *reterr);
// hs_listen_start accepts from now on and gives the socket its name, by rename.
int hs_listen_start(struct hs_server *server, struct hs_err *reterr);
void hs_listen_stop(struct hs_server *server); // safe in every state

#endif
