# Sourced by the scripts beside it: asks Debian for what Python packages cannot bring.
# shellcheck shell=bash

debian_lists_are_fresh=no

# need_debian WHAT PACKAGE...: make sure that WHAT is on this machine.
# WHAT is a command, or the path of a file (a pattern such as /usr/lib/x/*/bin/y will do).
# Root on a Debian-like system gets the packages installed; anyone else is told which to install.
need_debian() {
    local what=$1
    shift
    if debian_has "$what"; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "tideline: $what is missing; as root, run: apt-get install --no-install-recommends $*" >&2
        return 1
    fi
    echo "tideline: $what is missing; installing $*" >&2
    debian_install "$@" || return 1
    if ! debian_has "$what"; then
        echo "tideline: $what is still missing after installing $*" >&2
        return 1
    fi
}

debian_has() {
    case $1 in
        */*) compgen -G "$1" >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# What apt-get says goes to stderr, and only when it fails: a good install is one line above.
debian_install() {
    local log
    log=$(mktemp) || return 1
    if ! {
        { [ $debian_lists_are_fresh = yes ] || apt-get update; } &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        echo "tideline: could not install $*" >&2
        return 1
    fi
    rm -f "$log"
    debian_lists_are_fresh=yes
}
