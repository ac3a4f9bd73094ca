#!/bin/sh
# install.sh: CBMC for run.sh, where the system has none: from Debian 13, into a folder of its own
# (CBMC_ROOT, 600 MB). Needs root, debootstrap and the network. Does nothing where there is a CBMC.
root=${CBMC_ROOT:-/opt/memmgr-debian13}
command -v cbmc >/dev/null && exit 0
[ -x "$root/usr/bin/cbmc" ] && exit 0
if ! command -v debootstrap >/dev/null; then
    echo 'install.sh: debootstrap is not installed' >&2
    exit 1
fi
exec debootstrap --variant=minbase --include=gcc,libc6-dev,cbmc trixie "$root"
