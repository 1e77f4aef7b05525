# SPDX-License-Identifier: Apache-2.0
hs_layer(decode proto/decode SOURCES message.c schema.c USES hs_wire PkgConfig::MSGPACK)
