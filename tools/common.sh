# Functions that tools/demo, tools/test and tools/bench share. Sourced in the repository's top folder.

started=$SECONDS
build=build
board=qemu-q35
store=${VSMP_STORE:-$HOME/.cache/vsmp/store}
export VSMP_STORE=$store
bin=.build/release
vsmp=$bin/vsmp
image=$build/$board.img
guest_kernel=$build/guest/vmlinuz
guest_initrd=$build/guest/initrd
# vsmpd puts the console and the clock's words in front of these (docs/lab.md).
guest_words="skew_tick=1 panic=-1"

say() { printf '[%4d s] %s\n' $((SECONDS - started)) "$*"; }

# quietly NAME TEXT COMMAND...: one step: its output goes to build/log/NAME.log, and of that only how far it is to a terminal. When the
# step fails, the end of the log is shown and its status is this function's.
quietly() {
    local name=$1 text=$2 begin=$SECONDS status=0 log=$build/log/$1.log step pid
    shift 2
    mkdir -p "$build/log"
    "$@" >"$log" 2>&1 &
    pid=$!
    if [ -t 1 ]; then
        while kill -0 "$pid" 2>/dev/null; do
            step=$(tail -c 400 "$log" 2>/dev/null | grep -oE '\[[0-9]+/[0-9]+\]' | tail -n 1 || true)
            printf '\r[%4d s] %s ... %s\033[K' $((SECONDS - started)) "$text" "$step"
            sleep 0.5
        done
        printf '\r\033[K'
    fi
    wait "$pid" || status=$?
    if [ "$status" -ne 0 ]; then
        say "$text: failed with status $status; $log ends with:" >&2
        tail -n 20 "$log" | sed 's/^/    /' >&2
        return "$status"
    fi
    say "$text: done in $((SECONDS - begin)) s"
}

build_release() {
    local product
    for product in vsmp vsmpd guest-check; do
        quietly "build-$product" "building $product" swift build -c release --product "$product" || return
    done
}

# Fills the store with what a lock names. Debian's mirror drops old versions: then the lock is made anew.
fetch_lock() {
    local lock=$1
    if ! "$vsmp" image lock --lock "$lock" >"$build/lock.log" 2>&1; then
        if ! "$vsmp" image lock --update --lock "$lock" >"$build/lock.log" 2>&1; then
            cat "$build/lock.log" >&2
            return 69
        fi
        say "$lock: locked anew, because the mirror no longer has a locked version:" \
            "$(grep '^locked' "$build/lock.log" | cut -d ' ' -f 2- | paste -sd ';')"
    fi
}

# Prints the path of the package in the store whose name begins with $2.
stored_package() {
    local hash
    hash=$(awk -v name="$2" '$1 == "package" && index($2, name) == 1 { print $5; exit }' "$1")
    [ -n "$hash" ] && echo "$store/sha256/$hash"
}

build_image() {
    mkdir -p "$build"
    say "fetching the packages of firmware/packages.lock, unless they are in the store"
    fetch_lock firmware/packages.lock || return
    quietly image-build "building the firmware image" "$vsmp" image build --board "$board" --vsmpd "$bin/vsmpd" --output "$image"
}

build_guest() {
    mkdir -p "$build/guest"
    fetch_lock firmware/guest.lock || return
    quietly guest-build "making the guest: Debian's kernel, busybox, guest-check" make_guest
}

make_guest() {
    local package unpacked=$build/guest/package
    package=$(stored_package firmware/guest.lock linux-image-) && rm -rf "$unpacked" && dpkg-deb -x "$package" "$unpacked" &&
        cp "$unpacked"/boot/vmlinuz-* "$guest_kernel" && rm -rf "$unpacked" &&
        tools/guest-initrd "$guest_initrd" --guest-check "$bin/guest-check" --store "$store"
}
