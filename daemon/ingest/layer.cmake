# SPDX-License-Identifier: Apache-2.0
hs_layer(ingest daemon/ingest
         SOURCES spawn.c child.c channel.c params.c words.c job.c timing.c slurp.c identity.c tokenizer.c load.c
                 duplicates.c encode.c advice.c header.c report.c make.c known.c tasks.c why.c verify.c
                 floats.c attach.c
         USES hs_base hs_wire hs_text hs_tok hs_store hs_plan Threads::Threads)
