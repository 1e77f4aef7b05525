# SPDX-License-Identifier: Apache-2.0
hs_layer(tok daemon/tok
  SOURCES chars.c compile.c encode.c json.c load.c load_config.c load_json.c load_vocab.c normalize.c settings.c spec.c
          tok.c trie.c vocab_json.c
  USES hs_base PkgConfig::JANSSON)
