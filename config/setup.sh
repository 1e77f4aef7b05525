# SPDX-License-Identifier: Apache-2.0
# Sourced by config/demo/run and tests/run: what must be on the machine before anything can be built.
# Says nothing when all is there; installs what is missing with apt-get, or says in one sentence what to install.
# HS_SELF is the name that the caller goes by in its messages.

# A need is a package and the command that proves it is there, so that no apt is asked where nothing is missing.
HS_BUILD_NEEDS=(
	"build-essential|command -v cc"
	"cmake|command -v cmake"
	"pkg-config|command -v pkg-config"
	"ninja-build|command -v ninja"
	"libuv1-dev|pkg-config --exists libuv"
	"liblmdb-dev|pkg-config --exists lmdb"
	"libutf8proc-dev|pkg-config --exists libutf8proc"
	"libmsgpack-c-dev|pkg-config --exists msgpack-c || pkg-config --exists msgpack"
	"libjansson-dev|pkg-config --exists jansson"
	"libssl-dev|pkg-config --exists libcrypto"
	"libinih-dev|pkg-config --exists inih"
)
HS_TEST_NEEDS=(
	"libcmocka-dev|pkg-config --exists cmocka"
	"python3-venv|hs_find_python"
	"python3-dev|hs_python_headers"
)
HS_COMPILER_NEEDS=("clang|command -v clang")

hs_die() {
	printf '%s: %s\n' "$HS_SELF" "$*" >&2
	exit 1
}

# hs_missing NEED...: prints the packages whose proof fails.
hs_missing() {
	local need
	for need in "$@"; do
		eval "${need#*|}" >/dev/null 2>&1 || printf '%s\n' "${need%%|*}"
	done
}

# hs_setup NEED...: installs what is missing, or ends the script with the command that would.
hs_setup() {
	local missing
	mapfile -t missing < <(hs_missing "$@")
	[ ${#missing[@]} -eq 0 ] || hs_install "${missing[@]}"
	hs_check_cmake
}

hs_install() {
	local sudo=() packages command
	command -v apt-get >/dev/null ||
		hs_die "there is no apt-get here; install with your own package manager what Debian calls: $*"
	command="apt-get install --no-install-recommends $(hs_present_names "$@" | paste -sd ' ')"
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null ||
			hs_die "packages are missing, and this is not root and has no sudo; as root, run: $command"
		sudo=(sudo)
	fi
	printf 'installing: %s\n' "$*"
	hs_apt "${sudo[@]}" -- update || hs_die "apt-get update failed; run it by hand, then: $command"
	# Only now can apt be asked for names.
	mapfile -t packages < <(hs_present_names "$@")
	hs_apt "${sudo[@]}" -- install --no-install-recommends "${packages[@]}" ||
		hs_die "apt-get failed; by hand: $command"
}

# hs_apt [sudo] -- ARGUMENTS...: apt-get without questions; its output is shown only when it fails.
hs_apt() {
	local sudo=() log status=0
	while [ "$1" != -- ]; do
		sudo+=("$1")
		shift
	done
	shift
	log=$(mktemp)
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" >"$log" 2>&1 </dev/null || status=$?
	[ $status -eq 0 ] || tail -n 20 "$log" >&2
	rm -f "$log"
	return $status
}

# Older distributions have msgpack's C library under another name.
hs_present_names() {
	local name
	for name in "$@"; do
		if [ "$name" = libmsgpack-c-dev ] && ! apt-cache show "$name" >/dev/null 2>&1; then
			name=libmsgpack-dev
		fi
		printf '%s\n' "$name"
	done
}

hs_check_cmake() {
	local version
	version=$(cmake --version | sed -n '1s/[^0-9]*//p')
	[ "$(printf '3.22\n%s\n' "$version" | sort -V | head -n 1)" = 3.22 ] ||
		hs_die "cmake $version is too old: 3.22 is needed (Debian 12, Ubuntu 22.04 and later have it)"
}

# hs_find_python: prints the newest Python from 3.10 on that can make a virtual environment.
hs_find_python() {
	local minor python
	for minor in 14 13 12 11 10 ''; do
		python=$(command -v "python3${minor:+.$minor}") || continue
		if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
			printf '%s\n' "$python"
			return 0
		fi
	done
	return 1
}

# hs_python_headers [PYTHON]: does it have the headers that extension modules need? What apt cannot bring counts as
# there when no PYTHON is given.
hs_python_headers() {
	local python=${1:-}
	[ -n "$python" ] || python=$(hs_find_python) || return 0
	[ $# -gt 0 ] || [[ $python == /usr/bin/* ]] || return 0
	"$python" -c 'import os, sysconfig, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}
