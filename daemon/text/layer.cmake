# SPDX-License-Identifier: Apache-2.0
hs_layer(text daemon/text
  SOURCES arena.c charset.c clean.c columns.c csv.c labels.c na.c names.c norm.c number.c rows.c say.c source.c types.c
          utf8.c
  USES hs_base PkgConfig::UTF8PROC)
