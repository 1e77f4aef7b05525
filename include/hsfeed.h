// SPDX-License-Identifier: Apache-2.0
// libhsfeed: the C client of hsfeedd.
#ifndef HSFEED_H
#define HSFEED_H

// Every error of hsfeed, once: constant, symbol on the wire and in --json, number, sentence. Numbers never change; new
// ones are added at the end. Functions return the negative number, or -errno.
#define HSFEED_ERRORS(X)                                                                                               \
	X(EBADFRAME, "bad_frame", -1001, "a message is not well-formed")                                               \
	X(EBADREQUEST, "bad_request", -1002, "a request's parameters are not what the method takes")                   \
	X(EUNKNOWNMETHOD, "unknown_method", -1003, "the daemon has no such method")                                    \
	X(EVERSION, "version_mismatch", -1004, "client and daemon speak no common protocol version")                   \
	X(ELIMIT, "limit", -1005, "a limit of the daemon would be exceeded")                                           \
	X(ENOTFOUND, "not_found", -1006, "there is no such dataset, version, role, stream or handle")                  \
	X(EDENIED, "denied", -1007, "the user may not do that")                                                        \
	X(EBADCSV, "bad_csv", -1008, "the source's records cannot be read")                                            \
	X(EBADCHARSET, "bad_charset", -1009, "the source is not in the stated charset")                                \
	X(EBADCOLUMN, "bad_column", -1010, "a named column is missing or ambiguous")                                   \
	X(EBADLABEL, "bad_label", -1011, "a label value cannot be used as asked")                                      \
	X(ENAWORDS, "na_words", -1012, "words that stand for missing values would drop many rows")                     \
	X(ENOTCSV, "not_csv", -1013, "the source is another kind of file")                                             \
	X(ETOOLONG, "too_long", -1014, "a text or a value is longer than the store holds")                             \
	X(ENOROWS, "no_rows", -1015, "no row is left")                                                                 \
	X(EBADFILE, "bad_file", -1016, "a file cannot be used: not a regular file, or it changed while it was read")   \
	X(EBADTOKENIZER, "bad_tokenizer", -1017, "a tokenizer's files are damaged or contradict each other")           \
	X(EUNSUPPORTED, "unsupported", -1018, "a known kind of thing that hsfeed does not support yet")                \
	X(EBADPLAN, "bad_plan", -1019, "a split plan cannot be made for these rows")                                   \
	X(ECORRUPT, "corrupt", -1020, "stored bytes differ from their checksum")                                       \
	X(ELOCKED, "locked", -1021, "another daemon holds the state folder")                                           \
	X(EFOREIGN, "foreign", -1022, "the state folder is not hsfeed's, or is of an unknown format")                  \
	X(EREMOTEFS, "remote_fs", -1023, "the state folder is on a network file system")                               \
	X(ENOCATALOG, "no_catalog", -1024, "the store has files but no catalog")                                       \
	X(ECANCELLED, "cancelled", -1025, "the work was cancelled")                                                    \
	X(ECHILD, "child_failed", -1026, "the ingest process ended without a result")                                  \
	X(ESHUTDOWN, "shutting_down", -1027, "the daemon is shutting down")                                            \
	X(EINTERNAL, "internal", -1028, "a fault of hsfeed's own")                                                     \
	X(ENODAEMON, "no_daemon", -1029, "no daemon answers")                                                          \
	X(ELOST, "connection_lost", -1030, "the connection to the daemon is gone")                                     \
	X(ETIMEOUT, "timeout", -1031, "nothing came in the time given")                                                \
	X(EFORKED, "forked", -1032, "a connection was used in a child of the process that opened it")                  \
	X(EBADARG, "bad_argument", -1033, "an argument of a library call is not usable")                               \
	X(EBADCONFIG, "bad_config", -1034, "the configuration cannot be used")

enum hsfeed_error_code {
#define HSFEED_ERROR_CODE(sym, name, value, text) HSFEED_##sym = (value),
	HSFEED_ERRORS(HSFEED_ERROR_CODE)
#undef HSFEED_ERROR_CODE
};

#endif
