# SPDX-License-Identifier: Apache-2.0
hs_layer(text daemon/text
  SOURCES arena.c bucket.c charset.c clean.c columns.c csv.c fold.c kinds.c labels.c minhash.c na.c names.c near.c
          norm.c number.c rows.c say.c shingle.c sort64.c source.c types.c utf8.c
  USES hs_base PkgConfig::UTF8PROC m)
