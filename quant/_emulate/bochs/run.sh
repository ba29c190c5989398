#!/usr/bin/env bash
# Runs a statically built program, as a rule the tests of a package, on a
# processor with AVX-512 and VNNI that Bochs emulates:
#
#   CGO_ENABLED=0 go test -c -o /tmp/quant.test ./quant
#   cd quant && _emulate/bochs/run.sh /tmp/quant.test -test.run '/^avx512$' -test.v
#
# It boots Debian's kernel with a copy of the checkout and the program, runs it in
# the same directory of the copy, prints what it prints, and ends with its status.
# Nothing can be said about speed: Bochs does some ten million instructions a
# second, and a boot takes most of a minute. Needs Debian on amd64, and installs
# what is missing.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: run.sh PROGRAM [ARGUMENT...]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
directory=${PWD#"$checkout"}
[ "$directory" != "$PWD" ] || { echo "run.sh: run me in the checkout" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packages=(bochs xorriso isolinux syslinux-common cpio)
dpkg -s "${packages[@]}" >/dev/null 2>&1 || {
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"
} >/dev/null
kernel=${XDG_CACHE_HOME:-$HOME/.cache}/gobitnet-bochs/vmlinuz
if [ ! -f "$kernel" ]; then
  image=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
  (cd "$work" && apt-get download -qq "$image" && dpkg-deb -x ./*.deb package) >/dev/null 2>&1
  mkdir -p "$(dirname "$kernel")"
  cp "$work"/package/boot/vmlinuz-* "$kernel.$$" && mv "$kernel.$$" "$kernel"
fi

mkdir -p "$work"/root/{proc,dev,tmp,checkout} "$work/disk"
(cd "$here/.." && CGO_ENABLED=0 go build -o "$work/root/init" ./bochs/init)
cp "$1" "$work/root/program"
shift
printf '%s\n' "/checkout$directory" /program "$@" >"$work/root/command"
tar -C "$checkout" --exclude=.git -c . | tar -C "$work/root/checkout" -x
(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/disk/initrd"
cp "$kernel" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/disk"
# What Bochs does not have as its CPUID says: protection keys (515), compact XSAVE
# (321, 323), and fast short copies (580) without fast ones.
cat >"$work/disk/isolinux.cfg" <<CONFIG
default linux
label linux
kernel /vmlinuz
append initrd=/initrd console=ttyS0 quiet loglevel=1 panic=-1 clearcpuid=321,323,515,580 mitigations=off nokaslr tsc=reliable lpj=400000
CONFIG
xorriso -as mkisofs -quiet -o "$work/disk.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$work/disk" 2>/dev/null

cat >"$work/bochsrc" <<CONFIG
cpu: model=corei7_icelake_u, ips=200000000, ignore_bad_msrs=1, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$work/disk.iso, status=inserted
boot: cdrom
display_library: rfb, options="timeout=0"
com1: enabled=1, mode=file, dev=$work/serial
sound: driver=dummy
log: $work/log
error: action=ignore
panic: action=fatal
CONFIG
echo continue >"$work/commands"

touch "$work/serial"
tail -f -n +1 "$work/serial" & # ends with this script
tail=$!
bochs -q -f "$work/bochsrc" -rc "$work/commands" </dev/null >"$work/output" 2>&1 || true
sleep 1
kill $tail
status=$(tr -d '\r' <"$work/serial" | sed -n 's/^exit status \([0-9]*\)$/\1/p' | tail -n 1)
[ -n "$status" ] || { echo "run.sh: the machine stopped early" >&2; tail -n 5 "$work/log" "$work/output" >&2; exit 125; }
exit "$status"
