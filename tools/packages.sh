#!/bin/sh
# The one list of packages that Thaw needs on Debian and Ubuntu, and who installs what is missing.
#
#   sh tools/packages.sh             what building and running Thaw needs
#   sh tools/packages.sh tests       that, and what only the tests need
#   sh tools/packages.sh --list [tests]   just prints the names
#
# Does nothing, and needs no network, where everything is there. Exit status: 0 all there now; 1 installing failed;
# 2 wrong usage, or a system without apt: install the packages' counterparts and run the build by hand.
set -u

tools="gcc libc6-dev cmake make pkg-config protobuf-c-compiler"
libraries="ocl-icd-opencl-dev libclblast-dev libpng-dev libturbojpeg0-dev libexif-dev libprotobuf-c-dev libjansson-dev
           libpopt-dev libxxhash-dev libcurl4-openssl-dev libssl-dev ca-certificates"
# An OpenCL device for machines without a GPU: the CPU itself.
device="pocl-opencl-icd"
# CUnit; a simulator that finds invalid accesses and races; a second OpenCL (rusticl).
tests="libcunit1-dev oclgrind mesa-opencl-icd"

list=false
wanted="$tools $libraries $device"
for argument in "$@"; do
    case $argument in
    --list) list=true ;;
    tests) wanted="$wanted $tests" ;;
    *)
        echo "usage: sh tools/packages.sh [--list] [tests]" >&2
        exit 2
        ;;
    esac
done
# Unquoted on purpose, here and below: words, one a package.
if $list; then
    printf '%s\n' $wanted
    exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: this is neither Debian nor Ubuntu. Install what these packages hold, then see" >&2
    echo "CONTRIBUTING.md for building by hand:" >&2
    printf '    %s\n' $wanted >&2
    exit 2
fi

missing=
for package in $wanted; do
    if ! dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

run=
if [ "$(id -u)" != 0 ]; then
    echo "packages.sh: these packages are missing; installing them needs root:"
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
    if ! command -v sudo >/dev/null; then
        echo "packages.sh: there is no sudo here: run these two as root, without 'sudo', then try again" >&2
        exit 1
    fi
    run=sudo
fi

install_missing() {
    $run env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
        $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}
echo "Installing:$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# Mirrors fail now and then: a second try is cheaper than a puzzled user.
if ! install_missing >"$log" 2>&1 && ! { sleep 5 && install_missing >"$log" 2>&1; }; then
    tail -n 20 "$log" >&2
    echo "packages.sh: apt-get could not install:$missing" >&2
    exit 1
fi
