#!/bin/sh
# Changes one room at a time and says which changes no test of the room sees: see README.md.
#
#     tests/mutants/run.sh channel|encode|engine|guard|store|text [options of cargo-mutants]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
room=$1
shift
work=${MUTANTS:-$root/target/mutants}/$room
export CARGO_TARGET_DIR="${MUTANTS:-$root/target/mutants}/target"
# Too much of the crate hangs together with the engine: the whole is copied, and changed there.
if [ "$room" = engine ]; then
    for file in act answer passage settle own theirs look doubt/mod doubt/aim doubt/lag; do
        set -- --file "src/engine/$file.rs" "$@"
    done
    mkdir -p "$work"
    cd "$root"
    exec cargo mutants --package huntbook --features crash-points --timeout 600 --no-shuffle --output "$work" "$@" \
        -- --lib --test engine
fi
mkdir -p "$work/tests" "$work/src/text"
cp "$root/tests/mutants/src/"*.rs "$work/src/"
sed "s|path = \"../..|path = \"$root|" "$root/tests/mutants/Cargo.toml" >"$work/Cargo.toml"
[ -e "$work/Cargo.lock" ] || cp "$root/Cargo.lock" "$work/"
case $room in
channel)
    cp -r "$root/src/channel" "$work/src/"
    cp -r "$root/tests/channel_mail.rs" "$root/tests/channel_web.rs" "$root/tests/channel" \
        "$root/tests/hostile" "$root/tests/python" "$root/tests/snapshots" "$work/tests/"
    # What the tests ask: the receivers' side, installed by tests/setup.
    export HUNTBOOK_TEST_PYTHON="${HUNTBOOK_TEST_PYTHON:-$root/target/test-env/python/bin/python}"
    files="src/channel/*.rs"
    ;;
encode)
    cp -r "$root/src/text/encode" "$work/src/text/"
    files="src/text/encode/*.rs"
    ;;
guard)
    cp -r "$root/src/guard" "$work/src/"
    files="src/guard/*.rs"
    ;;
store)
    cp -r "$root/src/store" "$work/src/"
    cp -r "$root/tests/store.rs" "$root/tests/store" "$work/tests/"
    files=$(printf 'src/store/%s.rs ' \
        word effect conflict budget doubt breaker stop restored time rebuild \
        mark chain effect_chain approval approval_chain revert retention)
    ;;
text)
    rm "$work/src/text.rs"
    cp -r "$root/src/text" "$work/src/"
    files="src/text/*.rs"
    ;;
*)
    echo "no room $room: channel, encode, engine, guard, store, text" >&2
    exit 2
    ;;
esac
cd "$work"
set -f
for file in $files; do
    set -- --file "$file" "$@"
done
exec cargo mutants --in-place --features "$room" --timeout 120 --no-shuffle --output "$work" "$@"
