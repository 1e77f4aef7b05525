hs_layer(tok daemon/tok SOURCES tok.c USES hs_base PkgConfig::JANSSON)
