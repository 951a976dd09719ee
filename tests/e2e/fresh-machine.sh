#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fresh-machine: tools/try and tools/test on a Debian 12 that has only git
#
# tests/e2e/fresh-machine.sh [KEEP]
#
# Makes a bookworm root by debootstrap in a temporary folder, clones this tree into it, and runs
# both commands there. Run by hand, as root; it takes about half an hour and 3 GB, most of it
# Debian's packages. With KEEP (a folder that does not exist yet) the root is made there and stays,
# as does what was built; otherwise all is removed. Only what is committed is tested.

set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
mirror=$("$tree/tools/mirror")

[ "$(id -u)" -eq 0 ] || { echo "fresh-machine: needs root, for debootstrap and chroot" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "fresh-machine: needs debootstrap" >&2; exit 77; }

# All mounts below live in a namespace that ends with this script.
if [ "${LOOPHOUND_FRESH-}" != inside ]; then
	exec env LOOPHOUND_FRESH=inside unshare --mount --propagation private -- "$0" "$@"
fi

if [ $# -gt 0 ]; then
	root=$1
	[ ! -e "$root" ] || { echo "fresh-machine: $root is there already" >&2; exit 2; }
	mkdir -p "$root"
else
	root=$(mktemp -d /var/tmp/loophound-fresh-XXXXXX)
fi
# The / of a machine is open to all its users.
chmod 755 "$root"

cleanup()
{
	cd /
	for place in dev/pts dev/shm dev sys proc; do
		umount -l "$root/$place" 2>/dev/null || true
	done
	if [ -z "${kept-}" ]; then
		rm -rf --one-file-system "$root"
	fi
}
[ $# -gt 0 ] && kept=1
trap cleanup EXIT

debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
	{ tail -n 20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"

git clone -q --no-hardlinks "$tree" "$root/loophound"

inside()
{
	chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LANG=C.UTF-8 ${http_proxy:+http_proxy=$http_proxy} ${CI:+CI=$CI} \
		/bin/bash -c 'cd /loophound && "$@"' inside "$@"
}

failed=0
for command in tools/try tools/test; do
	echo "== $command"
	started=$SECONDS
	inside "$command" || { echo "== $command failed with status $?"; failed=1; }
	echo "== $command took $((SECONDS - started)) s"
done
exit $failed
