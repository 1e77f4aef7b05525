# SPDX-License-Identifier: Apache-2.0
hs_layer(server daemon/server
         SOURCES log.c crew.c listen.c conn.c send.c request.c methods.c file.c plans.c saved.c masks.c stream.c pump.c
                 inline.c ring.c lists.c child.c childio.c ingests.c publish.c why.c verify.c attach.c describe.c
                 datasets.c rows.c folds.c asked.c options.c packed.c lengths.c weights.c estimate.c leaks.c server.c
         USES hs_base hs_wire hs_decode hs_plan hs_store hs_feed hs_ingest PkgConfig::LIBUV Threads::Threads)
