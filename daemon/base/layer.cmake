hs_layer(base daemon/base SOURCES err.c buf.c clock.c sha256.c crc32c.c parallel.c
         USES PkgConfig::LIBCRYPTO Threads::Threads)
