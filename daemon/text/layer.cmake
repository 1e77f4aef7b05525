hs_layer(text daemon/text SOURCES csv.c source.c USES hs_base PkgConfig::UTF8PROC)
