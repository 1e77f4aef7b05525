# SPDX-License-Identifier: Apache-2.0
"""What may stand on what: the layers of the project, the one library of each, and the limits. Data only."""

# A layer sees itself, what is listed here, and include/hsfeed.h. Lowest first.
LAYERS = {
    "daemon/base": [],
    "daemon/text": ["base"],
    "daemon/plan": ["base"],
    "daemon/tok": ["base", "text", "plan"],
    "daemon/store": ["base", "text", "plan", "wire"],  # stored reports and plans are wire maps
    "daemon/feed": ["base", "text", "plan", "tok", "store", "wire", "rows"],
    "daemon/ingest": ["base", "text", "plan", "tok", "store", "wire"],  # the child and the daemon speak frames
    "daemon/server": ["base", "text", "plan", "tok", "store", "feed", "ingest", "wire", "rows", "decode"],
    "daemon/app": ["base", "text", "plan", "tok", "store", "feed", "ingest", "server", "wire", "decode"],
    "daemon": ["base", "ingest", "server", "app"],  # main.c
    "proto/wire": [],
    "proto/rows": [],
    "proto/decode": ["wire"],
    "include": [],
    "client/lib": ["wire", "rows"],
    "client/cli": ["lib", "wire"],
    "client/python": [],  # the extension module: libhsfeed's public interface alone
}

# The one third-party header family of a layer; the command line digests what it streams.
LIBRARIES = {
    "daemon/base": r"openssl/",
    "daemon/text": r"utf8proc\.h$",
    "daemon/tok": r"jansson\.h$",
    "daemon/store": r"lmdb\.h$",
    "daemon/server": r"uv(\.h$|/)",
    "daemon/app": r"ini\.h$",
    "proto/decode": r"msgpack(\.h$|/)",
    "client/cli": r"openssl/",
    "client/python": r"Python\.h$",
}

# Bytes in, values out: no files, no sockets, no clock.
PURE = ("daemon/text", "daemon/tok", "daemon/plan", "proto/wire", "proto/rows", "proto/decode")
IO_HEADERS = r"(unistd|fcntl|time|poll|spawn|signal|syslog|sys/(socket|stat|mman|time|epoll|wait|file))\.h$"

# Only ingest, server, app and the command line may print or end the process.
SILENT = ("daemon/base", "daemon/text", "daemon/plan", "daemon/tok", "daemon/store", "daemon/feed",
          "proto/wire", "proto/rows", "proto/decode", "client/lib", "client/python")
PRINTING = r"\b(printf|vprintf|fprintf|vfprintf|puts|fputs|putchar|perror|syslog|exit|_exit|abort)\s*\("

# The C library and the kernel: what every layer may use.
LIBC = r"""^(aio|arpa/inet|assert|byteswap|cpuid|ctype|dirent|dlfcn|elf|endian|err|errno|fcntl|fenv|float|fnmatch|ftw
    |getopt|glob|grp|iconv|ifaddrs|inttypes|langinfo|libgen|limits|locale|malloc|math|memory|netdb|netinet/\w+|poll
    |pthread|pwd|regex|resolv|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint
    |stdio|stdlib|stdnoreturn|string|strings|syslog|termios|threads|time|uchar|unistd|wchar|wctype|linux/\w+|asm/\w+
    |sys/\w+|\w+intrin|sanitizer/\w+|arm_neon|arm_acle)\.h$"""

MAX_FUNCTION_LINES = 80
MAX_MAIN_LINES = 40
MAX_FILE_LINES = 600
MAX_LINES_OF = {"include/hsfeed.h": 1000}  # a public interface is read as one
MAX_PARAMS = 6
MAX_LINE = 120
TAB = 8  # columns of a tab, as in .clang-format

# Each program and its manual pages: once the program's folder has C files, the pages must be there.
MANUALS = {"daemon/app": ["hsfeedd.8", "hsfeedd.conf.5"], "client/cli": ["hsfeed.1"]}

# Not ours to measure: data, and prose that wraps as it likes.
PROSE = (".md", ".csv", ".tsv", ".json", ".jsonl", ".txt", ".1", ".5", ".8", ".bin", ".svg", "LICENSE")
